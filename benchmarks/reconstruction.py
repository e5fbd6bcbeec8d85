"""Accuracy of the reconstruction family: fit, judge, write the results table.

    python benchmarks/reconstruction.py [CASE ...]

Cases are `mnist` (learn the digit 1, detect 9) and `transistor` (MVTec AD), each alone for `autoencoder` or
with the detector after a colon, such as `transistor:vae`. Without a case all run: about 40 minutes on two
cores. The data lie in ../shared/data. Every figure comes from the shipped graph; in-class validation is the
fifth of the good training images that a detector holds out. No test image takes part in a run; but the shape
of the feature autoencoder was once chosen on transistors and screws (docs/decisions/0008-training.md).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
TABLE = HERE / "results" / "reconstruction.csv"
SHARED = HERE.parent.parent / "shared" / "data"
DETECTORS = ("autoencoder", "vae", "ganomaly", "dual_prototype", "feature_autoencoder")
CASES = ("mnist:autoencoder", *(f"transistor:{name}" for name in DETECTORS))
SEEDS = (0, 1, 2)


def mnist(detector: str, seed: int) -> dict[str, float]:
    """Learn the digit 1; tell test images of 9 from test images of 1."""
    import knowngood
    from knowngood.data.idx import load_idx
    from knowngood.metrics.ranking import auroc

    train, train_labels = load_idx(SHARED / "mnist", "train")
    test, test_labels = load_idx(SHARED / "mnist", "test")
    start = time.perf_counter()
    recipe = knowngood.make_detector(detector, {"input_size": 28, "epochs": 30})
    inspector = knowngood.fit(list(train[train_labels == 1]), recipe, seed=seed)
    seconds = time.perf_counter() - start
    ones, nines = (
        np.array([verdict.score for verdict in inspector.stream(list(test[test_labels == digit]))])
        for digit in (1, 9)
    )
    held_out = np.array(inspector.manifest.held_out)
    return {
        "image_auroc": float(auroc(np.repeat([False, True], [len(ones), len(nines)]), np.r_[ones, nines])),
        "image_auroc_against_validation": float(
            auroc(np.repeat([False, True], [len(held_out), len(nines)]), np.r_[held_out, nines])
        ),
        "false_reject_rate": float((ones > inspector.threshold.value).mean()),
        "escape_rate": float((nines <= inspector.threshold.value).mean()),
        "fit_seconds": seconds,
    }


def transistor(detector: str, seed: int) -> dict[str, float]:
    """Learn good transistors; all four defect types, and the misplaced ones against every good image."""
    import knowngood

    start = time.perf_counter()
    inspector = knowngood.fit(SHARED / "mvtec" / "transistor", detector, seed=seed)
    seconds = time.perf_counter() - start
    evaluation = knowngood.evaluate(inspector, SHARED / "mvtec" / "transistor")
    metrics, scores = evaluation.metrics, evaluation.scores
    misplaced = scores.loc[scores["defect"] == "misplaced", "score"]
    good = scores.loc[scores["label"] == "good", "score"]
    names = ("image_auroc", "pixel_auroc", "pixel_aupro", "false_reject_rate", "escape_rate")
    return {
        **{name: metrics[name] for name in names},
        **{f"image_auroc[{kind}]": found["image_auroc"] for kind, found in metrics["per_defect"].items()},
        "misplaced_above_every_validation": float((misplaced > max(inspector.manifest.held_out)).sum()),
        "misplaced_above_every_good_test": float((misplaced > good.max()).sum()),
        "misplaced_above_both": float((misplaced > max(good.max(), *inspector.manifest.held_out)).sum()),
        "fit_seconds": seconds,
    }


def main(cases: list[str]) -> None:
    """Measure each case in a process of its own and update its rows of the table."""
    for case in cases:
        data, _, detector = case.partition(":")
        measured = []
        for seed in SEEDS:
            command = [sys.executable, __file__, "--one", data, detector or "autoencoder", str(seed)]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1]
            measured.append(json.loads(output))
            print(case, seed, measured[-1], flush=True)
        rows = [
            {
                "case": case,
                "metric": metric,
                "mean": round(values.mean(), 4),
                "sd": round(values.std(), 4),
                "least": round(values.min(), 4),
                "n": len(values),
                "command": f"python benchmarks/reconstruction.py {case}",
            }
            for metric, values in pd.DataFrame(measured).items()
        ]
        table = pd.DataFrame(rows)
        if TABLE.exists():
            before = pd.read_csv(TABLE)
            table = pd.concat([before[before["case"] != case], table])
        table.sort_values("case", kind="stable").to_csv(TABLE, index=False)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure = {"mnist": mnist, "transistor": transistor}[sys.argv[2]]
        print(json.dumps(measure(sys.argv[3], int(sys.argv[4]))))
    else:
        main(sys.argv[1:] or list(CASES))
