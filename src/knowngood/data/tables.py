"""Tables of samples: read from a file, made uniform and checked."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from knowngood.cells import file_of, from_cell, spelt
from knowngood.data.masks import joined, several
from knowngood.data.meanings import BAD_WORDS, GOOD_WORDS
from knowngood.data.runs import is_runs
from knowngood.data.splits import assign_split
from knowngood.errors import DataError, KnowngoodError, escaped, quoted, shortened
from knowngood.extras import needs_extra
from knowngood.inputs import LARGEST_TABLE, read_file

SPLITS = ("train", "test")
LABELS = ("good", "defect")

COLUMNS = ("path", "split", "label", "defect", "mask", "boxes", "group", "class", "product", "reference")
"""The columns that have a meaning; others are kept."""

LISTED = ("path", "product", "reference")
"""Those of a table of images to inspect."""

FILES = ("path", "mask", "reference")
"""Those that name a file."""

MOST_ROWS, MOST_COLUMNS, MOST_CELLS = 5_000_000, 20_000, 20_000_000
"""Those of a table; its size on disk bounds neither them nor the memory that they take."""

_SEPARATORS = ",;\t"  # the first one where several occur as often
_CODE_PAGE = "; save it as 'CSV UTF-8' in Excel (in Python encoding='utf-8')"


def check_samples(table: pd.DataFrame) -> pd.DataFrame:
    """Check a table of samples, make it uniform and fill in what may be left out.

    Capitals and blanks around the names of columns, labels and splits do not matter, and a label may be any
    of `knowngood.data.meanings.GOOD_WORDS` or `BAD_WORDS`, such as `OK` and `NG`.

    Args:
        table: One row per image, with the columns ``path``, ``label`` (``good`` or ``defect``) and maybe
            ``split`` (``train`` or ``test``; made by `knowngood.data.splits.assign_split` where the column is
            missing), ``defect`` (the defect type), ``mask`` (a file, or several with ``|`` between them),
            ``group`` (the same part photographed twice has the same value; blank for a part by itself),
            ``class`` (the class of a good image, for detectors that tell classes apart), ``product`` (which
            of several products it shows), ``reference`` (a flawless picture of the same object) and others,
            which are kept. Numbers, dates and categories are read as text, whole numbers without a point.

    Returns:
        A copy with ``path``, ``split``, ``label``, ``defect`` and ``mask`` as text; a defect type or mask
        that is not known is empty, and so is the defect type of a good image. Paths and masks are of dtype
        object, since a file's name may hold bytes that are no text; in all else these are spelt out, as is
        what controls a terminal.

    Raises:
        DataError: There is no row, a column is missing or there twice, a value is not allowed or not text, or
            an image is listed twice.

    Example:
        >>> table = check_samples(pd.DataFrame({"path": ["a.png"], "Split": ["Train"], "label": ["OK"]}))
        >>> table.iloc[0].tolist()
        ['a.png', 'train', 'good', '', '']
    """
    table = _with_known_names(table)
    if table.empty:
        raise DataError("the table of samples has no rows; add one for each image")
    table = table.reset_index(drop=True)
    for column in COLUMNS:
        if column in table:
            table[column] = _texts(table[column], column)
        elif column in ("defect", "mask"):
            table[column] = pd.Series([""] * len(table), dtype=object if column in FILES else str)
    if (table["path"] == "").any():
        raise DataError(f"the table of samples has no path in row {1 + int((table['path'] == '').argmax())}")
    if "group" in table:
        own = pd.Series(list(map(spelt, table["path"])), dtype=str)
        table["group"] = table["group"].where(table["group"] != "", own)
    table["label"] = _mapped(table["label"], _label)
    _check_values(table, "label", LABELS)
    if "split" in table:
        table["split"] = _mapped(table["split"], lambda text: text.strip().lower())
        _check_values(table, "split", SPLITS)
    else:
        table = assign_split(table)
    _check_rows(table)
    columns = ["path", "split", "label", "defect", "mask"]
    return table[columns + [column for column in table.columns if column not in columns]]


def check_listing(table: pd.DataFrame) -> pd.DataFrame:
    """Check a table of images to inspect, which has the column ``path`` and maybe others of `LISTED`.

    Raises:
        DataError: There is no row or path, a column is there twice, or a value is not text.

    Example:
        >>> check_listing(pd.DataFrame({"Path": ["a.png"], "product": [7]})).to_numpy().tolist()
        [['a.png', '7']]
    """
    table = _with_known_names(table, needed=("path",))
    table = pd.DataFrame({name: _texts(table[name], name) for name in LISTED if name in table})
    if table.empty or (table["path"] == "").any():
        raise DataError("the table of images has a row without a path, or no row")
    return table


def table_or_file(
    data: str | os.PathLike[str] | pd.DataFrame, check: Callable[[pd.DataFrame], pd.DataFrame]
) -> pd.DataFrame:
    """Check a table, or read and check the file of one; see `read_table`."""
    return check(data) if isinstance(data, pd.DataFrame) else read_table(Path(data), check)


def read_table(path: Path, check: Callable[[pd.DataFrame], pd.DataFrame] = check_samples) -> pd.DataFrame:
    """Read a CSV or Parquet table, check it, and let its paths start from its folder.

    A CSV table has commas, semicolons or tabulators between its cells, and is UTF-8, or UTF-16 with its mark.
    Backslashes in a path are those of Windows where the file is there that way.

    Raises:
        DataError: It cannot be read, or is not one of samples.
    """
    try:
        content = read_file(path, LARGEST_TABLE)
        table = _read_csv(content) if path.suffix.lower() == ".csv" else _read_parquet(content)
        table = check(table)
    except DataError as error:
        raise DataError(f"{str(path)!r}: {error}", path=path) from error
    except KnowngoodError:
        raise
    except Exception as error:
        # The parsers of both formats raise whatever they met in a damaged file.
        reason = getattr(error, "strerror", None) or next(iter(str(error).splitlines()), repr(error))
        raise DataError(f"table {str(path)!r} cannot be read: {shortened(reason)}", path=path) from error
    folder = "" if path.parent == Path() else str(path.parent)
    for column in (name for name in FILES if name in table):
        files = [
            joined(
                name if column == "mask" and is_runs(name) else file_of(name, folder)
                for name in (several(cell, folder) if column == "mask" else [cell])
            )
            if cell
            else ""
            for cell in table[column]
        ]
        table[column] = pd.Series(files, dtype=object)
    return table


def _read_csv(content: bytes) -> pd.DataFrame:
    """Read CSV as a spreadsheet or `to_cell` writes it, all cells as text."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        content = content.decode("utf-16").encode()
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise DataError(f"line {line} is not UTF-8 but of a code page of Windows{_CODE_PAGE}") from error
    if b"\0" in content:
        raise DataError(f"it holds NUL characters, as UTF-16 without a mark does{_CODE_PAGE}")
    header = content.partition(b"\n")[0].decode()
    separator = max(_SEPARATORS, key=header.count)
    _check_size(1 + content.count(b"\n"), 1 + header.count(separator))
    table = pd.read_csv(io.BytesIO(content), sep=separator, dtype=str, keep_default_na=False)
    if not isinstance(table.index, pd.RangeIndex):
        raise DataError("its rows have more cells than its first line has names; correct that line")
    if b"'" in content:
        for column in table.columns:
            table[column] = [from_cell(text) for text in table[column]]
    return table


def _read_parquet(content: bytes) -> pd.DataFrame:
    """Read Parquet, without the index and the types that pandas notes in it."""
    with needs_extra():
        import pyarrow
        import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(content))
    _check_size(file.metadata.num_rows, file.metadata.num_columns)
    table: pd.DataFrame = file.read().to_pandas(ignore_metadata=True, integer_object_nulls=True)
    return table[[name for name in table.columns if not str(name).startswith("__index_level_")]]


def _check_size(rows: int, columns: int) -> None:
    """Refuse a table that the memory may not hold, or that would take minutes to read."""
    for number, noun, most in (
        (rows, "rows", MOST_ROWS),
        (columns, "columns", MOST_COLUMNS),
        (rows * columns, "cells", MOST_CELLS),
    ):
        if number > most:
            raise DataError(f"it has {number:,} {noun}; at most {most:,} are read")


def _with_known_names(table: pd.DataFrame, needed: Sequence[str] = ("path", "label")) -> pd.DataFrame:
    """Give the columns that have a meaning their names, whatever their capitals and blanks."""
    tidy = {name: str(name).strip().lower() for name in table.columns}
    table = table.rename(
        columns={name: known for name, known in tidy.items() if known in COLUMNS and known not in tidy}
    )
    for name in COLUMNS:
        if int((table.columns == name).sum()) > 1:
            raise DataError(f"the table of samples has several columns {name!r}; keep one")
    for name in needed:
        if name not in table:
            there = quoted(list(table.columns))[1:-1]
            raise DataError(f"the table of samples has no column {name!r}, only {there}; add it")
    return table


def _texts(values: pd.Series[Any], column: str) -> pd.Series[str]:
    """Return the values of a column as text, a missing one as an empty text."""
    values = values.astype(object)
    values = values.where(values.notna(), "")
    truth = column in ("group", "class", "product")
    texts = values.tolist()
    if pd.api.types.infer_dtype(values) != "string":
        texts = [_text(value, truth=truth) for value in texts]
    if None in texts:
        row = texts.index(None)
        raise DataError(
            f"column {column!r} of the table of samples holds {quoted(values[row])} in row {row + 1}; "
            "it takes text"
        )
    if column in FILES:
        return pd.Series(texts, dtype=object)
    return pd.Series(list(map(escaped, texts)), dtype=str)


def _text(value: Any, *, truth: bool) -> str | None:
    """Return one value as text; None for one that is no text, as truth values are not everywhere."""
    if isinstance(value, float | np.floating):
        return str(int(value)) if float(value).is_integer() else str(value)
    if isinstance(value, bool | np.bool_) and not truth:
        return None
    if isinstance(value, bytes | list | tuple | set | dict | np.ndarray):
        return None
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def _mapped(values: pd.Series[str], change: Callable[[str], str]) -> pd.Series[str]:
    """Change each different value of a column once."""
    return values.map({value: change(value) for value in values.unique()}).astype(str)


def _label(text: str) -> str:
    """Return the label that a word stands for; the word itself if it stands for none."""
    word = text.strip().lower()
    return "good" if word in GOOD_WORDS else "defect" if word in BAD_WORDS else text


def _check_values(table: pd.DataFrame, column: str, allowed: tuple[str, ...]) -> None:
    """Refuse values of a column that are not allowed."""
    unknown = sorted(set(table[column]) - set(allowed))
    if unknown:
        raise DataError(
            f"column {column!r} of the table of samples holds {', '.join(map(quoted, unknown[:5]))}; "
            f"only {' and '.join(map(repr, allowed))} are allowed"
        )


def _check_rows(table: pd.DataFrame) -> None:
    """Refuse images that are listed twice, labels that contradict the defect type, and names with NUL."""
    good = table["label"] == "good"
    for wrong, message in (
        (
            table["path"].duplicated(),
            "the table of samples names {} image(s) more than once, such as {}; keep one row for each",
        ),
        (
            good & (table["defect"] != ""),
            "{1} is labelled good but has a defect type; correct one of the two",
        ),
        (~good & (table["defect"] == "good"), "{1} is labelled defect but its type is 'good'; correct one"),
        (
            pd.Series(["\0" in path + mask for path, mask in zip(table["path"], table["mask"], strict=True)]),
            "the path or mask {1} holds a NUL character, as no file name does; correct it",
        ),
    ):
        if wrong.any():
            raise DataError(message.format(int(wrong.sum()), quoted(table["path"][wrong].iloc[0])))
