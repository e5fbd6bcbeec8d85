"""The speed benchmark's table: how figures get into it, and what a dry run may not do."""

import os
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import speed
from knowngood.engines.processor import LIMIT, instruction_set

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ["figure", "unit", "min", "median", "max", "runs", "asked", "instructions", "command", "machine"]


def test_each_figure_has_its_spread_and_new_ones_take_the_place_of_old_ones(tmp_path):
    out = tmp_path / "speed.csv"
    speed.write([{"png: fit [s]": 3.0, "png: score [s]": 9.0}], "first", out)
    speed.write([{"png: fit [s]": 1.0}, {"png: fit [s]": 2.5, "ratio [ratio]": 4.0}], "second", out)
    table = pd.read_csv(out)
    assert list(table.columns) == COLUMNS
    rows = table.set_index("figure")
    assert rows.loc["png: fit", ["min", "median", "max", "runs"]].tolist() == [1, 1.75, 2.5, 2]
    assert rows.loc["ratio", ["median", "runs", "unit"]].tolist() == [4, 1, "ratio"]
    assert rows["command"].to_dict() == {"png: score": "first", "png: fit": "second", "ratio": "second"}
    assert rows["machine"].str.endswith(" cores").all()


def test_figures_of_another_instruction_set_stay(tmp_path, monkeypatch):
    out = tmp_path / "speed.csv"
    monkeypatch.delenv(LIMIT, raising=False)
    speed.write([{"png: fit [s]": 3.0}], "first", out)
    monkeypatch.setenv(LIMIT, "AVX2")
    for seconds in (5.0, 4.0):
        speed.write([{"png: fit [s]": seconds}], "second", out)
    rows = pd.read_csv(out).set_index("instructions")
    monkeypatch.delenv(LIMIT)
    assert rows["median"].to_dict() == {instruction_set(): 3, "AVX2 (ONEDNN_MAX_CPU_ISA)": 4}


def test_cores_are_kept_busy_and_let_go():
    before = os.times().children_user
    for seconds in (0.05, 0.2, 0.8, 3.2):  # until they have started, as late as that is beside other programs
        with speed.busy_cores():
            assert os.times().children_user == before
            time.sleep(seconds)
        # Their time is counted once they have been waited for.
        if os.times().children_user > before:
            return
    pytest.fail("no process was busy")


def test_a_process_is_timed_with_its_memory(tmp_path):
    code = "import os; block = bytearray(200_000_000); print('first'); print(os.environ['XDG_CACHE_HOME'])"
    done = speed.run([sys.executable, "-c", code], tmp_path)
    assert done.last_line == str(tmp_path)
    assert 0 < done.seconds < 60
    assert 0 < done.processor_seconds < 60
    assert 0.2 < done.memory < 4


def test_a_process_that_fails_is_named(tmp_path):
    with pytest.raises(SystemExit, match="status 3: "):
        speed.run([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_a_dry_run_does_not_replace_the_committed_table(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["speed.py", "--limit", "2"])
    with pytest.raises(SystemExit) as stopped:
        speed.main()
    assert stopped.value.code == 2
    assert "give --out" in capsys.readouterr().err


def test_anomalib_must_be_there_before_the_work_begins(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["speed.py", "--peer-python", str(tmp_path / "python")])
    with pytest.raises(SystemExit):
        speed.main()
    assert "make bench" in capsys.readouterr().err
