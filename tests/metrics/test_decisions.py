import numpy as np
import pytest

from knowngood.metrics.decisions import bounds_at_all_times, mcnemar


@pytest.mark.parametrize(("one", "other", "p"), [(0, 0, 1.0), (5, 5, 1.0), (0, 6, 2 / 64), (1, 5, 14 / 64)])
def test_mcnemar_is_a_sign_test_of_the_parts_that_one_alone_rejects(one, other, p):
    assert mcnemar(one, other) == mcnemar(other, one) == pytest.approx(p)


def test_bounds_hold_at_all_times_together():
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(200):
        counts = np.cumsum(rng.random(300) < 0.1)
        bounds = bounds_at_all_times(counts, np.arange(1, 301))
        missed += bool(((bounds[:, 0] > 0.1) | (bounds[:, 1] < 0.1)).any())
    assert missed <= 16  # 5 % of 200, and what chance adds


def test_bounds_enclose_the_share_and_narrow():
    bounds = bounds_at_all_times([0, 0, 1, 5, 50, 1000], [0, 10, 10, 10, 100, 1000])
    assert bounds[0].tolist() == [0, 1]
    assert (bounds[:, 0] <= bounds[:, 1]).all()
    assert bounds[1, 0] == 0
    assert bounds[5, 1] == 1
    assert np.ptp(bounds[4]) < np.ptp(bounds[3])
