"""The table of samples itself, with its images and masks beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from knowngood.data.decoding import Mask
from knowngood.data.exports.items import GOOD, Item, Shown, write_mask
from knowngood.data.held import HELD, HELD_MASK
from knowngood.data.images import read_masks
from knowngood.data.masks import joined, several
from knowngood.data.runs import is_runs
from knowngood.data.written import write_samples


def placed(items: list[Item]) -> list[Item]:
    """Place all images in one folder."""
    return [item._replace(folder="images") for item in items]


def write(shown: Iterable[Shown], out: Path, _classes: list[str], table: pd.DataFrame) -> None:
    """Write `table.csv`, whose paths start from its folder; masks become PNG files of 0 and 255."""
    paths, masks = [], []
    for one in shown:
        paths.append(one.file)
        masks.append(_masks(one, out) if one.item.class_name != GOOD else "")
    kept = [name for name in table.columns if name not in (HELD, HELD_MASK)]
    written = table[kept].assign(path=pd.Series(paths, dtype=object), mask=pd.Series(masks, dtype=object))
    write_samples(written, out / "table.csv", relative=False)


def _masks(one: Shown, out: Path) -> str:
    """Write the masks of an image as files, but for those that the table itself holds; return its cell."""
    mask: Mask = one.item.mask
    if not len(mask):
        return ""
    cells = several(mask) if isinstance(mask, str) else ["array"]
    named = []
    for number, (cell, values) in enumerate(
        zip(cells, read_masks(mask, (one.height, one.width)), strict=True)
    ):
        name = f"{one.item.stem}_mask{number if len(cells) > 1 else ''}.png"
        if not is_runs(cell):
            write_mask(values != 0, out / "masks" / name)
        named.append(cell if is_runs(cell) else f"masks/{name}")
    return joined(named)
