"""Members of an inspector file: JSON and pictures, checked when read, since their origin is unknown."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.png import pixel_chunks
from knowngood.inputs import is_plain

_LARGEST = 1 << 14
_MOST_VALUES = 1 << 26
_LONGEST_TEXT = 1 << 15  # letters; a path of 4,096 bytes that are all spelt out has no more
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"  # what is before the size
_RGB = bytes([8, 2, 0, 0, 0])  # and behind it: 8 bits, red, green and blue, not interlaced


def write_json(content: Mapping[str, Any]) -> bytes:
    """Values and arrays as JSON."""
    return json.dumps(content, indent=1, allow_nan=False, default=np.ndarray.tolist).encode()


def read_json(content: bytes) -> Any:
    """Values from JSON; a ValueError unless numbers are finite and texts short and printable."""
    values = json.loads(content, parse_constant=_finite, parse_float=_finite)
    if not is_plain(values, _LONGEST_TEXT):
        raise ValueError("the training record is damaged: it has a text or a number that no record has")
    return values


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"the training record is damaged: it has the number {number[:40]}")
    return value


def picture_shape(sizes: Any) -> tuple[int, ...]:
    """The shape of pictures from their number, height and width; a ValueError if it is impossible."""
    count, height, width = map(int, sizes)
    if not all(0 < side <= _LARGEST for side in (count, height, width)):
        raise ValueError("the training record has pictures of an impossible size")
    return count, height, width, 3


def write_pictures(images: NDArray[np.uint8]) -> bytes:
    """Images `(n, h, w, 3)` below each other as one PNG."""
    _, png = cv2.imencode(".png", np.concatenate(list(images))[..., ::-1])
    return png.tobytes()


def read_pictures(png: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Images `(n, h, w, 3)` from a PNG by `write_pictures`; a ValueError if they are not of that shape."""
    # The decoder would open other formats too, and frames beyond the first: a bomb is refused unpacked.
    header = _PNG + np.array([shape[2], shape[0] * shape[1]], ">u4").tobytes() + _RGB
    if png.startswith(header) and np.prod(shape) <= _MOST_VALUES and _is_plain(png):
        read = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
        if read is not None and read.size == np.prod(shape):
            return np.asarray(read, np.uint8).reshape(shape)
    raise ValueError("a picture of the training record is damaged")


def _is_plain(png: bytes) -> bool:
    """Check that a PNG is whole, and has nothing but the pixels of one image."""
    try:
        return pixel_chunks(png) == png
    except ValueError:
        return False
