"""The sizes of classes, and what each image of a class counts for in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from knowngood.data.expectations import UNEVEN, effective_numbers
from knowngood.report.charts import legend_beside
from knowngood.report.exhibits import Chart, Table
from knowngood.report.formulas import Formula, formulas_exhibit
from knowngood.report.style import DEFECT, GOOD, short
from knowngood.report.words import percent

_COLOURS = (DEFECT, GOOD, "#7fa6d0", "#1b7f5c")

LONG_TAIL = (
    "In a long-tailed data set a few classes, the head, hold most of the images, and many classes, the tail, "
    "have few each."
)


def balance_exhibit(counts: Mapping[str, Mapping[str, int]], note: str = "") -> Chart:
    """Show how many images each class has in each split, the largest class first.

    Args:
        counts: Number of images by split and class.
        note: What the counts are of.

    Example:
        >>> balance_exhibit({"train": {"good": 90, "dent": 4}, "test": {"dent": 6}}).title
        'Imbalanced: good has 90 images (90.0 %), dent 10, a ratio of 9'
    """
    totals = totals_of(counts)
    names = sorted(totals, key=lambda name: (-totals[name], name))
    title = _balance_in_words([(name, totals[name]) for name in names])
    draw = partial(_draw_counts, counts=counts, names=names)
    return Chart(title, draw, note)


def totals_of(counts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Add the numbers of images of each class in all splits.

    Example:
        >>> totals_of({"train": {"good": 90, "dent": 4}, "test": {"dent": 6}})
        {'good': 90, 'dent': 10}
    """
    totals: dict[str, int] = {}
    for split in counts.values():
        for name, count in split.items():
            totals[name] = totals.get(name, 0) + count
    return totals


def tail_exhibit(counts: Mapping[str, int]) -> Table:
    """Divide classes by size into a head, which holds at least half of the images, and a tail.

    Example:
        >>> tail_exhibit({"good": 270, "dent": 10, "cut": 10}).title
        'The head is 1 of 3 classes with 93.1 % of the images; the tail is 2 classes with 6.9 %'
    """
    names = sorted(counts, key=lambda name: (-counts[name], name))
    total = sum(counts.values())
    sums = np.cumsum([counts[name] for name in names])
    head = 1 + int((2 * sums < total).sum())
    share = sums[head - 1] / total
    effective = effective_numbers(counts)
    rows = [
        [
            short(name, 40),
            "head" if place < head else "tail",
            f"{counts[name]:,}",
            percent(counts[name] / total),
            f"{effective[name]:.3g}",
        ]
        for place, name in enumerate(names)
    ]
    tail = len(names) - head
    title = f"The head is {head} of {len(names)} classes with {percent(share)} of the images; the tail is "
    title += f"{tail} {'class' if tail == 1 else 'classes'} with {percent(1 - share)}"
    note = (
        f"{LONG_TAIL} Here the head is the fewest classes that hold at least half of the images. Effective "
        "number: Cui et al., arXiv:1901.05555; similar images add less and less."
    )
    return Table(title, ["class", "part", "images", "share", "effective number"], rows, 3, note)


def weights_exhibit(names: Sequence[str], counts: Sequence[int]) -> Table:
    """Show what an image counts for with class weights, and how often it is drawn by a weighted sampler.

    Example:
        >>> table = weights_exhibit(["good", "not good"], [250, 50])
        >>> table.title
        'An image of not good weighs 5 times as much as one of good'
        >>> table.rows[1]
        ['not good', '50', '16.7 %', '3.000', '3.00', '150']
    """
    total, classes, weights = sum(counts), len(counts), _weights(counts)
    rows = [
        [
            short(name, 40),
            f"{count:,}",
            percent(count / total),
            f"{weight:.3f}",
            f"{weight:.2f}",
            f"{total / classes:.0f}",
        ]
        for name, count, weight in zip(names, counts, weights, strict=True)
    ]
    heavy, light = int(np.argmax(weights)), int(np.argmin(weights))
    ratio = weights[heavy] / weights[light]
    title = "All classes are of one size: resampling and weights change nothing"
    if ratio > 1:
        title = f"An image of {names[heavy]} weighs {ratio:.3g} times as much as one of {names[light]}"
    columns = ["class", "images", "share", "weight in\nthe loss", "an image is drawn\nso often per pass"]
    note = (
        "Two ways to the same balance. Weighted loss: each image is used once per pass, its loss multiplied "
        "by the weight. Weighted sampler: images are drawn with replacement, all classes equally often."
    )
    return Table(title, [*columns, "class is drawn\nper pass"], rows, 5, note)


def loss_exhibit(names: Sequence[str], counts: Sequence[int]) -> Chart:
    """Write out the weighted cross-entropy with the weights of some classes.

    Example:
        >>> loss_exhibit(["good", "not good"], [250, 50]).title
        'Weighted cross-entropy: an error on not good costs 5 times one on good'
    """
    total, classes, weights = sum(counts), len(counts), _weights(counts)
    heavy, light = int(np.argmax(weights)), int(np.argmin(weights))
    formulas = [
        Formula(
            r"$\ell_n = -\,w_{y_n}\,\log\frac{\exp(x_{n,y_n})}{\sum_{c=1}^{C}\exp(x_{n,c})}$",
            "loss of image n, whose class is y and whose logits are x",
        ),
        Formula(
            r"$L = \frac{\sum_n \ell_n}{\sum_n w_{y_n}}\,,\qquad w_c = \frac{N}{C\,N_c}$",
            "mean over a batch; N images in all, of which class c has as many as the index says",
        ),
    ]
    for place in dict.fromkeys((light, heavy)):
        formulas.append(
            Formula(
                rf"$w = \frac{{{total}}}{{{classes}\cdot {max(1, counts[place])}}} = {weights[place]:.3f}$",
                f"class {names[place]}",
            )
        )
    ratio = weights[heavy] / weights[light]
    title = "Weighted cross-entropy: all classes are of one size, so that all weights are 1"
    if ratio > 1:
        costs = f"an error on {names[heavy]} costs {ratio:.3g} times one on {names[light]}"
        title = f"Weighted cross-entropy: {costs}"
    return formulas_exhibit(title, formulas)


def _weights(counts: Sequence[int]) -> list[float]:
    """The weight of an image of each class with which all classes weigh the same."""
    return [sum(counts) / (len(counts) * max(1, count)) for count in counts]


def _balance_in_words(sizes: Sequence[tuple[str, int]]) -> str:
    """State the balance of classes with their sizes, the largest first."""
    (most, largest), (least, smallest) = sizes[0], sizes[-1]
    share = percent(largest / max(1, sum(size for _, size in sizes)))
    if largest < UNEVEN * smallest:
        same = f"{largest}" if largest == smallest else f"{smallest} to {largest}"
        return f"Balanced: {same} images in each of {len(sizes)} classes"
    others = f"{least} {smallest:,}"
    if len(sizes) > 2:
        others = f"the smallest of the other {len(sizes) - 1} classes {smallest:,}"
    ratio = f"a ratio of {largest / smallest:.3g}" if smallest else "which leaves nothing to learn from"
    return f"Imbalanced: {most} has {largest:,} images ({share}), {others}, {ratio}"


def _draw_counts(figure: Figure, counts: Mapping[str, Mapping[str, int]], names: Sequence[str]) -> None:
    """Draw the number of images of each class, split by split on top of each other."""
    axes = figure.subplots()
    base = np.zeros(len(names), np.int64)
    for (split, of_split), colour in zip(counts.items(), _COLOURS, strict=False):
        heights = np.array([of_split.get(name, 0) for name in names])
        axes.bar(range(len(names)), heights, 0.7, bottom=base, color=colour, label=split)
        base += heights
    for place, height in enumerate(base):
        axes.annotate(f"{height:,}", (place, height), (0, 3), textcoords="offset points", ha="center")
    level = sum(map(len, names)) < 70
    labels = [short(name) for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=0 if level else 20, ha="center" if level else "right")
    axes.set_ylabel("images")
    axes.margins(y=0.12)
    legend_beside(axes)
