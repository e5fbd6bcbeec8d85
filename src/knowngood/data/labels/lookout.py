"""Amazon Lookout for Vision: a manifest of JSON lines, with addresses of images and of masks in colours.

The end of an address, such as `bucket/train/a.png` or only `a.png`, is looked for below its folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from knowngood.data.images import read_image
from knowngood.data.labels.marks import Labelled, Mark, parse_json, read_text, split_of, table_of, text_of
from knowngood.data.labels.places import Places
from knowngood.data.meanings import meaning
from knowngood.data.runs import runs_cell
from knowngood.errors import DataError, KnowngoodError, quoted

IMAGE, LABEL, MASK = "source-ref", "anomaly-label", "anomaly-mask-ref"
COLOURS = "internal-color-map"
BACKGROUND = "background"


def read_lookout(files: Sequence[Path], root: Path) -> pd.DataFrame:
    """Read manifests; the split of each is a word of its name.

    Raises:
        DataError: One cannot be read, or a line is wrong; it is named by its number.
    """
    places, images = Places(root), list[Labelled]()
    for file in files:
        split = split_of(re.findall(r"[a-z]+", file.stem.lower()))
        for number, line in enumerate(read_text(file).splitlines(), start=1):
            if not line.strip():
                continue
            where = f"{str(file)!r}, line {number}"
            entry = parse_json(line, where)
            try:
                image = places.of(text_of(entry[IMAGE], IMAGE), file.parent, split)
                images.append(Labelled(image, list(_marks(entry, places, file.parent)), split))
            except KnowngoodError:
                raise
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
                raise DataError(f"{where}: {said}", path=file) from error
    return table_of(images, (), files[0])


def _marks(entry: Mapping[str, Any], places: Places, folder: Path) -> Iterator[Mark]:
    """Read what is marked on an image; its whole, where there is no mask."""
    about = entry.get(f"{LABEL}-metadata", {})
    name = about.get("class-name")
    if name is None and entry[LABEL] not in (0, 1):
        raise ValueError(
            f"{LABEL} is {quoted(entry[LABEL])}; it takes 0 or 1, or a class-name in {LABEL}-metadata"
        )
    is_defect = meaning(text_of(name, "class-name")) != "good" if name is not None else entry[LABEL] == 1
    if not is_defect:
        return
    if MASK not in entry:
        yield Mark("defect" if name is None else name)
        return
    pixels = read_image(places.of(text_of(entry[MASK], MASK), folder))
    named = entry[f"{MASK}-metadata"][COLOURS].values()
    drawn = False
    for one in named:
        own = text_of(one["class-name"], "class-name")
        if own.lower() != BACKGROUND:
            marked = (pixels == _colour(one["hex-color"])).all(axis=-1)
            if marked.any():
                drawn = True
                yield Mark(own, runs_cell(marked, own))
    if not drawn:
        yield Mark("defect" if name is None else name)


def _colour(text: Any) -> np.ndarray:
    """Return red, green and blue of a colour such as `#ff0000`."""
    if not isinstance(text, str) or not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise ValueError(f"hex-color is {quoted(text)}; it takes six digits such as '#ff0000'")
    return np.frombuffer(bytes.fromhex(text[1:]), np.uint8)
