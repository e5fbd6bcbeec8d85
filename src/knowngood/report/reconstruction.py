"""The reconstructions of a detector: the worst images, the sums of differences, and which class is worse.

The tables are those of `knowngood.inspector.reconstructions.reconstructions`, by the name of their class: the
in-class samples, then the out-of-class samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from knowngood.inspector.evaluation import Evaluation
from knowngood.report.charts import Group, draw_histograms
from knowngood.report.exhibits import Chart, Exhibit, Picture, Pictures
from knowngood.report.pictures import pixels
from knowngood.report.style import DEFECT, GOOD
from knowngood.report.words import score

Tables = Mapping[str, pd.DataFrame]

WORST = 10  # samples shown of each class

_DIFFERENCES = "magma"  # a colour map whose order colour-blind readers see as well
_BINS = 60


def reconstruction_exhibits(evaluation: Evaluation) -> list[Exhibit]:
    """Show how well test images are reconstructed, if the detector reconstructs any."""
    table = evaluation.reconstructions
    if table is None:
        return []
    tables = {"good": table[table["label"] == "good"], "defect": table[table["label"] != "good"]}
    threshold = evaluation.metrics["threshold"] if is_sum(tables) else None
    finding, numbers = similarity(tables)
    return [*worst_exhibits(tables), sums_exhibit(finding, " ".join(numbers), tables, threshold)]


def worst_exhibits(tables: Tables, columns: int = WORST) -> Iterator[Pictures]:
    """Show the samples of each class with the largest sums of differences, as far as images were kept.

    There are ten of each class, `columns` at a time.
    """
    shown = {name: _descending(table[table["difference"].notna()])[:WORST] for name, table in tables.items()}
    maps = [image for table in shown.values() for image in table["difference"]]
    largest = max((float(image.max()) for image in maps), default=0.0) or 1.0
    note = (
        "Above each: the sum of absolute differences. Difference maps are summed over the channels, on one "
        f"colour scale for both classes: black is 0, light yellow is {score(largest)}."
    )
    for name, table in shown.items():
        for start in range(0, len(table), columns):
            part = table[start : start + columns]
            sums = part["sum_of_differences"]
            places = f"{start + 1} to {start + len(part)} of " if len(table) > columns else ""
            title = f"{places}the {len(table)} worst reconstructions of {name} samples"
            title = f"{title}, sums {score(sums.max())} to {score(sums.min())}"
            yield Pictures(title[:1].upper() + title[1:], *_rows(part, largest), note)


def _rows(table: pd.DataFrame, largest: float) -> tuple[list[list[Picture]], tuple[str, ...]]:
    """Make rows of reconstructions, originals and differences, and their names."""
    colours = matplotlib.colormaps[_DIFFERENCES]
    rows: dict[str, list[Picture]] = {"reconstruction": [], "original": [], "difference": []}
    for row in table.to_dict("records"):
        row["difference"] = colours(row["difference"] / largest)[..., :3]
        for column, line in rows.items():
            caption = score(row["sum_of_differences"]) if column == "reconstruction" else ""
            line.append(Picture(pixels(row[column]), caption, f"{column} of {row['path']}"))
    return list(rows.values()), tuple(rows)


def sums_exhibit(title: str, note: str, tables: Tables, threshold: float | None) -> Chart:
    """Show the distribution of the sums of differences, with the threshold if it is one of sums."""
    sums = [table["sum_of_differences"].to_numpy(np.float64) for table in tables.values()]
    everything = np.concatenate([*sums, [] if threshold is None else [threshold]])
    limits = (float(everything.min()), float(everything.max())) if len(everything) else (0.0, 1.0)
    panels, label = {"": list(map(Group, tables, sums, (GOOD, DEFECT)))}, "sum of absolute differences"
    draw = partial(_draw_sums, panels=panels, label=label, limits=limits, threshold=threshold)
    return Chart(title, draw, note)


def _draw_sums(figure: Figure, **options: Any) -> None:
    """Draw a histogram with its legend above it, where no line can cross it."""
    draw_histograms(figure, bins=_BINS, **options)
    (axes,) = figure.axes
    if axes.get_legend():
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, handlelength=1.4, borderpad=0)


def examples_exhibit(title: str, note: str, tables: Tables, columns: int) -> Iterator[Pictures]:
    """Show samples of each class above their reconstructions, if images were kept.

    The samples are at equal distances in the order of their sums of differences, from the best to the worst.
    """
    rows: dict[str, list[Picture]] = {}
    for name, table in tables.items():
        kept = _descending(table[table["original"].notna()])
        shares = (np.arange(columns) + 0.5) / columns
        chosen = kept.iloc[[int(share * len(kept)) for share in shares[::-1]]] if len(kept) else kept
        for row in ("original", "reconstruction") if len(chosen) else ():
            images = chosen[row]
            rows[name if row == "original" else f"{name}, rebuilt"] = [Picture(pixels(one)) for one in images]
    if rows:
        yield Pictures(title, list(rows.values()), list(rows), note)


def is_sum(tables: Tables) -> bool:
    """Return whether the scores are sums of differences, so that a threshold is one of sums.

    Example:
        >>> is_sum({"good": pd.DataFrame({"score": [2.0], "sum_of_differences": [2.0]})})
        True
    """
    return all(
        np.allclose(table["score"], table["sum_of_differences"], rtol=1e-3) for table in tables.values()
    )


def similarity(tables: Tables) -> tuple[str, list[str]]:
    """Find the class that is reconstructed better, by structural similarity and mean difference.

    Returns:
        The finding in one sentence, and the numbers behind it.

    Example:
        >>> good = pd.DataFrame({"ssim": [0.9], "mean_difference": [0.02]})
        >>> bent = pd.DataFrame({"ssim": [0.7], "mean_difference": [0.05]})
        >>> similarity({"good": good, "bent": bent})[0]
        'Reconstructions of good samples are closer to their originals than those of bent samples'
    """
    numbers = [
        f"{name}: mean SSIM {table['ssim'].mean():.3f} (1 is identical), mean absolute difference "
        f"{table['mean_difference'].mean():.4f} of the full range, over {len(table):,} samples."
        for name, table in tables.items()
        if len(table)
    ]
    if len(numbers) < 2:
        return "There is only one class", numbers
    first, second = tables.values()
    ssim, difference = (first[name].mean() - second[name].mean() for name in ("ssim", "mean_difference"))
    names = list(tables)
    # By each measure the better class, then the other one, unless both are equal.
    orders = [names if lead > 0 else names[::-1] for lead in (ssim, -difference) if abs(lead) > 0]
    if not orders:
        finding = f"Reconstructions of {names[0]} and {names[1]} samples are equally close to the originals"
    elif orders[0] != orders[-1]:
        finding = (
            f"The measures disagree: {orders[0][0]} is better by SSIM, {orders[1][0]} by mean difference"
        )
    else:
        better, other = orders[0]
        finding = (
            f"Reconstructions of {better} samples are closer to their originals than those of {other} samples"
        )
    return finding, numbers


def _descending(table: pd.DataFrame) -> pd.DataFrame:
    """Sort by the sum of differences, the largest first."""
    return table.sort_values("sum_of_differences", ascending=False, kind="stable")
