"""Charts of a classifier: features, confusions, calibration and rotations, each drawn into a given figure.

The layout of the figure must be `constrained`: it makes room for labels and legends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from knowngood.metrics.reliability import Reliability
from knowngood.report.charts import legend_beside
from knowngood.report.style import DEFECT, FAINT, GOOD, INK, NAMED, short
from knowngood.training.record import TrainingRecord

# Of each family as many colours as differ in lightness, so that no reader depends on hues. Their number has
# no divisor in common with that of the markers: together they repeat late.
_WARM = (GOOD, "#8c2d04", "#fdc066", "#c2185b", "#b8860b")
_COLD = (DEFECT, "#081d58", "#41a6d0", "#6a51a3", "#2b8c8c")
_FILLED = ("o", "s", "^", "D", "v", "P")
_CROSSES = ("x", "+", "1", "2", "3", "4")

_PALE = "#7fa6d0"  # `DEFECT`, mixed with white: no alpha, through which lines would shine
_WRITTEN = 12  # classes up to which the cells of a confusion matrix have room for a number
_LEVEL = 60  # letters of all class names up to which they have room beside each other
_QUARTERS = 4


def draw_embedding(
    figure: Figure, points: NDArray[np.float64], groups: Sequence[str], anomalies: Sequence[str]
) -> None:
    """Draw samples as points `(N, 2)`, see `knowngood.report.embedding.embed`, in the colour of their group.

    Groups of good samples are filled and warm, those among the anomalies are blue crosses upon them. The axes
    have no units. Of more than ten groups or so, some share a colour, and of more than 24, not all are named.

    Example:
        >>> draw_embedding(Figure(), np.eye(3, 2), ["digit 0", "digit 0", "digit 8"], ["digit 8"])
    """
    axes = figure.subplots()
    names = sorted(set(groups), key=lambda name: (name in anomalies, _natural(name)))
    member = np.asarray(groups, dtype=np.str_)
    # Every anomaly is named first: they are what a reader looks for.
    first = sorted(names, key=lambda name: name not in anomalies)
    named = names if len(names) <= NAMED else first[: NAMED - 1]
    area = float(np.clip(20_000 / max(1, len(points)), 10, 45))
    turn = {False: 0, True: 0}
    for name in names:
        anomaly = name in anomalies
        x, y = points[member == name].T
        colours, markers = (_COLD, _CROSSES) if anomaly else (_WARM, _FILLED)
        size, width, alpha, order = (1.7 * area, 1.4, 0.95, 3) if anomaly else (area, 0, 0.75, 2)
        colour, marker = colours[turn[anomaly] % len(colours)], markers[turn[anomaly] % len(markers)]
        label = f"{short(name)} ({len(x):,})" if name in named else "_"
        axes.scatter(
            x, y, size, color=colour, marker=marker, alpha=alpha, linewidths=width, label=label, zorder=order
        )
        turn[anomaly] += 1
    if len(named) < len(names):
        axes.scatter([], [], s=0, label=f"and {len(names) - len(named):,} others")
    axes.set(xticks=[], yticks=[])
    axes.margins(0.02)
    axes.spines[:].set_visible(True)
    if names:
        legend_beside(axes)


def draw_confusion(figure: Figure, counts: NDArray[np.int64], names: Sequence[str]) -> None:
    """Draw a confusion matrix `(C, C)`, see `knowngood.metrics.classification.confusion_matrix`.

    The colour is the share of the true class, so that small classes are seen as well as large ones; the
    counts are left out for more than twelve classes.

    Example:
        >>> draw_confusion(Figure(), np.array([[3, 1], [0, 2]]), ["bolt", "nut"])
    """
    axes = figure.subplots()
    shares = 100 * counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    image = axes.imshow(shares, cmap="Oranges", vmin=0, vmax=100, aspect="auto")
    if len(names) <= _WRITTEN:
        labels = [short(name) for name in names]
        level = sum(map(len, labels)) < _LEVEL
        axes.set_yticks(range(len(names)), labels)
        rotation, side = (0, "center") if level else (20, "right")
        axes.set_xticks(range(len(names)), labels, rotation=rotation, ha=side)
        for (row, column), count in np.ndenumerate(counts):
            ink = "white" if shares[row, column] > 60 else INK
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=ink)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        figure.colorbar(image, ax=axes, pad=0.02).set_label("share of the true class, %")
    number = "" if len(names) <= _WRITTEN else ", by its number"
    axes.set(xlabel=f"predicted class{number}", ylabel=f"true class{number}")


def draw_reliability(figure: Figure, panels: Mapping[float, Reliability]) -> None:
    """Draw reliability diagrams by temperature: accuracy by confidence, above the number of predictions.

    A large gap with few predictions counts little.

    Example:
        >>> two_bins = Reliability(np.array([1, 3]), np.array([0.2, 0.9]), np.array([0.0, 1.0]))
        >>> draw_reliability(Figure(), {1.5: two_bins})
    """
    plots = figure.subplots(2, len(panels), sharex=True, sharey="row", squeeze=False, height_ratios=(5, 1))
    for (above, below), (temperature, found) in zip(plots.T, panels.items(), strict=True):
        edges = np.linspace(0, 100, len(found.answers) + 1)
        filled = found.answers > 0
        left, width = edges[:-1][filled], float(edges[1])
        confidence, accuracy = 100 * found.confidence[filled], 100 * found.accuracy[filled]
        bars: dict[str, Any] = {"align": "edge", "zorder": 2}
        above.bar(left, accuracy, width, color=_PALE, edgecolor="white", label="accuracy", **bars)
        hatched = bars | {"facecolor": GOOD + "38", "edgecolor": GOOD, "hatch": "////"}
        above.bar(left, confidence - accuracy, width, accuracy, label="gap to confidence", **hatched)
        above.plot([0, 100], [0, 100], color=INK, linewidth=1.2, linestyle="--", label="perfect calibration")
        above.bar([0], [0], color=FAINT, label="number of predictions")  # for the legend
        above.set(xlim=(0, 100), ylim=(0, 102))
        above.set_title(f"temperature {temperature:.3g}\nECE {100 * found.expected_error:.1f} %")
        below.bar(left, found.answers[filled], width, align="edge", color=FAINT, edgecolor="white")
        below.set_yticks([])
        below.spines["left"].set_visible(False)
        below.set_xlabel("confidence, %")
    plots[0, 0].set_ylabel("accuracy, %")
    legend_beside(plots[0, -1])


def draw_losses(figure: Figure, panels: Mapping[str, TrainingRecord]) -> None:
    """Draw training and validation losses by epoch, one panel per network, and mark the epochs kept.

    Example:
        >>> from knowngood.training.record import Epoch
        >>> draw_losses(Figure(), {"cnn": TrainingRecord([], [Epoch(1, 0.5, 0.6)], 1, 0.001, [0])})
    """
    plots = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, record) in zip(plots, panels.items(), strict=True):
        losses = record.losses
        for name, colour, mark in (("train", DEFECT, "o"), ("validation", GOOD, "s")):
            axes.plot(losses["epoch"], losses[name], colour, marker=mark, markersize=4, label=name)
        axes.axvline(record.best, color=FAINT, linewidth=1.2, linestyle="--", zorder=1, label="epoch kept")
        axes.set_title("\n".join(map(short, title.split(", "))))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        axes.set_xlabel("epoch")
    plots[0].set_ylabel("loss")
    legend_beside(plots[-1])


def draw_rotations(figure: Figure, groups: Mapping[str, NDArray[np.int64]]) -> None:
    """Draw which rotations are predicted, in quarter turns `(N, 4)` by group.

    The four views of an image were turned by 0, 1, 2 and 3 quarters.

    Example:
        >>> draw_rotations(Figure(), {"good": np.array([[0, 1, 2, 3]]), "defect": np.array([[0, 0, 0, 0]])})
    """
    plots = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    turns = np.arange(_QUARTERS)
    for axes, (name, predicted), colour in zip(plots, groups.items(), (GOOD, DEFECT), strict=False):
        shares = 100 * np.bincount(predicted.ravel(), minlength=_QUARTERS) / predicted.size
        axes.bar(turns - 0.4, shares, 0.38, align="edge", color=colour, label="predicted")
        axes.bar(turns, [100 / _QUARTERS] * _QUARTERS, 0.38, align="edge", color=FAINT, label="true")
        axes.set_title(f"{short(name)} ({len(predicted):,})")
        axes.set_xticks(turns, [f"{90 * quarters}°" for quarters in turns])
        axes.set_xlabel("rotation")
        legend_beside(axes)
    plots[0].set_ylabel("share of the views, %")


def _natural(name: str) -> list[int | str]:
    """Split a name so that 10 is sorted after 9."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split("([0-9]+)", name))]
