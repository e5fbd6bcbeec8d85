"""Members of an inspector file: JSON and pictures, checked when read, since their origin is unknown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.png import pixel_chunks
from knowngood.inputs import LONGEST_NAME, LONGEST_TEXT, is_plain
from knowngood.metrics.reliability import COLDEST, HOTTEST

MOST_CLASSES, MOST_LAYERS, MOST_EPOCHS, MOST_IMAGES, MOST_NOTES = 1000, 2000, 100_000, 10_000_000, 100
"""Items of a record's lists; a network of ours has 200 layers, and a training some hundred epochs."""

MOST_JSON = 64 << 20
"""Bytes of a record without its pictures; 20,000 held-out images of 100 classes take 40 MB."""

_LARGEST = 1 << 14
_MOST_VALUES = 1 << 26
MOST_UNPACKED = 1 << 30
"""Bytes of all pictures of a training once unpacked: 41 batches of eight images of 1024 x 1024 pixels."""

_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"  # what is before the size
_RGB = bytes([8, 2, 0, 0, 0])  # and behind it: 8 bits, red, green and blue, not interlaced


def write_json(content: Mapping[str, Any]) -> bytes:
    """Values and arrays as JSON."""
    return json.dumps(content, indent=1, allow_nan=False, default=np.ndarray.tolist).encode()


def read_json(content: bytes) -> dict[str, Any]:
    """Values from JSON; a ValueError if no record has such a text or number."""
    if len(content) > MOST_JSON:
        raise ValueError(f"the training record is damaged: it has {len(content):,} bytes")
    values = json.loads(content, parse_constant=_no_number)
    if not isinstance(values, dict) or not is_plain(values):
        raise ValueError("the training record is damaged: it has a text or a number that no record has")
    return values


def checked_list(values: Any, most: int) -> list[Any]:
    """A list of at most so many values; a ValueError if it is another thing."""
    if not isinstance(values, list) or len(values) > most:
        raise ValueError(f"the training record is damaged: it has no list of at most {most:,} values")
    return values


def checked_texts(values: Any, most: int, longest: int = LONGEST_TEXT) -> list[str]:
    """A list of at most so many texts of at most so many letters; a ValueError if it is another thing."""
    texts = checked_list(values, most)
    if not all(isinstance(text, str) and len(text) <= longest for text in texts):
        raise ValueError(f"the training record is damaged: not all its texts have {longest} letters at most")
    return texts


def class_names(values: Any) -> list[str]:
    """The names of a record's classes; a ValueError if one is long or there twice, or there are too many."""
    names = checked_texts(values, MOST_CLASSES, LONGEST_NAME)
    if not names or len(set(names)) < len(names):
        raise ValueError("the training record is damaged: it has no classes, or one twice")
    return names


def checked_temperature(value: Any) -> float:
    """The divisor of logits; a ValueError if `fit_temperature` returns no such one."""
    if not COLDEST * (1 - 1e-9) <= float(value) <= HOTTEST * (1 + 1e-9):
        raise ValueError(f"the training record is damaged: its temperature is not {COLDEST} to {HOTTEST}")
    return float(value)


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


def _no_number(constant: str) -> float:
    """Refuse NaN and infinity, which JSON does not have but Python reads."""
    raise ValueError(f"the training record is damaged: it has {constant} among its numbers")
