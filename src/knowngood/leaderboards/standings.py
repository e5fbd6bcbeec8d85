"""Detectors that were fitted to the same images, side by side: their figures, and which of them differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.inspector.evaluation import Evaluation
from knowngood.inspector.inspector import Inspector
from knowngood.metrics.paired import paired_difference

CONFIDENCE = 0.95
"""With which all intervals of a table of differences hold together."""

FIGURES = {
    "image_auroc": "image AUROC",
    "image_ap": "image AP",
    "pixel_auroc": "pixel AUROC",
    "pixel_aupro": "AUPRO",
    "false_reject_rate": "false rejects",
    "upper_bound": "their stated bound",
    "promise_held": "bound held",
    "promise_refuted": "bound exceeded beyond chance",
    "escape_rate": "escapes",
    "held_out_spread": "held-out spread",
    "fit_seconds": "fit, s",
    "milliseconds": "ms an image",
    "memory_gb": "peak memory, GB",
    "megabytes": "file, MB",
}
"""The figures of a run, by the names of their columns, with their titles."""

RANKED_BY = "image_auroc"


@dataclass(frozen=True)
class Entry:
    """A finished run: one detector, fitted with one seed and measured.

    Args:
        detector: Its name.
        seed: The seed of the fit.
        figures: By the names in `FIGURES`; None for one that the data cannot give.
        paths: The test images.
        defect: Whether each of them is a defect.
        scores: Their image scores.
        report: The path of its report in the leaderboard's folder; empty without test images.
        seconds: All that the run took, the start of its process included.
    """

    detector: str
    seed: int
    figures: dict[str, float | None]
    paths: list[str]
    defect: list[bool]
    scores: list[float]
    report: str
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """Detectors on the same images and seeds.

    Args:
        runs: One row per detector and seed: `detector`, `seed`, `outcome` (`finished`, `failed` or
            `left out`), the `reason`, the figures of `FIGURES`, and the path of the `report`.
        table: One row per detector with a finished run, the best first: `detector`, `seeds`, and for each
            figure its mean over the seeds and, as `<figure>_sd`, its standard deviation, NaN for one seed.
            Rates and AUROCs are from 0 to 1. Without labelled defects the order says nothing.
        pairs: The best detector and each other one: `best`, `other`, `seeds`, the `difference` of their image
            AUROCs, and `low` and `high`, its interval; all intervals hold together at 95 % confidence.
            Empty where nothing is ranked.
        conclusions: What follows from the figures, in sentences.
        notes: What is missing, and how the figures are to be read, in sentences.
        page: The path of the page.
    """

    runs: pd.DataFrame
    table: pd.DataFrame
    pairs: pd.DataFrame
    conclusions: list[str]
    notes: list[str]
    page: Path

    def __repr__(self) -> str:
        return f"Leaderboard({len(self.table)} detectors: {self.conclusions[0]})"

    def _repr_html_(self) -> str:
        return str(self.table.to_html(index=False, float_format="{:.4f}".format, na_rep="–"))


def figures_of(inspector: Inspector, evaluation: Evaluation | None) -> dict[str, float | None]:
    """Return the figures of accuracy, as far as there are test images, and of the held-out good images."""
    metrics: dict[str, Any] = {} if evaluation is None else evaluation.metrics
    names = ("image_auroc", "image_ap", "pixel_auroc", "pixel_aupro", "false_reject_rate", "escape_rate")
    found: dict[str, float | None] = {name: metrics.get(name) for name in names}
    bound, rejected = inspector.threshold.upper_bound, metrics.get("false_reject_rate")
    kept: dict[str, float | None] = {"promise_held": None, "promise_refuted": None}
    if bound is not None and rejected is not None:
        refuted = metrics["false_reject_rate_low"] > bound
        kept = {"promise_held": float(rejected <= bound), "promise_refuted": float(refuted)}
    return (
        found
        | kept
        | {
            "upper_bound": bound,
            "held_out_spread": held_out_spread(np.array(inspector.manifest.held_out)),
        }
    )


def held_out_spread(scores: NDArray[np.float64]) -> float | None:
    """Return how far the 95 % quantile of scores (N,) is above their median, in interquartile ranges.

    It does not depend on the unit of the scores: 1.2 for a normal distribution, more where a few good images
    have high scores, which then set the threshold. None where more than half of all scores are equal.

    Example:
        >>> held_out_spread(np.arange(101.0))
        0.9
    """
    low, middle, high, end = np.quantile(scores, [0.25, 0.5, 0.75, 0.95])
    return float((end - middle) / (high - low)) if high > low else None


def standings(entries: Sequence[Entry]) -> pd.DataFrame:
    """Return the table of a leaderboard; detectors with the same image AUROC are ordered by speed."""
    rows = []
    for detector in dict.fromkeys(entry.detector for entry in entries):
        own = pd.DataFrame([entry.figures for entry in entries if entry.detector == detector])
        own = own.reindex(columns=list(FIGURES)).astype(float)
        row: dict[str, Any] = {"detector": detector, "seeds": len(own)}
        for name in FIGURES:
            row |= {name: own[name].mean(), f"{name}_sd": own[name].std()}
        rows.append(row)
    table = pd.DataFrame(rows)
    ordered = table.sort_values([RANKED_BY, "milliseconds"], ascending=[False, True], kind="stable")
    return (table if table[RANKED_BY].isna().any() else ordered).reset_index(drop=True)


def differences(entries: Sequence[Entry], table: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of a leaderboard: how far each detector is behind the best, and the interval.

    A pair is measured on the test images and seeds that both have. An interval is wider the more pairs there
    are (Bonferroni), since of many equal detectors one is best by chance.
    """
    columns = ["best", "other", "seeds", "difference", "low", "high"]
    if table[RANKED_BY].isna().any():
        return pd.DataFrame(columns=columns)
    best, *others = table["detector"]
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(others))
    scores = {(entry.detector, entry.seed): pd.Series(entry.scores, entry.paths) for entry in entries}
    labels = {path: one for entry in entries for path, one in zip(entry.paths, entry.defect, strict=True)}
    rows = []
    for other in others:
        seeds = [seed for name, seed in scores if name == best and (other, seed) in scores]
        if not seeds:
            continue
        both = [pd.concat([scores[name, seed] for seed in seeds], axis=1) for name in (best, other)]
        shared = both[0].dropna().index.intersection(both[1].dropna().index, sort=False)
        defect = [labels[path] for path in shared]
        found = paired_difference(
            defect, *(one.loc[shared].to_numpy().T for one in both), confidence=confidence
        )
        rows.append((best, other, len(seeds), *found))
    return pd.DataFrame(rows, columns=columns)
