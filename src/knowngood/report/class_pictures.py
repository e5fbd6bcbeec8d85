"""One picture of each class in a data set: a good part, and each defect type with its defect outlined."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from knowngood.data.class_names import class_of_each
from knowngood.data.held import masks_of, sources_of
from knowngood.data.images import read_image, read_mask, resize
from knowngood.data.imageset import good_first
from knowngood.errors import DataError, OutputError, UnreadableImage
from knowngood.output import MARK, replacing
from knowngood.report.annotations import Box, boxes_of, marked_images
from knowngood.report.exhibits import Picture, Pictures
from knowngood.report.layout import draw_pictures
from knowngood.report.pictures import SLIDE_WEIGHT, outline, shrink
from knowngood.report.style import short, style
from knowngood.report.words import MISSING, count

PICTURE_SUFFIXES = (".pdf", ".png", ".svg")

_COLUMNS = 4
_TILE, _TITLE = 2.4, 0.36  # inches of each picture, and above it
_DPI = 200
_PIXELS = 480  # on the longer side: the pixels of a tile
_SAMPLES = 5  # images of a class where no mask shows its defects
_TRIED = 5  # images of a class that may be unreadable before it is shown without a picture


def check_picture(path: str | os.PathLike[str]) -> None:
    """Check before a long work that the suffix of a path is one of `PICTURE_SUFFIXES`.

    Raises:
        OutputError: It is another.
    """
    if Path(path).suffix.lower() not in PICTURE_SUFFIXES:
        suffixes = ", ".join(PICTURE_SUFFIXES)
        raise OutputError(f"{os.fspath(path)!r} does not end like a picture; name it {suffixes}")


def write_class_pictures(
    table: pd.DataFrame, path: str | os.PathLike[str], *, bits: int | None = 16, overwrite: bool = False
) -> None:
    """Write a picture of each class, with its name and number of images; the same images make the same file.

    Args:
        table: Samples, as `knowngood.data.samples.load_samples` gives them.
        path: The file to write: .pdf, .png or .svg; an older picture of ours is replaced.
        bits: Number of bits used in 16-bit pixels.
        overwrite: Replace any other file too.

    Raises:
        OutputError: The file cannot be written, is not ours to replace, or has another ending.

    Example::

        write_class_pictures(load_samples("widget/"), "classes.png")
    """
    check_picture(path)
    shown = class_exhibit(table, bits=bits)
    columns = min(_COLUMNS, len(shown.rows[0]))
    size = _TILE * columns, (_TILE + _TITLE) * math.ceil(len(shown.rows[0]) / columns)
    write_pictures(shown, path, size, overwrite=overwrite)


def write_pictures(
    shown: Pictures, path: str | os.PathLike[str], size: tuple[float, float], *, overwrite: bool = False
) -> None:
    """Write pictures to a file of some width and height in inches; see `write_class_pictures`."""
    # Without a date, so that the same content makes the same file.
    suffix = Path(path).suffix.lower()
    metadata: dict[str, dict[str, Any]] = {
        ".pdf": {"Creator": MARK, "CreationDate": None},
        ".svg": {"Creator": MARK, "Date": None},
        ".png": {"Software": MARK},
    }
    with replacing(path, MARK, overwrite=overwrite) as unfinished, style():
        figure = Figure(figsize=size, facecolor="white")
        draw_pictures(figure, shown, (0.01, 0.01, 0.98, 0.98), size=9)
        figure.savefig(unfinished, format=suffix[1:], dpi=_DPI, metadata=metadata[suffix])


def class_exhibit(table: pd.DataFrame, *, bits: int | None = 16) -> Pictures:
    """Choose a picture of each class: the first readable image, of a defect type the first with a mask.

    Example:
        >>> row = {"path": "no such file.png", "label": "defect", "defect": "dent", "mask": ""}
        >>> class_exhibit(pd.DataFrame([row])).rows[0][0].caption.splitlines()
        ['dent', '1 image']
    """
    classes = class_of_each(table)
    row = []
    for name in good_first(classes.unique()):
        samples = table[classes == name]
        image = _picture(samples, bits)
        missing = "" if image is not None else "no readable image"
        row.append(Picture(image, f"{short(name)}\n{count(len(samples), 'image')}", missing))
    return Pictures("Classes", [row])


def enlarged_exhibit(table: pd.DataFrame, *, bits: int | None = 16) -> Pictures:
    """Show an image of each class with its defect outlined, and below it the defect itself, enlarged.

    Defect types without a usable mask are shown whole. Without any mask, several images of each class are.

    Example:
        >>> row = {"path": "no such file.png", "label": "defect", "defect": "dent", "mask": ""}
        >>> enlarged_exhibit(pd.DataFrame([row])).title
        'Up to 5 images of each class'
    """
    classes = class_of_each(table)
    whole = list(class_exhibit(table, bits=bits).rows[0])
    names = good_first(classes.unique())
    enlarged = [_enlarged(table[classes == name], bits) for name in names]
    areas = {name: share for name, (_, share) in zip(names, enlarged, strict=True) if share is not None}
    if not areas:
        return _samples({name: table[classes == name] for name in names}, bits)
    least = min(areas, key=lambda name: areas[name])
    title = f"Smallest defect here: {least}, {100 * areas[least]:.2g} % of its image"
    note = (
        "Above: each class with its number of images, the defect outlined by its mask. Below: the image "
        "around the defect, as it is."
    )
    pictures = [Picture(crop, "", "" if crop is not None else MISSING) for crop, _ in enlarged]
    return Pictures(title, [whole, pictures], ["whole", "enlarged"], note)


def _samples(classes: Mapping[str, pd.DataFrame], bits: int | None) -> Pictures:
    """Show the first readable images of each class, a class per row."""
    rows = []
    for samples in classes.values():
        row = []
        for path in samples["path"][:_SAMPLES]:
            with suppress(UnreadableImage):
                row.append(Picture(shrink(read_image(path, bits=bits), _PIXELS)))
        missing = Picture(None, "", "no readable image")
        rows.append([*row, *[missing] * (_SAMPLES - len(row))])
    names = [f"{short(name)}: {len(samples)}" for name, samples in classes.items()]
    return Pictures(f"Up to {_SAMPLES} images of each class", rows, names)


def _enlarged(samples: pd.DataFrame, bits: int | None) -> tuple[NDArray[np.uint8] | None, float | None]:
    """Cut a square around the largest region of the first usable mask; return it and the mask's share."""
    for image, marked in marked_images(samples, bits):
        if boxes := boxes_of(marked):
            return _around(image, boxes[0]), float(marked.mean())
    return None, None


def _around(image: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Cut a square out of an image, twice as large as a box and at least a sixth of the image, enlarged."""
    height, width = image.shape[:2]
    side = min(height, width, max(2 * box.width, 2 * box.height, max(height, width) // 6))
    top = int(np.clip(box.top + box.height // 2 - side // 2, 0, height - side))
    left = int(np.clip(box.left + box.width // 2 - side // 2, 0, width - side))
    return resize(image[top : top + side, left : left + side], (_PIXELS, _PIXELS))


def _picture(samples: pd.DataFrame, bits: int | None) -> NDArray[np.uint8] | None:
    """Return the first readable image, small and outlined; images with a mask come first."""
    in_order = samples.sort_values("mask", key=lambda masks: masks == "", kind="stable")[:_TRIED]
    for source, mask in zip(sources_of(in_order), masks_of(in_order), strict=True):
        try:
            image = read_image(source, bits=bits)
        except UnreadableImage:
            continue
        small = shrink(image, _PIXELS)
        with suppress(DataError):  # a mask that cannot be used
            if len(mask):
                return outline(small, read_mask(mask, image.shape[:2]), weight=SLIDE_WEIGHT)
        return small
    return None
