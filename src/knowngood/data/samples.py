"""The table of samples: one row per image, with its split, label, defect type and mask."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.decoding import Source, decode
from knowngood.data.layouts import recognise
from knowngood.data.tables import TABLE_SUFFIXES, check_samples, read_table
from knowngood.data.threads import in_threads
from knowngood.errors import DataError
from knowngood.inputs import LARGEST_IMAGE, open_file
from knowngood.types import Progress, silent


class Selection(NamedTuple):
    """The images to fit on; see `knowngood.data.imageset.ImageSet` for the fields."""

    sources: list[Source]
    classes: list[str] | None = None
    groups: list[Any] | None = None
    masks: list[str] | None = None


def load_samples(data: str | Path | pd.DataFrame) -> pd.DataFrame:
    """List the samples of a folder or a table.

    Args:
        data: A folder in a known layout (see `knowngood.data.layouts`), a CSV or Parquet table for
            `check_samples`, whose relative paths start from the table's folder, or the table itself.

    Raises:
        DataError: The path does not exist, or is neither such a folder nor such a table.
    """
    if isinstance(data, pd.DataFrame):
        return check_samples(data)
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
    return read_table(path)


def good_train(table: pd.DataFrame) -> pd.DataFrame:
    """Select the good images of the train split; a DataError if there are fewer than two.

    Example:
        >>> table = pd.DataFrame({"path": list("abc"), "label": "good", "split": ["train", "test", "train"]})
        >>> good_train(table)["path"].tolist()
        ['a', 'c']
    """
    good = table[(table["split"] == "train") & (table["label"] == "good")]
    _check_enough(len(good))
    return good


def good_sources(
    data: str | Path | pd.DataFrame | Sequence[Source] | NDArray[Any], classes: Sequence[Any] | None = None
) -> Selection:
    """List the good images to fit on.

    Args:
        data: Input of `load_samples`, for the good images of its train split; or good images alone, as a
            sequence of files and arrays (see `knowngood.data.images.read_image`) or one array (N, H, W) or
            (N, H, W, 3) of uint8 or uint16.
        classes: The class of each image, where images are given alone.

    Raises:
        DataError: The folder or table cannot be used, there are fewer than two good images, one of them is no
            file or image array, or a file is named twice; or there is not one class per image.

    Example:
        >>> good = good_sources(np.zeros((2, 28, 28), np.uint8), classes=[3, 8])
        >>> len(good.sources), good.groups, good.classes
        (2, None, ['3', '8'])
    """
    if isinstance(data, str | Path | pd.DataFrame):
        if classes is not None:
            raise DataError("classes go with images given alone; a table has them in a column 'class'")
        good = good_train(load_samples(data))
        columns = (good[name].tolist() if name in good else None for name in ("class", "group"))
        return Selection(good["path"].tolist(), *columns)
    # Three or four columns are no image: such an array is one image in colour.
    if isinstance(data, np.ndarray) and not (data.ndim == 4 or (data.ndim == 3 and data.shape[2] > 4)):
        raise DataError(
            f"an array of shape {data.shape} came; "
            "expected good images as (N, H, W) or (N, H, W, 3), or a list of them"
        )
    sources: list[Source] = [_checked_source(source, position) for position, source in enumerate(data)]
    named = Counter(source for source in sources if isinstance(source, str))
    twice = [path for path, times in named.items() if times > 1]
    if twice:
        raise DataError(
            f"{len(twice)} good image(s) are named more than once, such as {twice[0]!r}; name each once"
        )
    _check_enough(len(sources))
    if classes is None:
        return Selection(sources)
    if len(classes) != len(sources):
        raise DataError(f"{len(classes)} classes came for {len(sources)} good images; give one for each")
    return Selection(sources, classes=pd.Series(classes, dtype=object).fillna("").astype(str).tolist())


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
    digests: list[str] = []
    for digest in in_threads(_digest, sources):
        digests.append(digest)
        progress("identifying images", len(digests), len(sources))
    return digests


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
            with open_file(source, LARGEST_IMAGE) as file:
                sha = hashlib.file_digest(file, "sha256")
        except OSError:
            return ""
    return sha.hexdigest()[:16]


def _checked_source(source: object, position: int) -> str | bytes | NDArray[Any]:
    """Return one of the good images given: a file's name as text, its bytes, or an array that can be one."""
    if isinstance(source, str | bytes):
        return source
    if isinstance(source, Path):
        return str(source)
    if not isinstance(source, np.ndarray):
        raise DataError(
            f"good image [{position}] is of type {type(source).__name__}; "
            "give a path, the bytes of a file, or an array"
        )
    try:
        decode(source)
    except DataError as error:
        raise DataError(f"good image [{position}]: {error}") from error
    return source


def _check_enough(number: int) -> None:
    """Refuse too few good images: one to fit on and one to hold out are needed."""
    if number == 0:
        raise DataError("there are no good images to train on; an inspector is fitted on good parts alone")
    if number == 1:
        raise DataError("one good image is too few to train on; at least 2 are needed, better some dozens")


def _suggestion(path: Path) -> str:
    """Suggest names like a missing one from the folder where it would be."""
    missing = next(part for part in [path, *path.parents] if part.parent.exists())
    if not missing.parent.is_dir():
        return f"; {str(missing.parent)!r} is a file"
    near = get_close_matches(missing.name, [child.name for child in missing.parent.iterdir()], n=3)
    return f"; did you mean {' or '.join(repr(str(missing.parent / name)) for name in near)}?" if near else ""
