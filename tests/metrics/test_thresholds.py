"""Each threshold rule against its definition, searched over every possible line."""

import dataclasses
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from knowngood.errors import DataError, RecipeError
from knowngood.metrics import thresholds
from knowngood.metrics.calibration import p_values
from knowngood.metrics.rates import clopper_pearson_upper, confusion, promise

GOOD = st.lists(st.integers(0, 9).map(float) | st.floats(-1e6, 1e6), min_size=1, max_size=60)
PERCENT = st.integers(1, 99)


@st.composite
def labelled(draw):
    rest = draw(st.lists(st.booleans(), max_size=25))
    defect = np.array(draw(st.permutations([False, True, *rest])))
    scores = draw(st.lists(st.integers(0, 9).map(float), min_size=defect.size, max_size=defect.size))
    return defect, np.array(scores)


def every_decision(defect, scores):
    """The confusion at every line that makes a difference."""
    return [confusion(defect, scores, line) for line in [*scores, min(scores) - 1]]


@given(GOOD, PERCENT)
def test_conformal_rejects_exactly_the_scores_with_a_p_value_within_the_rate(held_out, percent):
    chosen = thresholds.conformal(held_out, percent / 100)
    scores = np.concatenate([held_out, np.nextafter(held_out, np.inf), np.nextafter(held_out, -np.inf)])
    within = p_values(scores, held_out) <= percent / 100
    if "Too few" in chosen.note:
        assert chosen.value == max(held_out)
        assert not within.any()
    else:
        np.testing.assert_array_equal(scores > chosen.value, within)


@given(st.lists(st.integers(0, 9).map(float), min_size=2, max_size=60), PERCENT)
def test_conformal_keeps_its_promise_on_exchangeable_parts(scores, percent):
    rejected = 0
    for i, score in enumerate(scores):
        chosen = thresholds.conformal(scores[:i] + scores[i + 1 :], percent / 100)
        rejected += score > chosen.value
    promise = percent * len(scores) // 100
    assert rejected <= max(promise, 1 if "Too few" in chosen.note else 0)


@given(GOOD, PERCENT)
def test_conformal_says_when_there_are_too_few(held_out, percent):
    chosen = thresholds.conformal(held_out, percent / 100)
    needed = -(-100 // percent) - 1  # 1 / a - 1, rounded up
    assert ("Too few" in chosen.note) == (len(held_out) < needed)
    assert f"{len(held_out)} held out, {needed} needed" in chosen.note or "Too few" not in chosen.note


def test_conformal_says_when_the_line_rests_on_one_score():
    chosen = thresholds.conformal(np.arange(21.0), 0.05)
    assert chosen.value == 20
    assert "single highest of 21 held-out scores" in chosen.note
    assert "(100 would do)" in chosen.note
    assert thresholds.conformal(np.arange(100.0), 0.05).note == ""


@pytest.mark.parametrize(
    ("n", "rate", "value"), [(99, 0.01, 99), (99, 0.29, 71), (9, 0.3, 7), (19, 0.05, 19), (99, 0.07, 93)]
)
def test_conformal_counts_in_decimals_not_in_binary(n, rate, value):
    assert value == (n + 1) * (1 - Fraction(str(rate)))
    assert thresholds.conformal(np.arange(1.0, n + 1), rate).value == value


def test_conformal_of_sixty_good_images_states_its_bound():
    chosen = thresholds.conformal(np.arange(60.0), 0.01)
    assert (chosen.value, chosen.held_out, chosen.above, chosen.requested) == (59.0, 60, 0, 0.01)
    assert f"{chosen.upper_bound:.1%}" == "4.9%"
    assert "60 held out, 99 needed" in chosen.note
    assert chosen.note.endswith(promise(60))


@pytest.mark.parametrize(("n", "rate"), [(60, 0.05), (213, 0.01), (500, 0.1)])
def test_conformal_bound_is_the_tolerance_limit_of_the_order_statistic(n, rate):
    chosen = thresholds.conformal(np.random.default_rng(0).permutation(np.arange(n) / 7), rate)
    k = n - chosen.above
    assert chosen.upper_bound == pytest.approx(scipy.stats.beta.ppf(0.95, n - k + 1, k), rel=1e-9)
    assert chosen.note == ""


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, np.nan])
def test_conformal_refuses_a_rate_out_of_range(rate):
    with pytest.raises(RecipeError, match=f"max_false_reject must be between 0 and 1.* got {rate}"):
        thresholds.conformal([1.0, 2.0], rate)


def test_conformal_refuses_to_guess_without_good_images():
    with pytest.raises(DataError, match="held-out good images; got none"):
        thresholds.conformal([], 0.05)


@given(labelled())
def test_f1_max_has_the_best_f1(sample):
    def f1(found):
        return 2 * found.true_reject / (2 * found.true_reject + found.false_reject + found.escape)

    chosen = confusion(*sample, thresholds.f1_max(*sample).value)
    assert f1(chosen) == max(f1(other) for other in every_decision(*sample))


@given(labelled())
def test_youden_has_the_largest_difference_and_the_fewest_false_rejects(sample):
    def merit(found):
        good, defects = found.true_accept + found.false_reject, found.escape + found.true_reject
        return Fraction(found.true_reject, defects) - Fraction(found.false_reject, good), -found.false_reject

    chosen = confusion(*sample, thresholds.youden(*sample).value)
    assert merit(chosen) == max(merit(other) for other in every_decision(*sample))


@given(labelled(), st.integers(1, 50), st.integers(1, 50))
def test_lowest_cost_has_the_lowest_cost_and_the_fewest_false_rejects(sample, false_reject_cost, escape_cost):
    def cost(found):
        return false_reject_cost * found.false_reject + escape_cost * found.escape, found.false_reject

    chosen = confusion(*sample, thresholds.lowest_cost(*sample, false_reject_cost, escape_cost).value)
    assert cost(chosen) == min(cost(other) for other in every_decision(*sample))


@given(labelled(), st.integers(1, 100))
def test_recall_is_reached_with_the_fewest_false_rejects(sample, percent):
    def reaches(found):
        return 100 * found.true_reject >= percent * (found.true_reject + found.escape)

    chosen = confusion(*sample, thresholds.recall(*sample, percent / 100).value)
    assert reaches(chosen)
    assert chosen.false_reject == min(d.false_reject for d in every_decision(*sample) if reaches(d))


@pytest.mark.parametrize(
    ("choose", "value", "rule"),
    [
        (lambda d, s: thresholds.f1_max(d, s), 4.0, "F1-max"),
        (lambda d, s: thresholds.youden(d, s), 4.0, "Youden"),
        (
            lambda d, s: thresholds.lowest_cost(d, s, 1, 2.5),
            4.0,
            "lowest cost: 1 a false reject, 2.5 an escape",
        ),
        (lambda d, s: thresholds.recall(d, s, 0.75), 5.5, "recall at least 0.75"),
    ],
)
def test_rules_on_labelled_data_lie_midway_and_describe_themselves(choose, value, rule):
    defect = np.array([False] * 5 + [True] * 4)
    scores = np.array([0.0, 1.0, 2.0, 3.0, 9.0, 5.0, 6.0, 7.0, 8.0])
    assert choose(defect, scores) == thresholds.Threshold(
        value, rule, requested=None, held_out=5, above=1, upper_bound=clopper_pearson_upper(1, 5)
    )


def test_rules_on_labelled_data_need_both_classes():
    scores = [1.0, 2.0]
    for choose in (
        thresholds.f1_max,
        thresholds.youden,
        lambda d, s: thresholds.lowest_cost(d, s, 1, 1),
        lambda d, s: thresholds.recall(d, s, 0.9),
        thresholds.even_odds,
    ):
        with pytest.raises(DataError, match="got 2 good and 0 defects"):
            choose([False, False], scores)
        with pytest.raises(DataError, match="got 0 good and 2 defects"):
            choose([True, True], scores)


@pytest.mark.parametrize("cost", [0.0, -1.0, np.inf, np.nan])
def test_costs_out_of_range_are_refused_by_name(cost):
    with pytest.raises(RecipeError, match="false_reject_cost must be a positive number"):
        thresholds.lowest_cost([False, True], [1.0, 2.0], cost, 1.0)
    with pytest.raises(RecipeError, match="escape_cost must be a positive number"):
        thresholds.lowest_cost([False, True], [1.0, 2.0], 1.0, cost)


@pytest.mark.parametrize("at_least", [0.0, 1.01, np.nan])
def test_recall_out_of_range_is_refused(at_least):
    with pytest.raises(RecipeError, match="at_least must be above 0 and at most 1"):
        thresholds.recall([False, True], [1.0, 2.0], at_least)


def overlapping(seed, good, defects, apart=1.5):
    """Normal scores of good parts and of defects, which lie higher and wider."""
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.normal(0, 1, good), rng.normal(apart, 1.3, defects)])
    return np.arange(good + defects) >= good, scores


@pytest.mark.parametrize(("good", "defects"), [(300, 300), (400, 40), (20, 200)])
@pytest.mark.parametrize("seed", range(3))
def test_even_odds_are_those_of_a_balanced_logistic_regression(seed, good, defects):
    defect, scores = overlapping(seed, good, defects)
    regression = LogisticRegression(C=1e6, class_weight="balanced", tol=1e-8).fit(scores[:, None], defect)
    expected = -regression.intercept_[0] / regression.coef_[0, 0]
    assert thresholds.even_odds(defect, scores).value == pytest.approx(expected, abs=0.01)


def test_even_odds_does_not_depend_on_how_many_there_are_of_each():
    defect, scores = overlapping(0, 60, 60)
    good = scores[~defect]
    many = (
        np.concatenate([np.zeros(600, bool), defect[defect]]),
        np.concatenate([*[good] * 10, scores[defect]]),
    )
    one, other = thresholds.even_odds(defect, scores).value, thresholds.even_odds(*many).value
    # Not exactly: scores are divided by their standard deviation, of which the ridge depends a little.
    assert other == pytest.approx(one, abs=0.01)


@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=20),
    st.lists(st.floats(11, 30), min_size=1, max_size=20),
)
def test_even_odds_of_scores_that_lie_apart_lie_between(good, defects):
    chosen = thresholds.even_odds(
        np.arange(len(good) + len(defects)) >= len(good), np.array([*good, *defects])
    )
    middle = (np.mean(good) + np.mean(defects)) / 2
    spread = np.std([*good, *defects])
    assert min(good) < chosen.value < max(defects)
    assert abs(chosen.value - middle) < 2 * spread


@pytest.mark.parametrize("gap", [0.1, 1.0, 100.0])
def test_even_odds_of_tight_scores_that_lie_apart_lie_about_midway(gap):
    defect = np.array([False] * 30 + [True] * 5)
    scores = np.concatenate([np.linspace(0, gap / 100, 30), gap + np.linspace(0, gap / 100, 5)])
    chosen = thresholds.even_odds(defect, scores)
    # Not just midway: the ridge draws towards the mean of all scores, most of which are good.
    assert 0.4 * gap < chosen.value < 0.6 * gap
    assert (chosen.held_out, chosen.above, chosen.requested, chosen.rule) == (30, 0, None, "even odds")
    assert chosen.upper_bound == clopper_pearson_upper(0, 30)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 1000.0), (1e-6, 0.0), (1e6, -3e6), (0.3, 0.7)])
def test_even_odds_move_with_the_scores(scale, shift):
    defect, scores = overlapping(0, 100, 30)
    moved = thresholds.even_odds(defect, scale * scores + shift)
    here = thresholds.even_odds(defect, scores)
    assert moved.value == pytest.approx(scale * here.value + shift, abs=1e-5 * scale)
    assert moved.above == here.above


def test_even_odds_do_not_hang_on_the_order():
    defect, scores = overlapping(0, 100, 30)
    order = np.random.default_rng(1).permutation(130)
    here, there = thresholds.even_odds(defect, scores), thresholds.even_odds(defect[order], scores[order])
    assert there.value == pytest.approx(here.value, abs=1e-5)


@pytest.mark.parametrize(
    "scores",
    [
        [5.0, 4.0, 2.0, 1.0],
        [1.0, 1.0, 1.0, 1.0],
        [1.0, 2.0, 1.0, 2.0],
        [0.0, 3.0, 1.0, 2.0],
        [np.inf, np.inf, 1.0, 2.0],
        [np.inf] * 4,
    ],
)
def test_even_odds_of_scores_that_tell_nothing_are_refused(scores):
    with pytest.raises(DataError, match="no threshold separates them; take more data"):
        thresholds.even_odds([False, False, True, True], scores)


def test_even_odds_take_scores_without_bound():
    defect = np.array([False] * 20 + [True] * 10)
    finite = np.concatenate([np.linspace(0, 1, 20), np.linspace(3, 4, 8)])
    chosen = thresholds.even_odds(defect, [*finite, np.inf, np.inf])
    assert 1 < chosen.value < 3
    good_beyond = thresholds.even_odds(defect, [np.inf, *finite[1:], 5.0, 6.0])
    assert np.isfinite(good_beyond.value)
    assert good_beyond.above >= 1


def test_one_far_defect_moves_even_odds_little():
    defect, scores = overlapping(0, 100, 30)
    far = np.where(np.arange(130) == 129, 30.0, scores)
    here, there = thresholds.even_odds(defect, scores).value, thresholds.even_odds(defect, far).value
    assert abs(there - here) < np.std(scores) / 4


def test_threshold_holds_plain_values_only_and_cannot_be_changed():
    chosen = thresholds.conformal(np.arange(60.0), 0.05)
    plain = dataclasses.asdict(chosen)
    assert {type(value) for value in plain.values()} == {float, str, int}
    assert thresholds.Threshold(**plain) == chosen
    with pytest.raises(dataclasses.FrozenInstanceError):
        chosen.value = 0.0


def test_judging_with_a_known_threshold_imports_nothing_slow():
    code = (
        "import sys, knowngood.metrics.calibration, knowngood.metrics.thresholds;"
        "print([name for name in ('scipy', 'torch', 'pandas', 'cv2', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_each_defect_may_have_its_own_price():
    defect = [False, False, True, True, True]
    scores = [1.0, 3.0, 0.5, 2.0, 4.0]
    assert thresholds.lowest_cost(defect, scores, 1, [9, 9, 0.5, 10, 10]).value == 1.5  # the first is let go
    assert thresholds.lowest_cost(defect, scores, 1, [9, 9, 50, 10, 10]).value < 0.5
    assert (
        thresholds.lowest_cost(defect, scores, 1, 10).value
        == thresholds.lowest_cost(defect, scores, 1, [10] * 5).value
    )
