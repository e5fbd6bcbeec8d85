"""The accuracy of inspectors that learned from 1 to 16 good images, with augmented copies and without.

A draw is some of the good training images of MVTec AD, by a fixed seed. No test image takes part in a choice.

    python benchmarks/cases_few.py          # 4 images, ten draws of each set
    python benchmarks/cases_few.py 1 2 8    # other numbers of images
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

import knowngood
from accuracy_rows import rows

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "mvtec"
DRAWS = 10
METRICS = ("image_auroc", "pixel_auroc", "false_reject_rate", "escape_rate", "seconds")


def run(
    seeds: Sequence[int] = range(DRAWS),
    cases: Sequence[str] = ("transistor", "screw"),
    counts: Sequence[int] = (4,),
) -> list[dict[str, Any]]:
    """Measure each case with each number of images, a draw for each seed; the target is the mean of ten."""
    measured = []
    for case in cases:
        samples = knowngood.load_samples(DATA / case)
        for count in counts:
            for setting in ("copies", "no copies") if count > 1 else ("copies",):
                found = [measure(samples, count, seed, setting) for seed in seeds]
                seconds = sum(one["seconds"] for one in found)
                measured += rows(f"{count} good images, {case}", setting, found, seconds)
                print(
                    f"{count} {case}, {setting}:",
                    pd.DataFrame(found).round(3).to_dict("list"),
                    file=sys.stderr,
                )
    return measured


def measure(samples: pd.DataFrame, count: int, seed: int, setting: str) -> dict[str, float]:
    """Fit to a draw of good training images, and evaluate on all test images."""
    good = samples[(samples["split"] == "train") & (samples["label"] == "good")]
    drawn = np.random.default_rng(seed).choice(len(good), count, replace=False)
    start = time.perf_counter()
    with no_copies() if setting == "no copies" else nullcontext():
        inspector = knowngood.fit(good.iloc[drawn], seed=seed)
    seconds = time.perf_counter() - start
    metrics = knowngood.evaluate(inspector, samples[samples["split"] == "test"]).metrics
    return {name: metrics[name] for name in METRICS if name != "seconds"} | {"seconds": seconds}


def no_copies() -> Any:
    """Fit as if the images were many."""
    return patch("knowngood.data.augmented.FEW", 0)


if __name__ == "__main__":
    numbers = tuple(map(int, sys.argv[1:])) or (4,)
    print(json.dumps(run(counts=numbers), indent=1))
