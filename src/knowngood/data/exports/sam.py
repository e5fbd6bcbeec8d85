"""Segment Anything: beside each image a JSON file as of SA-1B (Kirillov et al. 2023, arXiv:2304.02643).

For each mask it has a box and a point as prompts, and the class as words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from knowngood.data.exports.coco import prompt, run_length_mask
from knowngood.data.exports.items import Item, Shown
from knowngood.data.regions import point_within


def placed(items: list[Item]) -> list[Item]:
    """Place images in a folder for each split."""
    return [item._replace(folder=item.split) for item in items]


def write(shown: Iterable[Shown], out: Path, _classes: list[str], _table: pd.DataFrame) -> None:
    """Write the file of each image; that of a good one has no annotation."""
    for number, one in enumerate(shown, start=1):
        shape, annotations = (one.height, one.width), []
        for place, region in enumerate(one.regions, start=1):
            left, top, *_ = region.box
            about = {"id": place, "category": region.name, "prompt": prompt(region.name)}
            about |= {"bbox": list(region.box), "area": region.area}
            x, y = point_within(region.pixels)
            about["point_coords"] = [[left + x, top + y]]
            about["segmentation"] = run_length_mask(region, shape)
            annotations.append(about)
        image = {
            "image_id": number,
            "width": one.width,
            "height": one.height,
            "file_name": Path(one.file).name,
        }
        text = json.dumps({"image": image, "annotations": annotations}, ensure_ascii=False, allow_nan=False)
        (out / one.file).with_suffix(".json").write_text(text, encoding="utf-8")
