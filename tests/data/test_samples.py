import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from knowngood.data.samples import (
    check_samples,
    fingerprint,
    load_samples,
)
from knowngood.errors import DataError

ROWS = {
    "path": ["a.png", "sub/b c.png", "ü.png"],
    "split": ["train", "test", "test"],
    "label": ["good", "good", "defect"],
    "defect": ["", "", "dent"],
    "mask": ["", "", "ü_mask.png"],
}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_is_read_and_its_paths_start_from_its_folder(tmp_path, suffix):
    written = pd.DataFrame(ROWS).assign(camera=["left", "right", "left"])
    path = tmp_path / f"parts.{suffix}"
    if suffix == "csv":
        written.to_csv(path, index=False)
    else:
        written.to_parquet(path)
    table = load_samples(path)
    assert list(table.columns) == [*ROWS, "camera"]
    assert table["path"].tolist() == [str(tmp_path / file) for file in ROWS["path"]]
    assert table["mask"].tolist() == ["", "", str(tmp_path / "ü_mask.png")]
    assert table["defect"].tolist() == ROWS["defect"]


def test_an_absolute_path_in_a_table_stays(tmp_path):
    elsewhere = str(tmp_path / "elsewhere" / "a.png")
    pd.DataFrame({"path": [elsewhere], "label": ["good"]}).to_csv(tmp_path / "t.csv")
    assert load_samples(tmp_path / "t.csv")["path"].tolist() == [elsewhere]


def test_a_folder_is_recognised(widget):
    table = load_samples(widget)
    assert table.groupby(["split", "label"]).size().to_dict() == {
        ("test", "defect"): 6,
        ("test", "good"): 8,
        ("train", "good"): 24,
    }
    pd.testing.assert_frame_equal(table, check_samples(table))
    pd.testing.assert_frame_equal(table, load_samples(table))


def test_what_may_be_missing_is_filled_in():
    table = check_samples(pd.DataFrame({"label": ["good"] * 9 + ["defect"], "path": list("abcdefghij")}))
    assert list(table.columns) == list(ROWS)
    assert (table["defect"] == "").all()
    assert (table["mask"] == "").all()
    assert (table["split"] == "train").sum() == 6
    assert table["split"].iloc[9] == "test"


def test_missing_values_are_empty_and_a_part_without_group_is_by_itself():
    table = pd.DataFrame(ROWS | {"defect": [None, None, "dent"], "group": ["x", None, "x"]}, index=[4, 4, 4])
    checked = check_samples(table)
    assert checked["defect"].tolist() == ["", "", "dent"]
    assert checked["group"].tolist() == ["x", "sub/b c.png", "x"]
    assert table["group"].isna().sum() == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": None}, r"no column 'path', only 'split', 'label'"),
        ({"label": None}, r"no column 'label'"),
        ({"split": ["train", "val", "test"]}, r"'split' .* 'val'; only 'train' and 'test'"),
        ({"label": ["good", "good", "broken"]}, r"'label' .* 'broken'; only 'good' and 'defect'"),
        ({"path": ["a.png", "a.png", "b.png"]}, r"1 image\(s\) more than once, such as 'a.png'"),
        ({"path": ["a.png", "", "b.png"]}, r"no path in row 2"),
        ({"defect": ["", "dent", "dent"]}, r"'sub/b c.png' is labelled good but has a defect type"),
    ],
)
def test_a_wrong_table_is_refused_by_name(tmp_path, change, message):
    table = pd.DataFrame({name: values for name, values in (ROWS | change).items() if values is not None})
    with pytest.raises(DataError, match=message):
        check_samples(table)
    table.to_csv(tmp_path / "wrong.csv", index=False)
    with pytest.raises(DataError, match=rf"wrong\.csv.*{message}"):
        load_samples(tmp_path / "wrong.csv")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x80 no table", b'path,label\n"a'])
def test_a_file_that_is_no_table_is_named(tmp_path, suffix, content):
    path = tmp_path / f"bad.{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"bad\.{suffix}"):
        load_samples(path)


def test_another_kind_of_file_is_refused(widget):
    with pytest.raises(DataError, match="is a file; name a folder"):
        load_samples(widget / "train" / "good" / "000.png")


def test_a_path_that_is_not_there_suggests_near_names(tmp_path):
    (tmp_path / "screws").mkdir()
    with pytest.raises(DataError, match=r"does not exist; did you mean '.*/screws'\?"):
        load_samples(tmp_path / "screw")
    with pytest.raises(DataError, match=r"did you mean '.*/screws'\?"):
        load_samples(tmp_path / "screw" / "train")
    with pytest.raises(DataError, match=r"does not exist$") as missing:
        load_samples(tmp_path / "xyz")
    assert missing.value.path == str(tmp_path / "xyz")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file' is a file"):
        load_samples(tmp_path / "file" / "below")


def test_a_path_that_may_not_be_reached_is_named(tmp_path, monkeypatch):
    def refuse(self, **_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(DataError, match=r"locked' cannot be reached: Permission denied") as locked:
        load_samples(tmp_path / "locked")
    assert locked.value.path == str(tmp_path / "locked")


def test_fingerprint_is_of_the_content(tmp_path):
    for name, content in {"a": b"same", "b": b"same", "c": b"other"}.items():
        (tmp_path / name).write_bytes(content)
    same = hashlib.sha256(b"same").hexdigest()[:16]
    other = hashlib.sha256(b"other").hexdigest()[:16]
    assert fingerprint([tmp_path / "a", str(tmp_path / "c"), tmp_path / "b"]) == [same, other, same]
    assert fingerprint([tmp_path / "none"]) == [""]


PIXELS = arrays(st.sampled_from([np.uint8, np.uint16]), st.tuples(st.integers(1, 4), st.integers(1, 4)))


@given(PIXELS, PIXELS)
def test_fingerprint_of_an_array_is_of_type_shape_and_pixels(first, second):
    alike = first.dtype == second.dtype and first.shape == second.shape and (first == second).all()
    one, same, other, strided = fingerprint(
        [first, first.copy(), second, np.repeat(first, 2, axis=1)[:, ::2]]
    )
    assert one == same == strided
    assert (one == other) == alike
    assert len(one) == 16
    assert int(one, 16) >= 0


def test_fingerprint_of_an_array_is_not_that_of_its_bytes(tmp_path):
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    (tmp_path / "raw").write_bytes(pixels.tobytes())
    np.save(tmp_path / "saved.npy", pixels)
    of_array, *of_files = fingerprint([pixels, tmp_path / "raw", tmp_path / "saved.npy"])
    assert of_array not in of_files
    assert of_array == hashlib.sha256(b"array uint8 (8, 8)\n" + pixels.tobytes()).hexdigest()[:16]


def test_bytes_have_the_fingerprint_of_their_file(tmp_path):
    (tmp_path / "a.png").write_bytes(b"some bytes")
    assert fingerprint([b"some bytes"]) == fingerprint([tmp_path / "a.png"])


@pytest.mark.parametrize("given", [None, ["a.png", "b.png"], b"a.png", 3])
def test_what_is_no_data_set_is_refused(given):
    with pytest.raises(DataError, match=rf"^a {type(given).__name__} came without labels; name a folder"):
        load_samples(given)
