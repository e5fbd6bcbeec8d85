import json

import numpy as np
import pytest

from knowngood.metrics.reliability import BINS, Reliability
from knowngood.training.classes_record import CONTENT, Classes, Odd
from knowngood.training.record import Epoch, TrainingRecord
from knowngood.training.records import Records


@pytest.fixture
def of_classes():
    rng = np.random.default_rng(1)
    before, after = (
        Reliability(rng.integers(0, 50, BINS), rng.uniform(size=BINS), rng.uniform(size=BINS)) for _ in "ab"
    )
    return Classes(
        names=["0°", "a, b", "ü"],
        temperature=1.0625,
        fitted=True,
        accuracy=0.75,
        before=before,
        after=after,
        odd=[Odd("parts/7.png", "ü", 31.5, True), Odd("[3]", "", -1e-30, False)],
        pictures=rng.integers(0, 256, (2, 9, 5, 3), dtype=np.uint8),
    )


@pytest.fixture
def classifying(of_classes):
    return Records(classes=of_classes)


def test_classes_come_back(classifying, of_classes):
    members = classifying.to_members()
    assert list(members) == [CONTENT, "training/odd.png"]
    again = Records.from_members(members).classes
    for name in ("names", "temperature", "fitted", "accuracy", "odd"):
        assert getattr(again, name) == getattr(of_classes, name)
    assert all(isinstance(one, Odd) for one in again.odd)
    for one, other in ((again.before, of_classes.before), (again.after, of_classes.after)):
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert one.expected_error == other.expected_error
        assert one.answers.dtype == np.int64
    np.testing.assert_array_equal(again.pictures, of_classes.pictures)
    assert again.pictures.dtype == np.uint8


def test_with_the_record_of_a_training(of_classes):
    training = TrainingRecord([], [Epoch(1, 0.5, 0.6)], 1, 1e-3, [0])
    again = Records.from_members(Records(training, of_classes).to_members())
    np.testing.assert_array_equal(again.classes.pictures, of_classes.pictures)
    assert again.training.epochs == training.epochs


def test_pictures_of_the_oddest_are_missing(classifying):
    members = classifying.to_members()
    del members["training/odd.png"]
    with pytest.raises(ValueError, match="record is damaged"):
        Records.from_members(members)


@pytest.mark.parametrize("where", [8, 20, -20])
def test_pictures_of_the_oddest_are_cut_or_altered(classifying, where):
    members = classifying.to_members()
    png = members["training/odd.png"]
    for damaged in (png[:where], png[:where] + bytes([png[where] ^ 255]) + png[where:][1:]):
        with pytest.raises(ValueError, match="damaged"):
            Records.from_members(members | {"training/odd.png": damaged})


NAN, INFINITE, HUGE = float("nan"), float("inf"), 10**400


@pytest.mark.parametrize(
    "changes",
    [
        {"names": 5},
        {"names": None},
        {"temperature": 0},
        {"temperature": -1.5},
        {"temperature": NAN},
        {"temperature": INFINITE},
        {"temperature": "warm"},
        {"temperature": None},
        {"temperature": HUGE},
        {"temperature": 1e-9},
        {"temperature": 1e9},
        {"temperature": "nan"},
        {"names": ["a", "b", "a"]},
        {"names": ["a", "line\n" * 10**6]},
        {"names": ["a", "x" * 201]},
        {"names": ["a", "\x1b]0;title\x07"]},
        {"names": [str(number) for number in range(1001)]},
        {"odd": [["a\nb", "b", 1.0, True]] * 2},
        {"odd": [["a", "b", 1.0, True]] * 101},
        {"accuracy": NAN},
        {"accuracy": []},
        {"before": None},
        {"before": [[0] * BINS] * 2},
        {"before": [[0] * 3] * 3},
        {"after": [[0] * BINS, [0] * BINS, [0] * (BINS + 1)]},
        {"after": [[[0]] * BINS] * 3},
        {"after": [["x"] * BINS] * 3},
        {"after": [{}] * 3},
        {"after": [[HUGE] * BINS] * 3},
        {"after": [[NAN] * BINS, [0] * BINS, [0] * BINS]},
        {"after": [[1e300] * BINS, [0] * BINS, [0] * BINS]},
        {"after": [[0.5] * BINS, [0] * BINS, [0] * BINS]},
        {"after": [[1] * BINS, [0] * BINS, [7] * BINS]},
        {"after": [[1] * BINS, [NAN] * BINS, [0] * BINS]},
        {"accuracy": 7},
        {"names": "abc"},
        {"names": []},
        {"names": [None, {}]},
        {"fitted": "no"},
        {"odd": ["ab1d", "ab1d"]},
        {"odd": []},
        {"odd": None},
        {"odd": 5},
        {"odd": [["a", "b", 1.0]] * 2},
        {"odd": [["a", "b", "c", True]] * 2},
        {"odd": [["a", "b", NAN, True]] * 2},
        {"odd": [["a", "b", HUGE, True]] * 2},
        {"odd": [["a", "b", 1.0, True]] * 3},
        {"pictures": None},
        {"pictures": [2, 9]},
        {"pictures": [1, 18, 5]},
        {"pictures": [2, 9, 6]},
        {"pictures": [-2, -9, 5]},
        {"pictures": [0, 9, 5]},
        {"pictures": [10**9, 10**9, 10**9]},
    ],
)
def test_a_stranger_s_classes(classifying, changes):
    members = classifying.to_members()
    content = json.loads(members[CONTENT])
    content |= changes
    members[CONTENT] = json.dumps(content).encode()
    with pytest.raises(ValueError, match=r"damaged|impossible|could not convert|unpack"):
        Records.from_members(members)


@pytest.mark.parametrize("name", ["names", "temperature", "accuracy", "before", "after", "odd", "pictures"])
def test_something_of_the_classes_is_missing(classifying, name):
    members = classifying.to_members()
    content = json.loads(members[CONTENT])
    del content[name]
    members[CONTENT] = json.dumps(content).encode()
    with pytest.raises(ValueError, match="record is damaged"):
        Records.from_members(members)


@pytest.mark.parametrize("value", [5, "classes", [1], True])
def test_classes_that_are_none(classifying, value):
    members = classifying.to_members()
    members[CONTENT] = json.dumps(value).encode()
    with pytest.raises(ValueError, match="record is damaged"):
        Records.from_members(members)
