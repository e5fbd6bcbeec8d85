"""The reconstructions of a detector: the worst images, the sums of differences, and which class is worse.

The tables are those of `knowngood.inspector.reconstructions.reconstructions`, by the name of their class: the
in-class samples, then the out-of-class samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import matplotlib
import numpy as np
import pandas as pd

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


def worst_exhibits(tables: Tables) -> Iterator[Pictures]:
    """Show the samples of each class with the largest sums of differences, as far as images were kept."""
    shown = {name: _descending(table[table["difference"].notna()])[:WORST] for name, table in tables.items()}
    maps = [image for table in shown.values() for image in table["difference"]]
    largest = max((float(image.max()) for image in maps), default=0.0) or 1.0
    note = (
        "Above each: the sum of absolute differences. Difference maps are summed over the channels, on one "
        f"colour scale for both classes: black is 0, light yellow is {score(largest)}."
    )
    colours = matplotlib.colormaps[_DIFFERENCES]
    for name, table in shown.items():
        rows: dict[str, list[Picture]] = {"reconstruction": [], "original": [], "difference": []}
        for row in table.to_dict("records"):
            row["difference"] = colours(row["difference"] / largest)[..., :3]
            for column, line in rows.items():
                caption = score(row["sum_of_differences"]) if column == "reconstruction" else ""
                line.append(Picture(pixels(row[column]), caption, f"{column} of {row['path']}"))
        if len(table):
            title = f"The {len(table)} worst reconstructions of {name} samples"
            yield Pictures(title, list(rows.values()), tuple(rows), note)


def sums_exhibit(title: str, note: str, tables: Tables, threshold: float | None) -> Chart:
    """Show the distribution of the sums of differences, with the threshold if it is one of sums."""
    sums = [table["sum_of_differences"].to_numpy(np.float64) for table in tables.values()]
    everything = np.concatenate([*sums, [] if threshold is None else [threshold]])
    limits = (float(everything.min()), float(everything.max())) if len(everything) else (0.0, 1.0)
    panels, label = {"": list(map(Group, tables, sums, (GOOD, DEFECT)))}, "sum of absolute differences"
    draw = partial(
        draw_histograms, panels=panels, label=label, limits=limits, threshold=threshold, bins=_BINS
    )
    return Chart(title, draw, note)


def typical_exhibit(title: str, note: str, tables: Tables) -> Pictures | None:
    """Show the sample of each class with the median sum of differences, if its images were kept."""
    rows: dict[str, list[Picture]] = {}
    for name, table in tables.items():
        row = _descending(table).iloc[len(table) // 2] if len(table) else None
        if row is not None and isinstance(row["original"], np.ndarray):
            columns = ("original", "reconstruction")
            rows[name] = [Picture(pixels(row[column]), "" if rows else column) for column in columns]
    return Pictures(title, list(rows.values()), list(rows), note) if rows else None


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
