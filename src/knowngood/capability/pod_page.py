"""The probability of detection as a page with its curves, and its tables."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from knowngood.capability.page import Page, write_study
from knowngood.capability.pod import ALL, MEASURES, Pod, in_words
from knowngood.metrics.hit_miss import Detection, upper_sizes
from knowngood.report.exhibits import Chart, Exhibit, Table, Text
from knowngood.report.words import MISSING, count, percent, range_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "pod"

_WORDS = 52  # letters of a line in the table

_CHANCES = np.array([0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95])
"""Probabilities at which the bound of a curve is drawn."""


def write_pod(study: Pod, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write the probability of detection as `pod.html`, `curves.csv` and `defects.csv`.

    Returns:
        The path of the page.

    Raises:
        OutputError: A file cannot be written, or is not ours to replace.
        MissingExtra: The page's libraries are not installed; the tables are written.
    """
    return write_study(_page(study), tables_of(study), folder, overwrite=overwrite)


def tables_of(study: Pod) -> dict[str, pd.DataFrame]:
    """The tables beside the page, by name."""
    return {"curves": curves_table(study), "defects": study.defects}


def curves_table(study: Pod) -> pd.DataFrame:
    """All curves: `type`, `measure`, the fields of `Detection`, and `words`."""
    unknown = [None] * len(Detection._fields)
    rows = [
        [name, measure, *(curve if isinstance(curve, Detection) else unknown), in_words(curve, measure)]
        for name, curves in study.curves.items()
        for measure, curve in curves.items()
    ]
    return pd.DataFrame(rows, columns=["type", "measure", *Detection._fields, "words"])


def _page(study: Pod) -> Page:
    """The study as a page."""
    subtitle = f"{count(len(study.defects), 'defect')} with masks, {int(study.defects['found'].sum())} found"
    return Page(PAGE, "Probability of detection", subtitle, study.answer, exhibits_of(study))


def exhibits_of(study: Pod) -> list[Exhibit]:
    """The curves, their table, and how to read both."""
    return [*_charts(study), _table(study), Text("How to read this", _notes(study))]


def _charts(study: Pod) -> list[Chart]:
    """The curves by length."""
    found = []
    for name, curves in study.curves.items():
        curve = curves["length"]
        if isinstance(curve, Detection):
            rows = study.defects if name == ALL else study.defects[study.defects["type"] == name]
            found.append(_chart(name, curve, rows[rows["length"] > 0]))
    return found


def _chart(name: str, curve: Detection, defects: pd.DataFrame) -> Chart:
    """One curve, with the defects at the top where they were found, and at the bottom where not."""
    sizes, hits = defects["length"].to_numpy(np.float64), defects["found"].to_numpy(bool)

    def draw(figure: Figure) -> None:
        from knowngood.report.style import DEFECT, FAINT, GOOD, INK

        axes = figure.subplots()
        grid = np.geomspace(sizes.min() / 1.2, sizes.max() * 1.2, 200)
        axes.set_xscale("log")
        axes.plot(sizes, 100.0 * hits, "|", color=GOOD, markersize=10, label="defects, found or not")
        if curve.a50 is not None:
            axes.plot(
                grid, 100 * curve.chance(grid), color=DEFECT, linewidth=2, label="probability of detection"
            )
        if curve.a90 is not None:
            bounds = upper_sizes(sizes, hits, _CHANCES)
            inside = np.isfinite(bounds) & (bounds < 3 * sizes.max())
            axes.plot(bounds[inside], 100 * _CHANCES[inside], "--", color=DEFECT, label="95 % bound")
            axes.axhline(90, color=FAINT, linewidth=1, linestyle=":")
            for size, text in ((curve.a90, "a90"), (curve.a90_95, "a90/95")):
                if size is not None and size < 3 * sizes.max():
                    axes.plot([size], [90], "o", color=INK, label=f"{text}: {size:.3g} px")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}")
        axes.set(xlabel="length, px", ylabel="probability of detection, %", ylim=(-4, 104))
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), borderpad=0)

    return Chart(f"{name[:1].upper()}{name[1:]}: {in_words(curve, 'length')[11:]}", draw)


def _table(study: Pod) -> Table:
    """All curves in figures."""
    rows = []
    for name, curves in study.curves.items():
        for measure, curve in curves.items():
            unit = MEASURES[measure]
            if isinstance(curve, str):
                rows.append([name, f"{measure}, {unit}", *[MISSING] * 5, fill(curve, _WORDS)])
                continue
            sizes = ["–" if size is None else f"{size:.3g}" for size in (curve.a50, curve.a90, curve.a90_95)]
            share, words = f"{curve.found} of {curve.total}", fill(in_words(curve, measure), _WORDS)
            rows.append([name, f"{measure}, {unit}", share, *sizes, f"{curve.p_size:.2g}", words])
    heads = ["type", "size", "found", "a50", "a90", "a90/95", "p of the size", "in words"]
    return Table("Sizes that are detected", heads, rows)


def _notes(study: Pod) -> list[str]:
    """What the figures mean."""
    notes = [
        "a90 is the size that is detected with a probability of 90 %, a90/95 its upper 95 % confidence "
        "bound: the size to promise.",
        "A defect is found when its image is rejected or left to a review. Its size is that of the largest "
        "region of its mask, in pixels of the image.",
        "A bound beyond the largest defect, or below the smallest, is extrapolated.",
        *study.notes,
    ]
    if study.false_calls is not None:
        rate = study.false_calls
        notes.append(
            f"Of {count(rate.total, 'good image')}, {rate.count} were rejected: {percent(rate.value)} "
            f"({range_of(rate.low, rate.high)})."
        )
    return notes
