"""The layouts of TIFF that no decoder reads correctly by itself."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import TiffImageFile

BITS, PHOTOMETRIC, ROWS, PLANES, TILE_WIDTH, TILE_LENGTH = 258, 262, 278, 284, 322, 323  # tags
EXTRA, SIGNED, SUBSAMPLING = 338, 339, 530
WHITE_IS_ZERO, SEPARATE, TWOS_COMPLEMENT, MULTIPLIED = 0, 2, 2, 1  # values of these


def has_16_bits(image: TiffImageFile) -> bool:
    """Return whether values of a TIFF have 16 bits."""
    return bool(max(image.tag_v2.get(BITS, (1,))) == 16)


def check_tiff(image: TiffImageFile, *, deep: bool) -> None:
    """Raise a ValueError for an opened TIFF whose pixels would be garbled."""
    tags = image.tag_v2
    if TWOS_COMPLEMENT in tags.get(SIGNED, ()):
        raise ValueError("signed pixels have no fixed white; save the image with 8 or 16 bits without a sign")
    if deep and image.mode in ("RGB", "RGBA", "CMYK") and tags.get(PLANES) == SEPARATE:
        raise ValueError(
            "its colours have 16 bits and are stored one after the other; save it with the three values of a "
            "pixel side by side (PlanarConfiguration 1)"
        )
    if image.mode == "YCbCr" and tuple(tags.get(SUBSAMPLING, (2, 2))) != (1, 1):
        raise ValueError("its colours have fewer pixels than its brightness (YCbCr); save it as RGB")


def strip_pixels(image: TiffImageFile) -> int:
    """Return how many pixels a strip or tile has; a decoder holds one, and a tile may exceed the image."""
    tags, (width, height) = image.tag_v2, image.size
    if TILE_WIDTH in tags:
        return int(tags[TILE_WIDTH]) * int(tags.get(TILE_LENGTH, 1))
    return width * min(height, int(tags.get(ROWS, height)))


def is_multiplied(image: TiffImageFile) -> bool:
    """Return whether the colours of a TIFF were multiplied by its alpha, which is laying them over black."""
    return bool(image.tag_v2.get(EXTRA, (0,))[0] == MULTIPLIED)


def deep_colour(data: bytes, mode: str) -> NDArray[np.uint16]:
    """Decode 16-bit colour of a checked TIFF, which Pillow keeps only 8 bits of, upright and in RGB(A) order.

    Args:
        data: The file.
        mode: RGBA if the fourth value is an alpha that colours were not multiplied by, else RGB.
    """
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise ValueError("its 16-bit colours are stored in a way that is not supported; save it uncompressed")
    pixels = pixels[..., :3] if mode == "RGB" else pixels
    order = cv2.COLOR_BGR2RGB if mode == "RGB" else cv2.COLOR_BGRA2RGBA
    return np.asarray(cv2.cvtColor(pixels, order), np.uint16)


def declared_white(pixels: NDArray[Any], image: TiffImageFile) -> NDArray[Any]:
    """Bring grey of a TIFF to where 65535 is white, if it has 12 bits or its white is zero."""
    if image.tag_v2.get(BITS) == (12,):
        pixels = np.rint(np.arange(4096) * (65535 / 4095)).astype(np.uint16)[pixels]
    elif pixels.dtype == np.uint16 and image.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        np.invert(pixels, out=pixels)
    return pixels
