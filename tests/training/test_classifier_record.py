import json

import numpy as np
import pytest

from knowngood.classifiers import make_classifier
from knowngood.errors import InspectorError
from knowngood.inspector.file import write_inspector
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.train import train
from knowngood.training.classifier_record import CONTENT, SHEET, ClassifierRecord
from knowngood.training.members import write_pictures
from knowngood.training.records import Records


def make(**changes):
    rng = np.random.default_rng(0)
    values = {
        "names": ["good", "dent", "Löcher"],
        "counts": [5, 3, 2],
        "logits": rng.normal(size=(4, 3)).astype(np.float32),
        "truth": np.array([0, 0, 2, 1]),
        "temperature": 1.37,
        "train_loss": 0.1234567890123,
        "train_accuracy": 0.875,
        "notes": ["imbalance: none (about equal)", "regularisation: C = 10"],
        "sheet": rng.integers(0, 256, (3, 2, 6, 5, 3), dtype=np.uint8),
        "rows": ["good", "dent", "Löcher"],
    }
    return ClassifierRecord(**values | changes)


def told(record):
    """As a file has it: JSON, and pictures by name."""
    members = record.to_members()
    return json.loads(members.pop(CONTENT)), members


def read(content, members):
    return ClassifierRecord.from_members({CONTENT: json.dumps(content).encode(), **members})


def check_same(one, other):
    for name in ("names", "counts", "temperature", "train_loss", "train_accuracy", "notes", "rows"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("logits", "truth", "sheet"):
        ours, theirs = getattr(one, name), getattr(other, name)
        if ours is None:
            assert theirs is None
            continue
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


DAMAGE = {
    "no names": ("names", []),
    "one kind": ("names", ["good"]),
    "a name twice": ("names", ["good", "dent", "dent"]),
    "a name too few": ("names", ["good", "dent"]),
    "a text for names": ("names", "abc"),
    "numbers for names": ("names", [1, 2, 3]),
    "a count too few": ("counts", [5, 3]),
    "a negative count": ("counts", [5, 3, -1]),
    "a count in words": ("counts", [5, 3, "two"]),
    "no count": ("counts", [5, 3, None]),
    "an endless count": ("counts", [5, 3, float("inf")]),
    "no answers": ("logits", []),
    "answers of one kind": ("logits", [[0.0]] * 4),
    "ragged answers": ("logits", [[0.0] * 3, [0.0] * 2, [0.0] * 3, [0.0] * 3]),
    "an answer too many": ("logits", [[0.0] * 3] * 5),
    "answers that are no numbers": ("logits", [[0.0, 0.0, float("nan")]] * 4),
    "endless answers": ("logits", [[0.0, 0.0, float("inf")]] * 4),
    "answers beyond belief": ("logits", [[0.0, 0.0, -2e6]] * 4),
    "answers in words": ("logits", [["a", "b", "c"]] * 4),
    "an unknown kind": ("truth", [0, 1, 2, 3]),
    "a kind below zero": ("truth", [0, 1, 2, -1]),
    "a truth too few": ("truth", [0, 1, 2]),
    "truth in words": ("truth", ["good"] * 4),
    "no truth": ("truth", None),
    "no temperature": ("temperature", None),
    "temperature zero": ("temperature", 0),
    "temperature near zero": ("temperature", 1e-12),
    "a huge temperature": ("temperature", 1e12),
    "a name of many lines": ("names", ["good", "dent\n" * 10**6, "c"]),
    "a long name": ("names", ["good", "dent", "c" * 201]),
    "a name that clears the screen": ("names", ["good", "dent", "\x1b[2J"]),
    "a note that clears the screen": ("notes", ["\x1b[2J"]),
    "a note of a megabyte": ("notes", ["x" * 10**6]),
    "many notes": ("notes", ["x"] * 101),
    "a row of many lines": ("rows", ["good", "dent\n", "c"]),
    "a negative temperature": ("temperature", -1.0),
    "an endless temperature": ("temperature", float("inf")),
    "a temperature that is no number": ("temperature", float("nan")),
    "a negative loss": ("train_loss", -0.1),
    "an endless loss": ("train_loss", float("inf")),
    "more than all right": ("train_accuracy", 1.01),
    "an accuracy that is no number": ("train_accuracy", float("nan")),
    "notes that are no list": ("notes", "imbalance"),
    "notes that are no texts": ("notes", [["imbalance"]]),
    "notes that control a terminal": ("notes", ["\x1b[2J"]),
    "a name of a million lines": ("names", ["good", "dent", "a\n" * 10**6]),
    "a name of a megabyte": ("names", ["good", "dent", "a" * 10**6]),
    "a row too few": ("rows", ["good", "dent"]),
    "rows that are no texts": ("rows", [1, 2, 3]),
    "a sheet of another size": ("sheet", [3, 2, 5, 6]),
    "a sheet with fewer rows": ("sheet", [2, 3, 6, 5]),
    "a sheet of no size": ("sheet", [0, 2, 6, 5]),
    "a sheet beyond belief": ("sheet", [1, 1, 1 << 14, 1 << 14]),
    "a negative sheet": ("sheet", [-3, -2, 6, 5]),
    "a sheet of three sides": ("sheet", [6, 6, 5]),
    "a sheet in words": ("sheet", ["a", "b", "c", "d"]),
    "a number for a sheet": ("sheet", 6),
}


class TestRecord:
    @pytest.mark.parametrize("changes", [{}, {"sheet": None, "rows": []}, {"notes": []}])
    def test_is_read_as_it_was_written(self, changes):
        record = make(**changes)
        check_same(read(*told(record)), record)

    def test_among_the_records_of_an_inspector(self):
        members = Records(classifier=make()).to_members()
        assert set(members) == {CONTENT, SHEET}
        records = Records.from_members(members)
        check_same(records.classifier, make())
        assert records.training is records.classes is None
        assert Records.from_members({}).classifier is None

    @pytest.mark.parametrize("damage", list(DAMAGE))
    def test_damaged_values_are_refused(self, damage):
        name, value = DAMAGE[damage]
        content, members = told(make())
        with pytest.raises((ValueError, KeyError, TypeError, OverflowError)):
            read(content | {name: value}, members)

    @pytest.mark.parametrize("name", list(told(make())[0]))
    def test_what_is_missing_is_refused(self, name):
        content, members = told(make())
        del content[name]
        with pytest.raises(KeyError, match=name):
            read(content, members)

    @pytest.mark.parametrize("content", [None, 5, "record", [1, 2], []])
    def test_what_is_no_record_is_refused(self, content):
        with pytest.raises((ValueError, KeyError, TypeError)):
            read(content, {})

    def test_a_missing_or_damaged_picture_is_refused(self):
        content, members = told(make())
        with pytest.raises(KeyError):
            read(content, {})
        for picture in (
            b"",
            b"no picture",
            members[SHEET][:40],
            members[SHEET][:-30] + bytes(30),
            write_pictures(np.zeros((6, 5, 6, 3), np.uint8)),
        ):
            with pytest.raises(ValueError, match="a picture of the training record is damaged"):
                read(content, {SHEET: picture})

    def test_rows_need_a_sheet(self):
        content, _ = told(make(sheet=None, rows=[]))
        with pytest.raises(ValueError, match="the training record is damaged"):
            read(content | {"rows": ["good", "dent", "Löcher"]}, {})


@pytest.fixture(scope="module")
def inspector(good_images, defect_images, tmp_path_factory):
    import pandas as pd
    from PIL import Image

    folder = tmp_path_factory.mktemp("parts")
    rows = []
    for place, image in enumerate([*good_images[:4], *defect_images[:3]]):
        Image.fromarray(image).save(folder / f"{place}.png")
        rows.append((str(folder / f"{place}.png"), "good" if place < 4 else "defect", "train"))
    table = pd.DataFrame(rows, columns=["path", "label", "split"])
    recipe = make_classifier("linear_probe", {"input_size": 64, "orientation": "mirrored"})
    return train(table, recipe, device="cpu")


def written(inspector, path, content=None, members=None):
    """An inspector file with other content in its record."""
    known = inspector.records.to_members()
    if content is not None:
        known = known | {CONTENT: json.dumps(content).encode()}
    write_inspector(path, inspector.manifest.to_json(), inspector.graph, known | (members or {}))
    return path


class TestInspectorFile:
    @pytest.fixture
    def content(self, inspector):
        return json.loads(inspector.records.to_members()[CONTENT])

    def test_as_it_is_it_loads(self, inspector, content, tmp_path):
        loaded = Inspector.load(written(inspector, tmp_path / "a.inspector", content))
        check_same(loaded.classifier, inspector.classifier)
        assert loaded.classifier.sheet.shape == (2, 2, 64, 64, 3)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("names", ["good"]),
            ("names", ["good", "good"]),
            ("names", {"good": 1}),
            ("counts", [4, -3]),
            ("counts", [4]),
            ("counts", [4, 10**400]),
            ("logits", [[0.0, 1.0]]),
            ("logits", [[0.0, float("nan")]] * 7),
            ("logits", "many"),
            ("truth", [0, 0, 0, 0, 1, 1, 2]),
            ("truth", [0, 0, 0, 0, 1, 1, 2**70]),
            ("temperature", 0.0),
            ("temperature", "warm"),
            ("train_accuracy", 2),
            ("notes", 3),
            ("rows", []),
            ("sheet", None),
            ("sheet", [2, 2, 64, 65]),
        ],
    )
    def test_damaged_it_is_refused(self, inspector, content, tmp_path, name, value):
        assert name in content
        content[name] = value
        path = written(inspector, tmp_path / "damaged.inspector", content)
        with pytest.raises(InspectorError, match=r"damaged\.inspector.*fit it anew"):
            Inspector.load(path)

    @pytest.mark.parametrize("other", [5, "record", [], {}])
    def test_with_something_else_for_a_record_too(self, inspector, tmp_path, other):
        with pytest.raises(InspectorError, match="fit it anew"):
            Inspector.load(written(inspector, tmp_path / "damaged.inspector", other))

    def test_without_a_record_too(self, inspector, tmp_path):
        write_inspector(tmp_path / "a.inspector", inspector.manifest.to_json(), inspector.graph, {})
        with pytest.raises(InspectorError, match="its records are not those of its task, classification"):
            Inspector.load(tmp_path / "a.inspector")

    def test_with_a_damaged_picture_too(self, inspector, content, tmp_path):
        sheet = inspector.records.to_members()[SHEET]
        for picture in (b"", sheet[:100], b"\x89PNG" + bytes(100)):
            path = written(inspector, tmp_path / "damaged.inspector", content, {SHEET: picture})
            with pytest.raises(InspectorError, match="fit it anew"):
                Inspector.load(path)
