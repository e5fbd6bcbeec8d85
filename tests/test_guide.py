"""The tour of the guide runs, on synthetic parts."""

import re
import shutil
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib import pyplot

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "guide.md"


@pytest.fixture
def tour():
    text = GUIDE.read_text(encoding="utf-8")
    section = text.partition("\n## From Python\n")[2].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def test_the_tour_from_python(tour, widget, tmp_path, monkeypatch):
    shutil.copytree(widget, tmp_path / "widget")
    shutil.copytree(widget / "test" / "scratch", tmp_path / "new")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    with mpl.rc_context({"backend": "Agg"}):
        for block in tour:
            exec(block, names)
        pyplot.close("all")
    assert len(tour) == 5
    assert names["table"]["decision"].tolist() == ["reject"] * 6
    assert names["folds"].figures["mean"].iloc[0] > 0.9
    assert {"widget.inspector", "best.inspector", "first.png", "report"} <= {
        path.name for path in tmp_path.iterdir()
    }
