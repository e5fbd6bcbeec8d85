import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from knowngood.training.members import read_pictures, write_pictures
from knowngood.training.record import CONTENT, Epoch, Layer, TrainingRecord
from knowngood.training.records import Records


@pytest.fixture
def record():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, 4, 12, 10, 3), dtype=np.uint8)
    return TrainingRecord(
        layers=[Layer("encoder.0", "Conv2d 3 → 16, kernel 4, stride 2", (16, 6, 5), 784)],
        epochs=[Epoch(1, 0.5, 0.6), Epoch(2, 0.25, 0.35, 0.5, 2.0, (0.5, None), 0.25, (1e-4, 1e-3))],
        best=2,
        learning_rate=1e-3,
        validation=[3, 7],
        originals=pictures[0],
        rebuilt={5: pictures[1], 100: pictures[2]},
        range_test=[(1e-6, 1.5), (1e-3, 0.5)],
    )


def test_round_trip(record):
    again = TrainingRecord.from_members(record.to_members())
    for name in ("layers", "epochs", "best", "learning_rate", "validation", "range_test"):
        assert getattr(again, name) == getattr(record, name)
    np.testing.assert_array_equal(again.originals, record.originals)
    assert list(again.rebuilt) == [5, 100]
    for epoch, pictures in record.rebuilt.items():
        np.testing.assert_array_equal(again.rebuilt[epoch], pictures)


def test_an_older_record_has_no_rates(record):
    members = record.to_members()
    values = json.loads(members[CONTENT])
    del values["range_test"]
    values["epochs"] = [epoch[:6] for epoch in values["epochs"]]
    members[CONTENT] = json.dumps(values).encode()
    again = TrainingRecord.from_members(members)
    assert again.range_test == []
    assert again.epochs[1] == record.epochs[1]._replace(train_error=None, rates=())


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
        Records.from_members(members)


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
        {"layers": [["a", "b", [3], 4]] * 10_000},
        {"layers": [["a" * 10**6, "b", [3], 4]]},
        {"layers": [["a", "b\x1b[2J", [3], 4]]},
        {"layers": [["a", "b", list(range(9)), 4]]},
        {"layers": [["a", "b", [3], 1 << 64]]},
        {"epochs": [[epoch, 1.0, 1.0] for epoch in range(100_001)]},
        {"epochs": [[2, 1.0, 1.0, float("nan")]]},
        {"epochs": [[2, 1.0, 1.0, None, float("inf")]]},
        {"epochs": [[2, 1.0, 1.0, None, None, ["nan"]]]},
        {"epochs": [[2, 1.0, 1.0, None, None, [0.5] * 1001]]},
        {"learning_rate": "inf"},
        {"learning_rate": float("nan")},
        {"rebuilt": list(range(10**6))},
        {"originals": [1, 8192, 8192], "rebuilt": [5, 100, 101, 102, 103, 104]},
        {"learning_rate": float("inf")},
        {"epochs": [[1, 1.0, 1.0, float("nan")]]},
        {"layers": [["a\x1b[2J", "b", [3], 4]]},
        {"best": 10**30},
        {"epochs": [[2, 1.0, 1.0, None, None, [], float("nan")]]},
        {"epochs": [[2, 1.0, 1.0, None, None, [], None, [1e-3] * 17]]},
        {"epochs": [[2, 1.0, 1.0, None, None, [], None, ["nan"]]]},
        {"range_test": [[0.0, 0.5]]},
        {"range_test": [[1e-3, "inf"]]},
        {"range_test": [[1e-3, 0.5]] * 1001},
    ],
)
def test_a_stranger_s_record(record, changes):
    members = record.to_members()
    members[CONTENT] = json.dumps(json.loads(members[CONTENT]) | changes).encode()
    with pytest.raises(ValueError, match=r"damaged|impossible|invalid literal|unpack") as refused:
        Records.from_members(members)
    assert len(str(refused.value)) < 500


def test_a_record_of_too_many_bytes(record, monkeypatch):
    monkeypatch.setattr("knowngood.training.members.MOST_JSON", 50)
    with pytest.raises(ValueError, match=r"damaged: it has [0-9,]+ bytes"):
        Records.from_members(record.to_members())


@pytest.mark.parametrize("name", ["training/\x1b[2J", "training/a\nb", "training/" + "x" * 200])
def test_a_part_with_an_impossible_name(record, name):
    with pytest.raises(ValueError, match="a part with an impossible name"):
        Records.from_members(record.to_members() | {name: b""})


def test_of_large_pictures_fewer_are_kept(record, monkeypatch):
    monkeypatch.setattr("knowngood.training.record.MOST_UNPACKED", 2 * record.originals.size)
    assert list(TrainingRecord.from_members(record.to_members()).rebuilt) == [100]


class TestPictures:
    """Pictures inside of an inspector are PNG as they were written, and nothing that unpacks to more."""

    SHAPE = (2, 5, 6, 3)

    def images(self):
        return np.arange(180, dtype=np.uint8).reshape(self.SHAPE)

    def test_round_trip(self):
        np.testing.assert_array_equal(read_pictures(write_pictures(self.images()), self.SHAPE), self.images())

    @pytest.mark.parametrize("suffix", [".tif", ".bmp", ".jpg", ".webp"])
    def test_another_format_is_refused(self, suffix):
        content = cv2.imencode(suffix, np.concatenate(list(self.images())))[1].tobytes()
        with pytest.raises(ValueError, match="is damaged"):
            read_pictures(content, self.SHAPE)

    def test_so_is_one_that_claims_to_be_small(self):
        """A TIFF with the size of a PNG at its place, a TIFF behind the header of a PNG, a PNG cut off."""
        png = write_pictures(self.images())
        large = cv2.imencode(".tif", np.zeros((4000, 4000), np.uint8))[1].tobytes()
        for content in (large[:16] + png[16:24] + large[24:], png[:33] + large, png[:-12]):
            with pytest.raises(ValueError, match="is damaged"):
                read_pictures(content, self.SHAPE)

    @pytest.mark.parametrize("options", [{"mode": "RGBA"}, {"mode": "L"}, {"mode": "P"}, {"mode": "I;16"}])
    def test_so_are_pixels_of_another_type(self, options):
        content = io.BytesIO()
        Image.new(options["mode"], (6, 10)).save(content, "png")
        with pytest.raises(ValueError, match="is damaged"):
            read_pictures(content.getvalue(), self.SHAPE)

    def test_so_is_an_animation(self):
        content = io.BytesIO()
        frame = Image.new("RGB", (6, 10))
        frame.save(content, "png", save_all=True, append_images=[Image.new("RGB", (6, 10), "red")] * 50)
        with pytest.raises(ValueError, match="is damaged"):
            read_pictures(content.getvalue(), self.SHAPE)
