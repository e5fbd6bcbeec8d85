import itertools

import numpy as np
import pytest
from scipy.stats import anderson_ksamp

from knowngood.metrics.exchangeability import PERMUTATIONS, _statistic, exchangeability, holm, superiority


@pytest.mark.filterwarnings("ignore:p-value", "ignore:Parameter `variant`")
@pytest.mark.parametrize("digits", [8, 0])
def test_the_statistic_orders_samples_as_that_of_scipy(digits):
    rng = np.random.default_rng(0)
    ours, theirs = [], []
    for shift in (0, 0.5, 1, 2):
        one, other = np.round(rng.normal(size=30), digits), np.round(rng.normal(shift, 1.5, 12), digits)
        pooled = np.concatenate([one, other])
        order = np.argsort(pooled, kind="stable")
        ends = np.flatnonzero(np.diff(pooled[order])) + 1
        ours.append(_statistic((order >= 30)[None], ends)[0])
        theirs.append(anderson_ksamp([one, other], midrank=False).statistic)
    gaps = np.diff(theirs) / np.diff(ours)  # scipy's is standardised
    assert np.allclose(gaps, gaps[0])


def test_the_p_value_is_that_of_all_permutations():
    scores, own = np.array([0.0, 1, 1, 2, 3, 5, 6]), [4, 5, 6]
    order = np.argsort(scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order])) + 1
    every = []
    for chosen in itertools.combinations(range(7), 3):
        every.append(_statistic(np.isin(order, chosen)[None], ends)[0])
    observed = _statistic(np.isin(order, own)[None], ends)[0]
    exact = np.mean(np.array(every) >= observed - 1e-9)
    found = exchangeability(scores[:4], scores[4:])
    assert found == pytest.approx(exact, abs=4 * (exact / PERMUTATIONS) ** 0.5)


def test_scores_of_one_distribution_rarely_differ():
    rng = np.random.default_rng(1)
    found = [exchangeability(*np.split(rng.normal(size=30), [20])) for _ in range(150)]
    assert np.mean(np.array(found) <= 0.05) < 0.11
    assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=0.13)


def test_a_change_of_the_tails_is_found():
    rng = np.random.default_rng(2)
    assert exchangeability(rng.normal(size=200), rng.normal(0, 2.5, 60)) < 0.001


def test_scores_that_are_all_the_same_and_samples_of_one():
    assert exchangeability([1.0] * 5, [1.0] * 3) == 1
    assert exchangeability([1.0], [2.0]) == 1
    assert superiority([1.0], [1.0]) == 0.5
    with pytest.raises(ValueError, match="two samples are needed; got 0 and 1"):
        exchangeability([], [1.0])
    with pytest.raises(ValueError, match="NaN"):
        exchangeability([1.0], [np.nan])


def test_holm_of_none():
    assert holm([]).size == 0
    assert holm([0.2, 0.9, 0.6]).tolist() == pytest.approx([0.6, 1, 1])
