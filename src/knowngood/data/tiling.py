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
    """Square tiles of a picture, at the picture's own scale, with a rim that only shows what is around.

    A network sees no further than the tile, so that what is near its rim looks like nothing else: what is
    inside the rims of the tiles covers the picture, and the rims themselves are in other tiles. Those of the
    outer tiles are beyond the picture, which is mirrored there.

    Args:
        side: Of a tile, in pixels of the picture.
        rim: Its width, in pixels of the picture.

    Example:
        >>> [(top, left) for _, top, left in Tiling(64, 8).tiles((40, 150))]
        [(-8, -8), (-8, 26), (-8, 60), (-8, 94)]
    """

    side: int
    rim: int

    def tiles(self, size: tuple[int, int], picture: int = 0) -> list[Tile]:
        """The tiles of a picture by its height and width, row by row: spread evenly, the last ends with it.

        A side that is shorter than a tile inside its rim has one tile.
        """
        rows, columns = (self._starts(length) for length in size)
        return [Tile(picture, top, left) for top in rows for left in columns]

    def _starts(self, length: int) -> list[int]:
        inside = self.side - 2 * self.rim
        spare = max(0, length - inside)
        steps = -(-spare // inside)
        return [-self.rim, *(spare * step // steps - self.rim for step in range(1, steps + 1))]

    def cut(self, image: NDArray[np.uint8], tile: Tile) -> NDArray[np.uint8]:
        """The pixels of a tile, `(side, side)` or `(side, side, 3)`; beyond the picture they are mirrored.

        Example:
            >>> Tiling(4, 1).cut(np.array([[1, 2, 3]], np.uint8), Tile(0, -1, -1))[1].tolist()
            [1, 1, 2, 3]
        """
        top, left = max(0, tile.top), max(0, tile.left)
        inside = image[top : tile.top + self.side, left : tile.left + self.side]
        above, before = top - tile.top, left - tile.left
        below, behind = self.side - above - inside.shape[0], self.side - before - inside.shape[1]
        if not (above or below or before or behind):
            return inside
        mirrored = cv2.copyMakeBorder(inside, above, below, before, behind, cv2.BORDER_REFLECT)
        return mirrored.astype(np.uint8, copy=False)

    def rim_of(self, patches: int) -> int:
        """The patches of a tile's map that are within its rim, at each end of a side with so many.

        Example:
            >>> Tiling(64, 8).rim_of(28)
            3
        """
        return patches * self.rim // self.side

    def stitched(
        self, maps: Sequence[NDArray[np.float32]], tiles: Sequence[Tile], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """One anomaly map of a picture from the maps `(h, w)` of its tiles, at their resolution.

        Each value inside a rim goes to the patch in which its place is, and of several the largest stays, so
        that the maximum of the map is that of the tiles inside their rims. What is mirrored goes back to
        where it came from.

        Example:
            >>> maps = [np.array([[1.0, 2.0]], np.float32), np.array([[5.0, 3.0]], np.float32)]
            >>> Tiling(8, 0).stitched(maps, [Tile(0, 0, 0), Tile(0, 0, 4)], (8, 12)).tolist()
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
            (above, before) = (self.rim_of(count) for count in map_.shape)
            inside = map_[above : map_.shape[0] - above, before : map_.shape[1] - before]
            np.maximum.at(whole, np.ix_(rows, columns), inside)
        return whole

    def _patches(self, first: int, count: int, length: int, of_whole: int) -> NDArray[np.int64]:
        """The patches of the whole map in which those inside a rim have their centres, along one side."""
        rim = self.rim_of(count)
        centres = first + (np.arange(rim, count - rim) + 0.5) * self.side / count
        mirrored = centres % (2 * length)
        inside = np.minimum(mirrored, 2 * length - mirrored)
        # A centre where two patches meet belongs to the second, however the division is rounded.
        return np.minimum(inside * of_whole / length + 1e-6, of_whole - 1).astype(np.int64)
