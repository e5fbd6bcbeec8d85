"""Folders for splits and classes, as of MVTec AD (with masks) and torchvision's ImageFolder (without)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from knowngood.data.exports.items import GOOD, Item, Shown, write_mask
from knowngood.data.exports.names import unique_names
from knowngood.data.images import read_masks
from knowngood.data.meanings import IMAGE_FOLDERS, SPLIT_OF, is_mask_folder, meaning


def placed(items: list[Item]) -> list[Item]:
    """Place images in a folder for each split, and in it for each class."""
    classes = sorted({item.class_name for item in items} - {GOOD})
    named = dict(zip(classes, unique_names([_clear(name) for name in classes], [GOOD]), strict=True))
    return [item._replace(folder=f"{item.split}/{named.get(item.class_name, GOOD)}") for item in items]


def write_nothing(shown: Iterable[Shown], _out: Path, _classes: list[str], _table: pd.DataFrame) -> None:
    """Copy the images; their folders say all."""
    for _ in shown:
        pass


def write_masks(shown: Iterable[Shown], out: Path, _classes: list[str], _table: pd.DataFrame) -> None:
    """Write the mask of each defect as MVTec AD names it, and several of an image as MVTec LOCO does."""
    for one in shown:
        if one.item.class_name == GOOD or not len(one.item.mask):
            continue
        image = Path(one.file)
        folder = out / "ground_truth" / image.parent.name
        masks = list(read_masks(one.item.mask, (one.height, one.width)))
        names = [f"{image.stem}/{number:03}" for number in range(len(masks))]
        for name, values in zip(names if len(masks) > 1 else [f"{image.stem}_mask"], masks, strict=True):
            write_mask(values != 0, folder / f"{name}.png")


def _clear(name: str) -> str:
    """Return the name of a folder that says nothing but the type of a defect."""
    lower = name.lower()
    unclear = meaning(name) == GOOD or is_mask_folder(name) or lower in IMAGE_FOLDERS or lower in SPLIT_OF
    return f"defect_{name}" if unclear else name
