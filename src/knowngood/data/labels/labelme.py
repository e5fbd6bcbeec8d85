"""LabelMe: a JSON file beside each image, with shapes.

A file without shapes is that of a good image. An image without a file is not labelled and is left out, unless
its folder is named as one of good parts.
"""

from __future__ import annotations

import base64
import io
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from knowngood.data.images import image_size
from knowngood.data.labels.marks import (
    Labelled,
    Mark,
    box_mark,
    numbers,
    parse_json,
    polygon_mark,
    read_text,
    shape_of,
    split_of,
    table_of,
    text_of,
    unread_shapes,
)
from knowngood.data.labels.places import Places
from knowngood.data.meanings import meaning
from knowngood.data.runs import runs_cell
from knowngood.data.threads import in_threads
from knowngood.errors import DataError

_ROUND = 64  # corners of a circle


def read_labelme(files: Sequence[Path], images: Sequence[Path], root: Path) -> pd.DataFrame:
    """Read LabelMe files, each of one image, and the other images of their folder.

    Raises:
        DataError: One cannot be read, or a shape is wrong; it is named by its place.
    """
    places, unread = Places(root), Counter[str]()
    found = list(in_threads(lambda file: _read(file, root, places, unread), files))
    seen = {Path(one.image) for one in found}
    others = [image for image in images if image not in seen]
    good = [image for image in others if any(meaning(part) == "good" for part in _below(image, root))]
    found += [Labelled(str(image), (), split_of(_below(image, root))) for image in good]
    notes = unread_shapes(unread)
    if len(good) < len(others):
        first = next(image for image in others if image not in set(good))
        notes.append(
            f"{len(others) - len(good)} images have no LabelMe file and are left out, such as "
            f"{str(first)!r}; that of a good image has no shapes"
        )
    return table_of(found, notes, root)


def _read(file: Path, root: Path, places: Places, unread: Counter[str]) -> Labelled:
    """Read the file of one image."""
    content = parse_json(read_text(file), repr(str(file)))
    key = "imagePath"
    try:
        image = places.of(text_of(content["imagePath"], key), file.parent)
        key = "imageHeight, imageWidth"
        given = content.get("imageHeight"), content.get("imageWidth")
        shape = shape_of(*given) if all(given) else image_size(image)
        marks = []
        for number, one in enumerate(content["shapes"]):
            key = f"shapes[{number}]"
            marks.append(_mark(one, text_of(one["label"], "label"), shape, unread))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{str(file)!r}, {key}: {said}", path=file) from error
    return Labelled(image, marks, split_of(_below(file, root)))


def _mark(shape: Any, name: str, size: tuple[int, int], unread: Counter[str]) -> Mark:
    """Read one shape."""
    points = [numbers(point) for point in shape["points"]]
    if any(len(point) != 2 for point in points):
        raise ValueError("a point takes x and y")
    match shape.get("shape_type", "polygon"):
        case "polygon":
            return polygon_mark(name, [[number for point in points for number in point]], size)
        case "rectangle":
            (x, y), (u, v) = points
            return box_mark(name, [min(x, u), min(y, v), abs(x - u), abs(y - v)], size)
        case "circle":
            (x, y), edge = points
            radius = math.dist((x, y), edge)
            turns = np.arange(_ROUND) * 2 * np.pi / _ROUND
            corners = np.stack([x + radius * np.cos(turns), y + radius * np.sin(turns)], axis=1)
            return polygon_mark(name, [np.clip(corners, 0, size[::-1]).ravel().tolist()], size)
        case "mask":
            return Mark(name, runs_cell(_pasted(shape["mask"], points, size), name))
        case other:
            unread[str(other)] += 1
            return Mark(name)


def _pasted(mask: str, points: list[list[float]], size: tuple[int, int]) -> np.ndarray:
    """Return the mask (H, W) of a PNG in base 64 that covers the pixels between two corners."""
    try:
        drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(mask, validate=True)), formats=["PNG"]))
    except (Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise ValueError(f"its mask is no PNG in base 64: {error}") from error
    drawn = drawn if drawn.ndim == 2 else drawn[..., :3].max(axis=-1)
    left, top = (int(number) for number in points[0])
    marked = np.zeros(size, np.bool_)
    if left < 0 or top < 0 or top + drawn.shape[0] > size[0] or left + drawn.shape[1] > size[1]:
        raise ValueError("its mask is outside the image")
    marked[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn != 0
    return marked


def _below(file: Path, root: Path) -> tuple[str, ...]:
    """Return the folders of a file below the folder of all."""
    return file.relative_to(root).parts[:-1]
