"""The table of samples: one row per image, with its split, label, defect type and mask."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from knowngood.cells import spelt
from knowngood.data.arguments import Images
from knowngood.data.decoding import Source
from knowngood.data.files import suggestion
from knowngood.data.held import Labels, Masks, held_samples
from knowngood.data.labels.recognise import SUFFIXES, read_labels
from knowngood.data.layouts import NOTES, recognise
from knowngood.data.looks import doubts, looks_below
from knowngood.data.patterns import Patterns
from knowngood.data.tables import check_samples, read_table
from knowngood.data.threads import in_threads
from knowngood.errors import DataError
from knowngood.inputs import LARGEST_IMAGE, TABLE_SUFFIXES, open_file
from knowngood.types import Progress, silent

DATA, DATA_PATH = "data", "data path"
"""Attributes of a table: the name of the folder or file that it was made from, and its path as given."""

LOOKED_AT = 5000  # good images of a table whose pixels are looked at, if they may be masks


Samples = str | os.PathLike[str] | pd.DataFrame | Images
"""Images and what is known of them: the path of a folder or a table, a table, or images beside labels."""


def load_samples(
    data: Samples,
    patterns: Patterns | None = None,
    *,
    labels: Labels | None = None,
    masks: Masks | None = None,
) -> pd.DataFrame:
    """List the samples of a folder or a table, or images of a program with their labels.

    Args:
        data: A folder in a known layout (see `knowngood.data.layouts`) or with label files of another tool
            (see `knowngood.data.labels`), a label file, a CSV or Parquet table for `check_samples`, whose
            relative paths start from the table's folder, or the table itself. Or images, in any form of
            `knowngood.data.arguments.Images`; an array (N, H, W) is a batch.
        patterns: Which files of a folder are good, defects, masks, or to be ignored, where their folders do
            not say so.
        labels: The label of each image, where images are given: `good`, `defect` or a type of defect, or 0
            for good parts and 1 for defects.
        masks: The mask of each image, where images are given: a file, an array (H, W) that is not 0 on a
            defect, or None.

    Returns:
        A table as of `check_samples`. Its attribute `attrs["notes"]` has sentences on what was left out of a
        folder, and on what may have been misunderstood.

    Raises:
        DataError: The path does not exist, or is neither such a folder nor such a table; patterns come with a
            table, or labels with what has its own.

    Example::

        load_samples("tiles/", knowngood.Patterns(good="*/MT_Free/*"))
        load_samples(photographs, labels=["good", "good", "scratch"])
    """
    if not isinstance(data, str | os.PathLike | pd.DataFrame):
        _check_unneeded(patterns)
        if labels is None:
            raise DataError(
                f"a {type(data).__name__} came without labels; name a folder of images or a table, give the "
                "table itself, or images with labels=..., one for each"
            )
        return check_samples(held_samples(data, labels, masks))
    if labels is not None or masks is not None:
        raise DataError("labels and masks go with images given alone; a folder or a table has its own")
    if isinstance(data, pd.DataFrame):
        _check_unneeded(patterns)
        return check_samples(data)
    path = Path(data)
    try:
        if path.is_dir():
            return named_after(recognise(path, patterns).table, path)
        if not path.exists():
            raise DataError(f"{str(path)!r} does not exist{suggestion(path)}", path=path)
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be reached: {error.strerror}", path=path) from error
    _check_unneeded(patterns)
    if (labelled := read_labels(path)) is not None:
        return named_after(check_samples(labelled), path)
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise DataError(
            f"{str(path)!r} is a file; name a folder of images, a .csv or .parquet table, or a label file "
            f"({', '.join(SUFFIXES)})",
            path=path,
        )
    table = read_table(path)
    table.attrs[NOTES] = (*table.attrs.get(NOTES, ()), *_doubtful(table["path"][table["label"] == "good"]))
    return named_after(table, path)


def data_name(table: pd.DataFrame) -> str:
    """Return the name of the folder or file from which `load_samples` made a table; empty for any other.

    Example:
        >>> data_name(load_samples(pd.DataFrame({"path": ["a.png"], "label": ["good"]})))
        ''
    """
    return str(table.attrs.get(DATA, ""))


def data_path(table: pd.DataFrame) -> str:
    """Return the folder or file from which `load_samples` made a table, as it was given; empty for any other.

    Example:
        >>> data_path(load_samples(pd.DataFrame({"path": ["a.png"], "label": ["good"]})))
        ''
    """
    return str(table.attrs.get(DATA_PATH, ""))


def fingerprint(sources: Sequence[Source], *, progress: Progress = silent) -> list[str]:
    """Identify each image by its content, a file by its bytes whatever its name and folder.

    Args:
        sources: Files and arrays.
        progress: Called during long work.

    Returns:
        The first 16 hexadecimal digits of a SHA-256: of each file's bytes, or of an array's type, shape and
        bytes; empty for a file that cannot be opened.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as empty:
        ...     fingerprint([empty.name])
        ['e3b0c44298fc1c14']
    """
    return [digest[:16] for digest in sha256_of(sources, progress=progress)]


def sha256_of(sources: Sequence[Source], *, progress: Progress = silent) -> list[str]:
    """Return the SHA-256 of each image in full; see `fingerprint`.

    Example:
        >>> sha256_of([b""])[0][:16]
        'e3b0c44298fc1c14'
    """
    digests: list[str] = []
    for digest in in_threads(_digest, sources):
        digests.append(digest)
        progress("identifying images", len(digests), len(sources))
    return digests


def _digest(source: Source) -> str:
    """Return the SHA-256 of one image, hexadecimal; empty for a file that cannot be opened."""
    if isinstance(source, np.ndarray):
        # No image file begins like this. The lower byte comes first on every machine.
        sha = hashlib.sha256(f"array {source.dtype.name} {source.shape}\n".encode())
        sha.update(np.ascontiguousarray(source, source.dtype.newbyteorder("<")).data)
    elif isinstance(source, bytes):
        sha = hashlib.sha256(source)
    else:
        try:
            with open_file(source, LARGEST_IMAGE) as file:
                sha = hashlib.file_digest(file, "sha256")
        except OSError:
            return ""
    return sha.hexdigest()


def named_after(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Note in a table from which folder or file it was made."""
    table.attrs |= {DATA: spelt(path.absolute().name), DATA_PATH: spelt(str(path))}
    return table


def _check_unneeded(patterns: Patterns | None) -> None:
    """Refuse patterns beside a table."""
    if patterns:
        raise DataError("patterns are for the files of a folder; a table says itself what its images are")


def _doubtful(good: pd.Series[str]) -> list[str]:
    """Say which good images of a table look like no photograph; of very many only some are looked at."""
    files = [PurePosixPath(path) for path in good[:: max(1, math.ceil(len(good) / LOOKED_AT))]]
    return doubts(files, looks_below(Path()))
