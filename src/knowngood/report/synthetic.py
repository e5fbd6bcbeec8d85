"""A contact sheet of synthetic defects."""

from __future__ import annotations

import os
from collections.abc import Iterable

from knowngood.data.synthetic import SyntheticDefect
from knowngood.errors import DataError
from knowngood.report.class_pictures import check_picture, write_pictures
from knowngood.report.exhibits import Picture, Pictures
from knowngood.report.pictures import SLIDE_WEIGHT, outline, shrink

SIDE = 480
"""Pixels of the longer side of a picture."""

_TILE, _NAME = 1.8, 1.0  # inches of the longer side of a picture, and beside it for the name of its type


def write_synthetic(
    defects: Iterable[SyntheticDefect], path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Write a contact sheet of synthetic defects, outlined by their masks: a row for each type.

    Args:
        defects: What `knowngood.synthetic` draws.
        path: The file to write: .pdf, .png or .svg; an older picture of ours is replaced.
        overwrite: Replace any other file too.

    Raises:
        DataError: There is no defect.
        OutputError: The file cannot be written, is not ours to replace, or has another ending.

    Example::

        write_synthetic(synthetic("widget/", ["scar", "perlin"]), "defects.png")
    """
    check_picture(path)
    rows: dict[str, list[Picture]] = {}
    ratio = 0.0  # of width to height, the largest
    for defect in defects:
        image = outline(shrink(defect.image, SIDE), defect.mask, weight=SLIDE_WEIGHT)
        rows.setdefault(defect.type, []).append(Picture(image))
        ratio = max(ratio, image.shape[1] / image.shape[0])
    if not rows:
        raise DataError("there is no synthetic defect to show")
    columns = max(map(len, rows.values()))
    size = _NAME + _TILE * min(1, ratio) * columns, _TILE * min(1, 1 / ratio) * len(rows)
    names = [name.replace("_", " ") for name in rows]
    write_pictures(Pictures("Synthetic defects", list(rows.values()), names), path, size, overwrite=overwrite)
