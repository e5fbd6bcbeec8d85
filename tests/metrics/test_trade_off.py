"""The trade-off of false rejects and escapes, counted by hand."""

import numpy as np
import pytest

from knowngood.metrics.rates import clopper_pearson
from knowngood.metrics.thresholds import conformal, recall
from knowngood.metrics.trade_off import ALLOWED, decided, trade_off

HELD_OUT = np.arange(1.0, 100.0)  # 99 scores: the threshold for a rate of 1 % is 99, for 10 % it is 90
DEFECT = np.array([False] * 10 + [True] * 4)
SCORES = np.array([10.0, 20, 30, 40, 50, 60, 70, 80, 91, 96, 50, 92, 97, 200])


def test_each_rate_has_its_own_threshold_and_errors():
    rows = trade_off(HELD_OUT, DEFECT, SCORES)
    assert [row.threshold for row in rows] == [conformal(HELD_OUT, rate) for rate in ALLOWED]
    assert [row.threshold.value for row in rows] == [99, 98, 95, 90]
    assert [row.false_reject.count for row in rows] == [0, 0, 1, 2]
    assert [row.escape.count for row in rows] == [3, 3, 2, 1]
    last = rows[-1].escape
    assert (last.value, last.total) == (0.25, 4)
    assert (last.low, last.high) == clopper_pearson(1, 4)


@pytest.mark.parametrize("defect", [True, False])
def test_without_one_label_its_rate_is_unknown(defect):
    chosen = defect == DEFECT
    for row in trade_off(HELD_OUT, DEFECT[chosen], SCORES[chosen]):
        assert (row.false_reject is None) is defect
        assert (row.escape is None) is not defect


def test_any_threshold_can_be_counted():
    row = decided(recall(DEFECT, SCORES, 1.0), DEFECT, SCORES)
    assert row.escape.count == 0
    assert row.false_reject.count == 6  # 50 is the score of a good part too
