"""Decoding of one image, a file or an array, to pixels as they are stored.

A file that cannot be decoded wholly and safely raises an UnreadableImage, an array of another shape or type a
DataError.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from knowngood.data.formats import Header, check_size, open_image
from knowngood.data.memory import FIRST, GATE, check_bytes
from knowngood.errors import DataError, UnreadableImage, shortened
from knowngood.inputs import LARGEST_IMAGE, check_file, read_file

File = str | Path | bytes
"""An image file: its path, or all its bytes."""

Source = File | NDArray[Any]
"""One image: a file or an array of pixels."""

Mask = str | NDArray[Any]
"""The mask of an image: files, as in the column `mask` of a table of samples, empty for none; or an array
`(H, W)` that is not 0 on a defect.
"""

LISTED = 10  # files that a message names before it only counts them


def name_of(source: Source, position: int) -> str:
    """Name an image for people: a file by its path, all else by its position among the images given.

    Example:
        >>> name_of("a.png", 0), name_of(np.zeros((8, 9), np.uint8), 1)
        ('a.png', '[1]')
    """
    return os.fspath(source) if isinstance(source, str | Path) else f"[{position}]"


def listed(items: Sequence[object]) -> list[str]:
    """Write a line per item, and after the first ten only the number of the others.

    Example:
        >>> listed(range(12))[8:]
        ['  8', '  9', '  and 2 more']
    """
    more = [f"  and {len(items) - LISTED} more"] if len(items) > LISTED else []
    return [f"  {item}" for item in items[:LISTED]] + more


def read_header(file: Source) -> Header:
    """Read the header of an image file, with the checks of `decode` that need no pixels; or make that of an
    array.
    """
    if isinstance(file, np.ndarray):
        pixels = _checked(file)
        height, width = pixels.shape[:2]
        mode = "L" if pixels.ndim == 2 else "RGBA"[: pixels.shape[2]]
        return Header(height, width, mode, deep=pixels.dtype == np.uint16, orientation=1)
    with _naming(file):
        size = _size_on_disk(file)
        check_bytes(size)
        with GATE.hold(size):
            return open_image(_content(file)).header


def decode(source: Source) -> NDArray[Any]:
    """Decode to upright pixels, uint8 or uint16, (H, W), (H, W, 3) or (H, W, 4) in RGB(A) order.

    Example:
        >>> decode(np.zeros((8, 9, 1), np.uint16)).shape
        (8, 9)
    """
    with decoded(source) as (pixels, _):
        return pixels


@contextmanager
def decoded(
    source: Source, at_least: tuple[int, int] | None = None
) -> Iterator[tuple[NDArray[Any], tuple[int, int]]]:
    """Decode an image like `decode`, but a JPEG at a reduced size where that saves time.

    While the block runs, memory for the pixels and for their conversion to 8 bits is set apart; see
    `knowngood.data.memory`.

    Args:
        source: A file or an array.
        at_least: Height and width that are enough; None for the full size.

    Yields:
        The pixels, at full size or, from a JPEG, at 1/2, 1/4 or 1/8 of it but no smaller than ``at_least``;
        and the full height and width. Given a size, the memory of the pixels is reused for the next image.

    Example:
        >>> with decoded(np.zeros((8, 9), np.uint8)) as (pixels, size):
        ...     size
        (8, 9)
    """
    if isinstance(source, np.ndarray):
        pixels = _checked(source)
        yield pixels, pixels.shape[:2]
        return
    with _naming(source):
        on_disk = _size_on_disk(source)
        check_bytes(on_disk)
    held = on_disk + FIRST
    found = None
    while found is None:
        with GATE.hold(held):
            with _naming(source):
                file = open_image(_content(source))
                needed = on_disk + file.bytes_needed
                check_bytes(needed)
                if needed <= held:
                    found = file.decode(at_least), (file.header.height, file.header.width)
            del file
            if found:
                yield found
        held = needed


def _size_on_disk(file: File) -> int:
    """Return the bytes that a file takes once it is read; 0 for bytes, which are there already."""
    return 0 if isinstance(file, bytes) else check_file(file, LARGEST_IMAGE)


def _content(file: File) -> bytes:
    """Return all bytes of a file."""
    return file if isinstance(file, bytes) else read_file(file, LARGEST_IMAGE)


@contextmanager
def _naming(file: File) -> Iterator[None]:
    """Turn any error while a file is read into one that names the file; bytes are named by their caller."""
    try:
        yield
    except Exception as error:
        path = "bytes" if isinstance(file, bytes) else os.fspath(file)
        raise UnreadableImage(path, _reason(error)) from error


def _reason(error: Exception) -> str:
    """Say in a few words why a file could not be read."""
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case IsADirectoryError():
            return "this is a folder, not an image"
        case PermissionError():
            return "no permission to read it"
        case Image.DecompressionBombError():
            return "more than 179 million pixels; cut it into smaller images"
        case OSError() | ValueError() | SyntaxError() if str(error):
            return shortened(str(error))
        case _:
            return f"the file is damaged ({type(error).__name__}: {shortened(str(error))})"


def _checked(pixels: NDArray[Any]) -> NDArray[Any]:
    """Check an array given in place of a file."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    channels_fit = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    if not channels_fit or pixels.dtype not in (np.uint8, np.uint16):
        fractions = np.issubdtype(pixels.dtype, np.floating)
        remedy = "; from 0 to 1, take (255 * pixels).round() as uint8" if fractions else ""
        if pixels.ndim == 4:  # as a DataLoader of torch's gives them
            remedy = f"; of batches, give each image: (image for batch in batches for image in batch){remedy}"
        raise DataError(
            f"an image array of shape {pixels.shape} and type {pixels.dtype} came; "
            f"expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of uint8 or uint16{remedy}"
        )
    try:
        check_size(*pixels.shape[:2])
    except ValueError as error:
        raise DataError(f"an image array has {error}") from error
    return pixels
