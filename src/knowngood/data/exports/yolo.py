"""YOLO: a text file beside each image, a line for each region, empty for a good image, and `data.yaml`.

Ultralytics' loader and others read these lines. `prompts` are the names of classes as words. A fifth of the
training images is set apart for validation: test images take part in no choice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.exports.coco import prompt
from knowngood.data.exports.items import Item, Shown
from knowngood.data.outlines import joined_loops, polygons
from knowngood.data.regions import Region
from knowngood.data.splits import folds
from knowngood.output import MARK

PARTS = 5
"""One in so many training images is for validation."""

Line = Callable[[Region], NDArray[np.float64]]
"""The numbers of a region in pixels, x and y in turn."""


def placed(items: list[Item]) -> list[Item]:
    """Place images in folders for training, validation and testing; images of a part stay together."""
    train = [item for item in items if item.split == "train"]
    groups = [item.group for item in train]
    several = len(set(groups)) > 1
    fold = folds(len(train), PARTS, 0, groups, [item.class_name for item in train]) if several else ()
    is_validation = dict(zip([item.stem for item in train], [number == 0 for number in fold], strict=several))
    return [
        item._replace(folder=f"images/{'val' if is_validation.get(item.stem) else item.split}")
        for item in items
    ]


def write_boxes(shown: Iterable[Shown], out: Path, classes: list[str], _table: pd.DataFrame) -> None:
    """Write a line for each region: its class, the middle of its box, width and height."""
    _write(shown, out, classes, _box)


def write_polygons(shown: Iterable[Shown], out: Path, classes: list[str], _table: pd.DataFrame) -> None:
    """Write a line for each region: its class, and the corners of its outline.

    Several outlines and those of holes are joined by edges there and back.
    """
    _write(shown, out, classes, _corners)


def _write(shown: Iterable[Shown], out: Path, classes: list[str], line: Line) -> None:
    """Write the labels of each image, and the list of classes."""
    number_of = {name: number for number, name in enumerate(classes)}
    folders = set()
    for one in shown:
        image = Path(one.file)
        lines = []
        for region in one.regions:
            shares = line(region).reshape(-1, 2) / (one.width, one.height)
            cells = " ".join(f"{number:.8g}" for number in shares.ravel())
            lines.append(f"{number_of[region.name]} {cells}\n")
        labels = out / "labels" / image.parent.name / f"{image.stem}.txt"
        if image.parent.name not in folders:
            labels.parent.mkdir(parents=True, exist_ok=True)
            folders.add(image.parent.name)
        labels.write_text("".join(lines))
    place_of = {"train": "train", "val": "val" if "val" in folders else "train", "test": "test"}
    text = [f"# {MARK}", *(f"{key}: images/{place}" for key, place in place_of.items() if place in folders)]
    for key, words in (("names", classes), ("prompts", [prompt(name) for name in classes])):
        lines = [f"  {n}: {json.dumps(word, ensure_ascii=False)}" for n, word in enumerate(words)]
        text += [f"{key}:", *lines] if lines else [f"{key}: []"]  # a text in JSON is one in YAML
    (out / "data.yaml").write_text("\n".join(text) + "\n", encoding="utf-8")


def _box(region: Region) -> NDArray[np.float64]:
    """Return the middle, width and height of the box of a region."""
    left, top, width, height = region.box
    return np.array([left + width / 2, top + height / 2, width, height])


def _corners(region: Region) -> NDArray[np.float64]:
    """Return the corners of the outline of a region."""
    outside, holes = polygons(region.pixels)
    return (joined_loops([*outside, *holes]) + region.box[:2]).ravel()
