"""`knowngood describe` and its pictures."""

import json

from PIL import Image


def test_facts_problems_and_expectations(run, widget):
    status, out, err = run("describe", widget)
    assert status == 0
    assert out.startswith("38 images")
    assert "good to defects: 32 to 6 (5.3 to 1)" in out
    assert "what to expect:\n  no defects in the train split: `knowngood fit` trains" in out
    assert max(map(len, out.splitlines())) <= 120
    assert "pictures" not in out
    assert "Traceback" not in err


def test_pictures(run, widget, tmp_path):
    path = tmp_path / "classes.png"
    status, out, _ = run("describe", widget, "--pictures", path)
    assert status == 0
    assert f"pictures: {path}" in out
    with Image.open(path) as picture:
        assert picture.width > picture.height > 300


def test_a_name_that_will_not_do_is_refused_before_the_work(run, widget, tmp_path):
    for name, reason in (
        ("classes.bmp", "name it .pdf, .png, .svg"),
        ("none/classes.png", "make the folder"),
    ):
        status, out, err = run("describe", widget, "--pictures", tmp_path / name)
        assert status == 1
        assert out == ""
        assert reason in err


def test_a_card_and_json(run, widget, tmp_path):
    status, out, err = run("describe", widget, "--out", tmp_path / "card.html", "--json")
    assert (status, err) == (0, f"card: {tmp_path}/card.html\n")
    found = json.loads(out)
    assert {"split": "test", "class": "scratch", "images": 6} in found["images"]
    assert found["layout"] == "train and test folders, as in MVTec AD and BTAD"
    assert (tmp_path / "card.html").read_text().startswith("<!DOCTYPE html>")
    (tmp_path / "own.html").write_text("my page")
    status, _, err = run("describe", widget, "--out", tmp_path / "own.html")
    assert (status, "is not a result of this type" in err) == (1, True)
