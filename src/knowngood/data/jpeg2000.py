"""JPEG 2000 whose values have another number of bits than 8."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.structure import JPEG2000

COMPONENTS, FIRST = 40, 42  # behind the start of the pixels: their count, and three bytes of each
SIGNED = 128


def bits_of(data: bytes) -> int:
    """Return how many bits the values of a JPEG 2000 have.

    Raises:
        ValueError: They differ between channels, or have a sign and are of several channels.
    """
    start = data.find(JPEG2000)
    count = int.from_bytes(data[start + COMPONENTS : start + FIRST])
    depths = set(data[start + FIRST : start + FIRST + 3 * count : 3])
    if start < 0 or not depths:
        raise ValueError("the file is damaged (it has no size)")
    depth = max(depths)
    if len(depths) > 1 or (depth >= SIGNED and count > 1):
        raise ValueError("its channels have different numbers of bits, or a sign; save it with 8 or 16 bits")
    return depth % SIGNED + 1


def check_mode(mode: str, bits: int) -> None:
    """Raise a ValueError for pixels that no decoder reads correctly."""
    if bits > 16 or (bits > 8 and mode not in ("I;16", "RGB", "RGBA")):
        raise ValueError("a JPEG 2000 with more than 8 bits is read as grey or RGB(A) alone; save it as PNG")


def deep_colour(data: bytes, bits: int) -> NDArray[Any]:
    """Decode colour of more than 8 bits to uint16, white at 65535: Pillow would turn white to black."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise ValueError("colours of more than 8 bits in a JPEG 2000 cannot be decoded here; save it as PNG")
    order = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return declared_white(cv2.cvtColor(pixels, order), bits, shift=0)


def declared_white(pixels: NDArray[Any], bits: int, *, shift: int) -> NDArray[Any]:
    """Bring the largest value of so many bits, which are shifted to the left, to the white of the type."""
    white = np.iinfo(pixels.dtype).max
    if 2**bits - 1 == white:
        return pixels
    levels = np.rint(np.arange(2**bits) * (white / (2**bits - 1))).astype(pixels.dtype)
    return np.asarray(levels[np.minimum(pixels >> shift, 2**bits - 1)])
