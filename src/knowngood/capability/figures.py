"""Brightness, sharpness and position of pictures, by which light, focus and placement are watched."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.decoding import Source
from knowngood.data.images import read_image
from knowngood.data.threads import in_threads
from knowngood.types import Progress, silent

_SIDE = 256  # pixels of the longer side on which structures are found


class Figures(NamedTuple):
    """Figures of one picture.

    Args:
        brightness: Mean grey level, from 0 to 255.
        sharpness: Logarithm of the standard deviation of its Laplacian, at full resolution.
        across: Centre of its structures from left to right, as a share of the width.
        down: The same from top to bottom.
    """

    brightness: float
    sharpness: float
    across: float
    down: float


CAUSES = {
    "brightness": "the light",
    "sharpness": "the focus",
    "across": "the position",
    "down": "the position",
}
"""What a change of each figure points to."""


def figures_of(image: NDArray[np.uint8]) -> Figures:
    """Return the figures of a picture (H, W, 3).

    Example:
        >>> image = np.full((40, 60, 3), 50, np.uint8)
        >>> image[10:14, 30:34] = 250
        >>> found = figures_of(image)
        >>> round(found.brightness, 1), round(found.across, 2), round(found.down, 2)
        (51.3, 0.53, 0.3)
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    rough = float(cv2.Laplacian(grey, cv2.CV_32F).std())
    scale = min(1.0, _SIDE / max(grey.shape))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32)
    steep = np.hypot(cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1))
    steep += 1e-6  # an empty picture has its centre in the middle
    total = float(steep.sum())
    across = float(steep.sum(axis=0) @ (np.arange(steep.shape[1]) + 0.5)) / total / steep.shape[1]
    down = float(steep.sum(axis=1) @ (np.arange(steep.shape[0]) + 0.5)) / total / steep.shape[0]
    return Figures(float(grey.mean()), float(np.log(rough + 1e-3)), across, down)


def figures_table(
    sources: Sequence[Source], *, bits: int | None = 16, progress: Progress = silent
) -> pd.DataFrame:
    """Return the figures of pictures, one row each, in order.

    Raises:
        UnreadableImage: One cannot be read.
    """
    rows = []
    for figures in in_threads(partial(_read, bits=bits), sources):
        rows.append(figures)
        progress("measuring pictures", len(rows), len(sources))
    return pd.DataFrame(rows, columns=Figures._fields)


def _read(source: Source, bits: int | None) -> Figures:
    return figures_of(read_image(source, bits=bits))
