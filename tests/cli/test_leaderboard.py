import json

import pytest

import knowngood
from knowngood.leaderboards import leaderboard as module

from ..leaderboards.test_leaderboard import Runs
from ..support.parts import write_parts


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    counts = {"train/good": 8, "test/good": 6, "test/hole": 6}
    return write_parts(tmp_path_factory.mktemp("data") / "widget", counts)


@pytest.fixture
def runs(monkeypatch):
    """In place of processes."""
    stand_in = Runs()
    monkeypatch.setattr(module, "run_apart", stand_in)
    return stand_in


def test_what_is_said_and_written(run, runs, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs.fails = {"knn": "the scores are not finite numbers"}
    command = ("leaderboard", folder, "--detectors", "padim, gaussian, knn", "--seeds", 2)
    status, out, err = run(*command)
    assert status == 0
    heads, *rows = out.splitlines()
    assert heads.split() == ["detector", "image", "AUROC", "ms", "an", "image"]
    assert rows[0].split()[0] == "padim"
    assert rows[1].split()[0] == "gaussian"
    assert rows[2].startswith("padim is best") or rows[2].startswith("The test images (6 good, 6 defects)")
    assert rows[-1] == "page: leaderboard/leaderboard.html"
    assert "note: knn, seed 1 failed: the scores are not finite numbers" in err
    assert {path.name for path in (tmp_path / "leaderboard").iterdir()} == {
        *("leaderboard.html", "leaderboard.csv", "padim", "gaussian"),
    }
    record = json.loads((tmp_path / "leaderboard/padim/seed1/run.json").read_text())
    assert record["trial"]["seed"] == 1

    runs.made, runs.fails = [], {}
    assert run(*command).status == 0
    assert runs.made == [("knn", 0), ("knn", 1)]

    status, _, err = run(*command, "--quick")
    assert status == 1
    assert err.startswith("error: 'leaderboard' holds a run that was no quick look; name another folder")


def test_one_good_image(run, folder, tmp_path):
    table = knowngood.load_samples(folder)
    first = table.index[table["split"] == "train"][0]
    alone, board = tmp_path / "one.csv", tmp_path / "out"
    table[(table["split"] == "test") | (table.index == first)].to_csv(alone, index=False)
    status, out, err = run("leaderboard", alone, "--detectors", "padim", "--out", board)
    assert (status, out) == (1, "")
    assert err.startswith("error: no detector suits these data: padim is left out: one good image is too few")
    assert not board.exists()
