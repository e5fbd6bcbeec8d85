"""Figures of a detector that has learned to tell classes of good images apart.

Each is drawn into a figure that somebody else made, in `figures.style`: a slide, or one that goes on a page.
All but the row of odd images look right in a figure with the `constrained` layout and in one without, and
their type grows with their place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from knowngood.metrics.ranking import auroc, roc_curve
from knowngood.metrics.reliability import Reliability, msp
from knowngood.report.figures import DEFECT, FAINT, GOOD, INK
from knowngood.report.layout import image_grid, show, type_size
from knowngood.report.words import MISSING, percent, score
from knowngood.training.record import Classes

Logits = NDArray[np.floating[Any]]

# Of each family as many colours as differ in lightness, so that no reader depends on hues. Their number has
# no divisor in common with that of the markers: together they repeat late.
_WARM = (GOOD, "#8c2d04", "#fdc066", "#c2185b", "#b8860b")
_COLD = (DEFECT, "#081d58", "#41a6d0", "#6a51a3", "#2b8c8c")
_FILLED = ("o", "s", "^", "D", "v", "P")
_CROSSES = ("x", "+", "1", "2", "3", "4")

_LINES = (DEFECT, GOOD, "#1b7f5c", "#c2185b", "#56b4e9", "#8c510a", INK)
_DASHES = ("-", (0, (6, 2)), (0, (2, 1.2)), (0, (6, 2, 1.5, 2)))

_NAMED = 24
"""Groups that a legend names; of more one could not tell the markers apart."""

_LONGEST = 24
"""Letters of a name that is not shortened."""

_WRITTEN = 12
"""Classes of which each cell of a confusion matrix has room for a number."""

_BINS = 30
_QUARTERS = 4
_ODD = 6
"""Pictures that share the width, even where there are fewer: one alone would fill a slide."""

_PALE = "#7fa6d0"
"""`DEFECT`, mixed with white: no alpha, through which lines would shine."""

_LARGEST = 14
_FOR_PLOTS = 0.75
"""The share of the width that is left beside labels and legend."""

_LETTER = 0.62  # as in `layout`: the width of a letter as a share of the type size
_LINE = 1.35


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
    size = _type(figure)
    names = sorted(set(groups), key=lambda name: (name in anomalies, _natural(name)))
    member = np.asarray(groups, dtype=np.str_)
    counts = {name: int((member == name).sum()) for name in names}
    labels = [f"{_short(name)} ({counts[name]:,})" for name in names]
    if len(names) > _NAMED:
        # Every anomaly is named first: they are what a reader looks for.
        named = sorted(range(len(names)), key=lambda place: names[place] not in anomalies)[: _NAMED - 1]
        labels = [label if place in named else "_" for place, label in enumerate(labels)]
    down = figure.bbox.height / figure.dpi
    shown = [label for label in labels if label != "_"]
    others = [f"and {len(names) - len(shown):,} others"] if len(shown) < len(names) else []
    columns = -(-len(shown + others) // max(1, int(72 * down / (1.55 * size)) - 1))
    axes = _plots(figure, size, 1, legend=shown + others, legend_columns=columns, bare=True)[0, 0]
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
        _legend(axes, size, columns=columns)


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
    size = _type(figure, [title for title, _ in panels])
    legend = [label for logits, label in groups if len(logits)]
    plots = _plots(figure, size, len(panels), legend=legend, title=2)
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
        axes.xaxis.set_major_locator(MaxNLocator(3, prune="upper"))
    plots[0, 0].set_ylabel("share of the group, %", fontsize=size)
    middle = (plots[0, 0].get_position().x0 + plots[0, -1].get_position().x1) / 2
    figure.supxlabel("1 − maximum softmax probability", fontsize=size, x=middle)
    if legend:
        _legend(plots[0, -1], size)


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
            found.append((-area, f"{_short(name)} ({area:.3f})", rejects, caught))
        else:
            found.append((1.0, f"{_short(name)} ({MISSING})", np.empty(0), np.empty(0)))
    found.sort(key=lambda curve: curve[0])
    size = _type(figure)
    legend = [*(label for _, label, *_ in found), "by chance"]
    axes = _plots(figure, size, 1, legend=legend)[0, 0]
    for place, (_, label, rejects, caught) in enumerate(found):
        axes.plot(
            100 * rejects,
            100 * caught,
            color=_LINES[place % len(_LINES)],
            linestyle=_DASHES[place % len(_DASHES)],
            linewidth=2,
            label=label,
            clip_on=False,
        )
    axes.plot([0, 100], [0, 100], color=FAINT, linewidth=1, linestyle=":", label="by chance", zorder=1)
    axes.set(xlim=(0, 100), ylim=(0, 102))
    axes.set_xlabel("good parts rejected, %", fontsize=size)
    axes.set_ylabel("defects found, %", fontsize=size)
    _legend(axes, size)


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
        f"temperature {name}\noff by {percent(found.expected_error)} on average"
        for found, name in ((before, "1"), (after, f"{temperature:.3g}"))
    ]
    size = _type(figure, titles)
    legend = ["how often right", "gap to how sure", "as right as sure", "number of answers"]
    plots = _plots(figure, size, 2, legend=legend, title=2, heights=(5, 1))
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
    _legend(plots[0, 1], size, handles=[bars, gaps, line, answers], labels=legend)


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
        >>> caption = draw_rotations(Figure(), np.eye(4)[None], np.eye(4)[None, ::-1])
        >>> print(caption)  # doctest: +NORMALIZE_WHITESPACE
        The rotation is told rightly in 100.0 % of good views, 0.00 quarters off, and in 0.0 % of defect
        views, 2.00 quarters off on average. By chance: 25.0 %, 1.00 quarters.
    """
    groups = list(zip((good, defect), names, (GOOD, DEFECT), strict=True))
    panels = [(logits.argmax(axis=-1), name, colour) for logits, name, colour in groups if len(logits)]
    truth = np.arange(_QUARTERS)
    said = []
    if panels:
        size = _type(figure)
        plots = _plots(figure, size, len(panels), title=1)[0]
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


def draw_confusion(
    figure: Figure | SubFigure, logits: Logits, truth: NDArray[np.int64], names: Sequence[str]
) -> None:
    """Draw how many views of each class are taken for which.

    The colour is the share of the true class, so that small classes are seen as well as large ones; the
    number is that of views, and is left out where there are more than twelve classes.

    Args:
        figure: Where to.
        logits: `(N, V, C)`.
        truth: The true class of each view, int `(N, V)`; -1 where it is not known.
        names: The classes, `(C,)`.

    Example:
        >>> figure = Figure()
        >>> draw_confusion(figure, np.eye(2)[None], np.array([[0, -1]]), ["bolt", "nut"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['1', '0', '0', '0']
    """
    classes, known = logits.shape[-1], truth >= 0
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (truth[known], logits.argmax(axis=-1)[known]), 1)
    shares = 100 * counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    size = _type(figure)
    written = classes <= _WRITTEN
    short = [_short(name) for name in names] if written else []
    axes = _plots(figure, size, 1, ticks=max(map(len, short), default=3))[0, 0]
    image = axes.imshow(shares, cmap="Oranges", vmin=0, vmax=100, aspect="auto")
    if written:
        axes.set_yticks(range(classes), short)
        across, down = (length * 72 / figure.dpi / classes for length in (axes.bbox.width, axes.bbox.height))
        letters = max(4, int(across / (_LETTER * size)) - 1)
        axes.set_xticks(range(classes), [_short(name, letters) for name in names])
        cell = min(size, 0.8 * down, across / (_LETTER * (1 + len(f"{counts.max():,}"))))
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
    size = _type(figure)
    labelled = any(odd.label for odd in classes.odd)
    count, height, width = classes.pictures.shape[:3]
    columns = max(count, _ODD)
    across, down = (length / figure.dpi for length in (figure.bbox.width, figure.bbox.height))
    head, foot = (_LINE * lines * size / 72 for lines in (1.6 + labelled, 2.6))
    # As high as what the texts leave over, unless the width asks for less.
    right = min(1.0, columns * width / height * max(0.1, down - head - foot) / across)
    grid = image_grid(figure, 1, (columns, height, width), right=right, top=1 - head / down)[0]
    letters = max(4, int(72 * across * right / columns / (_LETTER * size)) - 1)
    for axes, picture, odd in zip(grid, classes.pictures, classes.odd, strict=False):
        show(axes, picture)
        title = [_short(odd.label, letters)] if labelled else []
        axes.set_title("\n".join([*title, score(odd.score)]), fontsize=size)
        name = PurePath(odd.name).name
        name = name if len(name) <= letters else "…" + name[1 - letters :]
        axes.set_xlabel(f"{'held out' if odd.held_out else 'learned'}\n{name}", fontsize=size)
    return (
        "Of all good training images, the detector itself finds these the oddest: check whether they are "
        f"labelled wrongly. Above each: its {'class and its ' if labelled else ''}score. Below: whether it "
        "was held out, or the detector has learned from it and finds it odd all the same."
    )


def _type(figure: Figure | SubFigure, titles: Sequence[str] = ()) -> float:
    """The type size, in points, that suits a place, and in which titles fit beside each other."""
    across, down = (length / figure.dpi for length in (figure.bbox.width, figure.bbox.height))
    size = min(_LARGEST, 2.8 * down, 1.6 * across)
    return type_size([titles], _FOR_PLOTS * across, down, size) if titles else size


def _plots(
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
    left, below = (0.5, 0.5) if bare else (_LETTER * ticks + 3, 3.6)
    longest = max(map(len, legend), default=0)
    right = across - 1 - legend_columns * (_LETTER * longest + 3.5) * bool(legend)
    between = 1.8
    grid = figure.add_gridspec(
        len(heights),
        columns,
        left=left / across,
        right=max(right, left + 1) / across,
        bottom=below / down,
        top=1 - (0.6 + _LINE * title) / down,
        wspace=between / (max(1.0, right - left - between * (columns - 1)) / columns),
        hspace=0.12,
        height_ratios=heights,
    )
    plots = grid.subplots(squeeze=False, sharex=True, sharey="row")
    for axes in plots.flat:
        axes.tick_params(labelsize=0.95 * size)
        axes.locator_params(axis="y", nbins=5)
    return np.asarray(plots)


def _legend(axes: Axes, size: float, *, columns: int = 1, **entries: Any) -> None:
    """A legend to the right of axes, where it covers nothing."""
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1, 1),
        borderaxespad=0,
        borderpad=0,
        ncols=columns,
        columnspacing=1,
        handletextpad=0.6,
        fontsize=0.95 * size,
        **entries,
    )


def _short(name: str, letters: int = _LONGEST) -> str:
    """A name of at most so many letters."""
    return name if len(name) <= letters else name[: letters - 1] + "…"


def _natural(name: str) -> list[int | str]:
    """Sorts names so that 10 comes after 9."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split("([0-9]+)", name))]
