from functools import partial

import numpy as np
import pytest

from knowngood.inspector.exporting import LARGEST_DIFFERENCE, LARGEST_ROUNDED, relative_difference

_MAP = np.linspace(1, 2, 2352, dtype=np.float32).reshape(3, 28, 28)

of_map = partial(relative_difference, "map", _MAP, typical=1.0)


def test_a_few_places_that_are_rounded_the_other_way_are_no_defect_of_a_graph() -> None:
    given = _MAP.copy()
    given[1, [2, 9, 17, 18], [19, 24, 14, 3]] += 0.05

    assert of_map(given, rounds=True) == pytest.approx(0.05 / 2 * (4 / 2352) ** 0.5, rel=1e-3)
    assert of_map(given, rounds=True) < LARGEST_ROUNDED
    assert of_map(given, rounds=False) == pytest.approx(0.025, rel=1e-3)


def test_a_map_that_differs_everywhere_is_one() -> None:
    assert of_map(_MAP + np.float32(0.02), rounds=True) > LARGEST_ROUNDED
    assert of_map(_MAP + np.float32(0.02), rounds=False) > LARGEST_DIFFERENCE


def test_scores_are_compared_with_themselves_or_a_typical_one() -> None:
    scores, given = np.float32([0.0, 4.0]), np.float32([0.1, 4.2])

    for rounds in (True, False):
        found = relative_difference("image", scores, given, typical=0.5, rounds=rounds)
        assert found == pytest.approx(0.2)
