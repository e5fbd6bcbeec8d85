import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from knowngood.errors import DataError
from knowngood.metrics.hit_miss import detection, upper_sizes


def simulated(number, slope=4.0, share=1.0, seed=0):
    rng = np.random.default_rng(seed)
    logs = rng.uniform(-1.5, 1.5, number)
    return np.exp(logs), rng.random(number) < share * expit(slope * logs)


def test_a_large_sample_finds_the_curve_and_a_bound_just_above_it():
    sizes, hits = simulated(3000)
    curve = detection(sizes, hits)
    plain = minimize(
        lambda line: np.logaddexp(0, -np.where(hits, 1, -1) * (line[0] + line[1] * np.log(sizes))).sum(),
        [0, 1],
    )
    assert (curve.offset, curve.slope) == pytest.approx(tuple(plain.x), rel=0.01)
    assert curve.a90 == pytest.approx(np.exp(logit(0.9) / 4), rel=0.1)
    assert curve.a90 < curve.a90_95 < 1.1 * curve.a90
    assert curve.p_asymptote > 0.05
    assert curve.chance([curve.a90])[0] == pytest.approx(0.9)


def test_the_unit_of_the_size_does_not_matter():
    sizes, hits = simulated(60)
    one, other = detection(sizes, hits), detection(1000 * sizes, hits)
    assert other.a90_95 == pytest.approx(1000 * one.a90_95, rel=1e-3)


def test_classes_that_separate_have_a_finite_curve_and_bound():
    curve = detection(np.arange(1.0, 21), np.arange(20) >= 10)
    assert 9 < curve.a50 < 12
    assert curve.a90 < curve.a90_95 < 40


def test_a_size_that_does_not_matter_promises_nothing():
    rng = np.random.default_rng(3)
    curve = detection(rng.uniform(1, 9, 60), rng.random(60) < 0.5)
    assert curve.p_size > 0.05
    assert (curve.a50, curve.a90, curve.a90_95) == (None, None, None)


def test_smaller_defects_that_are_found_more_often_promise_nothing():
    sizes, hits = simulated(100)
    assert detection(sizes, ~hits).a90 is None


def test_large_defects_that_are_missed_too_have_an_asymptote():
    curve = detection(*simulated(300, slope=6, share=0.7))
    assert curve.asymptote == pytest.approx(0.7, abs=0.1)
    assert curve.p_asymptote < 0.01
    assert curve.a90 is None


def test_bounds_rise_with_the_probability():
    bounds = upper_sizes(*simulated(60), [0.5, 0.8, 0.9])
    assert (np.diff(bounds) > 0).all()


@pytest.mark.parametrize(
    ("sizes", "hits", "message"),
    [
        ([1, 2, 3], [True] * 3, "all of the 3 defects were found: a curve needs some of each; add smaller"),
        ([1, 2, 3], [False] * 3, "none of the 3 defects"),
        ([1, 1, 2, 2], [False, True] * 2, "fewer than three different sizes"),
        ([0, 1, 2], [False, True, True], "above 0"),
    ],
)
def test_defects_to_which_no_curve_can_be_fitted(sizes, hits, message):
    with pytest.raises(DataError, match=message):
        detection(sizes, hits)
