"""Accuracy of the models of normality that train no network: fit, inspect, write the results table.

    python benchmarks/normality.py [DETECTOR ...] [--cases transistor,screw,magnetic-tile] [--seeds 1]

The cases are those of `cases_sets.py`, with the defaults of each detector; the data lie in ../shared/data.
Rows of the same case and detector are replaced, all others stay. `processor seconds` are those of fitting and
evaluating, on all cores; `promise held` is 1 where the false rejects of unseen good images at 5 % are
inside the stated bound.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd

from cases_sets import measure

TABLE = Path(__file__).resolve().parent / "results" / "normality.csv"
DETECTORS = "prototype", "ocsvm", "subspace", "gmm", "patch_dictionary"
CASES = "transistor", "screw", "magnetic-tile"
METRICS = (
    "image_auroc", "pixel_auroc", "pixel_aupro", "false_reject_rate", "escape_rate", "promise held",
    "processor seconds",
)  # fmt: skip


def run(case: str, detector: str, seeds: range) -> pd.DataFrame:
    """Measure a detector on a case with each seed: a row for each figure."""
    start = time.perf_counter()
    found = []
    for seed in seeds:
        begin = time.process_time()
        figures = measure(case, seed, detector=detector)
        figures["processor seconds"] = time.process_time() - begin
        figures["promise held"] = float(figures["false rejects at 5%"] <= figures["bound at 5%"])
        found.append(figures)
        print(case, detector, seed, figures, flush=True)
    values = pd.DataFrame(found)
    values = values[[metric for metric in METRICS if metric in values]]
    return pd.DataFrame(
        {
            "case": case,
            "detector": detector,
            "metric": values.columns,
            "value": values.mean().round(4),
            "spread": values.std(ddof=0).round(4),
            "seeds": len(values),
            "seconds": round(time.perf_counter() - start),
            "command": f"python benchmarks/normality.py {detector} --cases {case} --seeds {len(values)}",
        }
    )


def main() -> None:
    """Measure what was asked for, and write it after each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("detectors", nargs="*", default=DETECTORS)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    for case in asked.cases.split(","):
        for detector in asked.detectors:
            rows = run(case, detector, range(asked.seeds))
            if TABLE.exists():
                known = pd.read_csv(TABLE)
                other = known[(known["case"] != case) | (known["detector"] != detector)]
                rows = pd.concat([other, rows])
            rows.to_csv(TABLE, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
