"""`knowngood bench` prints every figure, with its unit and what it means."""

import re

from knowngood.errors import DataError

SMALL = ("--set", "input_size=128", "--set", "coreset=200")
NAMES = (
    "fit",
    "peak memory",
    "decode only",
    "backbone only",
    "graph only",
    "score",
    "one image",
    "one image, 95 %",
    "arithmetic",
    "float32 limit",
    "score / decode",
    "graph / limit",
    "score / limit",
)


def test_every_figure_has_its_line(run, widget):
    status, out, _ = run("bench", widget, *SMALL)
    assert status == 0
    heading, *lines = out.splitlines()
    assert "patchcore" in heading
    assert "38 images per round" in heading
    found = {line[:15].strip(): line[15:].split() for line in lines}
    assert tuple(found) == NAMES
    for name, (value, *unit) in found.items():
        assert re.fullmatch(r"\d+(\.\d+)?%?|-", value), name
        assert unit, name
        assert float(value.rstrip("%").replace("-", "1")) >= 0, name
    assert "24 files" in out


def test_a_wrong_name_gets_one_line(run, tmp_path):
    for arguments in ((tmp_path / "nowhere",), ("--set", "corset=5"), ("--detector", "patchwork")):
        status, _, err = run("bench", *arguments)
        assert status == 1
        assert len(err.splitlines()) == 1


def test_without_images_it_says_what_to_do(run, monkeypatch):
    def missing():
        raise DataError("the solar cells are not installed; `pip install elpv-dataset`")

    monkeypatch.setattr("knowngood.data.elpv.load_elpv", missing)
    status, _, err = run("bench", *SMALL)
    assert status == 1
    assert "pip install elpv-dataset`, or name a folder" in err
