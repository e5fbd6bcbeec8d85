"""Figures of what a detector that rebuilds images cannot rebuild.

Each is drawn into a figure that somebody else made, in `figures.style`: a slide, or one that goes on a page.
The tables are those of `knowngood.inspector.reconstructions.reconstructions`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure

from knowngood.report.figures import DEFECT, GOOD, INK
from knowngood.report.layout import bare, image_grid, name_row, show
from knowngood.report.words import score

WORST = 10
"""Samples that are shown of each kind."""

DIFFERENCES = "magma"
"""A colour map whose order colour-blind readers see as well."""

_BINS = 60


def draw_worst(figure: Figure | SubFigure, table: pd.DataFrame, largest: float) -> None:
    """Draw the samples with the largest sums of differences: reconstruction, original, difference map.

    Rows whose images were not kept are passed over.

    Args:
        figure: Where to.
        table: The reconstructions of one class.
        largest: The end of the colour scale of differences; see `largest_difference`.
    """
    worst = _worst(table)
    if worst.empty:
        return
    grid = image_grid(figure, 3, (WORST, *worst["original"].iloc[0].shape), left=0.11, right=0.95, top=0.93)
    for position, row in enumerate(worst.to_dict("records")):
        column = grid[:, position]
        show(column[0], row["reconstruction"])
        show(column[1], row["original"])
        drawn = column[2].imshow(row["difference"], cmap=DIFFERENCES, vmin=0, vmax=largest)
        bare(column[2])
        column[0].set_title(score(row["sum_of_differences"]), fontsize=13)
    for axes, label in zip(grid[:, 0], ("reconstruction", "original", "difference"), strict=True):
        name_row(axes, label)
    last = grid[2, len(worst) - 1].get_position()
    bar = figure.add_axes((last.x1 + 0.01, last.y0, 0.01, last.height))
    figure.colorbar(drawn, cax=bar).ax.tick_params(labelsize=12)


def largest_difference(*tables: pd.DataFrame) -> float:
    """The largest difference in any map that is shown of the tables, so that all are drawn on one scale.

    It is 1 where there is no difference at all: a scale needs a length.

    Example:
        >>> maps = [np.array([[0.5, 2.0]]), np.array([[0.5, 1.0]])]
        >>> largest_difference(pd.DataFrame({"sum_of_differences": [2.5, 1.5], "difference": maps}))
        2.0
    """
    maps = [image for table in tables for image in _worst(table)["difference"]]
    return max((float(image.max()) for image in maps), default=0.0) or 1.0


def draw_histogram(
    figure: Figure | SubFigure,
    in_class: pd.DataFrame,
    out_of_class: pd.DataFrame,
    names: tuple[str, str],
    threshold: float | None,
) -> None:
    """Draw how the sums of differences of both classes are spread: in-class orange, out-of-class blue.

    Args:
        figure: Where to.
        in_class: Reconstructions of in-class samples.
        out_of_class: Likewise of the others.
        names: What they are called.
        threshold: A line on the axis; None where the threshold is not one of sums.

    Example:
        >>> figure, near, far = Figure(), {"sum_of_differences": [1.0, 2.0]}, {"sum_of_differences": [5.0]}
        >>> draw_histogram(figure, pd.DataFrame(near), pd.DataFrame(far), ("good", "bent"), 3.0)
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['good (2)', 'bent (1)', 'threshold 3']
    """
    sums = [table["sum_of_differences"].to_numpy(np.float64) for table in (in_class, out_of_class)]
    everything = np.concatenate([*sums, [] if threshold is None else [threshold]])
    low, high = (everything.min(), everything.max()) if len(everything) else (0.0, 1.0)
    if high - low < 1e-6 * max(1.0, abs(high)):  # equal but for rounding: bars still need a width
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _BINS + 1)
    axes = figure.add_subplot()
    for values, name, colour in zip(sums, names, (GOOD, DEFECT), strict=True):
        if len(values):
            # Shares of their own class: of ten samples one would see nothing beside 1,348, and the classes'
            # sizes are those of the data set, not those of a production.
            shares = 100 * np.histogram(values, edges)[0] / len(values)
            label = f"{name} ({len(values):,})"
            axes.stairs(shares, edges, fill=True, color=colour, alpha=0.72, label=label)
    if threshold is not None:
        axes.axvline(threshold, color=INK, linestyle="--", label=f"threshold {score(threshold)}")
    axes.set(xlabel="sum of differences", ylabel="share of the class, %")
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


def draw_typical(figure: Figure | SubFigure, tables: Sequence[pd.DataFrame], names: Sequence[str]) -> None:
    """Draw the sample in the middle of each class, by its sum of differences, and what is rebuilt of it.

    A class is passed over where it is empty, or the images of that sample were not kept.
    """
    middle = [
        (name, _descending(table).iloc[len(table) // 2].to_dict())
        for table, name in zip(tables, names, strict=True)
        if len(table)
    ]
    chosen = [(name, row) for name, row in middle if isinstance(row["original"], np.ndarray)]
    if not chosen:
        return
    grid = image_grid(figure, len(chosen), (2, *chosen[0][1]["original"].shape), left=0.18, top=0.93)
    for line, (name, row) in zip(grid, chosen, strict=True):
        show(line[0], row["original"])
        show(line[1], row["reconstruction"])
        name_row(line[0], name)
    for axes, title in zip(grid[0], ("original", "rebuilt"), strict=True):
        axes.set_title(title, fontsize=13)


def _worst(table: pd.DataFrame) -> pd.DataFrame:
    """The rows to show, the largest sum of differences first."""
    return _descending(table[table["difference"].notna()])[:WORST]


def _descending(table: pd.DataFrame) -> pd.DataFrame:
    """The largest sum of differences first."""
    return table.sort_values("sum_of_differences", ascending=False, kind="stable")
