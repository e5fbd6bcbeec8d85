"""Accuracy of a detector with its default recipe: fit, evaluate, write the results table.

    python benchmarks/main_job.py [CASE ...]

Cases are `transistor`, `screw` (MVTec AD, in ../shared/data/mvtec) and `elpv` (solar cells, from PyPI), each
alone for `patchcore` or with the detector after a colon, such as `screw:padim`. Without a case all run.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
TABLE = HERE / "results" / "main_job.csv"
MVTEC = HERE.parent.parent / "shared" / "data" / "mvtec"
DATA = ("transistor", "screw", "elpv")
DETECTORS = ("patchcore", "padim", "gaussian")
SEEDS = (0, 1, 2)


def measure(data: str, detector: str, seed: int) -> dict[str, float]:
    """Fit and evaluate once; every figure comes from the shipped graph."""
    import knowngood
    from knowngood.data.elpv import load_elpv

    start = time.perf_counter()
    samples = load_elpv("mono", seed=seed) if data == "elpv" else knowngood.load_samples(MVTEC / data)
    inspector = knowngood.fit(samples, detector, seed=seed)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    evaluation = knowngood.evaluate(inspector, samples)
    metrics, scores = evaluation.metrics, evaluation.scores
    figures = {
        name: value
        for name, value in metrics.items()
        if isinstance(value, float) and not name.endswith(("_low", "_high")) and name != "threshold"
    }
    for defect, found in metrics["per_defect"].items():
        figures[f"image_auroc[{defect}]"] = found["image_auroc"]
    if "misplaced" in metrics["per_defect"]:
        highest = scores.loc[scores["label"] == "good", "score"].max()
        figures["misplaced_above_every_good"] = float(
            (scores.loc[scores["defect"] == "misplaced", "score"] > highest).sum()
        )
    figures["false_reject_bound"] = inspector.manifest.threshold.upper_bound or float("nan")
    figures["graph_difference"] = inspector.manifest.graph_difference
    return figures | {"fit_seconds": seconds, "fit_memory_gb": memory}


def main(cases: list[str]) -> None:
    """Measure each case in a process of its own, so that memory is its own, and update the table."""
    rows = []
    for case in cases:
        data, _, detector = case.partition(":")
        runs = []
        for seed in SEEDS:
            code = (
                f"import sys; sys.path.insert(0, {str(HERE)!r}); import json, main_job; "
                f"print(json.dumps(main_job.measure({data!r}, {detector or 'patchcore'!r}, {seed})))"
            )
            output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
            runs.append(pd.Series(json.loads(output.stdout.splitlines()[-1])))
            print(case, seed, runs[-1].round(4).to_dict(), flush=True)
        for metric, values in pd.DataFrame(runs).items():
            rows.append(
                {
                    "case": case,
                    "metric": metric,
                    "mean": round(values.mean(), 7 if metric == "graph_difference" else 4),
                    "sd": round(values.std(), 7 if metric == "graph_difference" else 4),
                    "n": len(values),
                    "command": f"python benchmarks/main_job.py {case}",
                }
            )
    table = pd.DataFrame(rows)
    if TABLE.exists():
        before = pd.read_csv(TABLE)
        table = pd.concat([before[~before["case"].isin(cases)], table])
    table.sort_values("case", kind="stable").to_csv(TABLE, index=False)


if __name__ == "__main__":
    main(sys.argv[1:] or [data if d == "patchcore" else f"{data}:{d}" for data in DATA for d in DETECTORS])
