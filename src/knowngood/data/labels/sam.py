"""Segment Anything: beside each image a JSON file as of SA-1B; see `knowngood.data.exports.sam`.

The class of an annotation is its `category`, which only our files have; others are defects of no known type.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from knowngood.data.labels.coco import run_length_mark
from knowngood.data.labels.marks import Labelled, parse_json, read_text, shape_of, split_of, table_of, text_of
from knowngood.data.labels.places import Places
from knowngood.data.threads import in_threads
from knowngood.errors import DataError


def read_sam(files: Sequence[Path], root: Path) -> pd.DataFrame:
    """Read files, each of one image; one without annotation is that of a good image.

    Raises:
        DataError: One cannot be read, or an annotation is wrong; it is named by its place.
    """
    places = Places(root)
    return table_of(list(in_threads(lambda file: _read(file, root, places), files)), (), root)


def _read(file: Path, root: Path, places: Places) -> Labelled:
    """Read the file of one image."""
    content: Any = parse_json(read_text(file), repr(str(file)))
    key = "image"
    try:
        image = content["image"]
        path = places.of(text_of(image["file_name"], "file_name"), file.parent)
        shape, marks = shape_of(image["height"], image["width"]), []
        for number, one in enumerate(content["annotations"]):
            key = f"annotations[{number}]"
            name = text_of(one.get("category", "defect"), "category")
            marks.append(run_length_mark(name, one["segmentation"], shape))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{str(file)!r}, {key}: {said}", path=file) from error
    return Labelled(path, marks, split_of(file.relative_to(root).parts))
