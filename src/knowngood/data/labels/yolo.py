"""YOLO: `data.yaml`, and beside each image a text file with a line for each box or outline.

An empty file is that of a good image; an image without a file is not labelled, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from knowngood.data.files import search
from knowngood.data.images import image_size
from knowngood.data.labels.marks import (
    Labelled,
    Mark,
    box_mark,
    check_within,
    polygon_mark,
    read_text,
    table_of,
)
from knowngood.data.meanings import SPLIT_OF
from knowngood.data.threads import in_threads
from knowngood.errors import DataError, KnowngoodError, quoted
from knowngood.extras import needs_extra
from knowngood.inputs import LARGEST_RECIPE

LARGEST = 1 << 26
"""Bytes of the labels of an image."""

_LINES = "a line takes the number of a class, and x, y, width and height of a box or x and y of each corner"


def read_yolo(file: Path) -> pd.DataFrame:
    """Read the data set that a `data.yaml` describes.

    Raises:
        DataError: It cannot be read, or a label is wrong; it is named by file and line.
    """
    about = _about(file)
    names = _names(about.get("names"), file)
    listed = [(path, split) for split, folder in _folders(about, file) for path in _images(folder)]
    images = list(dict.fromkeys(listed))

    def read(one: tuple[Path, str]) -> Labelled | None:
        path, split = one
        labels = _labels_of(path)
        return Labelled(str(path), list(_marks(labels, path, names)), split) if labels.is_file() else None

    found = list(in_threads(read, images))
    known = [one for one in found if one is not None]
    notes = []
    if len(known) < len(found):
        first = next(path for (path, _), one in zip(images, found, strict=True) if one is None)
        notes = [
            f"{len(found) - len(known)} images have no file of labels and are left out, such as "
            f"{str(first)!r}; that of a good image is empty"
        ]
    return table_of(known, notes, file)


def _about(file: Path) -> Mapping[str, Any]:
    """Read the description of the data set."""
    with needs_extra():
        import yaml
    try:
        about = yaml.safe_load(read_text(file, LARGEST_RECIPE))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise DataError(f"{str(file)!r}{line}: it is no YAML", path=file) from error
    if not isinstance(about, dict):
        raise DataError(f"{str(file)!r} has no lines such as 'train: images/train'", path=file)
    return about


def _names(named: Any, file: Path) -> dict[int, str]:
    """Return the class of each number."""
    pairs = named.items() if isinstance(named, dict) else enumerate(named if isinstance(named, list) else ())
    names = {number: str(name) for number, name in pairs if isinstance(number, int)}
    if not isinstance(named, dict | list) or not all(names.values()):
        raise DataError(f"{str(file)!r}: 'names' must list the name of each class", path=file)
    return names


def _folders(about: Mapping[str, Any], file: Path) -> Iterator[tuple[str, Path]]:
    """Yield the folders, or lists of images, with the split of each."""
    given = about.get("path")
    roots = [file.parent / given, file.parent] if isinstance(given, str) else [file.parent]
    for key in [key for key in about if str(key).lower() in SPLIT_OF]:
        several = about[key] if isinstance(about[key], list) else [about[key]]
        for name in (one for one in several if one):
            if not isinstance(name, str) or "\0" in name:
                raise DataError(f"{str(file)!r}, {key}: {quoted(name)} is no folder", path=file)
            inside = name
            while inside.startswith("../"):  # of the folder from which another tool was run
                inside = inside.removeprefix("../")
            tried = [root / one for root in roots for one in (name, inside)]
            found = next((path for path in tried if path.exists()), None)
            if found is None:
                raise DataError(f"{str(file)!r}, {key}: {str(tried[0])!r} is not there", path=file)
            yield SPLIT_OF[str(key).lower()], found


def _images(place: Path) -> list[Path]:
    """List the images of a folder, or of a text file that names one a line."""
    if place.is_dir():
        return search(place).images
    lines = filter(None, map(str.strip, read_text(place).splitlines()))
    return [place.parent / line for line in lines]


def _labels_of(image: Path) -> Path:
    """Return the file of labels of an image: in `labels` in place of the last `images`, or beside it."""
    parts = list(image.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _marks(labels: Path, image: Path, names: Mapping[int, str]) -> Iterator[Mark]:
    """Read the labels of an image."""
    lines = [(n, line.split()) for n, line in enumerate(read_text(labels, LARGEST).splitlines(), start=1)]
    lines = [(number, cells) for number, cells in lines if cells]
    shape = image_size(image) if lines else (0, 0)
    for number, (first, *cells) in lines:
        try:
            if not first.isdecimal() or int(first) not in names:
                raise ValueError(f"the class {quoted(first)} is not known")
            yield _mark(names[int(first)], [float(cell) for cell in cells], shape)
        except KnowngoodError:
            raise
        except ValueError as error:
            raise DataError(f"{str(labels)!r}, line {number}: {error}; {_LINES}", path=labels) from error


def _mark(name: str, shares: list[float], shape: tuple[int, int]) -> Mark:
    """Make the mark of one line, whose numbers are shares of the width and height of the image."""
    height, width = shape
    if len(shares) == 4:
        x, y, wide, high = shares
        box = [(x - wide / 2) * width, (y - high / 2) * height, wide * width, high * height]
        return box_mark(name, [round(number, 3) for number in box], shape)
    if len(shares) < 6 or len(shares) % 2:
        raise ValueError(f"it has {len(shares)} numbers")
    corners = np.reshape(shares, (-1, 2)) * (width, height)
    check_within(corners, shape)
    return polygon_mark(name, [corners.ravel().tolist()], shape)
