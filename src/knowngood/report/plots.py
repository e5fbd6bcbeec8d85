"""Axes side by side with type that grows with their place, and room for what stands around them.

They look right in a figure with the `constrained` layout and in one without.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from knowngood.report.figures import DEFECT, GOOD, INK
from knowngood.report.layout import type_size

LETTER = 0.62
"""The width of a letter as a share of the type size, as in `knowngood.report.layout`."""

LINE = 1.35
"""The height of a line, likewise."""

_LONGEST = 24
"""Letters of a name that is not shortened."""

_LARGEST = 14
_FOR_PLOTS = 0.75
"""The share of the width that is left beside labels and legend."""

LINES = (DEFECT, GOOD, "#1b7f5c", "#c2185b", "#56b4e9", "#8c510a", INK)
DASHES = ("-", (0, (6, 2)), (0, (2, 1.2)), (0, (6, 2, 1.5, 2)))
"""Colours and dashes of curves in one plot: their numbers have no common divisor, so pairs repeat late."""


def type_for(figure: Figure | SubFigure, titles: Sequence[str] = ()) -> float:
    """The type size, in points, that suits a place, and in which titles fit beside each other."""
    across, down = (length / figure.dpi for length in (figure.bbox.width, figure.bbox.height))
    size = min(_LARGEST, 2.8 * down, 1.6 * across)
    return type_size([titles], _FOR_PLOTS * across, down, size) if titles else size


def side_by_side(
    figure: Figure | SubFigure,
    size: float,
    columns: int,
    *,
    legend: Sequence[str] = (),
    legend_columns: int = 1,
    title: int = 0,
    heights: Sequence[float] = (1,),
    ticks: int = 3,
    bare: bool = False,
) -> NDArray[Any]:
    """Axes beside each other on the same scales, with room for what stands around them.

    Args:
        figure: Where to; one with a layout of its own takes care of the room itself.
        size: Of the type, in points.
        columns: Number of axes in a row.
        legend: What stands to the right of the last.
        legend_columns: In so many columns.
        title: Lines above each.
        heights: Of the rows, in proportion.
        ticks: Letters of the labels on the left.
        bare: Without labels.

    Returns:
        The axes, `(rows, columns)`.
    """
    across, down = (length * 72 / figure.dpi / size for length in (figure.bbox.width, figure.bbox.height))
    left, below = (0.5, 0.5) if bare else (LETTER * ticks + 3, 3.6)
    longest = max(map(len, legend), default=0)
    right = across - 1 - legend_columns * (LETTER * longest + 3.5) * bool(legend)
    between = 1.8
    grid = figure.add_gridspec(
        len(heights),
        columns,
        left=left / across,
        right=max(right, left + 1) / across,
        bottom=below / down,
        top=1 - (0.6 + LINE * title) / down,
        wspace=between / (max(1.0, right - left - between * (columns - 1)) / columns),
        hspace=0.12,
        height_ratios=heights,
    )
    plots = grid.subplots(squeeze=False, sharex=True, sharey="row")
    for axes in plots.flat:
        axes.tick_params(labelsize=0.95 * size)
        axes.locator_params(axis="y", nbins=5)
    return np.asarray(plots)


def legend_beside(axes: Axes, size: float, *, columns: int = 1, **entries: Any) -> None:
    """A legend to the right of axes, where it covers nothing."""
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1, 1),
        borderaxespad=0.8,
        borderpad=0,
        ncols=columns,
        columnspacing=1,
        handletextpad=0.6,
        fontsize=0.95 * size,
        **entries,
    )


def short(name: str, letters: int = _LONGEST) -> str:
    """A name of at most so many letters; matplotlib hides one that begins with an underscore."""
    name = name.lstrip("_") or name
    return name if len(name) <= letters else name[: letters - 1] + "…"
