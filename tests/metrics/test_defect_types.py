"""The selection of one defect type with all good samples."""

import numpy as np

from knowngood.metrics.defect_types import by_defect_type
from knowngood.metrics.rates import confusion, rate


def test_each_selection_holds_all_good_and_one_type():
    defect = np.array([False, True, True, False, True])
    chosen = by_defect_type(defect, ["good", "scratch", "bent", "scratch", "scratch"])
    assert list(chosen) == ["bent", "scratch"]
    assert chosen["bent"].tolist() == [True, False, True, True, False]
    assert chosen["scratch"].tolist() == [True, True, False, True, True]


def test_escape_rate_of_each_type():
    defect = np.array([False, True, True, True])
    scores = np.array([0.0, 1.0, 5.0, 5.0])
    found = {
        name: confusion(defect[chosen], scores[chosen], 2.0).escape_rate()
        for name, chosen in by_defect_type(defect, ["", "a", "a", "b"]).items()
    }
    assert found == {"a": rate(1, 2), "b": rate(0, 1)}


def test_without_defects_there_are_no_types():
    assert by_defect_type([False, False], ["good", "good"]) == {}
