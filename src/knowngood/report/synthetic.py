"""Synthetic defects as a contact sheet, or as a labelled data set."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from knowngood.data.exports.drawn import write_drawn
from knowngood.data.synthetic import SyntheticDefect
from knowngood.errors import DataError
from knowngood.report.class_pictures import check_picture, write_pictures
from knowngood.report.exhibits import Picture, Pictures
from knowngood.report.pictures import SLIDE_WEIGHT, outline, shrink

if TYPE_CHECKING:
    from knowngood.classifiers.realism import Realism  # torch

SIDE = 480
"""Pixels of the longer side of a picture."""

_TILE, _NAME = 1.8, 1.0  # inches of the longer side of a picture, and beside it for the name of its type


def is_sheet(path: str | os.PathLike[str]) -> bool:
    """Whether a contact sheet is written under a name, and not a folder, whose name has no ending.

    Raises:
        OutputError: It has the ending of another file.

    Example:
        >>> is_sheet("defects.png"), is_sheet("defects/")
        (True, False)
    """
    if not Path(path).suffix:
        return False
    check_picture(path)
    return True


def write_synthetic(
    defects: Iterable[SyntheticDefect],
    path: str | os.PathLike[str],
    *,
    realism: Realism | None = None,
    overwrite: bool = False,
) -> int:
    """Write a contact sheet of synthetic defects, or a data set of them.

    Args:
        defects: What `knowngood.synthetic` draws.
        path: A .pdf, .png or .svg file for a sheet with a row for each type, on which masks are outlines; an
            older picture of ours is replaced. A name without an ending is a new folder for images, masks and
            a table of samples, see `knowngood.data.exports.drawn.write_drawn`.
        realism: Compare the defects with real ones, and write how well they are distinguished: to the sheet,
            or to `realism.json` in the folder.
        overwrite: Replace any other file too; never a folder.

    Returns:
        How many defects came.

    Raises:
        DataError: There is no defect.
        OutputError: The file cannot be written or is not ours to replace, has another ending, or the
            folder holds something.

    Example::

        write_synthetic(synthetic("widget/", ["scar", "perlin"]), "defects.png")
        write_synthetic(synthetic("widget/", count=200), "defects/")
    """
    watched = realism.watch(defects) if realism else defects
    if not is_sheet(path):
        return write_drawn(watched, path, realism=(lambda: realism.figures) if realism else None)
    rows: dict[str, list[Picture]] = {}
    ratio = 0.0  # of width to height, the largest
    for defect in watched:
        image = outline(shrink(defect.image, SIDE), defect.mask, weight=SLIDE_WEIGHT)
        rows.setdefault(defect.type, []).append(Picture(image))
        ratio = max(ratio, image.shape[1] / image.shape[0])
    if not rows:
        raise DataError("there is no synthetic defect to show")
    columns = max(map(len, rows.values()))
    size = _NAME + _TILE * min(1, ratio) * columns, _TILE * min(1, 1 / ratio) * len(rows)
    names = [name.replace("_", " ") for name in rows]
    if realism:
        found = realism.figures
        ranges = [
            f"AUROC {auroc:.2f}\n{low:.2f} to {high:.2f}" if auroc == auroc else "AUROC: too few"
            for auroc, low, high in zip(found["auroc"], found["low"], found["high"], strict=True)
        ]
        names = [f"{name}\n{words}" for name, words in zip(names, ranges, strict=True)]
    write_pictures(Pictures("Synthetic defects", list(rows.values()), names), path, size, overwrite=overwrite)
    return sum(map(len, rows.values()))
