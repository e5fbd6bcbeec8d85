"""What every format is made of: each image of a table in the export's folder, with its regions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from knowngood.data.class_names import class_of_each
from knowngood.data.decoding import Mask, Source, decode, read_header
from knowngood.data.exports.names import unique_names
from knowngood.data.held import masks_of, sources_of
from knowngood.data.images import IMAGE_SUFFIXES
from knowngood.data.regions import BOXES, Region, regions_of
from knowngood.data.threads import in_threads
from knowngood.errors import DataError, UnreadableImage
from knowngood.types import Progress

GOOD = "good"

COPIED = IMAGE_SUFFIXES - {".dib", ".gif", ".jfif", ".jpe", ".pbm", ".pgm", ".pnm", ".ppm"}
"""Endings of files that are copied as they are: loaders such as that of Ultralytics pass over the others."""


class Item(NamedTuple):
    """An image to hand on."""

    path: str
    source: Source
    mask: Mask
    boxes: str
    split: str
    class_name: str  # "good", or the type of defect
    group: str  # the part that it shows
    stem: str  # of its new file; no other image has it
    folder: str = ""  # of its new file, below that of the export


class Shown(NamedTuple):
    """An image that was handed on."""

    item: Item
    file: str  # below the folder of the export, with `/`; empty for a defect that is marked nowhere
    height: int
    width: int
    regions: Sequence[Region]


def items_of(table: pd.DataFrame) -> list[Item]:
    """List the images of a table of samples, with a new name for each.

    Example:
        >>> table = pd.DataFrame({"path": ["../a.png"], "split": "test", "label": "good", "defect": ""})
        >>> items_of(table.assign(mask=""))[0].stem
        'a'
    """
    boxes = table[BOXES].tolist() if BOXES in table else [""] * len(table)
    paths = table["path"].tolist()
    columns = (
        *(paths, sources_of(table), masks_of(table), boxes, table["split"].tolist()),
        *(class_of_each(table).tolist(), table["group"].tolist() if "group" in table else paths),
        unique_names([Path(path).stem for path in paths]),
    )
    return [Item(*row) for row in zip(*columns, strict=True)]


def handed_on(
    items: Sequence[Item], out: Path, progress: Progress, *, least_area: float, needs: str
) -> Iterator[Shown]:
    """Copy the images to their new places, and find their regions.

    Args:
        items: The images.
        out: The folder of the export.
        progress: Called during long work.
        least_area: Regions of fewer pixels are left out.
        needs: What a region must have, `box` or `mask`; empty where no regions are wanted. A defect without
            regions is not copied where they are: it would pass for good.

    Raises:
        UnreadableImage: An image or a mask cannot be read.
        DataError: A mask or box does not fit its image.
    """
    for folder in {item.folder for item in items}:
        (out / folder).mkdir(parents=True, exist_ok=True)

    def hand_on(item: Item) -> Shown:
        try:
            header = read_header(item.source)
        except UnreadableImage as error:
            raise UnreadableImage(
                item.path, f"{error.reason}; `knowngood split` lists such images and leaves them out"
            ) from error
        shape, found = (header.height, header.width), list[Region]()
        if needs and item.class_name != GOOD:
            try:
                found = list(regions_of(item.mask, item.boxes, shape, item.class_name))
            except UnreadableImage:
                raise
            except DataError as error:
                raise DataError(f"{item.path!r}: {error}", path=item.path) from error
        found = [
            one for one in found if one.area >= least_area and (needs == "box" or one.marked is not None)
        ]
        if needs and item.class_name != GOOD and not found:
            return Shown(item, "", *shape, found)
        file = copied(item.source, out, f"{item.folder}/{item.stem}", upright=header.orientation == 1)
        return Shown(item, file, *shape, found)

    for done, shown in enumerate(in_threads(hand_on, items), start=1):
        yield shown
        progress("copying images", done, len(items))


def copied(source: Source, out: Path, place: str, *, upright: bool) -> str:
    """Copy a picture as it is, or save it as an upright PNG.

    That is what is no file, is turned by its EXIF data, or has an ending that is not in `COPIED`.

    Returns:
        Its place below the folder, with the ending.
    """
    suffix = Path(source).suffix.lower() if isinstance(source, str | Path) else ""
    if upright and suffix in COPIED:
        assert not isinstance(source, bytes | np.ndarray)
        file = f"{place}{suffix}"
        shutil.copyfile(source, out / file)
        return file
    file = f"{place}.png"
    write_png(decode(source), out / file)
    return file


def write_png(pixels: np.ndarray, file: Path) -> None:
    """Write pixels of 8 or 16 bits as they are."""
    if pixels.dtype == np.uint16 and pixels.ndim == 3:  # which Pillow cannot write
        file.write_bytes(cv2.imencode(".png", pixels[..., ::-1])[1].tobytes())
    else:
        Image.fromarray(pixels).save(file)


def write_mask(marked: np.ndarray, file: Path) -> None:
    """Write a mask, bool (H, W), as a PNG of 0 and 255."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(marked.astype(np.uint8) * np.uint8(255)).save(file, compress_level=1)
