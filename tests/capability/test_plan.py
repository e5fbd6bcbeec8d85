"""The plan of a study: numbers of parts, the chance to pass, and the sheet."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import knowngood
from knowngood.capability.plan import SHARES
from knowngood.errors import RecipeError


@pytest.mark.parametrize(("errors", "numbers"), [(0, (29, 59, 149, 299)), (1, (46, 93, 236, 473))])
def test_the_numbers_of_parts_are_the_known_ones(errors, numbers):
    for rate, number in zip((0.1, 0.05, 0.02, 0.01), numbers, strict=True):
        planned = knowngood.plan(max_false_reject=rate, errors=errors, takes=1)
        assert planned.parts["good"] == number


def test_a_system_at_its_limit_passes_rarely_and_a_better_one_more_often():
    sizes = knowngood.plan(max_false_reject=0.02, errors=2).sizes
    assert (binom.cdf(sizes["errors"], sizes["parts"], sizes["limit"]) <= 0.05).all()
    assert (binom.cdf(sizes["errors"], sizes["parts"] - 1, sizes["limit"]) > 0.05).all()
    for share in SHARES:
        expected = binom.cdf(sizes["errors"], sizes["parts"], share * sizes["limit"])
        assert np.allclose(sizes[f"pass_at_{share:g}_of_limit"], expected)
    assert sizes.groupby("what")["pass_at_0.5_of_limit"].is_monotonic_increasing.all()


def test_the_sheet_shows_each_part_in_each_take_in_an_order_that_does_not_say_what_it_is():
    planned = knowngood.plan(types=["dent", "scratch"], stations=2, seed=3)
    sheet = planned.sheet
    for _, rows in sheet.groupby(["take", "station"]):
        assert sorted(rows["part"]) == list(range(1, 118))
        assert list(rows["part"]) != sorted(rows["part"])
    truth = sheet.drop_duplicates("part").sort_values("part")["truth"]
    assert truth.value_counts().to_dict() == {"good": 59, "dent": 29, "scratch": 29}
    assert (truth != truth.shift()).sum() > 20
    assert sheet.groupby("part")["truth"].nunique().eq(1).all()
    assert sheet.equals(knowngood.plan(types=["dent", "scratch"], stations=2, seed=3).sheet)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_escape": 0}, "max_escape must be between 0.0001 and 0.5; got 0"),
        ({"max_false_reject": float("nan")}, "max_false_reject must be"),
        ({"errors": -1}, "errors must be between 0 and 20"),
        ({"confidence": 1}, "confidence must be"),
        ({"types": []}, "types must be names"),
        ({"types": ["dent", "good"]}, "got 'good' twice"),
        ({"max_escape": 0.0001, "takes": 20}, "pictures; at most 100,000"),
    ],
)
def test_numbers_out_of_range(settings, message):
    with pytest.raises(RecipeError, match=message):
        knowngood.plan(**settings)


def test_the_command_prints_and_writes_the_plan(run, tmp_path):
    status, out, _ = run("plan", "--type", "dent", "--escape", 0.2, "--errors", 1, "--out", tmp_path / "plan")
    assert status == 0
    assert "Show 93 good parts and 22 dent, with at most 1 wrong in each group." in out
    page = (tmp_path / "plan/plan.html").read_text("utf-8")
    assert "Show 93 good parts and 22 dent" in page
    assert "Take 3, station 1" in page
    study = pd.read_csv(tmp_path / "plan/study.csv")
    assert list(study.columns) == ["path", "part", "take", "station", "truth"]
    assert len(study) == 3 * (93 + 22)
    assert run("plan", "--escape", 2).status == 1
