"""Thumbnails of images as they are read, and the parts that they show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from knowngood.data.near_duplicates import SIDE, near_duplicates, thumbnail
from knowngood.types import Progress, silent


class Seen:
    """Thumbnails of images, 9 kB each, to find those that show the same part.

    Example:
        >>> seen = Seen(2)
        >>> seen(0, np.zeros((8, 8, 3), np.uint8))
        >>> seen.parts([0, 1])
        [0, 1]
    """

    def __init__(self, count: int) -> None:
        self.thumbnails = np.zeros((count, SIDE, SIDE), np.uint8)
        self.known = np.zeros(count, np.bool_)

    def __call__(self, place: int, image: NDArray[np.uint8]) -> None:
        """Keep the thumbnail of an image `(H, W, 3)`, given its place among all."""
        if not self.known[place]:
            self.thumbnails[place] = thumbnail(image)
            self.known[place] = True

    def parts(self, rows: Sequence[int] | NDArray[np.int64], *, progress: Progress = silent) -> list[int]:
        """Number the parts that all images show: copies among the given rows show one part, which has the
        place of the first; every other image shows a part of its own.
        """
        part_of = np.arange(len(self.known))
        among = np.array([row for row in rows if self.known[row]], np.int64)
        for copies in near_duplicates(self.thumbnails[among], progress=progress):
            part_of[among[list(copies)]] = among[copies[0]]
        return part_of.tolist()
