"""The values of an anomaly map, and where they are above a line: a mask and regions of the image."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.reading import map_rows, strips
from knowngood.data.roi import Roi

NEAR = 0.5
"""How far below the maximum of its map the line of a rejected image is, where the map shows too little: a
share of the distance between this maximum and that of a typical good part."""


class HeatScale(NamedTuple):
    """What the values of an anomaly map mean, in their own unit.

    Args:
        typical: The median, over held-out good parts, of the largest value of a part's map.
        line: Above it the map shows what good parts rarely do.
    """

    typical: float
    line: float

    def of_image(self, patch_map: NDArray[np.float32], *, rejected: bool) -> HeatScale:
        """The scale for one image, of whose map something is above the line exactly if it is rejected.

        The map and the score are not always one quantity, and near the threshold they may disagree. Then the
        line of an accepted image is the maximum of its map, and that of a rejected one is midway between it
        and that of a typical good part.

        Example:
            >>> HeatScale(2.0, 5.0).of_image(np.array([[4.0]], np.float32), rejected=True)
            HeatScale(typical=2.0, line=3.0)
        """
        highest = float(patch_map.max())
        if rejected == (highest > self.line):
            return self
        below = max(NEAR * abs(highest - self.typical), float(np.spacing(abs(patch_map.max()))))
        return self._replace(line=highest - below if rejected else highest)


class Region(NamedTuple):
    """Pixels that touch, also at a corner, where the anomaly map is above the line.

    Columns count from the left and rows from the top of the upright image, both from 0, in its own pixels.

    Args:
        x: Its first column.
        y: Its first row.
        width: The number of columns that it extends over.
        height: The number of rows that it extends over.
        area: The number of its pixels.
        max_score: The largest value of the anomaly map in it.
        max_x: The column of the maximum, which may be between the centres of patches.
        max_y: The row of the maximum.
    """

    x: int
    y: int
    width: int
    height: int
    area: int
    max_score: float
    max_x: int
    max_y: int


def above(
    patch_map: NDArray[np.float32], line: float, size: tuple[int, int], roi: Roi | None = None
) -> NDArray[np.bool_]:
    """Mark the pixels where an anomaly map is above a line.

    A pixel is marked if the map, interpolated between the centres of patches, is above the line there, or if
    it is the centre of a patch above it: pixels are marked exactly if the maximum of the map is above the
    line.

    Args:
        patch_map: The anomaly map `(h, w)`, which covers the whole image.
        line: In units of the map.
        size: Height and width of the image.
        roi: The region that was inspected, outside which nothing is marked; None for all of the image.

    Returns:
        Bool `(H, W)`.

    Example:
        >>> above(np.array([[1.0, 4.0]], np.float32), 2.5, (2, 6)).astype(int).tolist()
        [[0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1]]
    """
    # Interpolated like this, rounding changes no sign; and a line in float32 would not be the threshold.
    excess = (patch_map - np.float64(line)).astype(np.float32)
    marked = np.concatenate([map_rows(excess, size, *rows) > 0 for rows in strips(size)])
    if roi is not None:
        marked &= roi.inside(size)
    rows, columns = _centres(patch_map.shape, size)
    hot_rows, hot_columns = np.nonzero(excess > 0)
    marked[rows[hot_rows], columns[hot_columns]] = True
    return marked


def find_regions(
    patch_map: NDArray[np.float32], line: float, size: tuple[int, int], roi: Roi | None = None
) -> list[Region]:
    """Find the regions where an anomaly map is above a line, that with the largest value first.

    The arguments are those of `above`; an empty list if nothing is above the line.

    Example:
        >>> spot = np.array([[1.0, 1.0, 1.0], [1.0, 9.0, 1.0]], np.float32)
        >>> find_regions(spot, 5.0, (20, 30))
        [Region(x=10, y=10, width=10, height=10, area=80, max_score=9.0, max_x=15, max_y=15)]
    """
    marked = above(patch_map, line, size, roi).astype(np.uint8)
    _, numbers, boxes, _ = cv2.connectedComponentsWithStats(marked, connectivity=8)
    rows, columns = _centres(patch_map.shape, size)
    of_patch = numbers[np.ix_(rows, columns)]
    descending = np.argsort(-patch_map, axis=None, kind="stable")
    _, first = np.unique(of_patch.ravel()[descending], return_index=True)
    regions = []
    for patch in descending[np.sort(first)].tolist():  # the maximum of each region
        row, column = divmod(patch, patch_map.shape[1])
        if number := of_patch[row, column]:  # 0 is the background
            place = _maximum_near(patch_map, row, column, size)
            if numbers[place[::-1]] != number:
                place = int(columns[column]), int(rows[row])
            x, y, width, height, area = boxes[number].tolist()
            regions.append(Region(x, y, width, height, area, float(patch_map[row, column]), *place))
    return regions


def hottest(patch_map: NDArray[np.float32], size: tuple[int, int]) -> tuple[int, int]:
    """Return the column and the row, in the pixels of the image, of the maximum of an anomaly map.

    Example:
        >>> hottest(np.array([[1.0, 4.0, 2.0]], np.float32), (20, 30))
        (16, 10)
    """
    row, column = divmod(int(patch_map.argmax()), patch_map.shape[1])
    return _maximum_near(patch_map, row, column, size)


def _maximum_near(
    patch_map: NDArray[np.float32], row: int, column: int, size: tuple[int, int]
) -> tuple[int, int]:
    """Return the column and the row of the pixel where a map is highest near a patch that is a maximum.

    Along each axis that is the vertex of the parabola through the patch and its two neighbours, at most half
    a patch from its centre.
    """
    found = []
    for values, place, pixels in ((patch_map[:, column], row, size[0]), (patch_map[row], column, size[1])):
        shift = 0.0
        if 0 < place < len(values) - 1:
            before, highest, after = values[place - 1 : place + 2].tolist()
            if (bend := 2 * highest - before - after) > 0:
                shift = (after - before) / (2 * bend)
        found.append(int((place + 0.5 + shift) * pixels / len(values)))
    return found[1], found[0]


def _centres(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The row `(h,)` and the column `(w,)` of the pixel in which the centre of each patch is."""
    rows, columns = (
        ((2 * np.arange(patches) + 1) * pixels) // (2 * patches)
        for patches, pixels in zip(shape, size, strict=True)
    )
    return rows, columns
