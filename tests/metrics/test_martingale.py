import math

import numpy as np
import pytest

from knowngood.metrics.martingale import WORDS, Martingale


def run(martingale, values):
    return [martingale.update(value) for value in values]


def test_p_values_of_exchangeable_numbers_are_uniform_and_no_bet_gains():
    rng = np.random.default_rng(0)
    capitals, p_values = [], []
    for seed in range(60):
        states = run(Martingale(rng.normal(size=50), seed=seed), rng.normal(size=150))
        p_values += [state.p_value for state in states]
        capitals.append(max(state.log_capital for state in states))
    counts, _ = np.histogram(p_values, bins=10, range=(0, 1))
    assert counts.min() > 0.9 * len(p_values) / 10
    assert np.mean(np.array(capitals) >= math.log(20)) <= 0.05


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda values: values + 1.5, "higher"),
        (lambda values: values - 1.5, "lower"),
        (lambda values: 3 * values, "wider apart"),
        (lambda values: 0.2 * values, "closer together"),
        (lambda values: np.where(np.arange(80) % 4 == 0, 9 + np.arange(80), values), "far higher in some"),
    ],
)
def test_a_change_is_named_and_dated(change, word):
    assert word in WORDS
    rng = np.random.default_rng(1)
    martingale = Martingale(rng.normal(size=100))
    run(martingale, rng.normal(size=300))
    states = run(martingale, change(rng.normal(size=80)))
    first = next(place for place, state in enumerate(states) if state.log_capital > math.log(100))
    assert first < 60
    assert states[first].change == word
    assert abs(states[first].since - 300) < 15


def test_constant_and_infinite_numbers_change_nothing():
    states = run(Martingale([1.0] * 20), [1.0] * 200)
    assert max(state.log_capital for state in states) < math.log(20)
    assert math.isfinite(Martingale([1.0]).update(math.inf).log_capital)
    assert math.isfinite(Martingale([]).update(0.0).log_capital)
