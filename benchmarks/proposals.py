"""Proposed labels beside true masks: how many defects they hit, and how well they outline them.

    python benchmarks/proposals.py [--sets transistor,screw] [--seeds 0,1,2]

With the defaults of `fit`. A defect is hit if its image is rejected and the largest value of its map is in
the box around one of its true regions. Intersection over union is that of all proposed and all true pixels
of an image, 0 for one that is not rejected. Precision is the share of rejected images that show a defect.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

import knowngood
from accuracy_cases import merged
from accuracy_rows import rows
from cases_sets import samples_of
from knowngood.data.images import read_mask
from knowngood.data.regions import regions_of

TABLE = Path(__file__).resolve().parent / "results" / "proposals.csv"


def figures(name: str, seed: int) -> dict[str, float]:
    """Fit to a set, and propose labels for its test images."""
    samples = samples_of(name, seed)
    inspector = knowngood.fit(samples, seed=seed)
    test = samples[samples["split"] == "test"].reset_index(drop=True)
    proposals = knowngood.propose(inspector, test["path"].tolist())
    defects = np.flatnonzero((test["label"] == "defect") & (test["mask"] != ""))
    verdicts = inspector.stream(test["path"].iloc[defects].tolist())
    hits, overlaps = [], []
    for row, verdict in zip(defects.tolist(), verdicts, strict=True):
        mask, cell = test["mask"].iloc[row], proposals["mask"].iloc[row]
        best = verdict.regions()[0] if cell else None
        boxes = [region.box for region in regions_of(mask, "", verdict.size, "")]
        hits.append(
            best is not None
            and any(
                left <= best.max_x < left + width and top <= best.max_y < top + height
                for left, top, width, height in boxes
            )
        )
        true = read_mask(mask, verdict.size) > 0
        marked = read_mask(cell, verdict.size) > 0 if cell else np.zeros_like(true)
        overlaps.append((true & marked).sum() / (true | marked).sum())
    proposed = proposals["label"] == "defect"
    found = {
        "defects hit": float(np.mean(hits)),
        "intersection over union": float(np.mean(overlaps)),
        "precision of proposed images": float((test["label"][proposed] == "defect").mean()),
    }
    print(name, seed, found, flush=True)
    return found


def main() -> None:
    """Measure what was asked for, and write it after each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", default="transistor,screw")
    parser.add_argument("--seeds", default="0,1,2")
    asked = parser.parse_args()
    for name in asked.sets.split(","):
        start = time.perf_counter()
        of_seeds = [figures(name, int(seed)) for seed in asked.seeds.split(",")]
        new = pd.DataFrame(rows(name, "proposals", of_seeds, time.perf_counter() - start))
        new["command"] = f"python benchmarks/proposals.py --sets {name} --seeds {asked.seeds}"
        known = pd.read_csv(TABLE, keep_default_na=False) if TABLE.exists() else pd.DataFrame()
        merged(known, new).to_csv(TABLE, index=False)


if __name__ == "__main__":
    main()
