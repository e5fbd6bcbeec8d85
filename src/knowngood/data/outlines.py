"""Outlines of masks as polygons along the edges of pixels, and polygons as masks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.runs import mask_of, unpack
from knowngood.extras import needs_extra

SAME = 0.99
"""Intersection over union with the mask from which on a polygon with fewer corners stands for it."""

_TOLERANCES = (1.0, 0.5)  # pixels by which a polygon with fewer corners may be off, tried in this order

Polygon = NDArray[np.float64]
"""Corners (N, 2), x and y in pixels; the pixel in the first row and column is from 0 to 1."""


def outlines(marked: NDArray[np.bool_]) -> tuple[list[Polygon], list[Polygon]]:
    """Return the outlines of a mask, bool (H, W), and those of its holes; together they are the mask exactly.

    Corners are where one or three of four pixels are marked, and twice where two in a diagonal are. In each
    column and in each row of them an edge joins the first and the second, the third and the fourth, and so on
    (O'Rourke 1988, "Uniqueness of orthogonal connect-the-dots", doi:10.1016/B978-0-444-70467-2.50013-8).

    Example:
        >>> outside, holes = outlines(np.array([[True, True], [True, False]]))
        >>> [corner.tolist() for corner in outside[0].astype(int)], holes
        ([[0, 0], [0, 2], [1, 2], [1, 1], [2, 1], [2, 0]], [])
    """
    padded = np.pad(marked, 1)
    one, other, third, fourth = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    diagonal = (one == fourth) & (other == third) & (one != other)
    rows, columns = np.nonzero((one ^ other ^ third ^ fourth) | diagonal)
    times = 1 + diagonal[rows, columns]
    corners = np.repeat(np.stack([columns, rows], axis=1), times, axis=0)
    ends = [_partners(np.lexsort((corners[:, 1 - axis], corners[:, axis]))) for axis in (0, 1)]
    outside: list[Polygon] = []
    holes: list[Polygon] = []
    left = np.ones(len(corners), np.bool_)
    for start in range(len(corners)):  # from the top left one on: its pixel shows what is within
        if not left[start]:
            continue
        loop, corner = list[int](), start
        while left[corner]:
            along = ends[len(loop) % 2]
            loop.append(corner)
            left[corner] = False
            corner = int(along[corner])
        x, y = corners[start]
        (outside if marked[y, x] else holes).append(corners[loop].astype(np.float64))
    return outside, holes


def polygons(marked: NDArray[np.bool_]) -> tuple[list[Polygon], list[Polygon]]:
    """Return outlines as of `outlines` with as few corners as `SAME` allows."""
    outside, holes = outlines(marked)
    for tolerance in _TOLERANCES:
        fewer = [[_simpler(one, tolerance) for one in loops] for loops in (outside, holes)]
        if all(len(one) > 2 for loops in fewer for one in loops):
            drawn = filled([joined_loops(fewer[0] + fewer[1])], *marked.shape)
            if np.count_nonzero(drawn & marked) >= SAME * np.count_nonzero(drawn | marked):
                return fewer[0], fewer[1]
    return outside, holes


def filled(loops: Sequence[NDArray[np.float64]], height: int, width: int) -> NDArray[np.bool_]:
    """Return what polygons enclose, bool (height, width), by the rule of COCO's own code.

    Raises:
        MissingExtra: pycocotools is not installed.

    Example:
        >>> filled([np.array([[0, 0], [2, 0], [2, 1], [0, 1]])], 2, 3).astype(int).tolist()
        [[1, 1, 0], [0, 0, 0]]
    """
    if not loops:
        return np.zeros((height, width), np.bool_)
    return mask_of(unpack(packed_polygons(loops, height, width)), height, width)


def packed_polygons(loops: Sequence[NDArray[np.float64]], height: int, width: int) -> str:
    """Return what polygons enclose, at least one, as COCO's compressed run lengths; see `filled`."""
    with needs_extra():
        from pycocotools import mask
    corners = [np.asarray(loop, np.float64).ravel().tolist() for loop in loops]
    packed: bytes = mask.merge(mask.frPyObjects(corners, height, width))["counts"]
    return packed.decode()


def joined_loops(loops: Sequence[Polygon]) -> Polygon:
    """Join polygons to one by edges there and back, which enclose nothing: for formats with one polygon each.

    Example:
        >>> joined_loops([np.array([[0, 0], [3, 0], [0, 3]]), np.array([[1, 1], [2, 1], [1, 2]])]).tolist()
        [[0, 0], [1, 1], [2, 1], [1, 2], [1, 1], [0, 0], [3, 0], [0, 3]]
    """
    whole, *others = loops
    for loop in others:
        distances = np.square(whole[:, None] - loop[None]).sum(axis=2)
        here, there = divmod(int(distances.argmin()), len(loop))
        turned = np.roll(loop, -there, axis=0)
        whole = np.concatenate([whole[: here + 1], turned, turned[:1], whole[here:]])
    return whole


def _partners(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each corner the one that an edge joins it to, given their order."""
    partner = np.empty(len(order), np.int64)
    partner[order[::2]], partner[order[1::2]] = order[1::2], order[::2]
    return partner


def _simpler(loop: Polygon, tolerance: float) -> Polygon:
    """Leave out corners of a polygon that are off by less than a tolerance in pixels."""
    return cv2.approxPolyDP(loop.astype(np.float32), tolerance, closed=True)[:, 0].astype(np.float64)
