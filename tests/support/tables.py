"""Tables that the program writes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def read_table(path: Path) -> pd.DataFrame:
    """Read a .csv, .parquet or .jsonl file."""
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    return readers.get(path.suffix, lambda path: pd.read_json(path, lines=True))(path)
