"""Tiles of a large picture: where they are, their pixels, and one anomaly map out of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

LEAST_SIDE = 64
"""Of a tile, in pixels: a network needs some."""


class Tile(NamedTuple):
    """A tile: the place of its picture among all, and its first row and column in the picture."""

    picture: int
    top: int
    left: int


@dataclass(frozen=True)
class Tiling:
    """Square tiles of a picture, at the picture's own scale.

    Args:
        side: Of a tile, in pixels of the picture.
        overlap: The least number of pixels that two neighbours share.

    Example:
        >>> [(top, left) for _, top, left in Tiling(64, 8).tiles((64, 150))]
        [(0, 0), (0, 43), (0, 86)]
    """

    side: int
    overlap: int

    def tiles(self, size: tuple[int, int], picture: int = 0) -> list[Tile]:
        """The tiles of a picture by its height and width, row by row: spread evenly, the last ends with it.

        A side that is shorter than a tile has one tile, which begins with it.
        """
        rows, columns = (self._starts(length) for length in size)
        return [Tile(picture, top, left) for top in rows for left in columns]

    def _starts(self, length: int) -> list[int]:
        spare = max(0, length - self.side)
        steps = -(-spare // (self.side - self.overlap))
        return [0, *(spare * step // steps for step in range(1, steps + 1))]

    def cut(self, image: NDArray[np.uint8], tile: Tile) -> NDArray[np.uint8]:
        """The pixels of a tile, `(side, side)` or `(side, side, 3)`; beyond the picture they are mirrored.

        Example:
            >>> Tiling(4, 1).cut(np.array([[1, 2, 3]], np.uint8), Tile(0, 0, 0))[0].tolist()
            [1, 2, 3, 3]
        """
        inside = image[tile.top : tile.top + self.side, tile.left : tile.left + self.side]
        below, right = self.side - inside.shape[0], self.side - inside.shape[1]
        if not (below or right):
            return inside
        return cv2.copyMakeBorder(inside, 0, below, 0, right, cv2.BORDER_REFLECT).astype(np.uint8, copy=False)

    def stitched(
        self, maps: Sequence[NDArray[np.float32]], tiles: Sequence[Tile], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """One anomaly map of a picture from the maps `(h, w)` of its tiles, at their resolution.

        Each value goes to the patch in which its place is, and of several the largest stays: neighbours agree
        but near their rims, and the maximum of the map is that of the tiles. What is mirrored goes back to
        where it came from.

        Example:
            >>> maps = [np.array([[1.0, 2.0]], np.float32), np.array([[5.0, 3.0]], np.float32)]
            >>> Tiling(8, 4).stitched(maps, [Tile(0, 0, 0), Tile(0, 0, 4)], (8, 12)).tolist()
            [[1.0, 5.0, 3.0]]
        """
        of_tile = maps[0].shape
        patches = [max(1, pixels * count // self.side) for pixels, count in zip(size, of_tile, strict=True)]
        whole = np.full(patches, -np.inf, np.float32)
        for map_, (_, *start) in zip(maps, tiles, strict=True):
            rows, columns = (
                self._patches(first, count, length, of_whole)
                for first, count, length, of_whole in zip(start, map_.shape, size, whole.shape, strict=True)
            )
            np.maximum.at(whole, np.ix_(rows, columns), map_)
        return whole

    def _patches(self, first: int, count: int, length: int, of_whole: int) -> NDArray[np.int64]:
        """The patches of the whole map in which those of a tile have their centres, along one side."""
        centres = first + (np.arange(count) + 0.5) * self.side / count
        mirrored = centres % (2 * length)
        inside = np.minimum(mirrored, 2 * length - mirrored)
        return np.minimum(inside * of_whole / length, of_whole - 1).astype(np.int64)
