"""IDX files, in which MNIST and data sets like it come: one array a file, gzipped or not.

The format is described at http://yann.lecun.com/exdb/mnist. A file starts with two zero bytes, a byte for the
type of its values and one for the number of dimensions; then comes the size along each dimension, in four
bytes, the highest first; then the values, the last index running fastest.
"""

from __future__ import annotations

import gzip
import math
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowngood.errors import DataError

PREFIXES = {"train": "train", "test": "t10k"}
"""How the names of the files of each split begin."""

UINT8 = 0x08
OTHER_TYPES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}

MOST_DIMENSIONS = 32
"""More than any data set has, and no more than NumPy can hold."""

PIECE = 2**20
"""Bytes that are read at once: memory grows with what a file holds, not with what its header claims."""

_GZIP = b"\x1f\x8b"


def read_idx(path: str | Path) -> NDArray[np.uint8]:
    """Read the array that an IDX file holds.

    Whether the file is gzipped is seen from its first bytes, whatever it is called; no more of it is inflated
    than its header asks for.

    Args:
        path: The file; its values must be bytes, as pixels and labels are.

    Returns:
        The array, uint8, of the shape that the header states.

    Raises:
        DataError: The file is missing, is no IDX file, holds values of another type, is shorter or longer
            than its header states, or its gzip stream is damaged.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        ...     file.flush()
        ...     read_idx(file.name)
        array([7, 2, 1], dtype=uint8)
    """
    try:
        with Path(path).open("rb") as file:
            zipped = file.peek(len(_GZIP)).startswith(_GZIP)
            return _parse(gzip.GzipFile(fileobj=file) if zipped else file)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{str(path)!r}: {_reason(error)}") from error


def load_idx(folder: str | Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Load the images and labels of one split from the four files in which MNIST is published.

    The files are ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same with ``t10k`` for the
    test split, each with or without ``.gz``; a dot in place of the hyphen before ``idx`` will do as well.

    Args:
        folder: Where the files lie.
        split: ``train`` or ``test``.

    Returns:
        Images, uint8 (N, H, W), and the label of each, uint8 (N,).

    Raises:
        DataError: The split is not known, a file is missing or cannot be read (see `read_idx`), or images and
            labels do not belong together.

    Example::

        images, labels = load_idx("mnist/", "train")
        inspector = knowngood.fit(images[labels == 1])
    """
    if split not in PREFIXES:
        raise DataError(f"split {split!r} is not known; take {' or '.join(map(repr, PREFIXES))}")
    images_file = _find(Path(folder), f"{PREFIXES[split]}-images", 3)
    labels_file = _find(Path(folder), f"{PREFIXES[split]}-labels", 1)
    images, labels = read_idx(images_file), read_idx(labels_file)
    if images.ndim != 3:
        raise DataError(f"{str(images_file)!r}: it holds an array of shape {images.shape}, not (N, H, W)")
    if labels.ndim != 1:
        raise DataError(f"{str(labels_file)!r}: it holds an array of shape {labels.shape}, not (N,)")
    if len(images) != len(labels):
        raise DataError(
            f"{str(images_file)!r} holds {len(images)} images but {str(labels_file)!r} {len(labels)} labels; "
            "take both from the same data set"
        )
    return images, labels


def _find(folder: Path, stem: str, dimensions: int) -> Path:
    """Find a file of the data set under one of the names that are in use."""
    usual = f"{stem}-idx{dimensions}-ubyte"
    names = [name + ending for name in (usual, f"{stem}.idx{dimensions}-ubyte") for ending in ("", ".gz")]
    try:
        there = {child.name for child in folder.iterdir()}
    except OSError as error:
        raise DataError(
            f"folder {str(folder)!r} cannot be listed ({error.strerror}); name another"
        ) from error
    for name in names:
        if name in there:
            return folder / name
    raise DataError(f"folder {str(folder)!r} holds no {usual!r}, gzipped or not; put the file there")


def _parse(file: BufferedIOBase) -> NDArray[np.uint8]:
    """Read header and values; a ValueError says what is wrong with them."""
    shape = _read_shape(file)
    count = math.prod(shape)
    # One byte more than there should be: it shows a file that goes on, and gzip compares its checksum only
    # when it comes to the end.
    values = _read(file, count + 1)
    if len(values) < count:
        raise ValueError(
            f"the file is truncated: it holds {len(values):,} of the {count:,} bytes that its header states; "
            "get it again"
        )
    if len(values) > count:
        raise ValueError(f"the file goes on beyond the {count:,} bytes that its header states; get it again")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _read_shape(file: BufferedIOBase) -> tuple[int, ...]:
    """Read the header."""
    start = _read(file, 4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in (UINT8, *OTHER_TYPES):
        raise ValueError(f"not an IDX file: it begins with the bytes {start.hex(' ') or '(none)'}")
    if start[2] != UINT8:
        kind = OTHER_TYPES[start[2]]
        raise ValueError(f"its values are {kind} (type code 0x{start[2]:02x}); only uint8 (0x08) can be read")
    dimensions = start[3]
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise ValueError(f"its header states {dimensions} dimensions; 1 to {MOST_DIMENSIONS} can be read")
    sizes = _read(file, 4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise ValueError("the file is truncated: it ends within its header; get it again")
    shape = tuple(np.frombuffer(sizes, ">u4").tolist())
    if 0 in shape:
        raise ValueError(f"its header states the shape {shape}: there is nothing in it")
    return shape


def _read(file: BufferedIOBase, most: int) -> bytearray:
    """Read up to so many bytes."""
    content = bytearray()
    while len(content) < most and (piece := file.read(min(PIECE, most - len(content)))):
        content += piece
    return content


def _reason(error: Exception) -> str:
    """Say in a few words why a file could not be read, and what to do."""
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case gzip.BadGzipFile() | zlib.error():
            return f"its gzip stream is damaged ({error}); get it again"
        case EOFError():
            return "the file is truncated: its gzip stream has no end; get it again"
        case OSError():
            return f"it cannot be read ({error.strerror})"
        case _:
            return str(error)
