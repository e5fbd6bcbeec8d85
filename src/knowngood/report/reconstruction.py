"""What a detector cannot reconstruct: the worst images, the sums of differences, and which class is worse.

The tables are those of `knowngood.inspector.reconstructions.reconstructions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import pandas as pd

from knowngood.report.charts import Group, draw_histograms
from knowngood.report.exhibits import Chart, Exhibit, Picture, Pictures
from knowngood.report.pictures import pixels
from knowngood.report.style import DEFECT, GOOD
from knowngood.report.words import score

if TYPE_CHECKING:
    from knowngood.inspector.evaluation import Evaluation

WORST = 10
"""Samples that are shown of each class."""

_DIFFERENCES = "magma"
"""A colour map whose order colour-blind readers see as well."""

_BINS = 60


def reconstruction_exhibits(evaluation: Evaluation) -> list[Exhibit]:
    """Show how well test images are reconstructed; nothing where the detector reconstructs none.

    Args:
        evaluation: Of any inspector.
    """
    table = evaluation.reconstructions
    if table is None:
        return []
    names = ("good", "defect")
    good, defect = table[table["label"] == "good"], table[table["label"] != "good"]
    line = evaluation.metrics["threshold"] if is_sum(good, defect) else None
    finding, numbers = likeness(good, defect, names)
    return [
        *worst_exhibits(good, defect, names),
        sums_exhibit(finding, " ".join(numbers), good, defect, names, line),
    ]


def worst_exhibits(
    in_class: pd.DataFrame, out_of_class: pd.DataFrame, names: tuple[str, str]
) -> Iterator[Pictures]:
    """Show the samples of each class with the largest sums of differences.

    A class without samples, or of which no images were kept, is left out. All difference maps are on one
    colour scale.

    Args:
        in_class: Reconstructions of in-class samples.
        out_of_class: Reconstructions of the others.
        names: What they are called.
    """
    shown = [_descending(table[table["difference"].notna()])[:WORST] for table in (in_class, out_of_class)]
    maps = [image for table in shown for image in table["difference"]]
    largest = max((float(image.max()) for image in maps), default=0.0) or 1.0
    note = (
        "Above each: the sum of absolute differences. Difference maps are summed over the channels, on one "
        f"colour scale for both classes: black is 0, light yellow is {score(largest)}."
    )
    colours = matplotlib.colormaps[_DIFFERENCES]
    for table, name in zip(shown, names, strict=True):
        rows: list[list[Picture]] = [[], [], []]
        for row in table.to_dict("records"):
            caption = score(row["sum_of_differences"])
            difference = colours(row["difference"] / largest)[..., :3]
            images = (row["reconstruction"], row["original"], difference)
            kinds = ("reconstruction", "original", "difference")
            for line, image, kind in zip(rows, images, kinds, strict=True):
                above = caption if kind == kinds[0] else ""
                line.append(Picture(pixels(image), above, f"{kind} of {row['path']}"))
        if rows[0]:
            title = f"The {len(table)} worst reconstructions of {name} samples"
            yield Pictures(title, rows, ("reconstruction", "original", "difference"), note)


def sums_exhibit(
    title: str,
    note: str,
    in_class: pd.DataFrame,
    out_of_class: pd.DataFrame,
    names: tuple[str, str],
    threshold: float | None,
) -> Chart:
    """Show how the sums of differences of both classes are distributed.

    Args:
        title: A finding.
        note: How to read it.
        in_class: Reconstructions of in-class samples.
        out_of_class: Reconstructions of the others.
        names: What they are called.
        threshold: A line on the axis; None where the threshold is not one of sums.
    """
    sums = [table["sum_of_differences"].to_numpy(np.float64) for table in (in_class, out_of_class)]
    everything = np.concatenate([*sums, [] if threshold is None else [threshold]])
    limits = (float(everything.min()), float(everything.max())) if len(everything) else (0.0, 1.0)
    groups = list(map(Group, names, sums, (GOOD, DEFECT)))
    draw = partial(
        draw_histograms,
        panels={"": groups},
        label="sum of absolute differences",
        limits=limits,
        threshold=threshold,
        bins=_BINS,
    )
    return Chart(title, draw, note)


def typical_exhibit(
    title: str, note: str, tables: Sequence[pd.DataFrame], names: Sequence[str]
) -> Pictures | None:
    """Show the sample of each class with the median sum of differences, and its reconstruction.

    Args:
        title: A finding.
        note: How to read it.
        tables: Reconstructions by class; one is left out where it is empty, or its images were not kept.
        names: What the classes are called.

    Returns:
        The pictures; None where there is none.
    """
    rows: list[list[Picture]] = []
    shown: list[str] = []
    for table, name in zip(tables, names, strict=True):
        row = _descending(table).iloc[len(table) // 2] if len(table) else None
        if row is not None and isinstance(row["original"], np.ndarray):
            captions = ("original", "reconstruction") if not rows else ("", "")
            images = (row["original"], row["reconstruction"])
            rows.append([Picture(pixels(image), text) for image, text in zip(images, captions, strict=True)])
            shown.append(name)
    return Pictures(title, rows, shown, note) if rows else None


def is_sum(*tables: pd.DataFrame) -> bool:
    """Find out whether the scores are sums of differences, so that a threshold is a line between sums.

    Example:
        >>> is_sum(pd.DataFrame({"score": [2.0], "sum_of_differences": [2.0]}))
        True
    """
    return all(np.allclose(table["score"], table["sum_of_differences"], rtol=1e-3) for table in tables)


def likeness(
    in_class: pd.DataFrame, out_of_class: pd.DataFrame, names: tuple[str, str]
) -> tuple[str, list[str]]:
    """Say which class is reconstructed better, by structural similarity and mean difference.

    Returns:
        The finding in one sentence, and the numbers behind it.

    Example:
        >>> good = pd.DataFrame({"ssim": [0.9], "mean_difference": [0.02]})
        >>> bent = pd.DataFrame({"ssim": [0.7], "mean_difference": [0.05]})
        >>> likeness(good, bent, ("good", "bent"))[0]
        'Reconstructions of good samples are closer to their originals than those of bent samples'
    """
    numbers = [
        f"{name}: mean SSIM {table['ssim'].mean():.3f} (1 is identical), mean absolute difference "
        f"{table['mean_difference'].mean():.4f} of the full range, over {len(table):,} samples."
        for table, name in ((in_class, names[0]), (out_of_class, names[1]))
        if len(table)
    ]
    if len(numbers) < 2:
        return "There is only one class", numbers
    by_ssim = _better(in_class["ssim"].mean() - out_of_class["ssim"].mean())
    by_difference = _better(out_of_class["mean_difference"].mean() - in_class["mean_difference"].mean())
    if by_ssim is not None and by_difference is not None and by_ssim != by_difference:
        finding = (
            f"The measures disagree: {names[by_ssim]} is better by SSIM, {names[by_difference]} by mean "
            "difference"
        )
        return finding, numbers
    better = by_difference if by_ssim is None else by_ssim
    if better is None:
        return (
            f"Reconstructions of {names[0]} and {names[1]} samples are equally close to the originals",
            numbers,
        )
    finding = f"Reconstructions of {names[better]} samples are closer to their originals than those of "
    return f"{finding}{names[1 - better]} samples", numbers


def _better(lead: float) -> int | None:
    """0 where the first is ahead, 1 where the second is, None where neither is."""
    return 0 if lead > 0 else 1 if lead < 0 else None


def _descending(table: pd.DataFrame) -> pd.DataFrame:
    """The largest sum of differences first."""
    return table.sort_values("sum_of_differences", ascending=False, kind="stable")
