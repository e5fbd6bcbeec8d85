"""Good images that are not like those held out are named: all of a test, or a group of them."""

import json
import os
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import knowngood
from knowngood.inspector.exchangeability import (
    FEWEST,
    NAMED,
    Compared,
    as_values,
    compare_held_out,
    compare_test,
    difference_in_words,
    groups_in_words,
    groups_of,
    state_in_words,
)

from ..support.parts import part

RNG = np.random.default_rng(0)
DAY, NIGHT = RNG.normal(size=40), RNG.normal(2, 1, 20)
FOLDERS = [f"parts/day/{at}.png" for at in range(40)] + [f"parts/night/{at}.png" for at in range(20)]


def test_the_folder_that_scores_higher_is_named():
    found = compare_held_out(np.concatenate([DAY, NIGHT]), FOLDERS, None)
    assert [(one.by, one.name, one.images) for one in found] == [("folder", "night/", 20)]
    assert groups_in_words(found) == [
        "The good images of folder night/ score higher than the others (p = 0.0001, 20 images): a bound "
        "that holds for one capture session is not one for the next."
    ]
    assert state_in_words(found).startswith("1 group by folder: 1 of 1 stand apart")


def test_groups_that_are_alike_are_compared_and_not_named():
    found = compare_held_out(RNG.normal(size=60), FOLDERS, None)
    assert groups_in_words(found) == []
    assert state_in_words(found).startswith("1 group by folder: none stands apart")


def test_a_test_is_compared_with_the_held_out_scores():
    found = compare_test(np.concatenate([DAY, NIGHT + 1]), RNG.normal(size=50), FOLDERS, None)
    assert [(one.by, one.name) for one in found] == [
        ("all", "test"),
        ("folder", "day/"),
        ("folder", "night/"),
    ]
    assert [one.apart for one in found] == [True, False, True]
    said = difference_in_words(found, 50)
    assert said[0].startswith("The 60 good test images score higher than the 50 held-out good parts (p = 0.0")
    assert said[1].startswith("The good test images of folder night/ score higher than the held-out good")
    assert as_values(found)["exchangeable"] is False
    assert json.dumps(as_values(found), allow_nan=False)


def test_lower_scores_are_no_warning_and_other_spreads_are_said_to_be():
    lower = compare_test(NIGHT - 4, DAY, FOLDERS[40:], None)
    assert lower[0].p_value < 0.001
    assert difference_in_words(lower, 40) == []
    assert as_values(lower)["exchangeable"] is True
    spread = Compared("all", "test", 20, 0.001, 0.52)
    assert "are spread otherwise than" in difference_in_words([spread], 40)[0]


def test_a_part_counts_once_but_as_a_group_its_images_do():
    column = [at // 20 for at in range(60)]
    groups = groups_of(FOLDERS, column, np.concatenate([DAY, NIGHT]))
    assert {(one.by, one.name, len(one.rows)) for one in groups} == {
        ("group", str(at), 20) for at in range(3)
    }
    pairs = [at // 2 for at in range(60)]
    groups = groups_of(FOLDERS, pairs, np.concatenate([DAY, NIGHT]))
    assert [(one.by, one.name, len(one.rows)) for one in groups] == [
        ("folder", "day/", 20),
        ("folder", "night/", 10),
    ]


def test_small_groups_images_in_memory_and_no_images_at_all():
    few = ["a/1.png"] * (FEWEST - 1) + ["b/1.png"] * 20
    assert compare_held_out(RNG.normal(size=len(few)), few, None) == []
    assert compare_held_out(np.zeros(30), [b""] * 30, None) == []
    assert compare_test(np.empty(0), DAY, [], None) == []
    assert as_values([])["exchangeable"] is None
    assert "no folder, day or column" in state_in_words([])
    assert not any(one.apart for one in compare_test(np.ones(20), np.ones(30), [b""] * 20, None))


def test_many_groups_are_counted():
    many = [Compared("folder", f"{at}/", 10, 0.001, 0.9) for at in range(NAMED + 3)]
    assert len(groups_in_words(many)) == NAMED + 1
    assert groups_in_words(many)[-1] == "So do 3 more groups of good images."


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """Good parts of two days; on the second the light is another, as it is in the test."""
    folder = tmp_path_factory.mktemp("sessions")
    rows = []
    rng = np.random.default_rng(0)
    for at in range(60):
        path = folder / f"{at}.png"
        dim = at >= 45
        pixels = part(rng).astype(np.float32)
        Image.fromarray((pixels * (0.4 if dim else 1)).astype(np.uint8)).save(path)
        moment = datetime(2026, 1, 31 if dim or at < 15 else 30, 12).timestamp()
        os.utime(path, (moment, moment))
        rows.append([str(path), "good", "test" if at >= 45 else "train"])
    return pd.DataFrame(rows, columns=["path", "label", "split"])


def test_fit_and_evaluate_say_it(sessions, tmp_path):
    inspector = knowngood.fit(sessions, "gaussian", input_size=64)
    assert "by day" in inspector.manifest.grouped
    evaluation = knowngood.evaluate(inspector, sessions)
    found = evaluation.metrics["exchangeability"]
    assert found["compared"][0]["images"] == 15
    assert "15 good test images score higher than the 45 held-out" in evaluation.metrics["warnings"][0]
    inspector.save(tmp_path / "a.inspector")
    again = knowngood.Inspector.load(tmp_path / "a.inspector").manifest
    assert (again.grouped, again.apart) == (inspector.manifest.grouped, inspector.manifest.apart)
