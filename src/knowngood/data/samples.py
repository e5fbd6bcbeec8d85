"""The table of samples: one row per image, with its split, label, defect type and mask."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd

from knowngood.data.decoding import THREADS, Source
from knowngood.data.layouts import recognise
from knowngood.data.splits import assign_split
from knowngood.errors import DataError
from knowngood.extras import needs_extra

SPLITS = ("train", "test")
LABELS = ("good", "defect")
TABLE_SUFFIXES = (".csv", ".parquet")


def load_samples(data: str | os.PathLike[str] | pd.DataFrame) -> pd.DataFrame:
    """List the samples of a folder or a table.

    Args:
        data: A folder in a known layout (see `knowngood.data.layouts`), a CSV or Parquet table for
            `check_samples`, whose relative paths start from the table's folder, or the table itself.

    Raises:
        DataError: The path does not exist, or is neither such a folder nor such a table.
    """
    if isinstance(data, pd.DataFrame):
        return check_samples(data)
    if not isinstance(data, str | os.PathLike):
        raise DataError(
            f"a {type(data).__name__} came; name a folder of images or a table, or give the table itself"
        )
    path = Path(data)
    try:
        if path.is_dir():
            return recognise(path)[1]
        if not path.exists():
            raise DataError(f"{str(path)!r} does not exist{_suggestion(path)}", path=path)
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be reached: {error.strerror}", path=path) from error
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise DataError(
            f"{str(path)!r} is a file; name a folder of images, or a .csv or .parquet table", path=path
        )
    return _read_table(path)


def check_samples(table: pd.DataFrame) -> pd.DataFrame:
    """Check a table of samples and fill in what may be left out.

    Args:
        table: One row per image, with the columns ``path``, ``label`` (``good`` or ``defect``) and maybe
            ``split`` (``train`` or ``test``; made by `knowngood.data.splits.assign_split` where the column is
            missing), ``defect`` (the defect type), ``mask`` (a file), ``group`` (the same part photographed
            twice has the same value; blank for a part by itself), ``class`` (the class of a good image, for
            detectors that tell classes apart) and others, which are kept.

    Returns:
        A copy with ``path``, ``split``, ``label``, ``defect`` and ``mask`` as text; a defect type or mask
        that is not known is empty, and so is the defect type of a good image.

    Raises:
        DataError: A column is missing, a value is not allowed, or an image is listed twice.

    Example:
        >>> table = check_samples(pd.DataFrame({"path": ["a.png"], "split": ["train"], "label": ["good"]}))
        >>> table.iloc[0].tolist()
        ['a.png', 'train', 'good', '', '']
    """
    for column in ("path", "label"):
        if column not in table:
            raise DataError(
                f"the table of samples has no column {column!r}, only "
                f"{', '.join(map(repr, table.columns))}; add it"
            )
    table = table.reset_index(drop=True)
    for column in ("path", "split", "label", "defect", "mask", "class"):
        if column in table:
            table[column] = table[column].fillna("").astype(str)
        elif column in ("defect", "mask"):
            table[column] = ""
    if (table["path"] == "").any():
        raise DataError(f"the table of samples has no path in row {1 + int((table['path'] == '').argmax())}")
    if "group" in table:
        groups = table["group"].fillna("").astype(str)
        table["group"] = groups.where(groups != "", table["path"])
    _check_values(table, "label", LABELS)
    if "split" in table:
        _check_values(table, "split", SPLITS)
    else:
        table = assign_split(table)
    _check_rows(table)
    columns = ["path", "split", "label", "defect", "mask"]
    return table[columns + [column for column in table.columns if column not in columns]]


def fingerprint(sources: Sequence[Source]) -> list[str]:
    """Identify each image by its content, a file by its bytes whatever its name and folder.

    Returns:
        The first 16 hexadecimal digits of a SHA-256: of each file's bytes, or of an array's type, shape and
        bytes; empty for a file that cannot be opened.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as empty:
        ...     fingerprint([empty.name])
        ['e3b0c44298fc1c14']
    """
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(_digest, sources))


def _digest(source: Source) -> str:
    """Return the fingerprint of one image."""
    if isinstance(source, np.ndarray):
        # No image file begins like this. The lower byte comes first on every machine.
        sha = hashlib.sha256(f"array {source.dtype.name} {source.shape}\n".encode())
        sha.update(np.ascontiguousarray(source, source.dtype.newbyteorder("<")).data)
    elif isinstance(source, bytes):
        sha = hashlib.sha256(source)
    else:
        try:
            with Path(source).open("rb") as file:
                sha = hashlib.file_digest(file, "sha256")
        except OSError:
            return ""
    return sha.hexdigest()[:16]


def _read_table(path: Path) -> pd.DataFrame:
    """Read a CSV or Parquet table, and let its paths start from its folder."""
    try:
        if path.suffix.lower() == ".csv":
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        else:
            with needs_extra():
                import pyarrow  # noqa: F401 - pandas reads with it, and would not name the extra

            table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"table {str(path)!r} cannot be read: {str(error).splitlines()[0]}", path=path
        ) from error
    try:
        table = check_samples(table)
    except DataError as error:
        raise DataError(f"{str(path)!r}: {error}", path=path) from error
    for column in ("path", "mask"):
        table[column] = [str(path.parent / file) if file else "" for file in table[column]]
    return table


def _check_values(table: pd.DataFrame, column: str, allowed: tuple[str, ...]) -> None:
    """Refuse values of a column that are not allowed."""
    unknown = sorted(set(table[column]) - set(allowed))
    if unknown:
        raise DataError(
            f"column {column!r} of the table of samples holds {', '.join(map(repr, unknown[:5]))}; "
            f"only {' and '.join(map(repr, allowed))} are allowed"
        )


def _check_rows(table: pd.DataFrame) -> None:
    """Refuse images that are listed twice, and labels that contradict the defect type."""
    good = table["label"] == "good"
    for wrong, message in (
        (
            table["path"].duplicated(),
            "the table of samples names {} image(s) more than once, such as {!r}; keep one row for each",
        ),
        (
            good & (table["defect"] != ""),
            "{1!r} is labelled good but has a defect type; correct one of the two",
        ),
        (~good & (table["defect"] == "good"), "{1!r} is labelled defect but its type is 'good'; correct one"),
    ):
        if wrong.any():
            raise DataError(message.format(int(wrong.sum()), table["path"][wrong].iloc[0]))


def _suggestion(path: Path) -> str:
    """Suggest names like a missing one from the folder where it would be."""
    missing = next(part for part in [path, *path.parents] if part.parent.exists())
    if not missing.parent.is_dir():
        return f"; {str(missing.parent)!r} is a file"
    near = get_close_matches(missing.name, [child.name for child in missing.parent.iterdir()], n=3)
    return f"; did you mean {' or '.join(repr(str(missing.parent / name)) for name in near)}?" if near else ""
