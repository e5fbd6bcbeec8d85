"""Figures of a classifier that was trained on defect types: how well it tells them, and what it errs on.

Each is drawn into a figure that somebody else made, in `figures.style`: a slide, or one that goes on a page;
those of pictures and tables in one without a layout, where they have their places.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from knowngood.metrics.classification import balanced_accuracy, class_figures, macro_f1, macro_precision
from knowngood.metrics.ranking import cut
from knowngood.report.figures import FAINT
from knowngood.report.layout import image_grid, show, tables
from knowngood.report.plots import DASHES, LETTER, LINE, LINES, legend_beside, short, side_by_side, type_for
from knowngood.report.words import MISSING

Place = Figure | SubFigure
Values = NDArray[np.floating[Any]]


_NAMED = 24  # classes in a legend; of more one could not tell the lines apart, and the others are faint
_READABLE = 7.0  # points below which a caption is shortened instead


def draw_classes(figure: Place, names: Sequence[str], matrix: NDArray[np.int64]) -> None:
    """Draw a table of how well each class is told from the others, and the mean over those that occur.

    Args:
        figure: Where to.
        names: The classes, `(C,)`.
        matrix: How many images of each class are taken for which, true classes down, `(C, C)`.

    Example:
        >>> figure = Figure()
        >>> draw_classes(figure, ["bent", "cut"], np.array([[3, 1], [0, 0]]))
        >>> [figure.axes[0].tables[0][2, column].get_text().get_text() for column in range(5)]
        ['cut', '0', '0.000', '–', '0.000']
    """
    found = class_figures(matrix)
    measures = (macro_precision, balanced_accuracy, macro_f1)
    means = [measure(matrix) if matrix.any() else np.nan for measure in measures]
    rows = [
        [short(name), f"{images:,}", *map(_three, figures)]
        for name, images, *figures in zip(names, found.support, *found[:3], strict=True)
    ]
    rows.append(["macro mean", f"{found.support.sum():,}", *map(_three, means)])
    head = ["class", "images", "precision", "recall", "F1"]
    tables(figure, head, rows, right=[1, 2, 3, 4])


def draw_curves(figure: Place, names: Sequence[str], truth: NDArray[np.int64], probabilities: Values) -> None:
    """Draw the ROC and the precision-recall curve of each class against the rest, with their areas.

    A class that no image has, or that all have, is named, but has no curve.

    Args:
        figure: Where to.
        names: The classes, `(C,)`.
        truth: The true class of each image, int `(N,)`.
        probabilities: `(N, C)`.

    Example:
        >>> figure, truth = Figure(), np.array([0, 0, 1])
        >>> draw_curves(figure, ["bent", "cut", "good"], truth, np.eye(3)[[0, 1, 1]])
        >>> [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
        ['bent (0.750, 0.833)', 'cut (0.750, 0.500)', 'good (–)']
    """
    curves, labels = [], []
    for place, (name, column) in enumerate(zip(names, probabilities.T, strict=True)):
        its = truth == place
        found = cut(its, column) if its.any() and not its.all() else None
        areas = f"{found.auroc():.3f}, {found.average_precision():.3f}" if found else MISSING
        curves.append(found)
        labels.append(f"{short(name, 18)} ({areas})")
    size, title, legend = type_for(figure), "class (area, AP)", _named(labels)
    entries = [title, *legend]
    columns = _legend_columns(figure, size, entries)
    # Both plots are as wide as each other, and the legend beside the second has its own room.
    across = 72 * figure.bbox.width / figure.dpi / size
    room = columns * (LETTER * max(map(len, entries)) + 3.5)
    grid = figure.add_gridspec(1, 2, width_ratios=[max(1.0, across - room), across + room])
    first, second = (figure.add_subfigure(grid[0, column]) for column in (0, 1))
    left = side_by_side(first, size, 1, title=1)[0, 0]
    right = side_by_side(second, size, 1, title=1, legend=entries, legend_columns=columns)[0, 0]
    lines = []
    for place, found in enumerate(curves):
        look = _look(place, len(names))
        if found:
            left.plot(100 * found.false_reject_rate, 100 * found.recall, **look)
        recall, precision = (100 * found.recall, 100 * found.precision) if found else ([], [])
        # In steps, so that what lies below is the average precision.
        lines += right.plot(recall, precision, drawstyle="steps-pre", **look)
    left.plot([0, 100], [0, 100], color=FAINT, linewidth=1, linestyle=":", zorder=1)
    for axes, *texts in (
        (left, "ROC", "false alarms, %", "found, %"),
        (right, "precision-recall", "found, %", "right when said, %"),
    ):
        axes.set(xlim=(0, 100), ylim=(0, 102))
        for write, text in zip((axes.set_title, axes.set_xlabel, axes.set_ylabel), texts, strict=True):
            write(text, fontsize=size)
    look = {"title": title, "title_fontsize": 0.95 * size, "alignment": "left"}
    legend_beside(right, size, columns=columns, handles=lines[: len(legend)], labels=legend, **look)


def draw_top_losses(figure: Place, pictures: NDArray[np.uint8], captions: Sequence[str]) -> str:
    r"""Draw the images whose true class the classifier held least likely, each with its caption above.

    Args:
        figure: Where to.
        pictures: The largest loss first, uint8 `(n, h, w, 3)`.
        captions: What stands above each, `(n,)`: the true class on one line, what was said on the next.

    Returns:
        A caption: what they are, and what to do about them.

    Example:
        >>> figure = Figure()
        >>> said = draw_top_losses(figure, np.zeros((1, 8, 8, 3), np.uint8), ["true: cut\nsaid: bent 98 %"])
        >>> figure.axes[0].get_title().splitlines()
        ['true: cut', 'said: bent 98 %']
    """
    if not len(pictures):
        return "There are no images whose class could be told."
    draw_pictures(figure, pictures, captions)
    return "The images whose true class was held least likely, worst first: check their labels."


def draw_pictures(figure: Place, pictures: NDArray[np.uint8], captions: Sequence[str]) -> None:
    """Draw pictures in rows, as large as there is room for, each with its caption above.

    Args:
        figure: Where to.
        pictures: At least one, uint8 `(n, h, w, 3)`.
        captions: What stands above each, `(n,)`, one or more lines.

    Example:
        >>> figure = Figure()
        >>> draw_pictures(figure, np.zeros((2, 8, 8, 3), np.uint8), ["good", "cut"])
        >>> [axes.get_title() for axes in figure.axes]
        ['good', 'cut']
    """
    texts = [caption.split("\n") for caption in captions]
    lines, longest = max(map(len, texts)), 1 + max(len(line) for text in texts for line in text)
    count, height, width = pictures.shape[:3]
    across, down = (72 * length / figure.dpi for length in (figure.bbox.width, figure.bbox.height))

    def fitting(rows: int) -> tuple[float, float, float, int]:
        """How good so many rows are, how wide a picture and how large the type then is, and their number."""
        cell = across / -(-count // rows)
        fits = cell / (LETTER * longest)
        size = float(np.clip(fits, _READABLE, type_for(figure)))
        wide = min(cell, (down / rows - LINE * (lines + 0.6) * size) * width / height)
        return wide * min(1.0, fits / _READABLE), wide, size, rows

    # The largest pictures that do not cut their captions by more than they gain.
    _, wide, size, rows = max(map(fitting, range(1, count + 1)))
    columns = -(-count // rows)
    # A picture stands at the bottom of a place that has room for its caption too.
    place = min(across / columns, max(wide, LETTER * longest * size))
    tall, head = wide * height / width, LINE * (lines + 0.6) * size
    shape = (columns, int(100 * (tall + head)), int(100 * place))
    grid = image_grid(figure, rows, shape, right=columns * place / across)
    letters = int(0.96 * place / (LETTER * size))
    for axes, picture, text in zip(grid.flat, pictures, texts, strict=False):
        show(axes, picture)
        box = axes.get_position(original=True)
        axes.set_position((*box.p0, box.width, box.height * tall / (tall + head)))
        caption = "\n".join(_shortened(line, letters) for line in text)
        axes.set_title(caption, fontsize=size, pad=0.4 * size, linespacing=1.15)


def draw_class_accuracies(
    figure: Place, names: Sequence[str], epochs: Sequence[int], accuracies: Values, best: int | None = None
) -> None:
    """Draw how often the held-out images of each class are classified rightly as the epochs pass.

    Args:
        figure: Where to.
        names: The classes, `(C,)`.
        epochs: Numbers of the epochs, `(E,)`.
        accuracies: Shares of right answers, 0 to 1, `(E, C)`; NaN where no image of a class was held out.
        best: The epoch whose weights were kept.

    Example:
        >>> figure = Figure()
        >>> draw_class_accuracies(figure, ["bent", "cut"], [1, 2], np.array([[0.5, np.nan], [1, np.nan]]), 2)
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['bent', 'cut (–)', 'kept: epoch 2']
    """
    known = np.isfinite(accuracies)
    labels = [short(name) + f" ({MISSING})" * (not known[:, place].any()) for place, name in enumerate(names)]
    size, named = type_for(figure), _named(labels)
    legend = named if best is None else [*named, f"kept: epoch {best}"]
    columns = _legend_columns(figure, size, legend)
    axes = side_by_side(figure, size, 1, legend=legend, legend_columns=columns)[0, 0]
    lines = []
    for place, shares in enumerate(accuracies.T):
        lines += axes.plot(epochs, 100 * shares, marker=".", **_look(place, len(names)))
    handles = lines[: len(named)]
    if best is not None:
        handles.append(axes.axvline(best, color=FAINT, linewidth=1.2, linestyle="--", zorder=1))
    axes.set_ylim(0, 102)
    if len(epochs) == 1:  # a wide axis would be marked in parts of an epoch
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch", fontsize=size)
    axes.set_ylabel("classified rightly, %", fontsize=size)
    legend_beside(axes, size, columns=columns, handles=handles, labels=legend)


def draw_sheet(figure: Place, pictures: NDArray[np.uint8], rows: Sequence[str]) -> None:
    """Draw samples as they are and, a little apart, as they were augmented.

    Args:
        figure: Where to.
        pictures: In each row the original first, then augmented, uint8 `(rows, columns, h, w, 3)`.
        rows: What stands to the left of each, `(rows,)`.

    Example:
        >>> figure = Figure()
        >>> draw_sheet(figure, np.zeros((2, 5, 8, 8, 3), np.uint8), ["rotated", "brighter"])
        >>> [axes.get_ylabel() for axes in figure.axes[::5]], figure.axes[0].get_title("right")
        (['rotated', 'brighter'], 'original')
    """
    size, names = type_for(figure), [short(name) for name in rows]
    across, down = (length * 72 / figure.dpi / size for length in (figure.bbox.width, figure.bbox.height))
    # The head of a narrow original reaches to its left.
    left = LETTER * max(map(len, [*names, "original"])) + 2
    grid = image_grid(figure, len(rows), pictures.shape[1:], left=left / across, top=1 - 1.6 * LINE / down)
    for line, images, name in zip(grid, pictures, names, strict=True):
        for axes, image in zip(line, images, strict=True):
            show(axes, image)
        line[0].set_position(line[0].get_position().translated(-1 / across, 0))
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=size)
    for axes, head, side in zip(grid[0], ("original", "augmented"), ("right", "left"), strict=False):
        axes.set_title(head, fontsize=size, loc=side)


def _three(figure: float) -> str:
    """A figure of a class with three decimals, if it is known."""
    return MISSING if np.isnan(figure) else f"{figure:.3f}"


def _shortened(line: str, letters: int) -> str:
    """A line of at most so many letters, with its end: how sure the answer is."""
    return line if len(line) <= letters else line[: max(0, letters - 6)] + "…" + line[-5:]


def _look(place: int, classes: int) -> dict[str, Any]:
    """How the line of a class looks."""
    line = {"linestyle": DASHES[place % len(DASHES)], "clip_on": False}
    if classes > _NAMED and place >= _NAMED - 1:
        return line | {"color": FAINT, "linewidth": 1, "zorder": 1.5}
    return line | {"color": LINES[place % len(LINES)], "linewidth": 2}


def _named(labels: Sequence[str]) -> list[str]:
    """What a legend says of the classes; where they are too many, its last entry is for all the others."""
    others = f"and {len(labels) - _NAMED + 1:,} others"
    return list(labels) if len(labels) <= _NAMED else [*labels[: _NAMED - 1], others]


def _legend_columns(figure: Place, size: float, entries: Sequence[str]) -> int:
    """In how many columns a legend is no higher than its figure."""
    return -(-len(entries) // max(1, int(72 * figure.bbox.height / figure.dpi / (1.55 * size)) - 1))
