"""What several figures are made of: tables and rows of images that never leave their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from knowngood.report.figures import FAINT, INK

_LETTER = 0.62
"""Width of a letter in DejaVu Sans, the widest type in use, as a share of the type size."""

_LINE = 1.3
"""Height of a line, likewise."""

_APART = 2
"""Letters between two columns."""

_GAP = 0.04
"""Between two tables, as a share of the figure."""


def type_size(rows: Sequence[Sequence[str]], width: float, height: float, largest: float) -> float:
    """Choose the largest type in which a table keeps to its place.

    Args:
        rows: Its texts; a text may have several lines.
        width: Of the place, in inches.
        height: Likewise.
        largest: The largest type wanted, in points.

    Returns:
        The size in points.

    Example:
        >>> type_size([["layer", "kind"], ["encoder", "Conv2d"]], 10.0, 5.0, largest=13)
        13
        >>> size = type_size([["layer"]] * 60, 10.0, 5.0, largest=13)
        >>> round(size, 1)
        4.6
    """
    return min(
        largest, 72 * width / (_LETTER * sum(_letters(rows))), 72 * height / (_LINE * sum(_lines(rows)))
    )


def table(
    figure: Figure | SubFigure,
    rows: Sequence[Sequence[str]],
    box: tuple[float, float, float, float],
    *,
    size: float,
    right: Sequence[int] = (),
) -> None:
    """Draw a table from the top of a place downwards, each column as wide as what stands in it asks for.

    Args:
        figure: Where to.
        rows: Its texts, the first row being the head.
        box: The place: left, bottom, width and height as shares of the figure.
        size: Of the type, in points; see `type_size`.
        right: Columns that stand to the right, such as those of numbers.

    Example:
        >>> figure = Figure()
        >>> table(figure, [["layer", "output"], ["encoder", "16"]], (0, 0, 1, 1), size=12)
        >>> figure.axes[0].tables[0][1, 0].get_text().get_text()
        'encoder'
    """
    axes = figure.add_axes(box)
    axes.axis("off")
    letters, lines = _letters(rows), _lines(rows)
    # Airy where there are few rows, as close as `type_size` reckons where there are many.
    line = min(1 / sum(lines), 2.1 * size / (72 * box[3] * figure.bbox.height / figure.dpi))
    drawn = axes.table(
        rows[1:],
        colLabels=rows[0],
        colWidths=[count / sum(letters) for count in letters],
        cellLoc="left",
        bbox=Bbox.from_bounds(0, 1 - line * sum(lines), 1, line * sum(lines)),
        edges="horizontal",
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(size)
    for (row, column), cell in drawn.get_celld().items():
        cell.set_height(line * lines[row])
        cell.set_edgecolor(FAINT)
        cell.set_text_props(
            color=INK, weight="bold" if row == 0 else "normal", ha="right" if column in right else "left"
        )
        # As a share of the cell: the left edge of the table is the left edge of its first letters.
        cell.PAD = 0.0 if column == 0 and column not in right else 0.5 * _APART / letters[column]


def tables(
    figure: Figure | SubFigure,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[int] = (),
    below: int = 24,
) -> None:
    """Draw one table, or up to three beside each other where there are many rows, over the whole place.

    The wider the place the larger the type: on a slide more than on a page.

    Args:
        figure: Where to.
        head: The first row of each.
        rows: All others.
        right: As `table` takes it.
        below: Rows that stand below each other before another table begins.

    Example:
        >>> figure = Figure()
        >>> tables(figure, ["epoch", "loss"], [["1", "0.5"], ["2", "0.4"], ["3", "0.3"]], below=2)
        >>> [len(axes.tables[0].get_celld()) for axes in figure.axes]
        [6, 4]
    """
    across, down = (length / figure.dpi for length in (figure.bbox.width, figure.bbox.height))
    length = -(-len(rows) // min(3, -(-len(rows) // below)))
    parts = [[head, *rows[start : start + length]] for start in range(0, len(rows), length)]
    share = 1 / len(parts)
    width = share - _GAP * (len(parts) > 1)
    # A slide is read from farther away than a page of the same width.
    largest = min(14.0, across**2 / 11)
    size = min(type_size(one, width * across, down, largest) for one in parts)
    for place, one in enumerate(parts):
        # The last one may be shorter: its lines are as high all the same.
        high = len(one) / len(parts[0])
        table(figure, one, (place * share, 1 - high, width, high), size=size, right=right)


def image_grid(
    figure: Figure | SubFigure,
    rows: int,
    images: Sequence[int],
    *,
    left: float = 0.0,
    right: float = 1.0,
    top: float = 1.0,
) -> NDArray[Any]:
    """Make axes for rows of images, as large as there is room for, close to each other and to the top.

    Args:
        figure: Where to.
        rows: Number of rows.
        images: Shape `(n, H, W, ...)` of the images in a row.
        left: Where they begin, as a share of the figure's width.
        right: Where they end at the latest.
        top: Where they begin, as a share of the height.

    Returns:
        The axes, `(rows, n)`.

    Example:
        >>> image_grid(Figure(), 3, (10, 28, 28, 1)).shape
        (3, 10)
    """
    columns, height, width = images[:3]
    across, down = figure.bbox.width, figure.bbox.height
    side = min(across * (right - left) / columns / width, down * top / rows / height)
    step = side * width / across, side * height / down
    grid = np.empty((rows, columns), dtype=object)
    for row, column in np.ndindex(rows, columns):
        corner = left + column * step[0], top - (row + 1) * step[1]
        axes = figure.add_axes((*corner, 0.96 * step[0], 0.96 * step[1]))
        axes.axis("off")
        grid[row, column] = axes
    return grid


def show(axes: Axes, image: NDArray[np.float32] | NDArray[np.uint8]) -> None:
    """Show an image `(H, W, C)`, grey or colour, uint8 or from 0 to 1.

    Example:
        >>> axes = Figure().add_subplot()
        >>> show(axes, np.zeros((28, 28, 1), np.uint8))
        >>> axes.images[0].get_array().shape
        (28, 28)
    """
    top = 255 if image.dtype == np.uint8 else 1
    grey = image.shape[-1] == 1
    axes.imshow(
        image[..., 0] if grey else np.clip(image, 0, top), cmap="gray" if grey else None, vmin=0, vmax=top
    )
    bare(axes)


def bare(axes: Axes) -> None:
    """Leave only the image, and room for a label."""
    axes.axis("on")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def name_row(axes: Axes, text: str) -> None:
    """Write to the left of an image what its row shows."""
    axes.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=12)


def _letters(rows: Sequence[Sequence[str]]) -> list[int]:
    """The longest line of each column, with the room beside it."""
    return [
        max(len(line) for text in column for line in text.split("\n")) + _APART
        for column in zip(*rows, strict=True)
    ]


def _lines(rows: Sequence[Sequence[str]]) -> list[int]:
    """The number of lines of each row."""
    return [1 + max(text.count("\n") for text in row) for row in rows]
