"""Accuracy of the detectors that classify: the study `kaist`, as a results table.

    python benchmarks/class_confidence.py [OUT]

It learns the digits 0 to 3 of MNIST's training files and meets 0 to 3 and 7 to 9 of the test files; five
seeds, in OUT or a folder that is thrown away, about half an hour on two cores. MNIST lies in ../shared/data.
Every figure comes from shipped graphs, and no anomaly took part in the choice of a default
(docs/decisions/0009-classification.md).
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
TABLE = HERE / "results" / "class_confidence.csv"
SHARED = HERE.parent.parent / "shared" / "data"


def main(out: Path) -> None:
    """Run the study and write its figures in the columns of the other tables."""
    from knowngood.studies.registry import run_study

    figures = run_study("kaist", SHARED, out)
    table = figures.rename(columns={"task": "case", "figure": "metric", "value": "mean"})
    table = table.assign(command="python benchmarks/class_confidence.py")
    table.round(4).to_csv(TABLE, index=False)


if __name__ == "__main__":
    if sys.argv[1:]:
        main(Path(sys.argv[1]))
    else:
        with TemporaryDirectory() as folder:
            main(Path(folder))
