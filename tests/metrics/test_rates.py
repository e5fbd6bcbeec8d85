"""Rates at a threshold, and Clopper-Pearson intervals against SciPy."""

import re

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from knowngood.metrics.rates import (
    Confusion,
    Rate,
    clopper_pearson,
    clopper_pearson_upper,
    confusion,
    enough,
    promise,
    rate,
)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 60), (3, 60), (60, 60), (17, 4000)])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_intervals_equal_scipy(k, n, confidence):
    two_sided = scipy.stats.binomtest(k, n).proportion_ci(confidence, method="exact")
    one_sided = scipy.stats.binomtest(k, n, alternative="less").proportion_ci(confidence, method="exact")
    assert clopper_pearson(k, n, confidence) == pytest.approx((two_sided.low, two_sided.high), rel=1e-9)
    assert clopper_pearson_upper(k, n, confidence) == pytest.approx(one_sided.high, rel=1e-9)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.97])
@pytest.mark.parametrize("n", [5, 60])
def test_intervals_cover_the_true_share_at_least_as_often_as_they_say(share, n):
    chance = scipy.stats.binom.pmf(np.arange(n + 1), n, share)
    intervals = [clopper_pearson(k, n) for k in range(n + 1)]
    covered = np.array([low <= share <= high for low, high in intervals])
    below_bound = np.array([share <= clopper_pearson_upper(k, n) for k in range(n + 1)])
    assert chance[covered].sum() >= 0.95
    assert chance[below_bound].sum() >= 0.95


def test_interval_touches_the_ends():
    assert clopper_pearson(0, 7)[0] == 0.0
    assert clopper_pearson(7, 7)[1] == 1.0


def test_sixty_good_images_with_none_above_show_no_more_than_4_9_percent():
    assert clopper_pearson_upper(0, 60) == pytest.approx(1 - 0.05 ** (1 / 60), rel=1e-9)
    assert f"{clopper_pearson_upper(0, 60):.1%}" == "4.9%"


def test_rate_holds_its_counts_and_two_sided_interval():
    low, high = clopper_pearson(3, 60)
    assert rate(3, 60) == Rate(value=0.05, low=low, high=high, count=3, total=60)


@pytest.mark.parametrize(("k", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_counts_that_make_no_rate_are_refused(k, n):
    for function in (rate, clopper_pearson, clopper_pearson_upper):
        with pytest.raises(ValueError, match=f"got k = {k} and n = {n}"):
            function(k, n)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.5, np.nan])
def test_confidence_out_of_range_is_refused(confidence):
    for function in (clopper_pearson, clopper_pearson_upper):
        with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
            function(1, 5, confidence)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(-3, 3).map(float)), min_size=1, max_size=30),
    st.integers(-4, 4),
)
def test_confusion_equals_scikit_learn(samples, threshold):
    defect, scores = (np.array(column) for column in zip(*samples, strict=True))
    expected = sklearn.metrics.confusion_matrix(defect, scores > threshold, labels=[False, True])
    assert confusion(defect, scores, threshold) == (*expected.ravel(), 0, 0)


def test_score_on_the_threshold_is_accepted():
    assert confusion([False, True], [1.0, 1.0], 1.0) == Confusion(1, 0, 1, 0)


def test_single_precision_score_is_compared_without_rounding_the_threshold():
    score = np.float32(0.1)  # 0.100000001490116
    assert confusion([False], np.array([score]), 0.1).false_reject == 1


def test_rates_of_a_confusion_divide_by_their_own_class():
    found = confusion([False] * 4 + [True] * 5, [0, 0, 0, 9, 9, 9, 9, 0, 0], 1.0)
    assert found.false_reject_rate() == rate(1, 4)
    assert found.escape_rate() == rate(2, 5)


def test_rate_of_a_class_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="n = 0"):
        confusion([False], [1.0], 0.0).escape_rate()
    with pytest.raises(ValueError, match="n = 0"):
        confusion([True], [1.0], 0.0).false_reject_rate()


def test_nan_score_is_refused_because_it_would_be_accepted():
    with pytest.raises(ValueError, match="NaN"):
        confusion([True], [np.nan], 0.0)


@pytest.mark.parametrize(
    ("held_out", "said"),
    [
        (1, "1 held-out good part promises no false-reject rate below 95 % (95 % confidence); 28 more"),
        (2, "2 held-out good parts promise no false-reject rate below 77 % (95 % confidence); 27 more"),
        (4, "below 52 % (95 % confidence); 25 more could promise 10 %."),
        (12, "below 22 % (95 % confidence); 17 more could promise 10 %."),
        (16, "below 17 % (95 % confidence); 13 more could promise 10 %."),
        (28, "below 10 % (95 % confidence); 1 more could promise 10 %."),
        (29, "below 9.8 % (95 % confidence); 30 more could promise 5 %."),
        (59, "below 4.9 % (95 % confidence); 90 more could promise 2 %."),
        (300, "below 0.99 % (95 % confidence); 298 more could promise 0.5 %."),
        (4000, "below 0.074 % (95 % confidence)."),
    ],
)
def test_what_so_few_good_parts_cannot_promise(held_out, said):
    assert said in promise(held_out)


@pytest.mark.parametrize("most", [0.5, 0.1, 0.05, 0.02, 0.01, 0.001, 0.2209])
@pytest.mark.parametrize("confidence", [0.95, 0.975])
def test_enough_is_the_fewest(most, confidence):
    number = enough(most, confidence)
    assert clopper_pearson_upper(0, number, confidence) <= most
    assert number == 1 or clopper_pearson_upper(0, number - 1, confidence) > most


def test_more_images_keep_the_promise():
    for held_out in (1, 2, 12, 28, 100):
        more, rate = re.search(r"; (\d+) more could promise (\S+) %", promise(held_out)).groups()
        assert 100 * clopper_pearson_upper(0, held_out + int(more)) <= float(rate)
        assert 100 * clopper_pearson_upper(0, held_out + int(more) - 1) > float(rate)
