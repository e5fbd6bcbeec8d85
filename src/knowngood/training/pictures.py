"""Pictures of a training as one PNG, and read again though they may come from a stranger."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_LARGEST = 1 << 14
_MOST_VALUES = 1 << 26


def picture_shape(sizes: Any) -> tuple[int, ...]:
    """The shape of pictures from what a record says of it: number, height, width.

    Raises:
        ValueError: It cannot be.
    """
    count, height, width = map(int, sizes)
    if not all(0 < side <= _LARGEST for side in (count, height, width)):
        raise ValueError("the training record has pictures of an impossible size")
    return count, height, width, 3


def write_pictures(images: NDArray[np.uint8]) -> bytes:
    """Images `(n, h, w, 3)` below each other as one PNG."""
    _, png = cv2.imencode(".png", np.concatenate(list(images))[..., ::-1])
    return png.tobytes()


def read_pictures(png: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The images again.

    Raises:
        ValueError: They are not of that shape.
    """
    # The size stands in the first chunk: a bomb is refused before it is unpacked.
    size = np.frombuffer(png[16:24], ">u4").tolist()
    if size != [shape[2], shape[0] * shape[1]] or np.prod(shape) > _MOST_VALUES:
        raise ValueError("a picture of the training record is damaged")
    read = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
    if read is None or read.size != np.prod(shape):
        raise ValueError("a picture of the training record is damaged")
    return np.asarray(read, np.uint8).reshape(shape)
