"""A watched log as a page, with a chart of each figure, and its table."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from knowngood.capability.drift import Drift
from knowngood.capability.page import Page, write_study
from knowngood.report.exhibits import Chart, Exhibit, Table
from knowngood.report.words import MISSING, count, score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "monitor"

_WINDOW = 25  # parts whose median is drawn


def write_drift(drift: Drift, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write what a monitor found as `monitor.html` and `monitor.csv`.

    Returns:
        The path of the page.

    Raises:
        OutputError: A file cannot be written, or is not ours to replace.
        MissingExtra: The page's libraries are not installed; the table is written.
    """
    exhibits: list[Exhibit] = [_table(drift), *(_chart(drift, name) for name in drift.before)]
    subtitle = f"{count(len(drift.parts), 'good part')} in the order of the log"
    page = Page(PAGE, "Monitor", subtitle, drift.answer, exhibits)
    return write_study(page, {PAGE: drift.parts}, folder, overwrite=overwrite)


def _table(drift: Drift) -> Table:
    """Each figure, before and now."""
    changed = {change.figure: change for change in drift.changes}
    rows = []
    for name, before in drift.before.items():
        change = changed.get(name)
        now = drift.parts[name].to_numpy(np.float64)[change.since - 1 if change else 0 :]
        rows.append(
            [
                name,
                change.direction if change else "no change found",
                f"{change.since:,}" if change else MISSING,
                f"{change.at:,}" if change else MISSING,
                *(_spread(values) for values in (np.asarray(before, np.float64), now)),
            ]
        )
    heads = ["figure", "change", "since part", "noticed at", "before", "since the change, or all"]
    note = "Of each figure: its median, and the range of the middle nine tenths."
    return Table("What changed, and when", heads, rows, numbers=4, note=note)


def _spread(values: np.ndarray) -> str:
    """The median of values, and where most of them are."""
    low, middle, high = (float(one) for one in np.quantile(values, [0.05, 0.5, 0.95]))
    return f"{score(middle)} ({score(low)} to {score(high)})"


def _chart(drift: Drift, name: str) -> Chart:
    """A figure of all parts, and the evidence that it changed."""
    values = drift.parts[name].to_numpy(np.float64)
    capital = drift.parts[f"capital_{name}"].to_numpy(np.float64) / math.log(10)
    places = np.arange(1, len(values) + 1)
    changes = [change for change in drift.changes if change.figure == name]

    def draw(figure: Figure) -> None:
        from knowngood.report.style import DEFECT, FAINT, GOOD, INK

        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
        low, high = np.quantile(drift.before[name], [0.05, 0.95])
        upper.axhspan(low, high, color=FAINT, alpha=0.25, linewidth=0, label="nine tenths of before")
        upper.plot(places, values, ".", color=GOOD, markersize=3, label="parts")
        if len(values) >= _WINDOW:
            windows = np.lib.stride_tricks.sliding_window_view(values, _WINDOW)
            medians = np.median(windows, axis=1)
            upper.plot(places[_WINDOW - 1 :], medians, color=DEFECT, label=f"median of {_WINDOW}")
        lower.plot(places, capital, color=INK, linewidth=1.4)
        lower.axhline(
            drift.alarm_at / math.log(10), color=DEFECT, linestyle="--", linewidth=1, label="report"
        )
        for change in changes:
            upper.axvline(change.since, color=INK, linestyle=":", linewidth=1.2, label="likely start")
            lower.axvline(change.at, color=INK, linestyle=":", linewidth=1.2)
        upper.set_ylabel(name)
        lower.set(xlabel="parts", ylabel="evidence, log10")
        upper.legend(loc="upper left", bbox_to_anchor=(1, 1), borderpad=0)
        lower.legend(loc="upper left", bbox_to_anchor=(1, 1), borderpad=0)

    words = changes[0].words if changes else f"{name}: no change was found"
    title = f"{words[0].upper()}{words[1:]}"
    note = (
        "Below, the capital of a bet on a change: where nothing changes, it ever reaches the dashed line as "
        "rarely as stated."
    )
    return Chart(title, draw, note=note, size=(10.8, 4.2))
