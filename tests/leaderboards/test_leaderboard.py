"""Leaderboards: the order of runs, resumption and budget without processes, and a few with them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import knowngood
from knowngood.detectors import make_detector
from knowngood.errors import DataError, OutputError, RecipeError
from knowngood.leaderboards import leaderboard as module
from knowngood.leaderboards import trials
from knowngood.leaderboards.entrants import few, suited
from knowngood.leaderboards.leaderboard import leaderboard, seconds_of
from knowngood.leaderboards.standings import FIGURES, Entry
from knowngood.leaderboards.trials import OUT_OF_TIME, RECORD, run_apart
from knowngood.metrics.ranking import auroc
from knowngood.types import silent

from ..support.parts import write_parts

QUALITY = {"padim": 6.0, "knn": 5.0, "gaussian": 0.0, "autoencoder": 1.0}

OUTSIDE = """
from pydantic.dataclasses import dataclass
from knowngood.detectors.base import Detector
from knowngood.errors import TrainingError


@dataclass(frozen=True, kw_only=True)
class Diverging(Detector):
    input_size: int = 64
    def fit(self, good, *, seed, device, progress=None, run=None):
        raise TrainingError("the loss of Diverging is not a number; take a smaller learning_rate")


@dataclass(frozen=True, kw_only=True)
class Broken(Detector):
    input_size: int = 64
    def fit(self, good, *, seed, device, progress=None, run=None):
        return 1 / 0
"""

PROCESSES = """
import os, signal, time
from knowngood.leaderboards import trials

whole = trials._in_process

def killed(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

def leaving(*arguments):
    os._exit(3)

def waiting(*arguments):
    trials._run = wait
    whole(*arguments)

def wait(trial, samples, folder, progress):
    while True:
        progress("waiting", 0, 1)
        time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    counts = {"train/good": 8, "test/good": 6, "test/hole": 3, "test/scratch": 3}
    return write_parts(tmp_path_factory.mktemp("data") / "widget", counts)


@pytest.fixture
def samples(folder):
    return knowngood.load_samples(folder)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Detectors of another package that fail in their own ways; other processes see it too."""
    package = tmp_path / "installed"
    info = package / "failing-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: failing\nVersion: 1.0\n")
    names = ("Diverging", "Broken")
    points = "".join(f"{name.lower()} = failing_detectors:{name}\n" for name in names)
    (info / "entry_points.txt").write_text(f"[knowngood.detectors]\n{points}")
    (package / "failing_detectors.py").write_text(OUTSIDE)
    (package / "failing_processes.py").write_text(PROCESSES)  # in place of a fit, without torch
    monkeypatch.syspath_prepend(package)
    yield package
    for name in ("failing_detectors", "failing_processes"):
        sys.modules.pop(name, None)


def canned(trial, samples, seconds=1.0):
    """The record of a run that nobody made."""
    test = samples[samples["split"] == "test"]
    defect = (test["label"] == "defect").to_numpy()
    rng = np.random.default_rng(trial.seed)
    scores = rng.normal(size=len(test)) + QUALITY[trial.detector] * defect
    figures = dict.fromkeys(FIGURES) | {"milliseconds": 5.0, "image_auroc": None}
    if defect.any() and not defect.all():
        figures["image_auroc"] = auroc(defect, scores)
    paths = test["path"].tolist()
    return Entry(trial.detector, trial.seed, figures, paths, defect.tolist(), scores.tolist(), "", seconds)


class Runs:
    """Stands in for processes: what was run, and what fails."""

    def __init__(self):
        self.made = []
        self.fails = {}
        self.seconds = {}

    def __call__(self, trial, samples, folder, *, seconds, progress):
        self.made.append((trial.detector, trial.seed))
        progress("fitting", 1, 1)
        reason = self.fails.get(trial.detector, "")
        if not reason:
            own = folder / trial.folder
            own.mkdir(parents=True, exist_ok=True)
            entry = canned(trial, samples, self.seconds.get(trial.detector, 1.0))
            (own / RECORD).write_text(json.dumps({"trial": asdict(trial), "entry": asdict(entry)}))
        return reason


@pytest.fixture
def runs(monkeypatch):
    stand_in = Runs()
    monkeypatch.setattr(module, "run_apart", stand_in)
    return stand_in


# --- order, resumption and budget


def test_seed_by_seed_and_what_trains_last(runs, samples, tmp_path):
    board = leaderboard(samples, tmp_path, detectors="autoencoder,padim,knn", seeds=2)
    assert runs.made == [
        *(("padim", 0), ("knn", 0), ("autoencoder", 0)),
        *(("padim", 1), ("knn", 1), ("autoencoder", 1)),
    ]
    assert board.table["detector"][0] in ("padim", "knn")
    assert board.table["seeds"].tolist() == [2, 2, 2]
    assert board.runs["outcome"].eq("finished").all()
    assert board.page == tmp_path / "leaderboard.html"


def test_later_seeds_begin_with_what_was_fast(runs, samples, tmp_path):
    runs.seconds = {"padim": 9.0, "knn": 3.0}
    leaderboard(samples, tmp_path, detectors=["padim", "knn"], seeds=2)
    assert runs.made == [("padim", 0), ("knn", 0), ("knn", 1), ("padim", 1)]


def test_finished_runs_are_not_made_again(runs, samples, tmp_path):
    runs.fails = {"knn": "its process was killed"}
    first = leaderboard(samples, tmp_path, detectors=["padim", "knn"], seeds=2)
    assert first.runs.set_index("outcome").loc["failed", "detector"].tolist() == ["knn", "knn"]
    assert any("knn, seed 1 failed: its process was killed" in note for note in first.notes)
    runs.fails, runs.made = {}, []
    second = leaderboard(samples, tmp_path, detectors=["padim", "knn"], seeds=2)
    assert runs.made == [("knn", 0), ("knn", 1)]
    pd.testing.assert_frame_equal(first.table[["detector"]].head(1), second.table[["detector"]].head(1))
    runs.made = []
    third = leaderboard(samples, tmp_path, detectors=["padim", "knn", "gaussian"], seeds=3)
    assert set(runs.made) == {("gaussian", 0), ("gaussian", 1), ("gaussian", 2), ("padim", 2), ("knn", 2)}
    assert third.table["seeds"].tolist() == [3, 3, 3]


def test_a_damaged_record_is_made_again(runs, samples, tmp_path):
    leaderboard(samples, tmp_path, detectors="padim", seeds=1)
    (tmp_path / "padim/seed0" / RECORD).write_text('{"trial": {')
    runs.made = []
    leaderboard(samples, tmp_path, detectors="padim", seeds=1)
    assert runs.made == [("padim", 0)]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"quick": True}, "holds a run that was no quick look"),
        ({"detectors": [make_detector("padim", {"input_size": 128})]}, "of padim with input_size="),
    ],
)
def test_other_settings_in_the_same_folder(runs, samples, tmp_path, changed, words):
    leaderboard(samples, tmp_path, detectors="padim", seeds=1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(RecipeError, match=words) as error:
        leaderboard(samples, tmp_path, **{"detectors": "padim", "seeds": 1} | changed)
    assert "name another folder, or start anew with --overwrite" in str(error.value)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    runs.made = []
    leaderboard(samples, tmp_path, **{"detectors": "padim", "seeds": 1, "overwrite": True} | changed)
    assert runs.made == [("padim", 0)]


def test_other_images_in_the_same_folder(runs, samples, tmp_path):
    leaderboard(samples, tmp_path, detectors="padim", seeds=1)
    with pytest.raises(RecipeError, match="a run of padim on other images"):
        leaderboard(samples.iloc[1:], tmp_path, detectors="knn", seeds=1)


def test_another_version_in_the_same_folder(runs, samples, tmp_path, monkeypatch):
    leaderboard(samples, tmp_path, detectors="padim", seeds=1)
    monkeypatch.setattr(module, "version", lambda name: "9.9")
    with pytest.raises(RecipeError, match=r"holds a run of knowngood 0\.1\.0"):
        leaderboard(samples, tmp_path, detectors="padim", seeds=1)


def test_the_budget_leaves_out_what_takes_too_long(runs, samples, tmp_path, monkeypatch):
    clock = iter(range(0, 10_000, 4))
    monkeypatch.setattr(module, "monotonic", lambda: float(next(clock)))
    runs.seconds = {"padim": 1.0, "knn": 30.0}
    board = leaderboard(samples, tmp_path, detectors="padim,knn", seeds=2, budget="20s")
    assert runs.made == [("padim", 0), ("knn", 0), ("padim", 1)]
    assert board.runs.set_index(["detector", "seed"]).loc[("knn", 1), "outcome"] == "left out"
    assert any("The budget left out knn (seed 1)" in note for note in board.notes)


def test_a_budget_for_nothing(runs, samples, tmp_path):
    runs.fails = {"padim": OUT_OF_TIME}
    with pytest.raises(RecipeError, match="the budget of 1s is too short for one run; give more time"):
        leaderboard(samples, tmp_path, detectors="padim", budget="1s")
    assert not (tmp_path / "leaderboard.html").exists()


def test_where_everything_fails(runs, samples, tmp_path):
    runs.fails = {"padim": "an image is broken", "knn": "too"}
    with pytest.raises(DataError, match="no run finished; padim, seed 0: an image is broken"):
        leaderboard(samples, tmp_path, detectors="padim,knn")


@pytest.mark.parametrize("budget", ["", "ten", "0s", "-1", "10 d", 0])
def test_a_budget_that_is_no_time(folder, tmp_path, budget):
    with pytest.raises(RecipeError, match="is no time; write such as 90s, 10m or 2h"):
        leaderboard(folder, tmp_path, budget=budget)


def test_budgets():
    assert [seconds_of(text) for text in ("90", "90s", " 2 h ", 0.5)] == [90, 90, 7200, 0.5]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"detectors": "padim,patchcor"}, "detector 'patchcor' is not known; choose one of"),
        ({"detectors": "padim,padim"}, "detector padim is named twice"),
        ({"seeds": 0}, "seeds=0: at least 1"),
    ],
)
def test_what_cannot_be_understood(folder, tmp_path, options, words):
    with pytest.raises(RecipeError, match=words):
        leaderboard(folder, tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_a_page_of_the_users_stays(runs, samples, tmp_path):
    (tmp_path / "leaderboard.html").write_text("mine")
    with pytest.raises(OutputError, match="exists and is not a result of this type"):
        leaderboard(samples, tmp_path, detectors="padim")
    assert runs.made == []
    leaderboard(samples, tmp_path, detectors="padim", overwrite=True)
    assert (tmp_path / "leaderboard.html").read_text() != "mine"


# --- who takes part


def test_detectors_that_the_data_do_not_suit(samples):
    recipes, sentences = suited(None, samples, quick=False)
    assert {"patchcore", "autoencoder"} <= recipes.keys()
    assert not {"class_confidence", "reference"} & recipes.keys()
    assert "class_confidence is left out: the data name no classes of good images." in sentences
    assert "reference is left out: the images have no references." in sentences
    named = samples.assign(**{"class": np.where(samples.index % 2, "a", "b")})
    assert "class_confidence" in suited(None, named, quick=False)[0]
    with pytest.raises(DataError, match="no detector suits these data: reference is left out"):
        suited({"reference": None}, samples, quick=False)


def test_one_good_image(samples):
    first = samples.index[samples["split"] == "train"][0]
    alone = samples[(samples["split"] == "test") | (samples.index == first)]
    recipes, sentences = suited(None, alone, quick=False)
    assert recipes
    assert all(recipe.augments for recipe in recipes.values())
    (sentence,) = [one for one in sentences if one.endswith("one good image is too few to train on.")]
    assert "padim" in sentence
    with pytest.raises(DataError, match="no detector suits these data: padim is left out: one good image"):
        suited({"padim": None}, alone, quick=False)


def test_a_quick_look(samples):
    recipes, sentences = suited(None, samples, quick=True)
    assert recipes
    assert not any(recipe.trains for recipe in recipes.values())
    (sentence,) = [one for one in sentences if one.endswith("are left out: a quick look trains no network.")]
    assert "autoencoder" in sentence
    assert "autoencoder" in suited({"autoencoder": None}, samples, quick=True)[0]


def test_few_images_of_each_type():
    defects = ["a"] * 90 + ["b"] * 10
    table = pd.DataFrame(
        {
            "path": range(400),
            "split": ["train"] * 200 + ["test"] * 200,
            "label": ["good"] * 300 + ["defect"] * 100,
            "defect": [""] * 300 + defects,
        }
    )
    table.attrs["data"] = "widget"
    chosen = few(table)
    assert chosen.attrs == {"data": "widget"}
    assert chosen.groupby(["split", "label", "defect"]).size().to_dict() == {
        ("train", "good", ""): 100,
        ("test", "good", ""): 50,
        ("test", "defect", "a"): 40,
        ("test", "defect", "b"): 10,
    }


# --- what is found, and the files


def test_detectors_that_differ_and_the_page(runs, tmp_path):
    table = pd.DataFrame(
        {
            "path": [f"{number}.png" for number in range(200)],
            "split": ["train"] * 20 + ["test"] * 180,
            "label": ["good"] * 100 + ["defect"] * 100,
        }
    )
    for path in table["path"]:
        (tmp_path / path).write_bytes(path.encode())
    table["path"] = [str(tmp_path / path) for path in table["path"]]
    out = tmp_path / "out"
    board = leaderboard(table, out, detectors="gaussian,padim", seeds=2)
    assert board.conclusions[0].startswith("padim is best: its image AUROC of 1.0000 is above")
    assert board.conclusions[1].startswith("gaussian is behind padim, by 0.")
    csv = pd.read_csv(out / "leaderboard.csv")
    assert csv["detector"].tolist() == ["padim", "gaussian"]
    assert csv["behind_best_low"][1] > 0
    page = (out / "leaderboard.html").read_text()
    assert "written by knowngood" in page
    assert "No detector is both faster and more accurate than padim" in page
    assert "level-good" in page


def test_too_few_images_to_tell_apart(runs, samples, tmp_path):
    board = leaderboard(samples, tmp_path, detectors="padim,knn", seeds=1)
    best, other = board.table["detector"]
    assert board.conclusions[0] == (
        f"The test images (6 good, 6 defects) are too few to tell {best} and {other} apart."
    )
    assert "There is one seed: how much the figures vary between fits is not known." in board.notes
    assert "cannot be separated" in (tmp_path / "leaderboard.html").read_text()


def test_without_defects_nothing_is_ranked(runs, samples, tmp_path):
    board = leaderboard(samples[samples["label"] == "good"], tmp_path, detectors="gaussian,padim")
    assert board.conclusions[0].startswith("No detector is ranked: there is no defective test image.")
    assert board.pairs.empty
    assert board.table["detector"].tolist() == ["gaussian", "padim"]
    assert "Detectors, without a rank" in (tmp_path / "leaderboard.html").read_text()


def test_without_good_test_images_nothing_is_ranked(runs, samples, tmp_path):
    chosen = samples[(samples["split"] == "train") | (samples["label"] == "defect")]
    board = leaderboard(chosen, tmp_path, detectors="padim")
    assert board.conclusions[0].startswith("No detector is ranked: there is no good test image.")


# --- processes


def test_a_leaderboard_with_a_detector_that_fails(folder, tmp_path, installed):
    stages = []
    board = leaderboard(
        folder,
        tmp_path / "out",
        detectors=["diverging", make_detector("gaussian", {"input_size": 64})],
        seeds=1,
        progress=lambda stage, done, total: stages.append(stage),
    )
    assert board.table["detector"].tolist() == ["gaussian"]
    assert board.conclusions[0].startswith("gaussian alone finished, with an image AUROC of ")
    (note,) = [note for note in board.notes if "diverging" in note]
    assert note == (
        "diverging, seed 0 failed: the loss of Diverging is not a number; take a smaller learning_rate"
    )
    row = board.table.iloc[0]
    inspector = knowngood.Inspector.load(tmp_path / "out/gaussian/seed0/gaussian.inspector")
    metrics = knowngood.evaluate(inspector, folder).metrics
    assert row["image_auroc"] == metrics["image_auroc"]
    assert row["escape_rate"] == metrics["escape_rate"]
    assert row["upper_bound"] == inspector.threshold.upper_bound
    size = (tmp_path / "out/gaussian/seed0/gaussian.inspector").stat().st_size
    assert row["megabytes"] == size / 1e6
    assert 0.1 < row["memory_gb"] < 8
    assert row["fit_seconds"] > 0 < row["milliseconds"]
    report = tmp_path / "out" / board.runs["report"].iloc[0]
    assert report.is_file()
    assert f'href="gaussian/seed0/{report.name}"' in board.page.read_text()
    assert "gaussian, seed 0: inspecting test images" in stages


TRIAL = trials.Trial("broken", {}, 0, {"data": "x"})


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("killed", "its process was killed, which the system does where the memory is full"),
        ("leaving", "its process ended with status 3"),
    ],
)
def test_a_process_that_ends_early(samples, tmp_path, installed, monkeypatch, name, reason):
    monkeypatch.setattr(trials, "_in_process", getattr(import_module("failing_processes"), name))
    assert run_apart(TRIAL, samples, tmp_path, seconds=None, progress=silent) == reason


def test_a_process_that_takes_too_long_is_ended(samples, tmp_path, installed, monkeypatch):
    monkeypatch.setattr(trials, "_in_process", import_module("failing_processes").waiting)
    assert run_apart(TRIAL, samples, tmp_path, seconds=0.5, progress=silent) == OUT_OF_TIME


def test_a_detector_with_a_defect_is_named_with_its_error(samples, tmp_path, installed):
    assert trials._why_not(TRIAL, samples, tmp_path, silent) == "ZeroDivisionError: division by zero"
    assert not list(tmp_path.rglob(RECORD))


def test_a_process_ends_with_its_killed_parent(tmp_path, installed):
    """And so it does whatever else ends the parent."""
    program = (
        "import os, signal, sys\n"
        "import failing_processes, pandas\n"
        "from pathlib import Path\n"
        "from knowngood.leaderboards import trials\n"
        "def progress(stage, done, total):\n"
        "    here = os.getpid()\n"
        "    print(Path(f'/proc/{here}/task/{here}/children').read_text(), flush=True)\n"
        "    os.kill(here, signal.SIGKILL)\n"
        "if __name__ == '__main__':\n"
        "    trials._in_process = failing_processes.waiting\n"
        "    trial = trials.Trial('broken', {}, 0, {})\n"
        "    trials.run_apart(trial, pandas.DataFrame(), Path(), seconds=None, progress=progress)\n"
    )
    (tmp_path / "script.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), *sys.path])}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, stdout=subprocess.PIPE, env=environment, check=False
    )
    assert done.returncode == -signal.SIGKILL
    children = done.stdout.split()
    assert children
    end = time.monotonic() + 60
    while any(map(_runs, children)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(_runs, children))


def test_a_script_that_is_not_guarded(tmp_path):
    program = (
        "import pandas\n"
        "from pathlib import Path\n"
        "from knowngood.leaderboards import trials\n"
        "trials.end_if_imported()\n"
        "trial = trials.Trial('gaussian', {}, 0, {})\n"
        "trials.run_apart(trial, pandas.DataFrame(), Path(), seconds=None, progress=print)\n"
    )
    (tmp_path / "script.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr.count("Traceback") == 1
    *_, last = done.stderr.splitlines()
    assert last.startswith("knowngood.errors.RecipeError: the process of a run could not start")


def _runs(process: bytes) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{int(process)}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
