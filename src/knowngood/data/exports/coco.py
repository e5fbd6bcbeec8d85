"""COCO: one JSON file a split, with boxes, and masks as polygons or, where they have holes, run lengths."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from knowngood.data.exports.items import Item, Shown
from knowngood.data.outlines import polygons
from knowngood.data.regions import Region
from knowngood.data.runs import pack, run_lengths
from knowngood.output import MARK


def placed(items: list[Item]) -> list[Item]:
    """Place images in a folder for each split."""
    return [item._replace(folder=f"images/{item.split}") for item in items]


def write(shown: Iterable[Shown], out: Path, classes: list[str], _table: pd.DataFrame) -> None:
    """Write a file for each split, named as it is; names of images start from its folder."""
    images: defaultdict[str, list[str]] = defaultdict(list)
    annotations: defaultdict[str, list[str]] = defaultdict(list)
    count = 0
    number_of = {name: number for number, name in enumerate(classes, start=1)}
    for number, one in enumerate(shown, start=1):
        split, size = one.item.split, {"height": one.height, "width": one.width}
        images[split].append(_json({"id": number, "file_name": one.file, **size}))
        for region in one.regions:
            count += 1
            about: dict[str, Any] = {"id": count, "image_id": number}
            about |= {"category_id": number_of[region.name], "bbox": list(region.box), "area": region.area}
            shape = (one.height, one.width)
            annotations[split].append(
                _json({**about, "iscrowd": 0, "segmentation": segmentation(region, shape)})
            )
    categories = [
        {"id": number, "name": name, "supercategory": "defect", "prompt": prompt(name)}
        for name, number in number_of.items()
    ]
    for split in images:
        parts = {
            "info": _json({"description": MARK}),
            "licenses": "[]",
            "categories": _json(categories),
            "images": "[\n" + ",\n".join(images[split]) + "\n]",
            "annotations": "[\n" + ",\n".join(annotations[split]) + "\n]",
        }
        text = "{" + ",\n".join(f'"{name}": {part}' for name, part in parts.items()) + "}\n"
        (out / f"{split}.json").write_text(text, encoding="utf-8")


def prompt(name: str) -> str:
    """Return the name of a class as words, for models that are asked in text.

    Example:
        >>> prompt("cut_lead")
        'cut lead'
    """
    return " ".join(name.replace("_", " ").replace("-", " ").split()) or name


def segmentation(region: Region, shape: tuple[int, int]) -> Any:
    """Return polygons, or run lengths of a region with holes; an empty list where only the box is known."""
    if region.marked is None:
        return []
    outside, holes = polygons(region.marked)
    if holes:
        return run_length_mask(region, shape)
    left, top = region.box[:2]
    return [
        [round(float(number), 2) for number in (loop + np.array([left, top])).ravel()] for loop in outside
    ]


def run_length_mask(region: Region, shape: tuple[int, int]) -> dict[str, Any]:
    """Return the mask of a region in COCO's compressed run lengths."""
    return {"size": list(shape), "counts": pack(run_lengths(region.mask(shape)))}


def _json(value: Any) -> str:
    """Write in one line."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
