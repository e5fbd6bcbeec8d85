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
    # The size is in the first chunk, so that a bomb is refused before it is unpacked.
    size = np.frombuffer(png[16:24], ">u4").tolist()
    if size == [shape[2], shape[0] * shape[1]] and np.prod(shape) <= _MOST_VALUES:
        read = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
        if read is not None and read.size == np.prod(shape):
            return np.asarray(read, np.uint8).reshape(shape)
    raise ValueError("a picture of the training record is damaged")
