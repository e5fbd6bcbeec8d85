"""Conformal p-values against their definition and their guarantee."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowngood.metrics.calibration import p_values

SCORES = st.lists(st.integers(-4, 4).map(float) | st.floats(-1e6, 1e6), min_size=1, max_size=30)


@given(SCORES, SCORES)
def test_p_values_follow_the_definition(scores, held_out):
    expected = [(1 + sum(h >= s for h in held_out)) / (len(held_out) + 1) for s in scores]
    assert p_values(scores, held_out).tolist() == expected


@given(st.lists(st.integers(0, 9).map(float), min_size=2, max_size=40), st.integers(1, 99))
def test_of_exchangeable_parts_at_most_a_share_a_gets_a_p_value_of_at_most_a(scores, percent):
    p = [p_values([s], scores[:i] + scores[i + 1 :])[0] for i, s in enumerate(scores)]
    assert sum(100 * value <= percent for value in p) <= percent * len(scores) / 100


def test_p_value_does_not_depend_on_the_other_scores():
    held_out, scores = np.arange(20.0), np.array([3.5, 19.0, 25.0, -1.0])
    together = p_values(scores, held_out)
    assert together.tolist() == [p_values([score], held_out)[0] for score in scores]


def test_without_held_out_scores_nothing_is_unusual():
    assert p_values([1.0, 1e9], []).tolist() == [1.0, 1.0]


def test_held_out_order_does_not_matter_and_is_kept():
    held_out = np.array([3.0, 1.0, 2.0])
    assert p_values([2.0], held_out).tolist() == p_values([2.0], np.sort(held_out)).tolist() == [0.75]
    assert held_out.tolist() == [3.0, 1.0, 2.0]


def test_infinite_score_gets_the_smallest_p_value_and_nan_is_refused():
    assert p_values([np.inf], [1.0, 2.0, 3.0]).tolist() == [0.25]
    for scores, held_out in [([np.nan], [1.0]), ([1.0], [np.nan])]:
        with pytest.raises(ValueError, match="NaN"):
            p_values(scores, held_out)
