"""Accuracy where it is hard: large pictures, small defects, regions, few images, dirty images.

    python benchmarks/accuracy_cases.py [CASE ...] [--seeds 3]

Each case is a module `cases_<name>.py` beside this one, with a function `run(seeds)` that gives rows; without
a name all run. Rows of the same case, setting and metric are replaced in `results/accuracy.csv`.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
TABLE = HERE / "results" / "accuracy.csv"
KEYS = ["case", "setting", "metric"]


def merged(table: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """The rows of both tables, sorted; of two with the same keys the new one."""
    both = pd.concat([table, new]) if len(table) else new
    return both.drop_duplicates(KEYS, keep="last").sort_values(KEYS, kind="stable").reset_index(drop=True)


def main(arguments: list[str]) -> None:
    """Run cases and update the table after each."""
    seeds = 3
    if "--seeds" in arguments:
        at = arguments.index("--seeds")
        seeds = int(arguments[at + 1])
        del arguments[at : at + 2]
    names = arguments or sorted(path.stem.removeprefix("cases_") for path in HERE.glob("cases_*.py"))
    for name in names:
        case = importlib.import_module(f"cases_{name}")
        new = pd.DataFrame(case.run(tuple(range(seeds))))
        new["command"] = f"python benchmarks/accuracy_cases.py {name} --seeds {seeds}"
        table = pd.read_csv(TABLE, keep_default_na=False) if TABLE.exists() else pd.DataFrame()
        merged(table, new).to_csv(TABLE, index=False)
        print(new.to_string(), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    main(sys.argv[1:])
