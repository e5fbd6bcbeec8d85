"""Watching good parts, and setting the threshold anew."""

import math

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import knowngood
from knowngood.capability.drift import Monitor, monitor, needed_for
from knowngood.capability.drift_page import write_drift
from knowngood.capability.recalibrate import recalibrate
from knowngood.errors import DataError, RecipeError

from ..support.parts import part


@pytest.fixture
def watched(fitted):
    """An inspector with 100 held-out scores that are standard normal."""
    values = np.sort(np.random.default_rng(0).normal(size=100))
    return knowngood.Inspector.load(fitted).with_manifest(held_out=values.tolist(), held_out_names=[])


def log_of(scores):
    return pd.DataFrame({"path": [f"{one}.png" for one in range(len(scores))], "score": scores})


def test_good_parts_as_before_are_no_change(watched, tmp_path):
    drift = monitor(watched, log_of(np.random.default_rng(1).normal(size=300)))
    assert drift.answer.headline == "No change was found in 300 good parts."
    assert ">nan<" not in write_drift(drift, tmp_path).read_text("utf-8")
    assert len(pd.read_csv(tmp_path / "monitor.csv")) == 300


def test_a_shift_is_noticed_and_dated(watched):
    scores = np.random.default_rng(2).normal(size=300)
    scores[200:] += 1
    drift = monitor(watched, log_of(scores))
    (change,) = drift.changes
    assert (change.figure, change.direction) == ("score", "higher")
    assert 200 < change.at < 300
    assert abs(change.since - 201) < 20
    assert "set the threshold anew" in " ".join(drift.answer.details)
    assert drift.needed == 19


def test_defects_are_left_out_where_the_log_names_them(watched):
    scores = np.random.default_rng(3).normal(size=200)
    log = log_of(scores).assign(label="good")
    log.loc[::4, "score"] = 50.0
    assert monitor(watched, log).changes
    log.loc[::4, "label"] = "scratch"
    drift = monitor(watched, log)
    assert not drift.changes
    assert len(drift.parts) == 150


def test_one_verdict_at_a_time(watched):
    watch = Monitor(watched, pictures={"brightness": np.random.default_rng(0).normal(100, 2, 80)})
    rng = np.random.default_rng(4)
    for _ in range(150):
        watch.update(rng.normal(), {"brightness": rng.normal(94, 2)})
    (change,) = watch.changes
    assert change.words.endswith("look at the light")
    assert change.direction == "lower"
    with pytest.raises(DataError, match="part 151 has no brightness"):
        watch.update(0.0)
    with pytest.raises(DataError, match="has no score"):
        Monitor(watched).update(math.nan)
    with pytest.raises(RecipeError, match="false_alarm must be between 0 and 1"):
        Monitor(watched, false_alarm=0)


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (pd.DataFrame({"path": ["a"]}), "no column 'score'"),
        (pd.DataFrame({"path": ["a"], "score": ["high"]}), "not a finite number, in row 1"),
        (pd.DataFrame({"path": ["a"], "score": [1.0], "truth": ["dent"]}), "no good parts"),
    ],
)
def test_a_table_that_is_no_log(watched, log, message):
    with pytest.raises(DataError, match=message):
        monitor(watched, log)


def pictures(folder, number, light, seed):
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for one in range(number):
        image = np.clip(part(rng) * light, 0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{one:03}.png")
    return folder


def test_darker_pictures_are_noticed_as_light_and_recalibrated(run, fitted, widget, tmp_path):
    fresh = pictures(tmp_path / "fresh", 60, 0.8, seed=11)
    assert run("score", fitted, fresh, "--out", tmp_path / "scores.csv").status == 0
    status, out, _ = run(
        "monitor", tmp_path / "scores.csv", "--inspector", fitted, "--good", widget, "--out", tmp_path / "m"
    )
    assert status == 0
    assert "Brightness is lower since about part" in out
    assert "look at the light" in out
    assert (tmp_path / "m/monitor.html").exists()

    new = tmp_path / "new.inspector"
    status, out, _ = run("recalibrate", fitted, fresh, "--out", new)
    assert status == 0
    before, after = (knowngood.Inspector.load(path) for path in (fitted, new))
    assert after.threshold.held_out == len(after.manifest.held_out) == 60
    assert after.threshold.requested == before.threshold.requested
    assert f"before: {before.threshold.value:.6g}" in after.threshold.note
    assert after.graph == before.graph
    assert len(after.manifest.validation) == 60
    rejected = [one.decision for one in after.inspect(fresh)].count("reject")
    assert rejected <= 3


def test_recalibration_is_refused_where_nothing_is_gained_or_too_little_is_given(fitted, tmp_path):
    inspector = knowngood.Inspector.load(fitted)
    few = pictures(tmp_path / "few", 5, 0.8, seed=1)
    with pytest.raises(
        DataError, match=f"5 fresh good parts.* {needed_for(inspector)} are the least; take 14 more"
    ):
        recalibrate(inspector, few)
    alike = pictures(tmp_path / "alike", 40, 1.0, seed=2)
    scores = np.sort([one.score for one in inspector.inspect(alike)])
    same = inspector.with_manifest(held_out=(scores + 1e-3).tolist(), held_out_names=[])
    with pytest.raises(DataError, match="would gain nothing"):
        recalibrate(same, alike)
