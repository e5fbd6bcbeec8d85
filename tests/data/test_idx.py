import gzip
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from knowngood.data.idx import load_idx, read_idx
from knowngood.errors import DataError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def header(*sizes: int, code: int = 8) -> bytes:
    return bytes([0, 0, code, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes)


def idx(array: np.ndarray) -> bytes:
    return header(*array.shape) + array.tobytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some-idx3-ubyte"


@pytest.fixture
def data_set(tmp_path):
    """The four files of a tiny data set, some gzipped, some with a dot in their names."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "train-images.idx3-ubyte").write_bytes(idx(IMAGES))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.array([5, 0], np.uint8))))
    (folder / "t10k-images.idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES[:1])))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(np.array([9], np.uint8)))
    return folder


# --- one file


@given(
    array=arrays(np.uint8, array_shapes(min_dims=1, max_dims=5, max_side=6)),
    zipped=st.booleans(),
)
def test_what_was_written_is_read(tmp_path_factory, array, zipped):
    path = tmp_path_factory.getbasetemp() / "written"
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    found = read_idx(path)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(found, array)
    assert found.flags.writeable


def test_a_file_of_some_megabytes(path):
    array = np.random.default_rng(0).integers(0, 256, size=(3, 1000, 1000), dtype=np.uint8)
    path.write_bytes(gzip.compress(idx(array), 1))
    np.testing.assert_array_equal(read_idx(path), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it begins with the bytes , one of uint8 values with 00 00 08"),
        (b"\0\0\x08", "it begins with the bytes 00 00 08, one of"),
        (b"\x89PNG\r\n\x1a\n", "it begins with the bytes 89 50 4e 47, one of"),
        (header(2, code=7) + b"ab", "it begins with the bytes 00 00 07 01, one of"),
        (header(2, code=0x0D) + bytes(8), "it begins with the bytes 00 00 0d 01, one of uint8 values"),
        (b"\0\0\x08\0a", r"its header states 0 dimensions, of the sizes \[\]"),
        (header(*[1] * 65) + b"a", "maximum supported dimension"),
        (header(2, 3, 4)[:-1], r"its header states 3 dimensions, of the sizes \[2, 3, 0\]"),
        (header(2, 3, 4)[:-4], r"its header states 3 dimensions, of the sizes \[2, 3\]"),
        (header(2, 0, 4), r"its header states 3 dimensions, of the sizes \[2, 0, 4\]"),
        (idx(IMAGES)[:-1], "its header states 24 bytes, and it holds only 23; get it again"),
        (idx(IMAGES) + b"a", "its header states 24 bytes, and it holds more; get it again"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_wrong_file_is_named(path, content, message, zipped):
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(
        DataError, match=f"some-idx3-ubyte' cannot be read as an IDX file: {message}"
    ) as caught:
        read_idx(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_opened_is_named(path):
    with pytest.raises(
        DataError, match="some-idx3-ubyte' cannot be read as an IDX file: No such file or directory"
    ):
        read_idx(path)
    path.mkdir()
    with pytest.raises(DataError, match="some-idx3-ubyte' cannot be read as an IDX file: Is a directory"):
        read_idx(str(path))


@pytest.mark.parametrize("kept", [3, 15, 30, -8, -1])
def test_a_truncated_gzip_stream(path, kept):
    path.write_bytes(gzip.compress(idx(IMAGES))[:kept])
    with pytest.raises(
        DataError, match="some-idx3-ubyte' cannot be read as an IDX file: Compressed file ended"
    ):
        read_idx(path)


def test_a_damaged_gzip_stream(path):
    whole = gzip.compress(idx(IMAGES))
    # The method of compression, the first block, the checksum, the length, and what comes after it.
    changed = [2, 10, len(whole) - 8, len(whole) - 1]
    for damaged in [whole[:at] + b"\xfe" + whole[at + 1 :] for at in changed] + [whole + b"end"]:
        path.write_bytes(damaged)
        with pytest.raises(
            DataError, match=r"IDX file: (Unknown compression|Error -3|CRC|Incorrect|Not a gzipped)"
        ):
            read_idx(path)


@given(content=st.binary(max_size=60), zipped=st.booleans())
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, zipped):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes((b"\x1f\x8b\x08" if zipped else b"\0\0\x08") + content)
    try:
        assert read_idx(path).dtype == np.uint8
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017 - either is right


@pytest.mark.parametrize("zipped", [False, True])
def test_an_absurd_size_takes_no_memory(path, zipped):
    content = header(*[2**32 - 1] * 5) + b"few"
    path.write_bytes(gzip.compress(content) if zipped else content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"its header states 1,461,\d\d\d,.* bytes, and it holds only 3;"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_no_more_is_inflated_than_the_header_states(path, monkeypatch):
    inflated = []
    read = gzip.GzipFile.read
    monkeypatch.setattr(
        gzip.GzipFile,
        "read",
        lambda file, size=-1: inflated.append(read(file, size)) or inflated[-1],
    )
    path.write_bytes(gzip.compress(header(5, 2) + bytes(2**24)))
    with pytest.raises(DataError, match="its header states 10 bytes, and it holds more"):
        read_idx(path)
    assert sum(map(len, inflated)) == len(header(5, 2)) + 10 + 1


# --- the files of a data set


def test_each_name_that_is_in_use(data_set):
    images, labels = load_idx(data_set, "train")
    np.testing.assert_array_equal(images, IMAGES)
    assert labels.tolist() == [5, 0]
    images, labels = load_idx(str(data_set), "test")
    np.testing.assert_array_equal(images, IMAGES[:1])
    assert labels.tolist() == [9]


def test_an_unknown_split(data_set):
    with pytest.raises(DataError, match="split 'val' is not known; take 'train' or 'test'"):
        load_idx(data_set, "val")


def test_a_missing_file_or_folder(data_set):
    (data_set / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="tiny' holds no 't10k-labels-idx1-ubyte', gzipped or not; put"):
        load_idx(data_set, "test")
    for folder in (data_set / "none", data_set / "train-images.idx3-ubyte"):
        with pytest.raises(
            DataError, match=f"{folder.name}' holds no 't10k-images-idx3-ubyte', gzipped or not"
        ):
            load_idx(folder, "test")


def test_images_and_labels_that_do_not_belong_together(data_set):
    labels, images = data_set / "train-labels-idx1-ubyte", data_set / "train-images-idx3-ubyte"
    labels.write_bytes(idx(np.zeros(3, np.uint8)))
    with pytest.raises(
        DataError, match=r"shape \(2, 3, 4\) and '.*labels-idx1-ubyte' one of shape \(3,\), not"
    ):
        load_idx(data_set, "train")
    labels.write_bytes(idx(IMAGES))
    with pytest.raises(
        DataError, match=r"one of shape \(2, 3, 4\), not images \(N, H, W\) and labels \(N,\)"
    ):
        load_idx(data_set, "train")
    shutil.copy(data_set / "t10k-labels-idx1-ubyte", images)
    with pytest.raises(
        DataError, match=r"images-idx3-ubyte' holds an array of shape \(1,\) and '.*; take both"
    ):
        load_idx(data_set, "train")


def test_mnist(shared_data: Path):
    images, labels = load_idx(shared_data / "mnist", "train")
    assert (images.shape, labels.shape) == ((60_000, 28, 28), (60_000,))
    assert (labels == 1).sum() == 6_742
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert (images.min(), images.max()) == (0, 255)
    images, labels = load_idx(shared_data / "mnist", "test")
    assert (images.shape, labels.shape) == ((10_000, 28, 28), (10_000,))
    assert (labels == 9).sum() == 1_009
