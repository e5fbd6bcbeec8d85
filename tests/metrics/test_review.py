import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowngood.errors import DataError, RecipeError
from knowngood.metrics.rates import clopper_pearson_upper, confusion
from knowngood.metrics.review import DECISIONS, decide, review_by_escapes, review_by_rate, with_new_threshold
from knowngood.metrics.thresholds import conformal
from knowngood.metrics.trade_off import decided, trade_off

GOOD = np.arange(1.0, 100.0)  # 99 held-out scores: a rate of 1 % is one of the hundred ranks


@pytest.mark.parametrize(("rate", "line"), [(0.01, 94.0), (0.1, 85.0), (0.5, 45.0), (0.94, 1.0)])
def test_a_share_of_good_parts_is_left_to_a_review(rate, line):
    found = review_by_rate(GOOD, 95.0, rate)
    assert (found.value, found.count, found.total) == (line, 95 - line, 99)
    assert found.upper_bound == clopper_pearson_upper(found.count, 99)
    assert (found.label, found.requested) == ("good", rate)


def test_a_threshold_between_two_scores_costs_one_rank():
    assert review_by_rate(GOOD, 95.5, 0.1).value == 86.0
    assert review_by_rate(GOOD, 1000.0, 0.1).value == 90.0


@given(st.integers(30, 120), st.sampled_from([0.05, 0.1, 0.2, 0.37]), st.integers(0, 1000))
def test_the_rate_holds_for_the_rank_of_a_new_part(n, rate, seed):
    """Each of n + 1 exchangeable scores in turn is the new one: at most the share of them is reviewed."""
    scores = np.random.default_rng(seed).normal(size=n + 1)
    reviewed = 0
    for new in range(n + 1):
        others = np.delete(scores, new)
        threshold = conformal(others, 0.05).value
        line = review_by_rate(others, threshold, rate)
        reviewed += decide(scores[new], threshold, line.value) == "review"
    assert reviewed <= rate * (n + 1)


@given(st.integers(20, 120), st.sampled_from([0.05, 0.1, 0.2, 0.37]), st.integers(0, 1000))
def test_the_share_of_escapes_holds_for_the_rank_of_a_new_defect(n, rate, seed):
    scores = np.random.default_rng(seed).normal(size=n + 1)
    lines = [review_by_escapes(np.delete(scores, new), 9.0, rate).value for new in range(n + 1)]
    assert np.mean(scores <= lines) <= rate


def test_the_line_for_escapes():
    defects = np.arange(1.0, 50.0)  # of fifty ranks, one is 2 %
    line = review_by_escapes(defects, 60.0, 0.02)
    assert line.value == np.nextafter(1.0, 0)
    assert (line.count, line.total, line.upper_bound) == (0, 49, clopper_pearson_upper(0, 49))
    assert review_by_escapes(defects, 60.0, 0.1).count == 4
    few = review_by_escapes(defects[:12], 60.0, 0.02)
    assert few.note == "Too few defects for 0.02: 12 at hand, 49 needed."
    assert (few.value, few.count) == (line.value, 0)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: review_by_rate(GOOD, 95.0, 0.0), RecipeError, "max_review must be between 0 and 1"),
        (lambda: review_by_rate(GOOD, 95.0, "10%"), RecipeError, "max_review must be .*; got '10%'"),
        (lambda: review_by_escapes(GOOD, 95.0, 1.0), RecipeError, "max_escape must be between 0 and 1"),
        (lambda: review_by_rate(GOOD[:8], 8.0, 0.1), DataError, r"8 held-out .* too few .* \(at least 9\)"),
        (lambda: review_by_rate(GOOD[:18], 8.5, 0.1), DataError, r"18 .* too few .* \(at least 19\)"),
        (lambda: review_by_rate(GOOD, 95.0, 0.97), DataError, "would leave none that is accepted"),
        (lambda: review_by_rate(GOOD, 0.5, 0.1), DataError, "would leave none that is accepted"),
        (lambda: review_by_rate([1.0] * 99, 1.0, 0.1), DataError, "have the score of the threshold"),
        (lambda: review_by_escapes([], 95.0, 0.1), DataError, "needs scores of defects; got none"),
        (lambda: review_by_escapes(GOOD, 5.0, 0.1), DataError, "the threshold 5 alone lets at most 10 %"),
    ],
)
def test_no_line(make, error, said):
    with pytest.raises(error, match=said):
        make()


def test_the_needed_numbers_suffice():
    assert review_by_rate(GOOD[:9], 9.0, 0.1).count == 1
    assert review_by_rate(GOOD[:19], 8.5, 0.1).count == 1


def test_another_threshold():
    of_good, of_defects = review_by_rate(GOOD, 95.0, 0.1), review_by_escapes(GOOD, 95.0, 0.1)
    assert with_new_threshold(of_good, GOOD, 99.0) == review_by_rate(GOOD, 99.0, 0.1)
    assert with_new_threshold(of_good, GOOD, 5.0) is None
    assert with_new_threshold(of_defects, GOOD, 99.0) == of_defects
    assert with_new_threshold(of_defects, GOOD, of_defects.value) is None
    assert with_new_threshold(None, GOOD, 99.0) is None


def test_decisions_are_counted():
    defect, scores = np.array([False] * 6 + [True] * 4), np.array([0, 2, 3, 4, 5, 6, 1, 3, 5, 5.0])
    found = confusion(defect, scores, 4.0, 2.0)
    said = [decide(score, 4.0, 2.0) for score in scores]
    expected = {
        (label, answer): sum(
            one == answer and is_defect == label for one, is_defect in zip(said, defect, strict=True)
        )
        for label in (False, True)
        for answer in DECISIONS
    }
    assert found.true_accept == expected[False, "accept"] == 2
    assert found.good_review == expected[False, "review"] == 2
    assert found.false_reject == expected[False, "reject"] == 2
    assert found.escape == expected[True, "accept"] == 1
    assert found.defect_review == expected[True, "review"] == 1
    assert found.true_reject == expected[True, "reject"] == 2
    assert (found.good, found.defects) == (6, 4)
    assert found.false_reject_rate().value == found.good_review_rate().value == 2 / 6
    assert found.escape_rate().value == found.defect_review_rate().value == 1 / 4


def test_the_trade_off_moves_the_line():
    line = review_by_rate(GOOD, 95.0, 0.1)
    rows = trade_off(GOOD.tolist(), [False, True, True], [85.5, 82.0, 99.5], [0.05, 0.1], line)
    assert [row.good_review.count for row in rows] == [1, 1]
    assert [row.defect_review.count for row in rows] == [0, 1]  # up to 85 is accepted, then up to 80
    assert [row.escape.count for row in rows] == [1, 0]
    alone = decided(conformal(GOOD, 0.05), [False], [85.5])
    assert (alone.good_review, alone.defect_review) == (None, None)


def test_its_words():
    assert repr(review_by_rate(GOOD, 95.0, 0.1)) == (
        "Review(above 85, good parts to review at most 0.1, at 95 % confidence at most 16.5 % of good parts "
        "are reviewed)"
    )
    assert review_by_escapes(GOOD, 95.0, 0.02).promise == (
        "at 95 % confidence at most 4.7 % of defects are accepted"
    )
