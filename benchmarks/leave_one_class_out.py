"""How the defaults of the detectors that classify were chosen: by normal digits alone.

    python benchmarks/leave_one_class_out.py [DETECTOR ...]

Of the digits 0 to 3 in MNIST's training files three are learned and the fourth stands for an anomaly, each in
turn. No digit of the test files and no 7, 8 or 9 is looked at. About twenty minutes on two cores. MNIST lies
in ../shared/data.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
TABLE = HERE / "results" / "leave_one_class_out.csv"
SHARED = HERE.parent.parent / "shared" / "data"
LEARNED, TESTED = 1500, 500
"""Digits of each class."""

CANDIDATES: dict[str, list[dict[str, Any]]] = {
    "class_confidence": [
        {"epochs": 5, "label_smoothing": smoothing, "shift": shift}
        for smoothing, shift in product((0.0, 0.1), (0, 2))
    ]
    + [{"epochs": 10, "label_smoothing": 0.1, "shift": 2}],
    "rotation": [{"epochs": 5, "label_smoothing": 0.1, "shift": shift} for shift in (0, 2)],
}


def main(detectors: list[str]) -> None:
    """Measure every score of every candidate, and update its rows of the table."""
    import knowngood
    from knowngood.data.idx import load_idx
    from knowngood.studies.kaist import NORMAL
    from knowngood.studies.kaist_measures import AUROC, Digits, measure, outputs_of

    images, labels = load_idx(SHARED / "mnist", "train")
    rows = []
    for detector, settings in [(name, one) for name in detectors for one in CANDIDATES[name]]:
        recipe = knowngood.make_detector(detector, {"input_size": 28, "network": "cnn", **settings})
        for left_out in NORMAL:
            places = {digit: np.flatnonzero(labels == digit) for digit in NORMAL}
            learned = np.concatenate([places[digit][:LEARNED] for digit in NORMAL if digit != left_out])
            tested = np.concatenate([places[digit][LEARNED : LEARNED + TESTED] for digit in NORMAL])
            digits = Digits(images[learned], labels[learned], images[tested], labels[tested])
            classes = digits.classes.tolist() if recipe.needs_classes else None
            inspector = knowngood.fit(digits.train, recipe, classes=classes)
            found = measure(outputs_of(inspector, digits, detector, seed=0))
            print(detector, settings, left_out, found, flush=True)
            rows += [
                {"detector": detector, **settings, "score": name.removeprefix(f"{AUROC}, "), "auroc": value}
                for name, value in found.items()
                if name.startswith(AUROC)
            ]
    keys = ["detector", "epochs", "label_smoothing", "shift", "score"]
    table = pd.DataFrame(rows).groupby(keys, sort=False)["auroc"].agg(["mean", "min", "count"]).reset_index()
    table = table.assign(command="python benchmarks/leave_one_class_out.py " + table["detector"]).round(4)
    if TABLE.exists():
        before = pd.read_csv(TABLE)
        table = pd.concat([before[~before["detector"].isin(detectors)], table])
    table.sort_values("detector", kind="stable").to_csv(TABLE, index=False)


if __name__ == "__main__":
    main(sys.argv[1:] or list(CANDIDATES))
