"""Figures of how sure a classifier is: of good parts and of defects, against how right, and of rotations.

Each is drawn into a figure that somebody else made, in `figures.style`: a slide, or one that goes on a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from knowngood.metrics.ranking import auroc
from knowngood.metrics.reliability import Reliability, msp
from knowngood.report.figures import DEFECT, FAINT, GOOD, INK
from knowngood.report.plots import legend_beside, side_by_side, type_for
from knowngood.report.words import percent

Logits = NDArray[np.floating[Any]]

_BINS = 30
_QUARTERS = 4

_PALE = "#7fa6d0"
"""`DEFECT`, mixed with white: no alpha, through which lines would shine."""


def draw_temperatures(
    figure: Figure | SubFigure,
    good: Logits,
    defect: Logits,
    temperatures: Sequence[float],
    names: tuple[str, str] = ("good", "defect"),
) -> None:
    """Draw how one minus the maximum softmax probability is spread at each temperature, and its AUROC.

    Args:
        figure: Where to.
        good: Logits of good images in each of their views `(N, V, C)`, may be empty.
        defect: Likewise of defects `(M, V, C)`.
        temperatures: What the logits are divided by, one a panel.
        names: What the two are called.

    Example:
        >>> figure, sure, unsure = Figure(), np.array([[[9.0, 0.0]]]), np.array([[[1.0, 0.0]]])
        >>> draw_temperatures(figure, sure, unsure, [1, 1000])
        >>> figure.axes[1].get_title().splitlines()
        ['temperature 1000', 'AUROC 1.000']
    """
    groups = [
        (logits, f"{name} ({len(logits):,})") for logits, name in zip((good, defect), names, strict=True)
    ]
    panels = []
    for temperature in temperatures:
        scores = [msp(logits, temperature).mean(axis=-1) for logits, _ in groups]
        title = f"temperature {temperature:g}"
        if all(map(len, scores)):
            strange = np.repeat([False, True], [len(good), len(defect)])
            title += f"\nAUROC {auroc(strange, np.concatenate(scores)):.3f}"
        panels.append((title, scores))
    if not panels:
        return
    size = type_for(figure, [title for title, _ in panels])
    legend = [label for logits, label in groups if len(logits)]
    plots = side_by_side(figure, size, len(panels), legend=legend, title=2)
    # Nobody can be less sure than of any class alike.
    edges = np.linspace(0, max(1 - 1 / good.shape[-1], 0.01), _BINS + 1)
    for axes, (title, scores) in zip(plots[0], panels, strict=True):
        for values, (_, label), colour in zip(scores, groups, (GOOD, DEFECT), strict=True):
            if len(values):
                counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
                shares = 100 * counts / len(values)
                axes.stairs(shares, edges, fill=True, color=colour, alpha=0.72, label=label)
        axes.set_title(title, fontsize=size)
        axes.set_xlim(edges[0], edges[-1])
        axes.xaxis.set_major_locator(MaxNLocator(3, prune="both"))
    plots[0, 0].set_ylabel("share of the group, %", fontsize=size)
    middle = (plots[0, 0].get_position().x0 + plots[0, -1].get_position().x1) / 2
    figure.supxlabel("1 − maximum softmax probability", fontsize=size, x=middle)
    if legend:
        legend_beside(plots[0, -1], size)


def draw_reliability(
    figure: Figure | SubFigure, before: Reliability, after: Reliability, temperature: float
) -> None:
    """Draw how often a classifier is right when it is so and so sure, as it is and with a temperature.

    Under each plot stands how many answers are so sure: a large gap with few of them counts little.

    Args:
        figure: Where to.
        before: At temperature 1.
        after: At the temperature in use.
        temperature: That temperature.

    Example:
        >>> figure = Figure()
        >>> two_bins = Reliability(np.array([1, 3]), np.array([0.2, 0.9]), np.array([0.0, 1.0]))
        >>> draw_reliability(figure, two_bins, two_bins, 1.5)
        >>> figure.axes[1].get_title().splitlines()
        ['temperature 1.5', 'off by 12.5 % on average']
    """
    titles = [
        f"temperature {name}\noff by {100 * found.expected_error:.1f} % on average"
        for found, name in ((before, "1"), (after, f"{temperature:.3g}"))
    ]
    size = type_for(figure, titles)
    legend = ["how often right", "gap to how sure", "as right as sure", "number of answers"]
    plots = side_by_side(figure, size, 2, legend=legend, title=2, heights=(5, 1))
    for (above, below), found, title in zip(plots.T, (before, after), titles, strict=True):
        edges = np.linspace(0, 100, len(found.answers) + 1)
        filled = found.answers > 0
        left, width = edges[:-1][filled], float(edges[1])
        sure, right = 100 * found.confidence[filled], 100 * found.accuracy[filled]
        bars = above.bar(left, right, width, align="edge", color=_PALE, edgecolor="white", zorder=2)
        gaps = above.bar(
            left,
            sure - right,
            width,
            bottom=right,
            align="edge",
            facecolor=GOOD + "38",
            edgecolor=GOOD,
            hatch="////",
            zorder=2,
        )
        (line,) = above.plot([0, 100], [0, 100], color=INK, linewidth=1.2, linestyle="--")
        above.set(xlim=(0, 100), ylim=(0, 102))
        above.set_title(title, fontsize=size)
        answers = below.bar(left, found.answers[filled], width, align="edge", color=FAINT, edgecolor="white")
        below.set_yticks([])
        below.spines["left"].set_visible(False)
        below.set_xlabel("how sure, %", fontsize=size)
    plots[0, 0].set_ylabel("how often right, %", fontsize=size)
    legend_beside(plots[0, 1], size, handles=[bars, gaps, line, answers], labels=legend)


def draw_rotations(
    figure: Figure | SubFigure, good: Logits, defect: Logits, names: tuple[str, str] = ("good", "defect")
) -> str:
    """Draw which rotations a network sees in images that were turned by none, one, two and three quarters.

    Args:
        figure: Where to.
        good: Logits of good images, the true rotation before the predicted one, `(N, 4, 4)`, may be empty.
        defect: Likewise of defects `(M, 4, 4)`.
        names: What the two are called.

    Returns:
        A caption: how often the network is right of each, and how far off round the circle.

    Example:
        >>> caption = draw_rotations(Figure(), np.eye(4)[None], np.roll(np.eye(4), 2, axis=1)[None])
        >>> print(caption)  # doctest: +NORMALIZE_WHITESPACE
        The rotation is told rightly in 100.0 % of good views, 0.00 quarters off, and in 0.0 % of defect
        views, 2.00 quarters off on average. By chance: 25.0 %, 1.00 quarters.
    """
    groups = list(zip((good, defect), names, (GOOD, DEFECT), strict=True))
    panels = [(logits.argmax(axis=-1), name, colour) for logits, name, colour in groups if len(logits)]
    truth = np.arange(_QUARTERS)
    said = []
    if panels:
        size = type_for(figure)
        plots = side_by_side(figure, size, len(panels), title=1)[0]
        for axes, (predicted, name, colour) in zip(plots, panels, strict=True):
            counts = np.bincount(predicted.ravel(), minlength=_QUARTERS)
            for shares, side, fill, label in (
                (100 * counts / predicted.size, -1, colour, "predicted"),
                (np.full(_QUARTERS, 100 / _QUARTERS), 0, FAINT, "true"),
            ):
                axes.bar(truth + 0.4 * side, shares, 0.38, align="edge", color=fill, label=label)
            axes.set_title(f"{name} ({len(predicted):,})", fontsize=size)
            axes.set_xticks(truth, [f"{90 * quarters}°" for quarters in truth])
            axes.set_xlabel("rotation", fontsize=size)
            apart = np.abs(predicted - truth)
            off = np.minimum(apart, _QUARTERS - apart).mean()
            said.append(f"in {percent(float((apart == 0).mean()))} of {name} views, {off:.2f} quarters off")
        # The bars of both panels stand on one scale; the legends stand above the highest of all.
        plots[0].set_ylim(0, 1.3 * max(bar.get_height() for axes in plots for bar in axes.patches))
        plots[0].set_ylabel("share of the views, %", fontsize=size)
        for axes in plots:
            axes.legend(loc="upper right", ncols=2, fontsize=0.95 * size, handlelength=1.2)
    if not said:
        return "There is no image whose rotation could be told."
    return f"The rotation is told rightly {', and '.join(said)} on average. By chance: 25.0 %, 1.00 quarters."
