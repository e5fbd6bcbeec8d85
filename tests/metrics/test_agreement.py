import numpy as np
import pytest

from knowngood.metrics.agreement import cohen, fleiss
from knowngood.metrics.clustered import share_of_parts
from knowngood.metrics.rates import clopper_pearson


@pytest.mark.parametrize("number", [5, 20, 149])
def test_without_an_error_the_bound_is_that_of_so_many_parts(number):
    found = share_of_parts(np.zeros(number))
    assert found.low == 0
    assert found.high == pytest.approx(clopper_pearson(0, number)[1])
    narrow = share_of_parts(np.zeros(149), confidence=0.9).high
    assert narrow < 0.02


def test_takes_that_agree_count_as_one_and_others_for_more():
    alike, apart = np.r_[np.ones(4), np.zeros(16)], np.full(20, 0.2)
    wide, narrow = share_of_parts(alike), share_of_parts(apart)
    assert wide.value == pytest.approx(narrow.value)
    assert narrow.high < wide.high
    low, high = clopper_pearson(4, 20)
    assert wide.low == pytest.approx(low, abs=0.02)
    assert wide.high == pytest.approx(high, abs=0.04)


def test_fleiss_of_two_takes_is_cohen_of_both_orders():
    rng = np.random.default_rng(0)
    takes = rng.random((40, 2)) < rng.random(40)[:, None]
    both = np.concatenate([takes, takes[:, ::-1]]).astype(float)
    assert fleiss(takes.sum(1), np.full(40, 2)).value == pytest.approx(cohen(both[:, 0], both[:, 1]).value)


def test_agreement_always_and_by_chance():
    truth = np.r_[np.zeros(10), np.ones(10)]
    found = cohen(truth, truth, strata=truth)
    assert found.value == found.high == 1
    assert 0.5 < found.low < 0.8
    assert cohen(np.full(20, 0.5), truth).value == pytest.approx(0)
    assert cohen(np.zeros(20), np.zeros(20)) is None
    assert fleiss([0, 0], [3, 3]) is None
    assert fleiss([0, 1], [1, 1]) is None
