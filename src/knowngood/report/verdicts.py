"""Verdicts as files: a table of scores, and a heatmap of each image, without pandas."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from knowngood.cells import ENCODING, spelt, to_cell
from knowngood.data.images import read_image
from knowngood.errors import OutputError, RecipeError
from knowngood.extras import needs_extra
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.verdict import Verdict
from knowngood.output import MARK, SCORES, make_folder, replacing, table_mark
from knowngood.report.pictures import heat, marked_png, overlay

SUFFIXES = (".csv", ".parquet", ".jsonl")
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


class HeatmapWriter:
    """Writes a heatmap over each inspected image, as `<name of the image>.heatmap.png`.

    The colour scale is the inspector's (`knowngood.report.pictures.heat`), as in its report. Images from
    several folders keep them as sub-folders. No file is replaced that is not a heatmap.

    Raises:
        UnreadableImage: The image can no longer be read.
        OutputError: The heatmap cannot be written.
        RecipeError: The inspector's detector gives no maps (raised with the first verdict).
    """

    def __init__(self, folder: str | os.PathLike[str], inspector: Inspector, images: Sequence[str]) -> None:
        self.folder = Path(folder)
        self.root = os.path.commonpath([Path(image).absolute().parent for image in images])
        self.manifest = inspector.manifest

    def __call__(self, verdict: Verdict) -> None:
        """Write one heatmap."""
        if verdict.patch_map is None:
            raise RecipeError("this inspector's detector gives no maps; leave out the heatmaps")
        source = Path(str(verdict.source)).absolute()
        relative = source.relative_to(self.root)
        target = self.folder / relative.with_name(f"{relative.name}.heatmap.png")
        warm = heat(verdict.patch_map, *self.manifest.heat_scale)
        picture = overlay(read_image(source, bits=self.manifest.bits), warm)
        make_folder(target.parent)
        with replacing(target, MARK) as unfinished:
            unfinished.write_bytes(marked_png(picture))


def _as_text(value: Any) -> Any:
    """Spell out bytes of a file name that are no text; numbers stay as they are."""
    return spelt(value) if isinstance(value, str) else value
