"""Images as models and metrics use them, in upright 8-bit RGB, and masks.

An image that cannot be read raises an UnreadableImage, an array that is no image a DataError.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import Source, decode, decode_at_least, read_header
from knowngood.data.masks import several
from knowngood.errors import DataError, UnreadableImage

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""File endings, in lower case, of the files that count as images when a folder is searched."""

HALVINGS = 5
"""How often an image is halved at most when it is resized."""

ROUNDED_UP = 1 / 1024
"""Added before pixels are rounded."""
LEAST_OF_LOSSY = 16
"""The least value of a marked pixel of a mask in a format that loses detail, if nothing in it is brighter."""

_FIRST_BYTES = 64  # of a file that tell its format

BIT_DEPTHS = (8, 10, 12, 14, 16)
FILES_TO_MEASURE = 32


def read_image(source: Source, *, bits: int | None = 16) -> NDArray[np.uint8]:
    """Read one image as upright 8-bit RGB.

    Grey becomes three equal channels; palette and CMYK are converted; transparent pixels are laid over black;
    EXIF orientation is applied; of several pages the first is read. Colour profiles are not applied.

    Args:
        source: A file by its path or its bytes, or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of
            uint8 or uint16, in RGB(A) order.
        bits: Bits that 16-bit pixels really use: a value ``v`` becomes ``v * 255 / (2**bits - 1)``, at most
            255. None refuses 16-bit pixels. See `significant_bits`.

    Returns:
        Pixels, uint8 (H, W, 3); an array that already is that is returned itself, not a copy.

    Raises:
        UnreadableImage: The file is missing, truncated, damaged, not an image, has fewer than 8 pixels on a
            side, has more than about 179 million pixels (Pillow's guard against decompression bombs), or
            holds floating-point or 32-bit pixels, which have no fixed white.
        DataError: The array has another shape or type.

    Example:
        >>> read_image(np.full((8, 9), 4095, np.uint16), bits=12)[0, 0].tolist()
        [255, 255, 255]
    """
    return _three_channels(_eight_bits(decode(source), source, bits))


def read_resized(
    source: Source, shape: tuple[int, int], *, bits: int | None = 16
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Read one image like `read_image` and resize it like `resize`, faster than one after the other.

    A JPEG at least twice as large as asked for is decoded at a fraction of its size. Pixels then differ from
    those of a full decoding by 0.2 grey levels on average.

    Returns:
        Pixels, uint8 (height, width, 3), and the height and width before.

    Example:
        >>> image, size = read_resized(np.zeros((16, 24), np.uint8), (8, 8))
        >>> image.shape, size
        ((8, 8, 3), (16, 24))
    """
    pixels, size = decode_at_least(source, shape)
    # Grey is resized before it becomes three channels: the same result for a third of the work.
    image = _three_channels(resize(_eight_bits(pixels, source, bits), shape))
    return image.copy() if image is pixels else image, size


def significant_bits(sources: Sequence[Source]) -> int | None:
    """Measure how many bits 16-bit images really use: cameras store 12 bits in 16-bit files.

    At most 32 images, evenly spread over the list, are read; those that cannot be read are passed over. The
    result is the smallest of 8, 10, 12, 14 and 16 that holds the largest value; None without 16-bit images.

    Example:
        >>> significant_bits([np.full((8, 8), 4000, np.uint16)])
        12
    """
    largest = None
    for source in sources[:: max(1, math.ceil(len(sources) / FILES_TO_MEASURE))]:
        try:
            if isinstance(source, np.ndarray) or read_header(source).deep:
                pixels = decode(source)
                if pixels.dtype == np.uint16:
                    largest = max(largest or 0, int(pixels.max()))
        except UnreadableImage:
            continue
    return None if largest is None else next(bits for bits in BIT_DEPTHS if largest < 2**bits)


def resize(image: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize (H, W, 3) or (H, W) to a height and width; the aspect ratio is not kept.

    Both sides are halved while they are even and at least twice as long as needed, five times at most, which
    takes a tenth of the time of averaging over areas of fractional size. Then pixels are averages over areas
    if a side is still twice as long, else they are interpolated linearly, in float32: OpenCV's faster
    arithmetic in 8 bits differs from one processor to another, and from what shipped graphs do (see
    `knowngood.engines.resizing`). A half is rounded up.

    Example:
        >>> resize(np.zeros((8, 8, 3), np.uint8), (4, 6)).shape
        (4, 6, 3)
    """
    height, width = shape
    rows, columns = image.shape[:2]
    for _ in range(HALVINGS):
        if rows % 2 or columns % 2 or rows < 2 * height or columns < 2 * width:
            break
        rows, columns = rows // 2, columns // 2
        image = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    if (rows, columns) == shape:
        return image
    shrinks = height <= rows and width <= columns
    halves = rows >= 2 * height or columns >= 2 * width
    method = cv2.INTER_AREA if shrinks and halves else cv2.INTER_LINEAR
    resized = cv2.resize(image.astype(np.float32), (width, height), interpolation=method)
    # Sums in another order differ in their last bits: without the shift, halves would go either way.
    return cv2.convertScaleAbs(resized, alpha=1, beta=ROUNDED_UP).astype(np.uint8, copy=False)


def read_mask(mask: str | Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Read a ground-truth mask, bool (H, W): a pixel that is not black is defect.

    In a format that loses detail, such as JPEG, it is a pixel of at least half of the largest value: such a
    format leaves faint traces around what was drawn.

    Args:
        mask: A file, or several joined as in `knowngood.data.masks`, of which any may mark a pixel.
        shape: Height and width of the image.

    Raises:
        DataError: A mask has another height and width than its image.
    """
    marked = np.zeros(shape, dtype=np.bool_)
    for file in several(str(mask)):
        pixels = marked_pixels(file)
        if pixels.shape != shape:
            raise wrong_size(file, pixels.shape, shape)
        marked |= pixels
    return marked


def marked_pixels(file: str | Path) -> NDArray[np.bool_]:
    """Return which pixels one mask file marks, bool (H, W), at its own size; see `read_mask`."""
    pixels = decode(file)
    values = pixels if pixels.ndim == 2 else pixels[..., :3].max(axis=-1)
    least = max(LEAST_OF_LOSSY, int(values.max()) / 2) if loses_detail(file) else 1
    return np.asarray(values >= least, dtype=np.bool_)


def loses_detail(file: str | Path) -> bool:
    """Whether a file is of a format that does not keep each pixel, by its first bytes."""
    with Path(file).open("rb") as opened:
        first = opened.read(_FIRST_BYTES)
    return (
        first.startswith((b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "))  # JPEG, JPEG 2000
        or (first[:4] == b"RIFF" and b"VP8 " in first)  # WebP; VP8L keeps all
        or first[4:12] == b"ftypavif"
    )


def wrong_size(path: str | Path, size: Sequence[int], of_image: Sequence[int]) -> DataError:
    """Return the error of a mask whose height and width are not those of its image."""
    (height, width), (rows, columns) = size, of_image
    return DataError(
        f"mask {str(path)!r} is {height} x {width} but its image is {rows} x {columns} (height x width); "
        "save the mask at the size of the image",
        path=path,
    )


def image_size(source: Source) -> tuple[int, int]:
    """Read height and width of an image, once upright; of a file from its header alone.

    Example:
        >>> image_size(np.zeros((8, 9, 3), np.uint8))
        (8, 9)
    """
    if isinstance(source, np.ndarray):
        height, width = decode(source).shape[:2]
        return height, width
    header = read_header(source)
    return header.height, header.width


def _eight_bits(pixels: NDArray[Any], source: Source, bits: int | None) -> NDArray[np.uint8]:
    """Bring decoded pixels to uint8, (H, W) or (H, W, 3)."""
    if pixels.dtype == np.uint16:
        if bits is None:
            name = source if isinstance(source, str | Path) else "image"
            raise UnreadableImage(name, "it has 16-bit pixels, but the inspector learned from 8-bit images")
        pixels = cv2.convertScaleAbs(pixels, alpha=255 / (2**bits - 1))
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = (pixels[..., :3].astype(np.uint16) * pixels[..., 3:] + 127) // 255
    return pixels.astype(np.uint8, copy=False)


def _three_channels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring uint8 (H, W) or (H, W, 3) to (H, W, 3)."""
    return image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
