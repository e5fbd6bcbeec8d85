"""The regions of an image that its masks and boxes mark, each with its class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import Mask
from knowngood.data.images import read_masks
from knowngood.data.masks import SEPARATOR, several
from knowngood.data.runs import is_runs, quoted_name, read_runs
from knowngood.errors import DataError

BOXES = "boxes"
"""The column of a table for boxes without mask, `left,top,width,height:class` in pixels with `|` between."""


class Region(NamedTuple):
    """A place that is marked."""

    name: str  # its class
    box: tuple[float, float, float, float]  # left, top, width and height in pixels
    marked: NDArray[np.bool_] | None = (
        None  # within the box (height, width); None where only the box is known
    )

    @property
    def area(self) -> float:
        """How many pixels are marked."""
        return float(self.box[2] * self.box[3] if self.marked is None else np.count_nonzero(self.marked))

    @property
    def pixels(self) -> NDArray[np.bool_]:
        """What is marked within the box, where that is known."""
        assert self.marked is not None
        return self.marked

    def mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask of the region alone, bool (H, W) of this shape."""
        whole = np.zeros(shape, np.bool_)
        left, top = int(self.box[0]), int(self.box[1])
        height, width = self.pixels.shape
        whole[top : top + height, left : left + width] = self.pixels
        return whole


def regions_of(mask: Mask, boxes: str, shape: tuple[int, int], name: str) -> Iterator[Region]:
    """Find the regions of an image: marked pixels that touch, what was written as one mask, and boxes.

    Args:
        mask: As in the column `mask`, or an array.
        boxes: As in the column `boxes`.
        shape: Height and width of the image.
        name: The class of all that names none itself.

    Raises:
        DataError: A mask cannot be read or has another size, or a box has no area or is outside the image.

    Example:
        >>> regions = regions_of(np.eye(3, dtype=bool), "1,0,2,1.5:dent", (3, 3), "scratch")
        >>> [(region.name, region.box, region.area) for region in regions]
        [('scratch', (0, 0, 3, 3), 3.0), ('dent', (1.0, 0.0, 2.0, 1.5), 3.0)]
    """
    cells = [""] if isinstance(mask, np.ndarray) else several(mask)
    for cell, values in zip(cells, read_masks(mask, shape) if len(mask) else (), strict=bool(len(mask))):
        if is_runs(cell):
            yield from _cut_out(values != 0, read_runs(cell).name or name)
        else:
            yield from _touching(values != 0, name)
    for cell in boxes.split(SEPARATOR) if boxes else ():
        box, own = _box(cell, shape)
        yield Region(own or name, box)


def box_cell(box: tuple[float, float, float, float], name: str) -> str:
    """Write a box with its class as in the column `boxes`.

    Example:
        >>> box_cell((1, 2, 30.5, 4), "cut lead")
        '1,2,30.5,4:cut lead'
    """
    return f"{','.join(f'{number:.10g}' for number in box)}:{quoted_name(name)}"


def names_in(mask: str, boxes: str) -> list[str]:
    """Return the classes that cells of masks and boxes name themselves.

    Example:
        >>> names_in("rle:2x2:dent:0120", "1,2,3,4:scratch")
        ['dent', 'scratch']
    """
    own = [read_runs(cell).name for cell in several(mask) if is_runs(cell)]
    own += [unquote(cell.partition(":")[2], errors="surrogatepass") for cell in boxes.split(SEPARATOR)]
    return [name for name in own if name]


def point_within(marked: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the middle x and y of the marked pixel that is farthest from all that is not marked.

    Example:
        >>> point_within(np.ones((3, 5), dtype=bool))
        (1.5, 1.5)
    """
    distances = cv2.distanceTransform(np.pad(marked, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = divmod(int(distances.argmax()), marked.shape[1])
    return column + 0.5, row + 0.5


def check_box(box: tuple[float, ...], shape: tuple[int, int]) -> None:
    """Raise a ValueError for a box that is not within an image of a height and width."""
    left, top, width, height = box
    if not np.isfinite(box).all() or width <= 0 or height <= 0:
        raise ValueError(f"the box {list(box)} has no area")
    slack = 1e-3 * max(shape) + 1  # numbers that were rounded
    if left < -slack or top < -slack or left + width > shape[1] + slack or top + height > shape[0] + slack:
        raise ValueError(f"the box {list(box)} is outside the image of {shape[1]} x {shape[0]} pixels")


def _box(cell: str, shape: tuple[int, int]) -> tuple[tuple[float, float, float, float], str]:
    """Read a box and its class from a cell."""
    numbers, _, name = cell.partition(":")
    try:
        left, top, width, height = map(float, numbers.split(","))
        check_box((left, top, width, height), shape)
    except ValueError as error:
        raise DataError(f"box {cell[:80]!r}: {error}; write left,top,width,height:class") from error
    return (left, top, width, height), unquote(name, errors="surrogatepass")


def _touching(marked: NDArray[np.bool_], name: str) -> Iterator[Region]:
    """Yield each set of marked pixels that touch, also at a corner."""
    count, numbers, boxes, _ = cv2.connectedComponentsWithStats(marked.astype(np.uint8), connectivity=8)
    for number in range(1, count):
        left, top, width, height = map(int, boxes[number][:4])
        own = numbers[top : top + height, left : left + width] == number
        yield Region(name, (left, top, width, height), own)


def _cut_out(marked: NDArray[np.bool_], name: str) -> Iterator[Region]:
    """Yield all that is marked as one region; none where nothing is."""
    left, top, width, height = cv2.boundingRect(marked.astype(np.uint8))
    if width:
        yield Region(name, (left, top, width, height), marked[top : top + height, left : left + width])
