"""IDX files, in which MNIST and similar data sets are published: one array per file, gzipped or not.

The format is described at http://yann.lecun.com/exdb/mnist: two zero bytes, a byte for the type of the
values, a byte for the number of dimensions, four big-endian bytes for each size, and the values.
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
from knowngood.inputs import LARGEST_IMAGE, check_file, open_file

PREFIXES = {"train": "train", "test": "t10k"}  # of the file names of each split
UINT8 = b"\0\0\x08"  # the first bytes of a file of uint8 values
GZIP = b"\x1f\x8b"
INFLATION = 1032  # deflate compresses at most to one byte in so many (https://zlib.net/zlib_tech.html)


def read_idx(path: str | Path) -> NDArray[np.uint8]:
    """Read the array in an IDX file of uint8 values; no more is inflated than its header states.

    Raises:
        DataError: The file is missing, is not an IDX file of uint8 values, does not have the size that its
            header states, or its gzip stream is damaged.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        ...     file.flush()
        ...     read_idx(file.name)
        array([7, 2, 1], dtype=uint8)
    """
    try:
        most = INFLATION * check_file(path, LARGEST_IMAGE)
        with open_file(path, LARGEST_IMAGE) as file:
            zipped = file.read(len(GZIP)) == GZIP
            file.seek(0)
            return _parse(gzip.GzipFile(fileobj=file) if zipped else file, most)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{str(path)!r} cannot be read as an IDX file: {reason}") from error


def load_idx(folder: str | Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Load the images and labels of one split from the four files in which MNIST is published.

    The files are ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same with ``t10k`` for the
    test split, each with or without ``.gz``, and with a hyphen or a dot before ``idx``.

    Returns:
        Images, uint8 (N, H, W), and the label of each, uint8 (N,).

    Raises:
        DataError: The split is not ``train`` or ``test``, a file is missing or cannot be read (see
            `read_idx`), or images and labels do not belong together.

    Example::

        images, labels = load_idx("mnist/", "train")
        inspector = knowngood.fit(images[labels == 1])
    """
    if split not in PREFIXES:
        raise DataError(f"split {split!r} is not known; take {' or '.join(map(repr, PREFIXES))}")
    names = [f"{PREFIXES[split]}-{name}" for name in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    files = [_find(Path(folder), name) for name in names]
    images, labels = map(read_idx, files)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise DataError(
            f"{str(files[0])!r} holds an array of shape {images.shape} and {str(files[1])!r} one of shape "
            f"{labels.shape}, not images (N, H, W) and labels (N,); take both from the same data set"
        )
    return images, labels


def _find(folder: Path, name: str) -> Path:
    """Find a file of the data set under one of the names that are in use."""
    dotted = name.replace("-idx", ".idx")
    for other in (name, f"{name}.gz", dotted, f"{dotted}.gz"):
        if (folder / other).exists():
            return folder / other
    raise DataError(f"folder {str(folder)!r} holds no {name!r}, gzipped or not; put the file there")


def _parse(file: BufferedIOBase, most: int) -> NDArray[np.uint8]:
    """Read header and values; the file cannot hold more than `most` bytes."""
    start = file.read(len(UINT8) + 1)
    if not start.startswith(UINT8) or len(start) == len(UINT8):
        raise ValueError(f"it begins with the bytes {start.hex(' ')}, one of uint8 values with 00 00 08")
    sizes = file.read(4 * start[-1])
    shape = tuple(int.from_bytes(sizes[at : at + 4], "big") for at in range(0, len(sizes), 4))
    if not shape or not all(shape) or len(sizes) < 4 * start[-1]:
        raise ValueError(f"its header states {start[-1]} dimensions, of the sizes {list(shape)}")
    count = math.prod(shape)
    # A reader allocates what it is asked for, so it is not asked for more than there can be; one byte beyond
    # the last value shows a file that goes on, and lets gzip compare its checksum.
    values = file.read(min(count, most) + 1)
    if len(values) != count:
        found = "more" if len(values) > count else f"only {len(values):,}"
        raise ValueError(f"its header states {count:,} bytes, and it holds {found}; get it again")
    return np.frombuffer(values, np.uint8).reshape(shape).copy()
