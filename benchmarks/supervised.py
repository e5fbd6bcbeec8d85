"""Accuracy of the classifiers: studies `screw`, `transistor_classes`, `semiconductor`, as a results table.

    python benchmarks/supervised.py [OUT]

Five seeds or folds each, in OUT or a folder that is thrown away; about two hours on two cores. MVTec's images
lie in ../shared/data, the solar cells come with the package elpv-dataset. At the end the time of learning
from 300 screws is taken, which wants a machine that does nothing else.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

HERE = Path(__file__).resolve().parent
TABLE = HERE / "results" / "supervised.csv"
SHARED = HERE.parent.parent / "shared" / "data"
COMMAND = "python benchmarks/supervised.py"

STUDIES = ("screw", "transistor_classes", "semiconductor")
TIMED = ("linear_probe", "finetune")


def main(out: Path) -> None:
    """Run the studies and write their figures in the columns of the other tables."""
    from knowngood.studies.registry import run_study

    rows = []
    for name in STUDIES:
        run_study(name, SHARED, out / name)
        rows += rows_of(name, pd.read_csv(out / name / "summary.csv"))
    rows += times()
    pd.DataFrame(rows).assign(command=COMMAND).round(4).to_csv(TABLE, index=False)


def rows_of(case: str, summary: pd.DataFrame) -> list[dict[str, object]]:
    """A row a figure of a study's summary, the method that was chosen first."""
    figures = [name for name in summary.columns if f"{name}_sd" in summary.columns]
    return [
        {
            "case": case,
            "method": row["method"],
            "chosen": place == 0,
            "metric": figure,
            "mean": row[figure],
            "sd": row[f"{figure}_sd"],
            "n": row["runs"],
        }
        for place, row in enumerate(summary.to_dict("records"))
        for figure in figures
    ]


def times() -> list[dict[str, object]]:
    """Seconds to learn from 250 good and 50 defective screws of 256 by 256 pixels, with default recipes."""
    from knowngood.inspector.train import train
    from knowngood.studies.screw import STUDY

    table = STUDY.draws(SHARED, 0)[0].samples
    rows: list[dict[str, object]] = []
    for name in TIMED:
        start = time.perf_counter()
        train(table, name, by=STUDY.by)
        seconds = time.perf_counter() - start
        rows.append({"case": "300 screws", "method": name, "metric": "seconds", "mean": seconds, "n": 1})
    return rows


if __name__ == "__main__":
    if sys.argv[1:]:
        main(Path(sys.argv[1]))
    else:
        with TemporaryDirectory() as folder:
            main(Path(folder))
