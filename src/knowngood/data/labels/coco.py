"""COCO: JSON with images, categories and annotations (cocodataset.org, "Data format")."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from knowngood.data.labels.marks import (
    Labelled,
    Mark,
    box_mark,
    parse_json,
    polygon_mark,
    read_text,
    shape_of,
    split_of,
    table_of,
    text_of,
)
from knowngood.data.labels.places import Places
from knowngood.data.runs import Runs, cell_of, mask_of, pack, unpack
from knowngood.errors import DataError, quoted

PARTS = ("images", "annotations", "categories")


def read_coco(files: Sequence[Path], root: Path) -> pd.DataFrame:
    """Read COCO files of one data set; the split of each is a word of its name, or the folder that it is in.

    An image without annotation is a good one.

    Raises:
        DataError: One cannot be read, or an entry is wrong; it is named by its place.
    """
    places, images = Places(root), list[Labelled]()
    for file in files:
        split = split_of([*re.findall(r"[a-z]+", file.stem.lower()), file.parent.name])
        images += _images(parse_json(read_text(file), repr(str(file))), file, split, places)
    return table_of(images, (), files[0])


def _images(content: Any, file: Path, split: str, places: Places) -> list[Labelled]:
    """Read the images of one file."""
    if not isinstance(content, dict) or not all(isinstance(content.get(part), list) for part in PARTS):
        raise DataError(f"{str(file)!r} lacks one of the lists {', '.join(PARTS)}; it is no COCO file")
    key = ""
    try:
        names, shapes, found = {}, {}, {}
        for number, one in enumerate(content["categories"]):
            key = f"categories[{number}]"
            names[one["id"]] = text_of(one["name"], "name")
        for number, one in enumerate(content["images"]):
            key = f"images[{number}]"
            shapes[one["id"]] = shape_of(one["height"], one["width"])
            found[one["id"]] = places.of(text_of(one["file_name"], "file_name"), file.parent, split)
        marks: defaultdict[Any, list[Mark]] = defaultdict(list)
        for number, one in enumerate(content["annotations"]):
            key = f"annotations[{number}]"
            name, shape = (_known(one, *which) for which in (("category_id", names), ("image_id", shapes)))
            marks[one["image_id"]].append(_mark(one, name, shape))
    except (KeyError, TypeError, ValueError) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{str(file)!r}, {key}: {said}", path=file) from error
    return [Labelled(path, marks.get(number, ()), split) for number, path in found.items()]


def _known(annotation: Mapping[str, Any], key: str, known: Mapping[Any, Any]) -> Any:
    """Return what an annotation refers to."""
    if annotation[key] not in known:
        raise ValueError(f"{key} {quoted(annotation[key])} is not known")
    return known[annotation[key]]


def _mark(annotation: Mapping[str, Any], name: str, shape: tuple[int, int]) -> Mark:
    """Read one annotation: polygons, run lengths, or a box alone."""
    drawn = annotation.get("segmentation")
    if not drawn:
        return box_mark(name, annotation["bbox"], shape)
    if isinstance(drawn, list):
        return polygon_mark(name, drawn, shape)
    return run_length_mark(name, drawn, shape)


def run_length_mark(name: str, drawn: Any, shape: tuple[int, int]) -> Mark:
    """Make the mark of run lengths, compressed or not; a ValueError where they do not fit the image."""
    if list(drawn["size"]) != list(shape):
        raise ValueError(f"its mask has the size {quoted(drawn['size'])}, its image {list(shape)}")
    counts = drawn["counts"]
    lengths = unpack(counts) if isinstance(counts, str) else counts
    mask_of(lengths, *shape)
    return Mark(name, cell_of(Runs(*shape, name, pack(lengths))))
