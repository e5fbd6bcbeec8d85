"""LabelMe (Russell et al. 2008, doi:10.1007/s11263-007-0090-8): beside each image a JSON file to correct."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from knowngood.data.exports.items import Shown
from knowngood.data.outlines import joined_loops, polygons

VERSION = "5.5.0"
"""The version of the program whose files these are like."""


def write(shown: Iterable[Shown], out: Path, _classes: list[str], _table: pd.DataFrame) -> None:
    """Write the file of each image; that of a good one has no shape. Holes are cut open."""
    for one in shown:
        shapes = []
        for region in one.regions:
            outside, holes = polygons(region.pixels)
            points = joined_loops([*outside, *holes]) + region.box[:2]
            shape = {"label": region.name, "points": points.round(2).tolist(), "shape_type": "polygon"}
            shapes.append(shape | {"group_id": None, "description": "", "flags": {}})
        image: dict[str, Any] = {"imagePath": Path(one.file).name, "imageData": None}
        image |= {"imageHeight": one.height, "imageWidth": one.width}
        text = json.dumps({"version": VERSION, "flags": {}, "shapes": shapes, **image}, ensure_ascii=False)
        (out / one.file).with_suffix(".json").write_text(text, encoding="utf-8")
