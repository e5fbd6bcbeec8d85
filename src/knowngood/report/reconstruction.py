"""Figures of a detector that rebuilds images: how it was trained, and what it cannot rebuild.

Each is drawn into a figure that somebody else made, in `figures.style`: a slide, or one that goes on a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from knowngood.report.figures import DEFECT, FAINT, GOOD, INK
from knowngood.training.record import Layer, TrainingRecord

WORST = 10
"""Samples that are shown of each kind."""

ROWS = 9
"""Epochs whose reconstructions are shown; of more, as many are chosen evenly."""

DIFFERENCES = "magma"
"""A colour map whose order colour-blind readers see as well."""

_BINS = 60
_LAYERS_IN_A_COLUMN = 28


def draw_layers(figure: Figure | SubFigure, record: TrainingRecord) -> None:
    """Draw the table of layers: name, kind, output shape and trained numbers, with their total."""
    layers = list(record.layers)
    columns = [
        layers[start : start + _LAYERS_IN_A_COLUMN] for start in range(0, len(layers), _LAYERS_IN_A_COLUMN)
    ]
    size = 7 if len(columns) > 1 else 13 if len(layers) <= 16 else 10
    total = sum(layer.parameters for layer in layers)
    for number, column in enumerate(columns):
        axes = figure.add_axes((number / len(columns), 0, 0.98 / len(columns), 1))
        axes.axis("off")
        rows = [_row(layer) for layer in column]
        if number == len(columns) - 1:
            rows.append(["total", "", "", f"{total:,}"])
        table = axes.table(
            rows,
            colLabels=["layer", "kind", "output", "parameters"],
            colWidths=[0.24, 0.44, 0.16, 0.16],
            cellLoc="left",
            loc="upper left",
            edges="horizontal",
        )
        table.auto_set_font_size(False)
        table.set_fontsize(size)
        for (row, place), cell in table.get_celld().items():
            cell.set_height(0.96 / (max(len(part) for part in columns) + 2))
            cell.set_edgecolor(FAINT)
            cell.set_text_props(color=FAINT if row == 0 else INK)
            if place == 3:
                cell.get_text().set_horizontalalignment("right")
                cell.PAD = 0.02


def _row(layer: Layer) -> list[str]:
    """A layer as texts."""
    return [layer.name, layer.kind, " × ".join(map(str, layer.output)), f"{layer.parameters:,}"]


def draw_losses(figure: Figure | SubFigure, record: TrainingRecord) -> None:
    """Draw the training and the validation loss against the epoch, and mark the epoch that was kept."""
    losses = record.losses
    axes = figure.add_subplot()
    for name, label, colour in (
        ("train", "training", FAINT),
        ("validation", "validation (held-out good images)", GOOD),
    ):
        axes.plot(losses["epoch"], losses[name], color=colour, linewidth=2, marker=".", label=label)
    kept = losses.loc[losses["epoch"] == record.best, "validation"]
    axes.plot(
        [record.best] * len(kept), kept, "o", color=INK, markersize=8, label=f"kept: epoch {record.best}"
    )
    values = losses[["train", "validation"]].to_numpy()
    if np.isfinite(values).any() and np.nanmin(values) > 0 and np.nanmax(values) > 10 * np.nanmin(values):
        axes.set_yscale("log")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()


def draw_epochs(figure: Figure | SubFigure, record: TrainingRecord) -> str:
    """Draw the fixed validation batch, and below it its reconstructions, an epoch a row.

    Returns:
        A caption that says which epochs are shown.
    """
    assert record.originals is not None
    epochs = sorted(record.rebuilt)
    shown = [
        epochs[i]
        for i in np.unique(np.linspace(0, len(epochs) - 1, min(ROWS, len(epochs))).round().astype(int))
    ]
    rows = [("original", record.originals), *((f"epoch {epoch}", record.rebuilt[epoch]) for epoch in shown)]
    grid = _grid(figure, len(rows), record.originals.shape, left=0.1)
    for line, (label, images) in zip(grid, rows, strict=True):
        for axes, image in zip(line, images, strict=True):
            _show(axes, image)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=11)
    if len(shown) == len(epochs):
        return "Held-out good images that the network never learned from, every five epochs and at the end."
    return (
        f"Held-out good images that the network never learned from; {len(shown)} of the {len(epochs)} epochs "
        "at which this was recorded (every five), chosen evenly."
    )


def draw_worst(figure: Figure | SubFigure, table: pd.DataFrame, largest: float) -> None:
    """Draw the samples with the largest sums of differences: reconstruction, original, difference map.

    Args:
        figure: Where to.
        table: From `knowngood.inspector.reconstructions.reconstructions`.
        largest: The end of the colour scale of differences; see `largest_difference`.
    """
    worst = _worst(table)
    if worst.empty:
        return
    grid = _grid(figure, 3, (WORST, *worst["original"].iloc[0].shape), left=0.1, right=0.93, top=0.93)
    for position, row in enumerate(worst.to_dict("records")):
        column = grid[:, position]
        _show(column[0], row["reconstruction"])
        _show(column[1], row["original"])
        drawn = column[2].imshow(row["difference"], cmap=DIFFERENCES, vmin=0, vmax=largest)
        _bare(column[2])
        column[0].set_title(f"{row['sum_of_differences']:,.0f}", fontsize=13)
        if position == 0:
            for axes, label in zip(column, ("reconstruction", "original", "difference"), strict=True):
                axes.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=11)
    last = grid[2, 0].get_position()
    bar = figure.add_axes((0.945, last.y0, 0.012, last.height))
    figure.colorbar(drawn, cax=bar)


def largest_difference(*tables: pd.DataFrame) -> float:
    """The largest difference in any map that is shown of the tables, so that all are drawn on one scale.

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
        in_class: From `knowngood.inspector.reconstructions.reconstructions`.
        out_of_class: Likewise.
        names: What they are called.
        threshold: A line on the axis; None where the threshold is not one of sums.
    """
    sums = [table["sum_of_differences"].to_numpy(np.float64) for table in (in_class, out_of_class)]
    everything = np.concatenate([*sums, [] if threshold is None else [threshold]])
    edges = np.histogram_bin_edges(everything, bins=_BINS)
    axes = figure.add_subplot()
    for values, name, colour in zip(sums, names, (GOOD, DEFECT), strict=True):
        if len(values):
            # Shares of their own class, since 1,348 samples would leave nothing to see of ten.
            shares = 100 * np.histogram(values, edges)[0] / len(values)
            axes.stairs(shares, edges, fill=True, color=colour, alpha=0.72, label=f"{name} ({len(values)})")
    if threshold is not None:
        axes.axvline(threshold, color=INK, linestyle="--", label=f"threshold {threshold:,.4g}")
    axes.set(xlabel="sum of differences", ylabel="share of the class, %")
    axes.legend()


def draw_typical(figure: Figure | SubFigure, tables: Sequence[pd.DataFrame], names: Sequence[str]) -> None:
    """Draw the sample in the middle of each class, by its sum of differences, and what is rebuilt of it."""
    chosen = [
        (name, kept.iloc[len(kept) // 2].to_dict())
        for table, name in zip(tables, names, strict=True)
        if len(kept := table[table["original"].notna()])
    ]
    if not chosen:
        return
    grid = _grid(figure, len(chosen), (2, *chosen[0][1]["original"].shape), left=0.18, top=0.93)
    for line, (name, row) in zip(grid, chosen, strict=True):
        _show(line[0], row["original"])
        _show(line[1], row["reconstruction"])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=13)
    for axes, title in zip(grid[0], ("original", "rebuilt"), strict=True):
        axes.set_title(title, fontsize=13)


def _worst(table: pd.DataFrame) -> pd.DataFrame:
    """The rows to show, the largest sum of differences first."""
    kept = table[table["difference"].notna()]
    return kept.sort_values("sum_of_differences", ascending=False, kind="stable")[:WORST]


def _show(axes: Axes, image: NDArray[np.float32] | NDArray[np.uint8]) -> None:
    """Show an image, grey or colour, uint8 or from 0 to 1."""
    top = 255 if image.dtype == np.uint8 else 1
    grey = image.shape[-1] == 1
    axes.imshow(
        image[..., 0] if grey else np.clip(image, 0, top), cmap="gray" if grey else None, vmin=0, vmax=top
    )
    _bare(axes)


def _bare(axes: Axes) -> None:
    """Only the image, and room for a label."""
    axes.axis("on")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _grid(
    figure: Figure | SubFigure,
    rows: int,
    images: Sequence[int],
    *,
    left: float = 0.0,
    right: float = 1.0,
    top: float = 1.0,
) -> NDArray[Any]:
    """Axes for rows of images, as large as there is room for, close to each other and to the top.

    Args:
        figure: Where to.
        rows: Number of rows.
        images: Shape `(n, H, W, ...)` of the images in a row.
        left: Where they begin, as a share of the figure's width.
        right: Where they end at the latest.
        top: Where they begin, as a share of the height.
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
