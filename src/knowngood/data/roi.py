"""The region of interest of an inspector: which pixels of a picture it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GREY = (128, 128, 128)

MOST_PIXELS = 179_000_000
"""Pixels of the largest picture that is read at all."""

_FIELDS = {"size": 2, "box": 4, "fill": 3, "runs": None}
"""The numbers of a region in a manifest, and how many they are."""


def check_fields(numbers: Mapping[str, Sequence[int]], fields: Mapping[str, int | None], what: str) -> None:
    """Refuse numbers of other names than `fields`, or not so many of each as it says; None for any.

    Raises:
        ValueError: They are not those of `what`.
    """
    if numbers.keys() != fields.keys() or any(
        count not in (None, len(numbers[name])) for name, count in fields.items()
    ):
        *names, last = fields
        raise ValueError(f"{what} has {', '.join(names)} and {last}")


@dataclass(frozen=True, eq=False)
class Roi:
    """A region of interest, drawn on a picture of one size and valid for all pictures of that aspect ratio.

    Pictures are cut to its box and resized; then what is outside the region becomes one colour. So a region
    gains resolution, and what is outside it changes no score.

    Args:
        size: Height and width of the picture that it is drawn on.
        box: Its first row and column, its height and its width.
        drawn: Which pixels of the box are inside the region, bool `(height, width)`.
        fill: RGB of the pixels of the box that are outside.

    Example:
        >>> drawn = np.zeros((40, 60), np.bool_)
        >>> drawn[10:30, 20:50] = True
        >>> roi = Roi.of(drawn)
        >>> roi.box, roi.cut((80, 120)), roi.share
        ((10, 20, 20, 30), (20, 40, 60, 100), 0.25)
    """

    size: tuple[int, int]
    box: tuple[int, int, int, int]
    drawn: NDArray[np.bool_]
    fill: tuple[int, int, int] = GREY

    @classmethod
    def of(cls, drawn: NDArray[np.bool_]) -> Roi:
        """The region of the marked pixels of a picture, bool `(H, W)`, of which there is at least one."""
        rows, columns = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
        (top, bottom), (left, right) = ((int(at[0]), int(at[-1]) + 1) for at in (rows, columns))
        box = top, left, bottom - top, right - left
        return cls((drawn.shape[0], drawn.shape[1]), box, drawn[top:bottom, left:right])

    def __str__(self) -> str:
        """The region in words."""
        (rows, columns), (top, left, height, width) = self.size, self.box
        return (
            f"{self.share:.1%} of the image, within {height} x {width} pixels from row {top} and column "
            f"{left} of {rows} x {columns} (height x width)"
        )

    @property
    def share(self) -> float:
        """The share of a picture that is inside."""
        return float(self.drawn.sum() / np.prod(self.size))

    def cut(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """The first row and column of the box in a picture of a height and width, and those behind it."""
        top, left, height, width = self.box
        (rows, columns), (of_rows, of_columns) = size, self.size
        return (
            top * rows // of_rows,
            left * columns // of_columns,
            -(-(top + height) * rows // of_rows),
            -(-(left + width) * columns // of_columns),
        )

    def inside(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """Which pixels of a picture of a height and width are inside, bool `(H, W)`.

        It is also the part of a grid over a picture whose cells have their middle inside.
        """
        marked = np.zeros(size, np.bool_)
        of_picture, of_box = [], []
        for side, of, start, length in zip(size, self.size, self.box[:2], self.drawn.shape, strict=True):
            places = ((2 * np.arange(side) + 1) * of) // (2 * side) - start
            within = np.flatnonzero((places >= 0) & (places < length))
            of_picture.append(within)
            of_box.append(places[within])
        marked[np.ix_(*of_picture)] = self.drawn[np.ix_(*of_box)]
        return marked

    def touched(self, grid: tuple[int, int]) -> NDArray[np.bool_]:
        """Which cells of a grid over a picture have any pixel inside, bool `(h, w)`."""
        spans = []
        for cells, of, start in zip(grid, self.size, self.box[:2], strict=True):
            numbers = np.arange(cells)
            spans.append((numbers * of // cells - start, -(-(numbers + 1) * of // cells) - start))
        return np.asarray(self._count(*spans)[0] > 0)

    def kept(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Which pixels of the box, once it is resized to a height and width, show nothing of the outside.

        What a pixel shows reaches beyond its area by half its side, or by one pixel of the picture.
        """
        spans = []
        for side, of in zip(shape, self.drawn.shape, strict=True):
            margin, numbers = -(-of // (2 * side)) + 1, np.arange(side)
            spans.append((numbers * of // side - margin, -(-(numbers + 1) * of // side) + margin))
        count, area = self._count(*spans)
        return np.asarray(count == area)

    def _count(self, *spans: tuple[NDArray[np.int64], NDArray[np.int64]]) -> list[NDArray[np.int64]]:
        """How many pixels of the box are inside in each rectangle, and its area; both without what is beyond
        the box. Of rows and of columns, the first ones come and those behind the last.
        """
        (top, bottom), (left, right) = (
            [np.clip(edge, 0, side) for edge in span]
            for span, side in zip(spans, self.drawn.shape, strict=True)
        )
        sums = np.pad(self.drawn.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32), (1, 0))
        above, below = sums[top], sums[bottom]
        inside = below[:, right] - above[:, right] - below[:, left] + above[:, left]
        return [inside, np.multiply.outer(bottom - top, right - left)]

    def to_numbers(self) -> dict[str, list[int]]:
        """The region as JSON can hold it; `runs` are the lengths of what is outside and inside by turns."""
        flat = np.concatenate([[False], self.drawn.ravel(), [not self.drawn[-1, -1]]])
        changes = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1])])
        runs = np.diff(changes).tolist()
        return {"size": [*self.size], "box": [*self.box], "fill": [*self.fill], "runs": runs}

    @classmethod
    def of_numbers(cls, numbers: dict[str, list[int]]) -> Roi:
        """The region of `to_numbers`.

        Raises:
            ValueError: The numbers are those of no region.

        Example:
            >>> Roi.of_numbers(Roi.of(np.eye(3, dtype=np.bool_)).to_numbers()).drawn.sum()
            np.int64(3)
        """
        check_fields(numbers, _FIELDS, "a region")
        (rows, columns), (top, left, height, width) = numbers["size"], numbers["box"]
        runs = numbers["runs"]
        fits = 0 < height <= rows - top and 0 < width <= columns - left and rows * columns <= MOST_PIXELS
        if not fits or max(numbers["fill"]) > 255 or sum(runs) != height * width:
            raise ValueError("its region does not fit into a picture")
        drawn = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
        if not drawn.any():
            raise ValueError("its region is empty")
        red, green, blue = numbers["fill"]
        return cls((rows, columns), (top, left, height, width), drawn, (red, green, blue))
