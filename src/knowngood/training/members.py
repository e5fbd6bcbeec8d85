"""Members of an inspector file: JSON and pictures, checked when read, since their origin is unknown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_LARGEST = 1 << 14
_MOST_VALUES = 1 << 26
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB = bytes([8, 2, 0, 0, 0])  # 8 bits, red, green and blue, neither filtered nor interlaced in another way
_CHUNKS = {b"IHDR", b"IDAT", b"IEND"}


def write_json(content: Mapping[str, Any]) -> bytes:
    """Values and arrays as JSON."""
    return json.dumps(content, indent=1, allow_nan=False, default=np.ndarray.tolist).encode()


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
    header = b"\x0d" + b"IHDR" + np.array([shape[2], shape[0] * shape[1]], ">u4").tobytes() + _RGB
    if _chunks(png) <= _CHUNKS and png[11:29] == header and np.prod(shape) <= _MOST_VALUES:
        read = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
        if read is not None and read.size == np.prod(shape):
            return np.asarray(read, np.uint8).reshape(shape)
    raise ValueError("a picture of the training record is damaged")


def _chunks(png: bytes) -> set[bytes]:
    """The types of the chunks of a PNG; of another format, one that no PNG has."""
    if not png.startswith(_SIGNATURE):
        return {b"none"}
    found, start = set(), len(_SIGNATURE)
    while start < len(png):
        found.add(png[start + 4 : start + 8])
        start += 12 + int.from_bytes(png[start : start + 4], "big")
    return found
