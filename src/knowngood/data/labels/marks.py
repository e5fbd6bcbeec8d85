"""What label files have in common: marks on images, checked, and rows of a table of samples."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from knowngood.data.masks import SEPARATOR
from knowngood.data.meanings import BAD_WORDS, SPLIT_OF, meaning
from knowngood.data.outlines import packed_polygons
from knowngood.data.regions import BOXES, box_cell, check_box
from knowngood.data.runs import MOST_PIXELS, Runs, cell_of
from knowngood.errors import DataError, quoted
from knowngood.inputs import read_file

LARGEST_LABELS = 1 << 30
"""Bytes of a label file; a million outlines take about half of it."""

MOST_MISSING = 0.5
"""The share of images that may be missing: with more, the label file is of another folder."""

Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels."""


class Mark(NamedTuple):
    """A place that a label file marks, or only the class of the image."""

    name: str
    mask: str = ""  # as in the column `mask`
    box: Box | None = None


class Labelled(NamedTuple):
    """An image that a label file knows."""

    image: str  # its file
    marks: Sequence[Mark]  # none on a good part
    split: str = ""


def table_of(images: Sequence[Labelled], notes: Iterable[str], file: Path) -> pd.DataFrame:
    """Make a table for `knowngood.data.tables.check_samples`; images that are not there are left out.

    An image is a defect if anything is marked on it that is not named as good. The type of a defect with
    several classes is their names with ` + ` between.

    Raises:
        DataError: No image is there, or most are not.
    """
    there = [one for one in images if os.path.lexists(one.image)]
    missing = len(images) - len(there)
    notes = list(notes)
    if missing:
        first = next(one.image for one in images if not os.path.lexists(one.image))
        if missing > MOST_MISSING * len(images):
            raise DataError(
                f"{str(file)!r}: {missing} of its {len(images)} images are not there, such as {first!r}; put "
                "them beside it"
            )
        notes.append(f"{missing} images of {str(file)!r} are not there, such as {first!r}")
    if not there:
        raise DataError(f"{str(file)!r} labels no image; name another file")
    rows = [_row(one) for one in there]
    table = pd.DataFrame(rows, columns=["path", "label", "defect", "mask", BOXES, "split"], dtype=object)
    if not table["split"].any():
        table = table.drop(columns="split")
    else:
        table["split"] = table["split"].replace("", "train")
    if not table[BOXES].any():
        table = table.drop(columns=BOXES)
    table.attrs["notes"] = tuple(notes)
    return table


def _row(image: Labelled) -> tuple[str, str, str, str, str, str]:
    """Make the row of an image."""
    marks = [mark for mark in image.marks if meaning(mark.name) != "good"]
    names = list(dict.fromkeys(mark.name for mark in marks))
    defect = " + ".join(names)
    return (
        image.image,
        "defect" if marks else "good",
        "" if defect.lower() in BAD_WORDS else defect,
        SEPARATOR.join(mark.mask for mark in marks if mark.mask),
        SEPARATOR.join(box_cell(mark.box, mark.name) for mark in marks if mark.box and not mark.mask),
        image.split,
    )


def polygon_mark(name: str, loops: Sequence[Any], shape: tuple[int, int]) -> Mark:
    """Make the mark of polygons, each x, y, x, y and so on in pixels; a ValueError where one has no area."""
    corners = [np.array(numbers(loop), np.float64) for loop in loops]
    for loop in corners:
        if len(loop) < 6 or len(loop) % 2:
            raise ValueError(f"a polygon has {len(loop)} numbers; it takes x and y of three corners or more")
        check_within(loop.reshape(-1, 2), shape)
    packed = packed_polygons([loop.reshape(-1, 2) for loop in corners], *shape)
    return Mark(name, cell_of(Runs(*shape, name, packed)))


def box_mark(name: str, values: Any, shape: tuple[int, int]) -> Mark:
    """Make the mark of a box, left, top, width and height in pixels; a ValueError where it is no such box."""
    box = numbers(values)
    if len(box) != 4:
        raise ValueError(f"a box has {len(box)} numbers; it takes four")
    check_box(tuple(box), shape)
    return Mark(name, box=(box[0], box[1], box[2], box[3]))


def check_within(corners: np.ndarray, shape: tuple[int, int]) -> None:
    """Raise a ValueError for corners (N, 2) outside an image of a height and width."""
    slack = 1e-3 * max(shape) + 1
    height, width = shape
    if (corners < -slack).any() or (corners > np.array([width, height]) + slack).any():
        raise ValueError(f"a corner is outside the image of {width} x {height} pixels")


def numbers(values: Any) -> list[float]:
    """Return a list of finite numbers; a ValueError for anything else."""
    if not isinstance(values, list | tuple):
        raise ValueError(f"{quoted(values)} came for a list of numbers")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{quoted(value)} came for a number")
    return [float(value) for value in values]


def split_of(words: Iterable[str]) -> str:
    """Return the split that one of some words names, the first that does.

    Example:
        >>> split_of(["instances", "val"]), split_of(["labels"])
        ('train', '')
    """
    return next((SPLIT_OF[word.lower()] for word in words if word.lower() in SPLIT_OF), "")


def read_text(path: Path, most: int = LARGEST_LABELS) -> str:
    """Read a label file.

    Raises:
        DataError: It cannot be read, or is not UTF-8.
    """
    try:
        return read_file(path, most).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror or error}", path=path) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{str(path)!r} is not UTF-8: {error.reason}", path=path) from error


def parse_json(text: str, where: str) -> Any:
    """Parse JSON, where NaN and infinity are no numbers; a DataError names where it breaks off."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}, line {error.lineno}: it is no JSON: {error.msg}") from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"{where} is no JSON that can be read: {error}") from error


def _no_constant(name: str) -> float:
    """Refuse what Python reads and JSON has not."""
    raise ValueError(f"it holds {name}, which is no number")


def shape_of(height: Any, width: Any) -> tuple[int, int]:
    """Return the height and width of an image; a ValueError for what is no such number of pixels."""
    for value in (height, width):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= MOST_PIXELS:
            raise ValueError(f"{quoted(value)} came for a height or width in pixels")
    if height * width > MOST_PIXELS or height % 1 or width % 1:
        raise ValueError(f"{height} x {width} pixels are no image")
    return int(height), int(width)


def text_of(value: Any, what: str) -> str:
    """Return a text that is not empty; a ValueError for anything else."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{what} is {quoted(value)}; it takes a text")
    return value


def unread_shapes(shapes: Counter[str]) -> list[str]:
    """Say which shapes mark no area, in a list of one sentence or none."""
    if not shapes:
        return []
    tally = ", ".join(f"{name} ({count})" for name, count in sorted(shapes.items()))
    return [f"shapes without an area make an image a defect, and mark nothing on it: {tally}"]
