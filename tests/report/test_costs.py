"""What decisions cost, compared with counting image by image."""

import numpy as np
import pytest

from knowngood.metrics.thresholds import lowest_cost
from knowngood.report.costs import costs


@pytest.fixture
def judged():
    """Sixty images, a quarter of them good, with scores that overlap and tie."""
    rng = np.random.default_rng(0)
    defect = np.arange(60) % 4 > 0
    return defect, np.round(rng.normal(size=60) + 2 * defect, 1)


def paid(defect, scores, prices, threshold):
    """Image by image."""
    total = 0.0
    for bad, score in zip(defect, scores, strict=True):
        if score > threshold and not bad:
            total += prices[0]
        if score <= threshold and bad:
            total += prices[1]
    return total


class TestCosts:
    @pytest.mark.parametrize("prices", [(1, 1), (1, 10), (3, 0.5)])
    def test_as_counted_image_by_image(self, judged, prices):
        found = costs(*judged, prices, own=0.73)
        for left, right, total in zip(found.edges[:-1], found.edges[1:], found.totals, strict=True):
            assert total == paid(*judged, prices, (left + right) / 2)
            assert total == paid(*judged, prices, left)
        assert found.paid == paid(*judged, prices, 0.73)

    @pytest.mark.parametrize("prices", [(1, 1), (1, 10)])
    def test_the_best_is_what_the_rule_would_choose(self, judged, prices):
        found = costs(*judged, prices, own=0.0)
        assert found.best == lowest_cost(*judged, *prices).value
        assert found.lowest == found.totals.min() == paid(*judged, prices, found.best)

    def test_a_threshold_beyond_all_scores_is_shown(self, judged):
        found = costs(*judged, (1, 10), own=99.0)
        assert found.edges[-1] > 99
        assert found.paid == 10 * judged[0].sum()

    def test_all_scores_equal(self):
        found = costs(np.array([False, True]), np.zeros(2), (1, 10), own=0.0)
        assert found.totals.tolist() == [1, 10]
        assert np.diff(found.edges).min() > 0
