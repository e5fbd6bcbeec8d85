"""Images as models and metrics use them, in upright 8-bit RGB, and masks.

An image that cannot be read raises an UnreadableImage, an array that is no image a DataError.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import Mask, Source, decode, decoded, read_header
from knowngood.data.mask_values import mask_values
from knowngood.data.masks import several
from knowngood.data.runs import shown_mask
from knowngood.errors import DataError, UnreadableImage

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".dib", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
    | {".avif", ".gif", ".jp2", ".pbm", ".pgm", ".pnm", ".ppm"}
)
"""File endings, in lower case, of the files that count as images when a folder is searched."""

HALVINGS = 5
"""How often an image is halved at most when it is resized."""

ROUNDED_UP = 1 / 1024
"""Added before pixels are rounded."""

BIT_DEPTHS = (8, 10, 12, 14, 16)
FILES_TO_MEASURE = 32
FEW = 1e-4  # of the values of an image, but three at least: stuck pixels say nothing about its bits
STRIP = 1_000_000  # pixels that are laid over black at one time


Cut = Callable[[tuple[int, int]], tuple[int, int, int, int]]
"""From the height and width of an image to the first row and column of a part of it, and those behind it."""


Frame = NDArray[np.float64]
"""Where a part of an image is, `(2, 3)`: from shares of its width and height, and 1, to x and y in pixels."""


class Picture(NamedTuple):
    """An image as it was read."""

    pixels: NDArray[np.uint8]  # RGB (height, width, 3); grey (height, width) if it was not resized
    size: tuple[int, int]  # height and width of the image itself
    clipped: bool  # whether more than a few of its values were above the white of its bits
    frame: Frame | None = None  # where `pixels` are in the image; None if they are all of it
    lost: bool = False  # whether a part was searched in the image, and none was found


def read_image(source: Source, *, bits: int | None = 16) -> NDArray[np.uint8]:
    """Read one image as upright 8-bit RGB.

    Grey becomes three equal channels; palette and CMYK are converted; transparent pixels are laid over black,
    unless all are wholly transparent: that is a fourth byte which nobody filled. EXIF orientation is applied;
    of several pages or frames the first is read. Colour profiles are not applied. Where a file says which
    value is white (the maximum of a PGM, the bits of a JPEG 2000), that value is the white of its 8 or 16
    bits.

    Args:
        source: A file by its path or its bytes, or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of
            uint8 or uint16, in RGB(A) order.
        bits: Bits that 16-bit pixels really use: a value ``v`` becomes ``v * 255 / (2**bits - 1)``, at most
            255. None refuses 16-bit pixels. See `significant_bits`.

    Returns:
        Pixels, uint8 (H, W, 3); an array that already is that is returned itself, not a copy.

    Raises:
        UnreadableImage: The file is missing, truncated, damaged, not an image, has fewer than 8 pixels on a
            side, has more than about 179 million pixels (Pillow's guard against decompression bombs) or would
            take more memory than `knowngood.data.memory` allows, or holds floating-point, signed or 32-bit
            pixels, which have no fixed white.
        DataError: The array has another shape or type.

    Example:
        >>> read_image(np.full((8, 9), 4095, np.uint16), bits=12)[0, 0].tolist()
        [255, 255, 255]
    """
    return three_channels(_eight_bits(decode(source), source, bits))


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
    return read_picture(source, shape, bits=bits)[:2]


def read_picture(
    source: Source, shape: tuple[int, int] | None, *, bits: int | None = 16, cut: Cut | None = None
) -> Picture:
    """Read and resize one image like `read_resized`, and say whether values were cut at white.

    Given `cut`, only that part of the image is resized, and no JPEG is decoded at a fraction of its size.
    Without a shape nothing is resized, grey stays `(height, width)`, and an array that is not cut is not
    copied.

    Example:
        >>> read_picture(np.full((8, 9), 5000, np.uint16), (8, 9), bits=12).clipped
        True
    """
    with decoded(source, shape if cut is None else None) as (pixels, size):
        if cut is not None:
            top, left, bottom, right = cut(size)
            pixels = pixels[top:bottom, left:right]
        clipped = bits is not None and pixels.dtype == np.uint16 and _clips(pixels, bits)
        image = _eight_bits(pixels, source, bits)
        if shape is not None:
            # Grey is resized before it becomes three channels: the same result for a third of the work.
            image = three_channels(resize(image, shape))
        kept = shape is not None or cut is not None
        return Picture(image.copy() if kept and np.may_share_memory(image, pixels) else image, size, clipped)


def significant_bits(sources: Sequence[Source]) -> int | None:
    """Measure how many bits 16-bit images really use: cameras store 12 bits in 16-bit files.

    The result is the smallest of 8, 10, 12, 14 and 16 that holds all values but a ten-thousandth (at least
    three) in each image, where of three or more images the brightest does not count: neither stuck pixels nor
    one image decide. Images too dark to show all bits of their camera give too few; what later is brighter is
    cut at white, which `Verdict.notes` and the commands say. At most 32 images, evenly spread over the list,
    are read; those that cannot be read are passed over. None without 16-bit images.

    Example:
        >>> significant_bits([np.full((8, 8), 4000, np.uint16)])
        12
    """
    needed = []
    for source in sample(sources):
        try:
            if read_header(source).deep:
                pixels = decode(source)
                needed.append(next(bits for bits in BIT_DEPTHS if not _clips(pixels, bits)))
        except UnreadableImage:
            continue
    return sorted(needed)[-2 if len(needed) > 2 else -1] if needed else None


def sample(sources: Sequence[Source]) -> Sequence[Source]:
    """Return at most 32 of the sources, evenly spread.

    Example:
        >>> sample([str(number) for number in range(64)])[:3]
        ['0', '2', '4']
    """
    return sources[:: max(1, math.ceil(len(sources) / FILES_TO_MEASURE))]


def _clips(pixels: NDArray[Any], bits: int) -> bool:
    """Return whether more than a few values of 16 bits, alpha aside, are above the white of fewer bits."""
    if bits == 16:
        return False
    colours = pixels[..., :3] if pixels.ndim == 3 else pixels
    return bool(np.count_nonzero(colours >= 2**bits) > max(3, FEW * colours.size))


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


def read_mask(mask: Mask | Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Read a ground-truth mask, bool (H, W): a pixel that is not black is defect.

    In a format that loses detail, such as JPEG, it is a pixel of at least half of the largest value: such a
    format leaves faint traces around what was drawn.

    Args:
        mask: A file, or several joined as in `knowngood.data.masks`, of which any may mark a pixel; or an
            array (H, W).
        shape: Height and width of the image.

    Raises:
        DataError: A mask has another height and width than its image.
    """
    marked = np.zeros(shape, dtype=np.bool_)
    for values in read_masks(mask, shape):
        marked |= values != 0
    return marked


def read_masks(mask: Mask | Path, shape: tuple[int, int]) -> Iterator[NDArray[Any]]:
    """Read each mask of an image, its values (H, W), 0 where it marks nothing; see `read_mask`."""
    for part in [mask] if isinstance(mask, np.ndarray) else several(str(mask)):
        values = part if isinstance(part, np.ndarray) else mask_values(part)
        if values.shape != shape:
            named = "array" if isinstance(part, np.ndarray) else shown_mask(part)
            raise wrong_size(named, values.shape, shape)
        yield values


def marked_pixels(file: str | Path) -> NDArray[np.bool_]:
    """Return which pixels one mask file marks, bool (H, W), at its own size; see `read_mask`."""
    return np.asarray(mask_values(file) != 0)


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
    header = read_header(source)
    return header.height, header.width


def _eight_bits(pixels: NDArray[Any], source: Source, bits: int | None) -> NDArray[np.uint8]:
    """Bring decoded pixels to uint8, (H, W) or (H, W, 3)."""
    if pixels.dtype == np.uint16:
        if bits is None:
            name = source if isinstance(source, str | Path) else "image"
            raise UnreadableImage(name, "it has 16-bit pixels, but the inspector learned from 8-bit images")
        pixels = cv2.convertScaleAbs(pixels, alpha=255 / (2**bits - 1))
    return _over_black(pixels) if pixels.ndim == 3 and pixels.shape[2] == 4 else pixels


def _over_black(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay uint8 (H, W, 4) over black; an alpha that is zero everywhere was not meant as one."""
    height, width = pixels.shape[:2]
    if not pixels[..., 3].any():
        return np.ascontiguousarray(pixels[..., :3])
    laid = np.empty((height, width, 3), np.uint8)
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        strip = pixels[top : top + rows].astype(np.uint16)
        laid[top : top + rows] = (strip[..., :3] * strip[..., 3:] + 127) // 255
    return laid


def three_channels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring uint8 (H, W) or (H, W, 3) to (H, W, 3)."""
    return image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
