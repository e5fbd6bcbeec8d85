"""Defects among the good training images: the accuracy that they cost, and whether the suspects name them.

Defects of the test set are drawn with a fixed seed and called good training images; they leave the test, so
that the clean and the dirty inspector are evaluated on the same images.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

import knowngood
from accuracy_rows import rows
from cases_sets import samples_of

SHARES = 0.01, 0.05, 0.10
TOP = 0.1
"""The first part of the list of suspects that a person would look at."""


def run(
    seeds: Sequence[int],
    cases: Sequence[str] = ("transistor", "screw", "magnetic-tile"),
    shares: Sequence[float] = SHARES,
) -> list[dict[str, Any]]:
    """Measure each case at each share of defects: image AUROC, clean and dirty, and the suspects found."""
    found = []
    for case in cases:
        for share in shares:
            start = time.perf_counter()
            of_seeds = [measure(case, share, seed) for seed in seeds]
            seconds = time.perf_counter() - start
            found += rows(f"dirty {case}", f"{100 * share:g} % defects", of_seeds, seconds)
    return found


def measure(case: str, share: float, seed: int) -> dict[str, float]:
    """Fit and evaluate a clean and a dirty set of one case with one seed."""
    clean, dirty, planted = dirty_set(samples_of(case, seed), share, seed)
    areas = []
    for table in (clean, dirty):
        inspector = knowngood.fit(table, seed=seed)
        areas.append(knowngood.evaluate(inspector, table).metrics["image_auroc"])
    order = knowngood.suspects(inspector)["names"].tolist()
    return {
        "image_auroc clean": areas[0],
        "image_auroc": areas[1],
        "loss": areas[0] - areas[1],
        "suspects in the first 10 %": share_found(order, planted, TOP),
    }


def dirty_set(samples: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, set[str]]:
    """The samples without some defects of the test, those with them among the good, and their paths."""
    good = int(((samples["split"] == "train") & (samples["label"] == "good")).sum())
    defects = samples.index[(samples["split"] == "test") & (samples["label"] == "defect")]
    planted = np.random.default_rng(seed).choice(defects, round(share * good / (1 - share)), replace=False)
    dirty = samples.copy()
    dirty.loc[planted, ["split", "label", "defect", "mask"]] = ["train", "good", "", ""]
    return samples.drop(index=list(planted)), dirty, set(samples.loc[planted, "path"])


def share_found(order: Sequence[Sequence[str]], planted: set[str], first: float) -> float:
    """The share of planted defects, by their paths, in the first part of a list of the names of parts."""
    listed = tuple(f"/{name}" for names in order[: max(1, round(first * len(order)))] for name in names)
    return float(np.mean([path.endswith(listed) for path in planted]))
