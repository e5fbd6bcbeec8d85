"""`knowngood describe` and its pictures."""

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
