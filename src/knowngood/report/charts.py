"""Charts of scores, rankings, costs and training curves, each drawn into a given figure.

The layout of the figure must be `constrained`: it makes room for labels and legends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from knowngood.metrics.ranking import Cuts
from knowngood.report.costs import Costs
from knowngood.report.style import DASHES, DEFECT, FAINT, GOOD, INK, LINES, NAMED, short
from knowngood.report.words import MISSING, score

_HIGHEST_COST = (
    3  # the end of the cost axis, as a multiple of the inspector's cost or of rejecting everything
)
_LEGEND_ROWS = 14
SHARE = "share of the group, %"
_INSIDE = 3  # entries of a legend that fit under a ROC curve


class Group(NamedTuple):
    """The values of a histogram, `(N,)`; the bars of a group are filled, or only an outline."""

    name: str
    values: NDArray[np.float64]
    colour: str
    filled: bool = True


def legend_beside(axes: Axes, source: Axes | None = None, **options: Any) -> None:
    """Put the legend of `source`, or of the chart itself, to its right, in columns if it is long."""
    handles, _ = (source or axes).get_legend_handles_labels()
    columns = -(-len(handles) // _LEGEND_ROWS)
    options |= {"handles": handles, "ncols": columns, "columnspacing": 1}
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), borderpad=0, **options)


def histogram_range(groups: Sequence[NDArray[np.float64]], threshold: float) -> tuple[float, float]:
    """Return the least and the greatest score on the axis of a histogram of groups `(N,)`.

    Scores have no upper bound, so one gross defect could push everything else into a single bar. The axis
    ends where nine tenths of each group are shown, or where the threshold stands at a quarter of its length.

    Example:
        >>> low, high = histogram_range([np.array([1.0, 2.0]), np.array([5.0, 900.0])], threshold=3.0)
        >>> float(low), float(high)
        (1.0, 5.0)
    """
    finite = [group[np.isfinite(group)] for group in groups]
    low = min([threshold, *(float(group.min()) for group in finite if len(group))])
    ends = (float(np.quantile(group, 0.9, method="lower")) for group in finite if len(group))
    margin = (threshold - low) / 10
    high = max([threshold + margin, *ends])
    return low, min(high, low + 4 * (threshold - low)) if low < threshold else high


def draw_histograms(
    figure: Figure,
    panels: Mapping[str, Sequence[Group]],
    label: str,
    limits: tuple[float, float],
    *,
    threshold: float | None = None,
    review: float | None = None,
    bins: int = 36,
) -> None:
    """Draw groups by the title of their panel, each as a share of its own size, so that 213 and 4 compare.

    All panels have the same axes. Values beyond the limits are counted in the first and the last bar.

    Example:
        >>> draw_histograms(Figure(), {"": [Group("good", np.array([1.0, 9.0]), GOOD)]}, "score", (0, 4))
    """
    plots = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, groups) in zip(plots, panels.items(), strict=True):
        draw_histogram(axes, groups, limits, threshold=threshold, review=review, bins=bins)
        axes.set_title(title)
    everything = [group for groups in panels.values() for group in groups]
    plots[len(plots) // 2].set_xlabel(label + last_bar(everything, limits))
    plots[0].set_ylabel(SHARE)
    if plots[-1].get_legend_handles_labels()[0]:
        above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 2, "borderpad": 0.2}
        plots[-1].legend(handlelength=1.4, **({} if any(panels) else above))


def draw_histogram(
    axes: Axes,
    groups: Sequence[Group],
    limits: tuple[float, float],
    *,
    threshold: float | None = None,
    review: float | None = None,
    bins: int = 36,
) -> None:
    """Draw one of the panels of `draw_histograms`, without its title, its legend and labels of its axes."""
    if limits[1] - limits[0] < 1e-6 * max(1.0, abs(limits[1])):  # bars need a width
        limits = limits[0] - 0.5, limits[1] + 0.5
    edges = np.linspace(*limits, bins + 1)
    for group in groups:
        if len(group.values):
            counts, _ = np.histogram(np.clip(group.values, *limits), edges)
            shares = 100 * counts / len(group.values)
            name, alpha = f"{short(group.name)} ({len(group.values):,})", 0.72 if group.filled else 1
            axes.stairs(shares, edges, fill=group.filled, color=group.colour, alpha=alpha, label=name)
    for name, line, dashes in (("review above", review, ":"), ("threshold", threshold, "--")):
        if line is not None:
            axes.axvline(line, color=INK, linewidth=1.2, linestyle=dashes, label=f"{name} {score(line)}")
    axes.locator_params(nbins=5)


def last_bar(groups: Sequence[Group], limits: tuple[float, float]) -> str:
    """Say how many values of a histogram its last bar stands for that are beyond it, if there are any."""
    beyond = sum(int((group.values > limits[1]).sum()) for group in groups)
    return f" (last bar: {beyond:,} beyond {limits[1]:.3g})" if beyond else ""


def draw_ranking(
    figure: Figure,
    curves: Mapping[str, Cuts | None],
    *,
    precision_recall: bool = False,
    points: Mapping[str, tuple[float, float]] = MappingProxyType({}),
) -> None:
    """Draw ROC curves with their areas and, if wanted, precision-recall curves beside them.

    A curve that is None has an entry in the legend only. A point is the false positive rate and the recall,
    from 0 to 1, at a line in use, such as the threshold.

    Example:
        >>> from knowngood.metrics.ranking import cut
        >>> draw_ranking(Figure(), {"msp": cut([False, True], [1.0, 2.0]), "energy": None})
    """
    plots = figure.subplots(1, 1 + precision_recall, squeeze=False)[0]
    for place, (name, found) in enumerate(curves.items()):
        areas = MISSING if found is None else f"{found.auroc():.3f}"
        if found is not None and precision_recall:
            areas += f", {found.average_precision():.3f}"
        look = _line(f"{short(name)} ({areas})", place, len(curves))
        draw_roc(plots[0], found, **look)
        if found is not None and precision_recall:
            # In steps, so that the area under the curve is the average precision.
            plots[1].plot(100 * found.recall, 100 * found.precision, drawstyle="steps-pre", **look)
    finish_roc(plots[0], points)
    if precision_recall:
        plots[0].set_title("ROC")
        plots[1].set(title="precision and recall", xlabel="recall, %", ylabel="precision, %")
    for axes in plots[1:]:
        axes.set(xlim=(0, 100), ylim=(0, 102))
    title = "(AUROC, average precision)" if precision_recall else "(AUROC)"
    if len(plots[0].lines) <= _INSIDE and not precision_recall:
        plots[0].legend(loc="lower right", title=title, alignment="left")
    else:
        legend_beside(plots[-1], plots[0], title=title, alignment="left")


def draw_roc(axes: Axes, found: Cuts | None, **look: Any) -> None:
    """Draw a ROC curve; without one, nothing but its entry in the legend."""
    if found is None:
        axes.plot([], [], **look)
    else:
        axes.plot(100 * found.false_reject_rate, 100 * found.recall, **look)


def finish_roc(axes: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Draw what all ROC curves of a chart share: the line of chance, the lines in use, and the axes."""
    axes.plot([0, 100], [0, 100], color=FAINT, linewidth=1, linestyle=":", zorder=1, label="chance")
    for (name, point), marker in zip(points.items(), "os", strict=False):
        mark: dict[str, Any] = {"marker": marker, "markersize": 6, "clip_on": False, "linestyle": "none"}
        axes.plot(100 * point[0], 100 * point[1], color=INK, label=name, **mark)
    axes.set(xlabel="false positive rate, %", ylabel="recall, %", xlim=(0, 100), ylim=(0, 102))


def draw_epochs(
    figure: Figure,
    epochs: Sequence[int],
    series: Mapping[str, NDArray[np.float64]],
    label: str,
    *,
    kept: int,
    share: bool = False,
) -> None:
    """Draw values `(E,)`, NaN where unknown, over epochs `(E,)`, and mark the epoch whose weights were kept.

    Shares are drawn in percent. Other values that differ by more than a factor of ten get a logarithmic axis.

    Example:
        >>> draw_epochs(Figure(), [1, 2], {"training": np.array([0.5, 0.4])}, "loss", kept=2)
    """
    axes = figure.subplots()
    for place, (name, values) in enumerate(series.items()):
        entry = short(name, 40) + f" ({MISSING})" * (not np.isfinite(values).any())
        shown = 100 * values if share else values
        axes.plot(epochs, shown, marker=".", **_line(entry, place, len(series)))
    axes.axvline(kept, color=FAINT, linewidth=1.2, linestyle="--", zorder=1, label=f"kept: epoch {kept}")
    values = np.concatenate([*series.values(), []])
    values = values[np.isfinite(values)]
    if share:
        axes.set_ylim(0, 102)
    elif len(values) and values.min() > 0 and values.max() > 10 * values.min():
        axes.set_yscale("log")
        # Powers of ten would be written in mathematical notation, which the style does not read.
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    if len(epochs) == 1:  # a wide axis would be marked in parts of an epoch
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="epoch", ylabel=label)
    legend_beside(axes)


def draw_costs(figure: Figure, panels: Sequence[Costs]) -> None:
    """Draw the costs of decisions by threshold, one panel per pair of prices."""
    plots = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, found in zip(plots, panels, strict=True):
        axes.stairs(found.totals, found.edges, baseline=None, color=DEFECT, linewidth=2, label="cost")
        axes.plot([found.best], [found.lowest], "o", color=INK, label="lowest cost", zorder=3)
        own = {"linewidth": 1.6, "linestyle": "--", "zorder": 1, "label": "this inspector's threshold"}
        axes.axvline(found.own, color=GOOD, **own)
        axes.yaxis.set_major_formatter(lambda value, _: score(value))
        axes.set_xlim(found.edges[0], found.edges[-1])
        # Accepting every defect is so expensive that nothing else would be seen.
        top = min(found.totals.max(), _HIGHEST_COST * max(found.paid, found.totals[0]))
        axes.set_ylim(0, 1.05 * top)
        axes.set_title(
            f"false reject {found.prices[0]:g}, escape {found.prices[1]:g}\n"
            f"lowest cost: {score(found.lowest)} at {score(found.best)}\n"
            f"this inspector: {score(found.paid)} at {score(found.own)}"
        )
        axes.locator_params(axis="x", nbins=6)
        axes.set_xlabel("threshold")
    plots[0].set_ylabel("cost")
    legend_beside(plots[-1])


def _line(label: str, place: int, count: int) -> dict[str, Any]:
    """Return the style of one of several lines; those beyond `NAMED` are faint and share a legend entry."""
    line = {"linestyle": DASHES[place % len(DASHES)], "clip_on": False, "label": label}
    if count <= NAMED or place < NAMED - 1:
        return line | {"color": LINES[place % len(LINES)], "linewidth": 2}
    others = f"and {count - NAMED + 1:,} others" if place == NAMED - 1 else "_"
    return line | {"color": FAINT, "linewidth": 1, "zorder": 1.5, "label": others}
