"""Output reaches any console: names that its code page lacks, or that are no text, are spelt out."""

import ast
import csv
import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from knowngood.cells import from_cell
from knowngood.cli import app
from knowngood.data.samples import load_samples
from knowngood.detectors import make_detector
from knowngood.inspector.fit import fit

CODE_PAGES = ("cp1252", "cp932", "cp437", "ascii", "utf-8")
NAMES = ("零件.png", os.fsdecode(b"x\xff.png"), "=1+1.png", "-a.png")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Good images and defects whose names no code page has, and an inspector for them."""
    folder = tmp_path_factory.mktemp("names") / "data"
    rng = np.random.default_rng(0)
    for place, least in (("train/good", 90), ("test/good", 90), (os.fsdecode(b"test/d\xe9nt"), 0)):
        (folder / place).mkdir(parents=True)
        for name in NAMES:
            Image.fromarray(rng.integers(least, 160, (40, 60, 3), np.uint8)).save(folder / place / name)
    inspector = folder.parent / "g.inspector"
    fit(folder, make_detector("gaussian", {"input_size": 128})).save(inspector)
    return folder, inspector


@pytest.fixture
def console(monkeypatch):
    """Run the program on a console of a code page, and return what it shows."""

    def run(code_page, *arguments):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=code_page) for _ in range(2)]
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        monkeypatch.setattr(sys, "argv", ["knowngood", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            app.main()
        for stream in streams:
            stream.flush()
        # Click writes UTF-8 where a console claims to be ASCII.
        readable = "utf-8" if code_page == "ascii" else code_page
        out, err = (stream.buffer.getvalue().decode(readable) for stream in streams)
        assert done.value.code in (0, None), err
        return out

    return run


@pytest.mark.parametrize("code_page", CODE_PAGES)
def test_score_and_describe_on_any_console(console, data, code_page):
    folder, inspector = data
    shown = console(code_page, "score", inspector, folder / "test" / "good")
    assert "x\\udcff.png" in shown
    shows = code_page in ("utf-8", "cp932", "ascii")
    assert ("零件.png" if shows else "\\u96f6\\u4ef6.png") in shown
    assert "test, d\\udce9nt: 4" in console(code_page, "describe", folder)


@pytest.mark.parametrize("code_page", CODE_PAGES)
@pytest.mark.parametrize(
    "command", [(), *((name.replace("_", "-"),) for names in app.COMMANDS.values() for name in names)]
)
def test_help_on_any_console(console, code_page, command):
    assert "Usage" in console(code_page, *command, "--help")


def test_letters_of_ours_have_plain_ones(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)  # as in a program without a console
    monkeypatch.setattr(sys, "stderr", None)
    app.show_all_letters()
    assert "1.5 ± 0.1, 2 → 3 “x”".encode("ascii", "knowngood") == b'1.5 +- 0.1, 2 -> 3 "x"'
    assert "零\udcff".encode("ascii", "knowngood") == b"\\u96f6\\udcff"


def test_all_letters_of_our_texts_have_plain_ones():
    for file in Path(app.__file__).parents[1].rglob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        comments = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in comments:
                lacking = {letter for letter in node.value if not letter.isascii()} - app.PLAIN.keys()
                assert not lacking, f"{file}:{node.lineno}"


def test_an_evaluation_with_such_names_is_written_and_read_back(console, data, tmp_path):
    folder, inspector = data
    console("ascii", "evaluate", inspector, folder, "--out", tmp_path)
    with (tmp_path / "scores.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["defect"] for row in rows} == {"", "d\\udce9nt"}
    assert [from_cell(row["path"]).rpartition("/")[2] for row in rows[:4]] == sorted(
        {"-a.png", "=1+1.png", "x\\udcff.png", "零件.png"}
    )
    metrics = json.loads((tmp_path / "metrics.json").read_text("utf-8"))
    assert list(metrics["per_defect"]) == ["d\\udce9nt"]
    again = load_samples(tmp_path / "scores.csv")
    assert sorted(again["path"]) == sorted(load_samples(folder).query("split == 'test'")["path"])
    console("ascii", "evaluate", inspector, tmp_path / "scores.csv", "--out", tmp_path / "again")


def test_names_control_no_terminal(console, data, tmp_path):
    folder, inspector = data
    (tmp_path / "good").mkdir()
    for name in ("a\x1b[2J.png", "b\nreject.png", "c\u3000d.png"):
        (tmp_path / "good" / name).write_bytes((folder / "test" / "good" / NAMES[0]).read_bytes())
    bad = tmp_path / "de\x1b]0;t\x07nt"
    bad.mkdir()
    (bad / "a.png").write_bytes((folder / "test" / "good" / NAMES[1]).read_bytes())
    shown = console("utf-8", "score", inspector, tmp_path) + console("utf-8", "describe", tmp_path)
    assert "a\\x1b[2J.png" in shown
    assert "b\\nreject.png" in shown
    assert "c\u3000d.png" in shown
    assert "test, de\\x1b]0;t\\x07nt: 1" in shown
    assert not {"\x1b", "\x07"} & set(shown)
