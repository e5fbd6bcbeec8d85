"""What the decisions of an inspector cost, wherever its threshold stands, and a figure of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from knowngood.metrics.ranking import cut
from knowngood.report.figures import DEFECT, GOOD, INK
from knowngood.report.plots import LETTER, legend_beside, side_by_side, type_for
from knowngood.report.words import score

Values = NDArray[np.floating[Any]]

_AROUND = 0.03
"""What is shown beyond the scores, as a share of their span."""

_DEAR = 3
"""What is shown of the costs, as a multiple of the inspector's own, or of rejecting everything."""

_ENTRIES = ["cost", "lowest cost", "this inspector's"]


class Costs(NamedTuple):
    """What decisions cost.

    Attributes:
        prices: Of a false reject and of an escape.
        edges: Between two neighbouring ones the cost is the same, ascending `(K + 1,)`.
        totals: The cost between them `(K,)`.
        best: The threshold with the lowest cost, of equals the highest.
        lowest: That cost.
        own: The inspector's threshold.
        paid: What it costs.
    """

    prices: tuple[float, float]
    edges: NDArray[np.float64]
    totals: NDArray[np.float64]
    best: float
    lowest: float
    own: float
    paid: float


def costs(defect: NDArray[np.bool_], scores: Values, prices: tuple[float, float], own: float) -> Costs:
    """Reckon what the decisions on labelled images cost at each threshold.

    Args:
        defect: Whether each image is a defect, `(N,)`; there must be both kinds.
        scores: Finite, `(N,)`.
        prices: Of a false reject and of an escape.
        own: The inspector's threshold.

    Example:
        >>> defect, scores = np.array([False, True, False, True]), np.array([1.0, 2.0, 3.0, 4.0])
        >>> found = costs(defect, scores, (1, 10), own=3.5)
        >>> found.best, float(found.lowest), float(found.paid)
        (1.5, 1.0, 10.0)
    """
    false_reject, escape = prices
    found = cut(defect, scores)
    totals = false_reject * found.false_reject + escape * (found.defects - found.true_reject)
    best = int(np.argmin(totals))
    levels = np.unique(scores.astype(np.float64))
    low, high = min(levels[0], own), max(levels[-1], own)
    around = _AROUND * (high - low) or 1.0
    rejected = scores > own
    return Costs(
        prices,
        np.concatenate([[low - around], levels, [high + around]]),
        totals[::-1].astype(np.float64),
        float(found.threshold[best]),
        float(totals[best]),
        own,
        float(false_reject * (rejected & ~defect).sum() + escape * (defect & ~rejected).sum()),
    )


def draw_costs(figure: Figure | SubFigure, panels: Sequence[Costs]) -> None:
    """Draw what the decisions cost at each threshold, with the lowest cost and that of the inspector.

    Args:
        figure: Where to.
        panels: One a pair of prices.

    Example:
        >>> figure, defect, scores = Figure(), np.array([False, True]), np.array([1.0, 4.0])
        >>> draw_costs(figure, [costs(defect, scores, (1, 10), own=0.0)])
        >>> figure.axes[0].get_title().splitlines()
        ['a false reject 1, an escape 10', 'lowest: 0 at 2.5', "this inspector's: 1 at 0"]
    """
    titles = [
        f"a false reject {found.prices[0]:g}, an escape {found.prices[1]:g}\n"
        f"lowest: {score(found.lowest)} at {score(found.best)}\n"
        f"this inspector's: {score(found.paid)} at {score(found.own)}"
        for found in panels
    ]
    size = type_for(figure, titles)
    across = 72 * figure.bbox.width / figure.dpi / size
    # All plots are as wide as each other, and the legend beside the last has its own room.
    room = LETTER * max(map(len, _ENTRIES)) + 3.5
    own = (across - room) / len(panels)
    grid = figure.add_gridspec(1, len(panels), width_ratios=[own] * (len(panels) - 1) + [own + room])
    for place, (found, title) in enumerate(zip(panels, titles, strict=True)):
        last = place == len(panels) - 1
        axes = side_by_side(
            figure.add_subfigure(grid[0, place]),
            size,
            1,
            title=3,
            legend=_ENTRIES if last else (),
            ticks=len(score(float(found.totals.max()))),
        )[0, 0]
        axes.stairs(found.totals, found.edges, baseline=None, color=DEFECT, linewidth=2, label=_ENTRIES[0])
        axes.plot(
            [found.best], [found.lowest], "o", color=INK, markersize=0.7 * size, label=_ENTRIES[1], zorder=3
        )
        axes.axvline(found.own, color=GOOD, linewidth=1.6, linestyle="--", label=_ENTRIES[2], zorder=1)
        axes.yaxis.set_major_formatter(lambda value, _: score(value))
        axes.set_xlim(found.edges[0], found.edges[-1])
        # Accepting every defect is so dear that nothing else would be seen.
        top = min(found.totals.max(), _DEAR * max(found.paid, found.totals[0]))
        axes.set_ylim(0, 1.05 * top)
        axes.set_title(title, fontsize=size)
        axes.set_xlabel("threshold", fontsize=size)
        if not place:
            axes.set_ylabel("cost", fontsize=size)
        if last:
            legend_beside(axes, size)
