"""Figures of what a classifier sees and says: features, confusions, scores, and what it finds odd.

Each is drawn into a figure that somebody else made, in `figures.style`: a slide, or one that goes on a page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from knowngood.metrics.ranking import auroc, roc_curve
from knowngood.report.figures import DEFECT, FAINT, GOOD, INK
from knowngood.report.layout import image_grid, show
from knowngood.report.plots import DASHES, LETTER, LINE, LINES, legend_beside, short, side_by_side, type_for
from knowngood.report.words import MISSING, score
from knowngood.training.record import Classes

# Of each family as many colours as differ in lightness, so that no reader depends on hues. Their number has
# no divisor in common with that of the markers: together they repeat late.
_WARM = (GOOD, "#8c2d04", "#fdc066", "#c2185b", "#b8860b")
_COLD = (DEFECT, "#081d58", "#41a6d0", "#6a51a3", "#2b8c8c")
_FILLED = ("o", "s", "^", "D", "v", "P")
_CROSSES = ("x", "+", "1", "2", "3", "4")


_NAMED = 24
"""Groups that a legend names; of more one could not tell the markers apart."""

_WRITTEN = 12
"""Classes of which each cell of a confusion matrix has room for a number."""

_ODD = 6
"""Pictures that share the width, even where there are fewer: one alone would fill a slide."""


def draw_embedding(
    figure: Figure | SubFigure,
    points: NDArray[np.float64],
    groups: Sequence[str],
    anomalies: Sequence[str],
) -> None:
    """Draw samples as points: groups of good ones filled and warm, anomalies as blue crosses upon them.

    The map is stretched to its place: its axes have no units. Of more than ten groups or so, some share a
    colour, and of more than 24, not all are named.

    Args:
        figure: Where to.
        points: `(N, 2)`; see `knowngood.report.embedding.embed`.
        groups: The group of each, `(N,)`.
        anomalies: Which of these groups are anomalies.

    Example:
        >>> figure = Figure()
        >>> draw_embedding(figure, np.eye(3, 2), ["digit 0", "digit 0", "digit 8"], ["digit 8"])
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['digit 0 (2)', 'digit 8 (1)']
    """
    size = type_for(figure)
    names = sorted(set(groups), key=lambda name: (name in anomalies, _natural(name)))
    member = np.asarray(groups, dtype=np.str_)
    counts = {name: int((member == name).sum()) for name in names}
    labels = [f"{short(name)} ({counts[name]:,})" for name in names]
    if len(names) > _NAMED:
        # Every anomaly is named first: they are what a reader looks for.
        named = sorted(range(len(names)), key=lambda place: names[place] not in anomalies)[: _NAMED - 1]
        labels = [label if place in named else "_" for place, label in enumerate(labels)]
    down = figure.bbox.height / figure.dpi
    shown = [label for label in labels if label != "_"]
    others = [f"and {len(names) - len(shown):,} others"] if len(shown) < len(names) else []
    columns = -(-len(shown + others) // max(1, int(72 * down / (1.55 * size)) - 1))
    axes = side_by_side(figure, size, 1, legend=shown + others, legend_columns=columns, bare=True)[0, 0]
    area = float(np.clip(20_000 / max(1, len(points)), 10, 45)) * (size / 10) ** 2
    for kind, colours, markers in ((False, _WARM, _FILLED), (True, _COLD, _CROSSES)):
        of_kind = [place for place, name in enumerate(names) if (name in anomalies) == kind]
        for turn, place in enumerate(of_kind):
            x, y = points[member == names[place]].T
            axes.scatter(
                x,
                y,
                s=area * (1.7 if kind else 1),
                color=colours[turn % len(colours)],
                marker=markers[turn % len(markers)],
                linewidths=1.4 if kind else 0,
                alpha=0.95 if kind else 0.75,
                label=labels[place],
                zorder=3 if kind else 2,
            )
    for label in others:
        axes.scatter([], [], s=0, label=label)
    axes.set(xticks=[], yticks=[])
    axes.margins(0.02)
    axes.spines[:].set_visible(True)
    if names:
        legend_beside(axes, size, columns=columns)


def draw_rocs(
    figure: Figure | SubFigure, curves: Mapping[str, tuple[NDArray[np.bool_], NDArray[np.float64]]]
) -> None:
    """Draw several ROC curves in one plot, the one with the largest area named first.

    Args:
        figure: Where to.
        curves: By name: whether each sample is a defect, bool `(N,)`, and the scores `(N,)`. One without
            good samples or without defects is named, but has no curve.

    Example:
        >>> figure, defect = Figure(), np.array([False, True])
        >>> draw_rocs(figure, {"odd": (defect, np.zeros(2)), "msp": (defect, np.arange(2.0))})
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['msp (1.000)', 'odd (0.500)', 'by chance']
    """
    found = []
    for name, (defect, scores) in curves.items():
        if defect.any() and not defect.all():
            area, (rejects, caught, _) = auroc(defect, scores), roc_curve(defect, scores)
            found.append((-area, f"{short(name)} ({area:.3f})", rejects, caught))
        else:
            found.append((1.0, f"{short(name)} ({MISSING})", np.empty(0), np.empty(0)))
    found.sort(key=lambda curve: curve[0])
    size = type_for(figure)
    legend = [*(label for _, label, *_ in found), "by chance"]
    axes = side_by_side(figure, size, 1, legend=legend)[0, 0]
    for place, (_, label, rejects, caught) in enumerate(found):
        axes.plot(
            100 * rejects,
            100 * caught,
            color=LINES[place % len(LINES)],
            linestyle=DASHES[place % len(DASHES)],
            linewidth=2,
            label=label,
            clip_on=False,
        )
    axes.plot([0, 100], [0, 100], color=FAINT, linewidth=1, linestyle=":", label="by chance", zorder=1)
    axes.set(xlim=(0, 100), ylim=(0, 102))
    axes.set_xlabel("good parts rejected, %", fontsize=size)
    axes.set_ylabel("defects found, %", fontsize=size)
    legend_beside(axes, size)


def draw_confusion(figure: Figure | SubFigure, counts: NDArray[np.int64], names: Sequence[str]) -> None:
    """Draw how many images, or views of them, of each class are taken for which.

    The colour is the share of the true class, so that small classes are seen as well as large ones; the
    number is left out where there are more than twelve classes.

    Args:
        figure: Where to.
        counts: True classes down, `(C, C)`; see `knowngood.metrics.classification.confusion_matrix`.
        names: The classes, `(C,)`.

    Example:
        >>> figure = Figure()
        >>> draw_confusion(figure, np.array([[3, 1], [0, 2]]), ["bolt", "nut"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['3', '1', '0', '2']
    """
    classes = len(names)
    shares = 100 * counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    size = type_for(figure)
    written = classes <= _WRITTEN
    ticks = [short(name) for name in names] if written else []
    axes = side_by_side(figure, size, 1, ticks=max(map(len, ticks), default=3))[0, 0]
    image = axes.imshow(shares, cmap="Oranges", vmin=0, vmax=100, aspect="auto")
    if written:
        axes.set_yticks(range(classes), ticks)
        across, down = (length * 72 / figure.dpi / classes for length in (axes.bbox.width, axes.bbox.height))
        # Names below are written somewhat smaller before they are cut.
        small = float(np.clip(across / (LETTER * (1 + max(map(len, ticks)))), 0.72 * size, 0.95 * size))
        letters = max(4, round(across / (LETTER * small)) - 1)
        axes.set_xticks(range(classes), [short(name, letters) for name in names], fontsize=small)
        cell = min(size, 0.8 * down, across / (LETTER * (1 + len(f"{counts.max():,}"))))
        for (row, column), count in np.ndenumerate(counts):
            ink = "white" if shares[row, column] > 60 else INK
            axes.text(column, row, f"{count:,}", ha="center", va="center", fontsize=cell, color=ink)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        bar = figure.colorbar(image, ax=axes, pad=0.02)
        bar.set_label("share of the true class, %", fontsize=size)
        bar.ax.tick_params(labelsize=0.95 * size)
    number = "" if written else ", by its number"
    axes.set_xlabel(f"taken for{number}", fontsize=size)
    axes.set_ylabel(f"true class{number}", fontsize=size)


def draw_odd(figure: Figure | SubFigure, classes: Classes) -> str:
    """Draw the good images with the highest scores, the highest first.

    Above each stand its class, if it has one, and its score; below it, whether it was held out, and the end
    of its name. In a figure without a layout: the pictures have their places.

    Returns:
        A caption: what they are, and what to do about them.

    Example:
        >>> from knowngood.metrics.reliability import Reliability
        >>> from knowngood.training.record import Odd
        >>> flat = Reliability(*np.zeros((3, 15)))
        >>> odd, pictures = [Odd("a/b.png", "nut", 4.25, True)], np.zeros((1, 8, 8, 3), np.uint8)
        >>> figure = Figure()
        >>> caption = draw_odd(figure, Classes(["nut"], 1.0, True, 1.0, flat, flat, odd, pictures))
        >>> figure.axes[0].get_title().splitlines(), figure.axes[0].get_xlabel().splitlines()
        (['nut', '4.25'], ['held out', 'b.png'])
        >>> print(caption)  # doctest: +NORMALIZE_WHITESPACE
        Of all good training images, the detector itself finds these the oddest: check whether they are
        labelled wrongly. Above each: its class and its score. Below: whether it was held out, or the detector
        has learned from it and finds it odd all the same.
    """
    if not classes.odd:
        return "No good training images were kept that the detector finds odd."
    size = max(9.0, type_for(figure))  # a row of pictures is low, and yet to be read
    labelled = any(odd.label for odd in classes.odd)
    count, height, width = classes.pictures.shape[:3]
    columns = max(count, _ODD)
    across, down = (length / figure.dpi for length in (figure.bbox.width, figure.bbox.height))
    head, foot = (LINE * lines * size / 72 for lines in (1.6 + labelled, 2.6))
    # As high as what the texts leave over, unless the width asks for less.
    right = min(1.0, columns * width / height * max(0.1, down - head - foot) / across)
    grid = image_grid(figure, 1, (columns, height, width), right=right, top=1 - head / down)[0]
    letters = max(4, int(72 * across * right / columns / (LETTER * size)) - 1)
    for axes, picture, odd in zip(grid, classes.pictures, classes.odd, strict=False):
        show(axes, picture)
        title = [short(odd.label, letters)] if labelled else []
        axes.set_title("\n".join([*title, score(odd.score)]), fontsize=size)
        name = PurePath(odd.name).name
        name = name if len(name) <= letters else "…" + name[1 - letters :]
        axes.set_xlabel(f"{'held out' if odd.held_out else 'learned'}\n{name}", fontsize=size)
    return (
        "Of all good training images, the detector itself finds these the oddest: check whether they are "
        f"labelled wrongly. Above each: its {'class and its ' if labelled else ''}score. Below: whether it "
        "was held out, or the detector has learned from it and finds it odd all the same."
    )


def _natural(name: str) -> list[int | str]:
    """Sorts names so that 10 comes after 9."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split("([0-9]+)", name))]
