"""`knowngood describe` and its pictures."""

import importlib
import json
import re
from functools import partial

from PIL import Image

from ..support.parts import write_parts


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


def test_suspects_among_the_good_images_of_all_splits(run, tmp_path, monkeypatch):
    folder = write_parts(tmp_path / "nuts", {"train/good": 10, "test/good": 6, "test/dent": 2, "hole": 1})
    (tmp_path / "nuts/hole/000.png").rename(folder / "test/good/mistaken.png")
    (tmp_path / "nuts/hole").rmdir()
    module = importlib.import_module("knowngood.inspector.fit")
    monkeypatch.setattr(module, "fit", partial(module.fit, detector="gaussian", input_size=64, folds=2))
    words = ["--suspects", "--out", tmp_path / "card.html"]
    status, out, _ = run("describe", folder, *words, "--json")
    assert status == 0
    found = json.loads(out)["suspects"]
    assert [one["rank"] for one in found] == list(range(1, 18))
    assert found[0]["path"].endswith("test/good/mistaken.png")
    assert found[0]["score"] > found[1]["score"]
    page = (tmp_path / "card.html").read_text()
    assert "<h2>Good images that look least like the others</h2>" in page
    assert re.search(r"1\. .*mistaken\.png\s+score \S+, p 0", page)
    status, out, _ = run("describe", folder, "--suspects")
    assert "good images that look least like the others, of 17 (look at their labels):\n  " in out
    assert out.index("mistaken.png") > out.index("of 17")
    assert "suspects" not in json.loads(run("describe", folder, "--json").out)
