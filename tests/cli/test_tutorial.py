"""The first hour and the sample table work as they stand: each command runs, and says what the page shows."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from knowngood.data.elpv import load_elpv

from ..support.parts import part

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "tutorial.md").read_text(encoding="utf-8")
MAKE_TABLE = "python -m knowngood.data.elpv"
QUICK = {"fit": ["--set", "input_size=128", "--set", "coreset=100"], "train": ["--set", "input_size=64"]}


def steps():
    """The blocks of the page in order: of commands with their output, and of Python."""
    for language, block in re.findall(r"^```(console|python)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        if language == "python":
            yield block, None
            continue
        for command in block.split("$ ")[1:]:
            first, *shown = command.splitlines()
            yield first, shown


def shape(line):
    """A line of output without its numbers, names of files and decisions."""
    line = re.sub(r"[\w./-]+\.png", "FILE", line)
    return " ".join(re.sub(r"\d[\d.]*", "#", re.sub(r"^(accept|reject)\b", "DECISION", line)).split())


@pytest.fixture(params=["solar cells", "a folder"])
def data(request, widget, tmp_path, monkeypatch):
    """Some images in the current folder: a table of solar cells, or a folder as a user has it."""
    monkeypatch.chdir(tmp_path)
    if request.param == "a folder":
        shutil.copytree(widget, "widget")
        shutil.copytree(widget / "test/scratch", "new")
        return "widget/"
    cells = load_elpv().groupby(["split", "label"]).head(20)
    cells.to_csv("solar-cells.csv", index=False)
    return "solar-cells.csv"


def test_each_command_runs_and_says_what_the_page_shows(run, data):
    for step, shown in steps():
        if shown is None:
            if data == "solar-cells.csv" or "pd.read_csv" not in step:
                exec(compile(step, "tutorial.md", "exec"), {"Path": Path})
        elif not step.startswith(MAKE_TABLE):
            program, command, *arguments = shlex.split(step.replace("solar-cells.csv", data))
            assert program == "knowngood"
            status, out, err = run(command, *arguments, *QUICK.get(command, []))
            assert status == 0, (step, err)
            if data == "solar-cells.csv":
                said = [shape(line) for line in (out + err).splitlines()]
                for line in shown:
                    assert not line or line == "..." or shape(line) in said, (step, line, said)
    assert len(pd.read_csv("scores.csv", encoding="utf-8-sig")) == 6
    assert len(list(Path("heatmaps").glob("*.png"))) == 6


def test_the_sample_table_is_read_as_it_says(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(DOCS / "samples/table.csv", "table.csv")
    table = pd.read_csv("table.csv", keep_default_na=False)
    rng = np.random.default_rng(0)
    for row in table.itertuples():
        image = part(rng)
        for number, mask in enumerate(filter(None, row.mask.split("|"))):
            marked = np.zeros(image.shape[:2], np.uint8)
            marked[20 + 30 * number : 40 + 30 * number, 30:50] = 255
            image[marked > 0] = 240
            Path(mask).parent.mkdir(exist_ok=True)
            Image.fromarray(marked).save(mask)
        Path(row.path).parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(row.path)
    out = run("describe", "table.csv").out
    for line in ("train, good: 8", "test, scratch: 2", "test, hole: 1", "masks: for 3 of 4 defects"):
        assert line in out.splitlines()
    fitted = run("fit", "table.csv", "--out", "x.inspector", "--detector", "gaussian", *QUICK["fit"][:2]).out
    assert "8 good images of 7 parts; a part counts once" in fitted
