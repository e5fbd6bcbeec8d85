"""Verdicts as files: tables of scores and of regions, without pandas."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from knowngood.cells import ENCODING, spelt, to_cell
from knowngood.data.decoding import name_of
from knowngood.errors import OutputError
from knowngood.extras import needs_extra
from knowngood.inspector.regions import Region
from knowngood.inspector.verdict import Verdict
from knowngood.output import MARK, SCORES, check_target, replacing, table_mark

SUFFIXES = (".csv", ".parquet", ".jsonl")
REGION_SUFFIXES = (".csv", ".json", ".jsonl")
COLUMNS = ("path", "score", "p_value", "decision")


def check_suffix(path: Path) -> None:
    """Check before a long work that the suffix of a table is one of `SUFFIXES`.

    Raises:
        OutputError: It is another.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(f"{str(path)!r} must end in .csv, .parquet or .jsonl")
    if path.suffix.lower() == ".parquet":
        with needs_extra():
            import pyarrow  # noqa: F401 - found out before the work, not after it


def write_verdicts(
    rows: Sequence[dict[str, Any]],
    path: str | os.PathLike[str],
    *,
    columns: tuple[str, str] = SCORES,
    overwrite: bool = False,
) -> None:
    """Write rows of `Verdict.row` as CSV, Parquet or JSON lines, according to the suffix.

    Args:
        rows: One per image.
        path: The file to write; an older table with the same columns is replaced.
        columns: Two neighbouring columns by which such a table is known.
        overwrite: Replace any other file too.

    Raises:
        OutputError: The suffix is not known, the file cannot be written, or it is not ours to replace.
    """
    path = Path(path)
    check_suffix(path)
    names = list(rows[0]) if rows else COLUMNS  # a classifier has more columns
    with replacing(path, table_mark(path, columns), overwrite=overwrite) as unfinished:
        if path.suffix.lower() == ".parquet":
            import pyarrow
            import pyarrow.parquet

            content = {name: [_as_text(row[name]) for row in rows] for name in names}
            pyarrow.parquet.write_table(pyarrow.table(content, metadata={"": MARK}), unfinished)
        elif path.suffix.lower() == ".csv":
            write_csv(unfinished, names, ([row[name] for name in names] for row in rows))
        else:
            with unfinished.open("w", encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table that a spreadsheet opens by a double click; see `knowngood.cells`."""
    with path.open("w", newline="", encoding=ENCODING) as file:
        writer = csv.writer(file)
        writer.writerow(map(to_cell, names))
        writer.writerows(map(to_cell, row) for row in rows)


def check_regions(
    path: Path, *, inputs: Iterable[str | os.PathLike[str]] = (), overwrite: bool = False
) -> None:
    """Check before a long work that a file of regions can be written, and is not one of the inputs.

    Raises:
        OutputError: It cannot.
    """
    if path.suffix.lower() not in REGION_SUFFIXES:
        raise OutputError(f"{str(path)!r} must end in .csv, .json or .jsonl")
    check_target(path, _region_mark(path), overwrite=overwrite, inputs=inputs)


def region_row(verdict: Verdict) -> dict[str, Any]:
    """The regions of a verdict, with its score and the size of its image in pixels.

    Raises:
        RecipeError: The inspector's detector gives no maps.
    """
    _, scale = verdict.checked_map()
    height, width = verdict.size
    return {
        "path": spelt(name_of(verdict.source, verdict.index)),
        "width": width,
        "height": height,
        "score": verdict.score,
        "decision": verdict.decision,
        "line": scale.line,
        "regions": [region._asdict() for region in verdict.regions()],
    }


def write_regions(
    rows: Sequence[dict[str, Any]], path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Write rows of `region_row` as JSON, as JSON lines, or as CSV with one row per region.

    Raises:
        OutputError: The suffix is not known, the file cannot be written, or it is not ours to replace.
    """
    path = Path(path)
    check_regions(path, overwrite=overwrite)
    with replacing(path, _region_mark(path), overwrite=overwrite) as unfinished:
        if path.suffix.lower() == ".csv":
            cells = ([row["path"], *region.values()] for row in rows for region in row["regions"])
            write_csv(unfinished, ("path", *Region._fields), cells)
            return
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        text = "[\n" + ",\n".join(lines) + "\n]" if path.suffix.lower() == ".json" else "\n".join(lines)
        unfinished.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def _region_mark(path: Path) -> str:
    """What a file of regions holds at its beginning."""
    return ",".join(Region._fields[-2:]) if path.suffix.lower() == ".csv" else '"regions": ['


def _as_text(value: Any) -> Any:
    """Spell out bytes of a file name that are no text; numbers stay as they are."""
    return spelt(value) if isinstance(value, str) else value
