"""Accuracy of detectors with their defaults, on the sets of `cases_sets.py`: one table for any of them.

    python benchmarks/normality.py subspace,gmm [--sets transistor,screw,magnetic-tile] [--seeds 0,1,2]

Rows of the same set, detector and figure are replaced, all others stay. `promise held` is 1 where, at 5 %,
the share of unseen good images that are rejected is inside the bound that is stated with the threshold. Fit
seconds count only on an idle machine; processor seconds are those of all cores.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd

from accuracy_cases import merged
from accuracy_rows import rows
from cases_sets import measure

TABLE = Path(__file__).resolve().parent / "results" / "normality.csv"
FIGURES = (
    "image_auroc", "pixel_auroc", "pixel_aupro", "false_reject_rate", "escape_rate", "false rejects at 5%",
    "bound at 5%", "promise held", "fit seconds", "fit processor seconds",
)  # fmt: skip


def figures(name: str, detector: str, seed: int) -> dict[str, float]:
    """Fit to a set and evaluate with one seed; maps that a detector does not give have no figures."""
    found = measure(name, seed, detector=detector)
    found["promise held"] = float(found["false rejects at 5%"] <= found["bound at 5%"])
    print(name, detector, seed, found, flush=True)
    return {figure: found[figure] for figure in FIGURES if figure in found}


def main() -> None:
    """Measure what was asked for, and write it after each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("detectors")
    parser.add_argument("--sets", default="transistor,screw,magnetic-tile")
    parser.add_argument("--seeds", default="0,1,2")
    asked = parser.parse_args()
    for name in asked.sets.split(","):
        for detector in asked.detectors.split(","):
            start = time.perf_counter()
            of_seeds = [figures(name, detector, int(seed)) for seed in asked.seeds.split(",")]
            new = pd.DataFrame(rows(name, detector, of_seeds, time.perf_counter() - start))
            new["command"] = f"python benchmarks/normality.py {detector} --sets {name} --seeds {asked.seeds}"
            known = pd.read_csv(TABLE, keep_default_na=False) if TABLE.exists() else pd.DataFrame()
            merged(known, new).to_csv(TABLE, index=False)


if __name__ == "__main__":
    main()
