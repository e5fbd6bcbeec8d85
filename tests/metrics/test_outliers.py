import numpy as np
import pytest

from knowngood.errors import DataError
from knowngood.metrics.outliers import far_outside


def test_the_limit_is_so_many_distances_above_the_median():
    scores = np.concatenate([np.linspace(-2.0, 2.0, 41), [0.0, 0.0, 0.0]])
    low, median, high = np.quantile(scores, (0.25, 0.5, 0.75))
    limit = median + (high - median) * np.log2(45 / 2 / 0.001)
    assert high - median >= (high - low) / 2
    assert far_outside([*scores, limit * 1.2]).nonzero()[0].tolist() == [44]
    assert not far_outside([*scores, limit * 0.9]).any()


def test_units_do_not_matter():
    scores = np.array([*np.random.default_rng(0).gumbel(3, 1, 38), 30, 40])
    far = far_outside(scores)
    assert far.nonzero()[0].tolist() == [38, 39]
    np.testing.assert_array_equal(far_outside(scores * 1e-6 - 7), far)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_among_few_scores_nothing_is_far(count):
    assert far_outside([*range(count), 1e9][:count]).tolist() == [False] * count


def test_equal_scores_say_nothing_about_another():
    assert not far_outside([1.0] * 20 + [9.0]).any()


@pytest.mark.parametrize("draw", ["normal", "gumbel", "exponential"])
@pytest.mark.parametrize("count", [12, 40, 300])
def test_clean_scores_are_rarely_flagged(draw, count):
    rng = np.random.default_rng(0)
    flagged = [far_outside(getattr(rng, draw)(size=count)).any() for _ in range(1000)]
    # Of the tails that are common, the exponential one is the heaviest; quartiles of 12 scores vary most.
    assert np.mean(flagged) < {"normal": 0.01, "gumbel": 0.02, "exponential": 0.05}[draw]


def test_a_quarter_may_be_no_good_images():
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(3, 0.5, 33), rng.normal(20, 5, 10)])
    assert far_outside(scores).nonzero()[0].tolist() == list(range(33, 43))


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises((DataError, ValueError), match="NaN"):
        far_outside([1.0] * 9 + [np.nan])
