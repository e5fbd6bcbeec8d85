"""Tables of samples, written so that `knowngood.data.tables.read_table` reads the same again."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from knowngood.cells import ENCODING, spelt, to_cell
from knowngood.data.masks import joined, several
from knowngood.data.runs import is_runs
from knowngood.data.tables import FILES
from knowngood.errors import OutputError
from knowngood.extras import needs_extra
from knowngood.inputs import TABLE_SUFFIXES
from knowngood.output import MARK, check_target, replacing

FIRST = ("path", "split", "label", "defect")
"""The columns by which a table of ours is known, and that a reader wants to see first."""

QUARANTINED = ("path", "reason left out")
"""The columns of a list of what is left out of a table."""


def check_samples_file(
    path: Path, *, inputs: Sequence[str | os.PathLike[str]] = (), overwrite: bool = False
) -> None:
    """Check before a long work that a table of samples can be written.

    Raises:
        OutputError: It cannot.
        MissingExtra: It is Parquet, and pyarrow is not installed.
    """
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise OutputError(f"{str(path)!r} must end in .csv or .parquet")
    if path.suffix.lower() == ".parquet":
        with needs_extra():
            import pyarrow  # noqa: F401 - found out before the work, not after it
    check_target(path, _mark(path), overwrite=overwrite, inputs=inputs)


def write_samples(
    table: pd.DataFrame, path: str | os.PathLike[str], *, relative: bool = True, overwrite: bool = False
) -> None:
    """Write a table of samples as CSV or Parquet; files in the table's folder are named from there.

    Args:
        table: Samples, as `knowngood.load_samples` returns them.
        path: The file to write; an older table of samples is replaced.
        relative: Whether paths start from the working folder; else they already start from the table's.
        overwrite: Replace any other file too.

    Raises:
        OutputError: The file cannot be written, or is not ours to replace.
    """
    path = Path(path)
    check_samples_file(path, overwrite=overwrite)
    folder = str(path.absolute().parent) if relative else ""
    columns = [*FIRST, *(name for name in table.columns if name not in FIRST)]
    content = {str(name): list(map(_named(str(name), folder), table[name])) for name in columns}
    with replacing(path, _mark(path), overwrite=overwrite) as unfinished:
        if path.suffix.lower() == ".parquet":
            import pyarrow
            import pyarrow.parquet

            pyarrow.parquet.write_table(pyarrow.table(content, metadata={"": MARK}), unfinished)
            return
        _write_csv(unfinished, content)


def _mark(path: Path) -> str:
    """What a table of samples of ours holds at its beginning or end."""
    return ",".join(FIRST) if path.suffix.lower() == ".csv" else MARK


def _named(column: str, folder: str) -> Callable[[Any], Any]:
    """Return what writes a value of a column, where files are named from a folder."""

    def file(name: str) -> str:
        if not name or not folder or is_runs(name):
            return name
        whole = os.path.abspath(name)  # noqa: PTH100 - a million cells would take seconds with pathlib
        inside = whole.startswith(os.path.join(folder, ""))  # noqa: PTH118
        return os.path.relpath(whole, folder) if inside else whole

    if column == "mask":
        return lambda cell: spelt(joined(map(file, several(cell))))
    if column in FILES:
        return lambda cell: spelt(file(cell))
    return lambda cell: spelt(cell) if isinstance(cell, str) else cell


def quarantine_file(table: Path) -> Path:
    """Return the list of what is left out of a table, beside it.

    Example:
        >>> quarantine_file(Path("parts/widget.csv")).as_posix()
        'parts/widget.quarantine.csv'
    """
    return table.with_name(f"{table.stem}.quarantine.csv")


def write_quarantine(
    left_out: Sequence[tuple[str, str]], path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Write files that are left out of a table, with the reasons.

    Raises:
        OutputError: The file cannot be written, or is not ours to replace.
    """
    with replacing(path, ",".join(QUARANTINED), overwrite=overwrite) as unfinished:
        _write_csv(unfinished, dict(zip(QUARANTINED, zip(*left_out, strict=True), strict=True)))


def _write_csv(path: Path, content: Mapping[str, Sequence[Any]]) -> None:
    """Write columns so that a spreadsheet opens them; see `knowngood.cells`."""
    with path.open("w", newline="", encoding=ENCODING) as file:
        writer = csv.writer(file)
        writer.writerow(map(to_cell, content))
        writer.writerows(zip(*(map(to_cell, cells) for cells in content.values()), strict=True))
