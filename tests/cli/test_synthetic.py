"""`knowngood synthetic` and its contact sheet."""

import numpy as np
from PIL import Image


def sheet(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_a_contact_sheet_with_a_row_for_each_type(run, widget, tmp_path):
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    status, out, err = run("synthetic", widget, "--out", one, "--types", "scar", "--count", 2)
    assert (status, err) == (0, "")
    assert out == f"synthetic defects: {one}\n"
    assert run("synthetic", widget, "--out", two, "--types", "scar,blur", "--count", 2).status == 0
    assert sheet(two).shape[0] == 2 * sheet(one).shape[0]
    assert sheet(two).shape[1] == sheet(one).shape[1]


def test_the_same_seed_gives_the_same_file(run, widget, tmp_path):
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        words = ["--types", "perlin", "--count", 1, "--seed", seed]
        assert run("synthetic", widget, "--out", tmp_path / name, *words).status == 0
    first = (tmp_path / "a.png").read_bytes()
    assert first == (tmp_path / "b.png").read_bytes()
    assert first != (tmp_path / "c.png").read_bytes()


def test_mistakes_are_named_before_anything_is_written(run, widget, tmp_path):
    status, _, err = run("synthetic", widget, "--out", tmp_path / "a.png", "--types", "rust")
    assert (status, err) == (
        1,
        "error: synthetic defect 'rust' is not known; choose one of cut_paste, scar, perlin, natural, blur, "
        "missing\n",
    )
    status, _, err = run("synthetic", widget, "--out", tmp_path / "a.jpg")
    assert status == 1
    assert "name it .pdf, .png, .svg" in err
    assert not list(tmp_path.iterdir())
