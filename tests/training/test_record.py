import dataclasses
import json

import numpy as np
import pytest

from knowngood.metrics.reliability import BINS, Reliability
from knowngood.training.record import CONTENT, Classes, Epoch, Layer, Odd, TrainingRecord


@pytest.fixture
def record():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, 4, 12, 10, 3), dtype=np.uint8)
    return TrainingRecord(
        layers=[Layer("encoder.0", "Conv2d 3 → 16, kernel 4, stride 2", (16, 6, 5), 784)],
        epochs=[Epoch(1, 0.5, 0.6), Epoch(2, 0.25, 0.35)],
        best=2,
        learning_rate=1e-3,
        validation=[3, 7],
        originals=pictures[0],
        rebuilt={5: pictures[1], 100: pictures[2]},
    )


def test_round_trip(record):
    again = TrainingRecord.from_members(record.to_members())
    for name in ("layers", "epochs", "best", "learning_rate", "validation"):
        assert getattr(again, name) == getattr(record, name)
    np.testing.assert_array_equal(again.originals, record.originals)
    assert list(again.rebuilt) == [5, 100]
    for epoch, pictures in record.rebuilt.items():
        np.testing.assert_array_equal(again.rebuilt[epoch], pictures)


def test_without_pictures():
    record = TrainingRecord([], [Epoch(1, 0.5, 0.6)], 1, 1e-3, [0])
    assert list(record.to_members()) == [CONTENT]
    assert TrainingRecord.from_members(record.to_members()).originals is None


def test_members_are_named_by_their_epoch(record):
    assert list(record.to_members()) == [
        "training.json",
        "training/originals.png",
        "training/epoch_005.png",
        "training/epoch_100.png",
    ]


@pytest.mark.parametrize("missing", ["training.json", "training/originals.png", "training/epoch_005.png"])
def test_a_missing_member(record, missing):
    members = record.to_members()
    del members[missing]
    with pytest.raises(ValueError, match="record is damaged"):
        TrainingRecord.from_members(members)


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": [["a", "b", 3]]},
        {"layers": None},
        {"epochs": [[1, 2]]},
        {"best": "two"},
        {"best": 7},
        {"epochs": []},
        {"epochs": [[2, 1.0, float("inf")]]},
        {"originals": [4, 12, 11]},
        {"originals": [10**9, 10**9, 10**9]},
        {"originals": [-4, 12, 10]},
        {"rebuilt": [6]},
        {"validation": 5},
    ],
)
def test_a_stranger_s_record(record, changes):
    members = record.to_members()
    members[CONTENT] = json.dumps(json.loads(members[CONTENT]) | changes).encode()
    with pytest.raises(ValueError, match=r"damaged|impossible|invalid literal|unpack"):
        TrainingRecord.from_members(members)


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
    return TrainingRecord([], [Epoch(1, 0.5, 0.6)], 1, 1e-3, [0], classes=of_classes)


def test_classes_come_back(classifying, of_classes):
    members = classifying.to_members()
    assert list(members) == [CONTENT, "training/odd.png"]
    again = TrainingRecord.from_members(members).classes
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


def test_classes_and_reconstructions_together(record, of_classes):
    both = dataclasses.replace(record, classes=of_classes)
    again = TrainingRecord.from_members(both.to_members())
    np.testing.assert_array_equal(again.classes.pictures, of_classes.pictures)
    np.testing.assert_array_equal(again.rebuilt[100], record.rebuilt[100])


def test_a_record_from_before_there_were_classes(record):
    members = record.to_members()
    content = json.loads(members[CONTENT])
    content.pop("classes")
    members[CONTENT] = json.dumps(content).encode()
    assert TrainingRecord.from_members(members).classes is None


def test_pictures_of_the_oddest_are_missing(classifying):
    members = classifying.to_members()
    del members["training/odd.png"]
    with pytest.raises(ValueError, match="record is damaged"):
        TrainingRecord.from_members(members)


@pytest.mark.parametrize("where", [8, 20, -20])
def test_pictures_of_the_oddest_are_cut_or_altered(classifying, where):
    members = classifying.to_members()
    png = members["training/odd.png"]
    for damaged in (png[:where], png[:where] + bytes([png[where] ^ 255]) + png[where:][1:]):
        with pytest.raises(ValueError, match="damaged"):
            TrainingRecord.from_members(members | {"training/odd.png": damaged})


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
    content["classes"] |= changes
    members[CONTENT] = json.dumps(content).encode()
    with pytest.raises(ValueError, match=r"damaged|impossible|could not convert|unpack"):
        TrainingRecord.from_members(members)


@pytest.mark.parametrize("name", ["names", "temperature", "accuracy", "before", "after", "odd", "pictures"])
def test_something_of_the_classes_is_missing(classifying, name):
    members = classifying.to_members()
    content = json.loads(members[CONTENT])
    del content["classes"][name]
    members[CONTENT] = json.dumps(content).encode()
    with pytest.raises(ValueError, match="record is damaged"):
        TrainingRecord.from_members(members)


@pytest.mark.parametrize("value", [5, "classes", [1], True])
def test_classes_that_are_none(classifying, value):
    members = classifying.to_members()
    members[CONTENT] = json.dumps(json.loads(members[CONTENT]) | {"classes": value}).encode()
    with pytest.raises(ValueError, match="record is damaged"):
        TrainingRecord.from_members(members)
