"""The pictures in an inspector file whose scores it states, so that whoever runs its graph can check that."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.images import resize
from knowngood.data.reading import Reading

SIZES = (0.7, 1.3, 2.1)
"""Sides of the pictures, as multiples of the input shape: they are enlarged, reduced, and halved first."""

EXAMPLES = len(SIZES)


class Examples(NamedTuple):
    """PNG files, and their pixels `(N, H, W, 3)` at the input shape."""

    files: list[bytes]
    resized: NDArray[np.uint8]


def make_examples(images: NDArray[np.uint8], reading: Reading) -> Examples:
    """Make pictures of several sizes from up to three images `(N, H, W, 3)` as they were read.

    Images are blended with each other, upside down: what was remembered has a distance of zero, which is all
    rounding and verifies nothing, and nobody's product is shown.

    Example:
        >>> make_examples(np.full((1, 64, 96, 3), 80, np.uint8), Reading((64, 96))).resized.shape
        (3, 64, 96, 3)
    """
    height, width = images.shape[1:3]
    files, resized = [], []
    for place, times in enumerate(SIZES):
        image, other = images[place % len(images)], images[(place + 1) % len(images)][::-1]
        blend = ((image.astype(np.uint16) + other) // 2).astype(np.uint8)
        picture = resize(blend, (round(times * height / 2) * 2, round(times * width / 2) * 2))
        files.append(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
        resized.append(reading.read(picture).pixels)
    return Examples(files, np.stack(resized))
