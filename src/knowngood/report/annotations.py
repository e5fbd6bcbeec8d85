"""Masks of defects as the annotations that object detection and segmentation are trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.class_names import class_of_each
from knowngood.data.images import image_size, read_image, read_mask
from knowngood.errors import DataError
from knowngood.report.exhibits import Exhibit, Picture, Pictures, Table
from knowngood.report.pictures import SLIDE_WEIGHT, outline, shrink
from knowngood.report.style import short
from knowngood.report.words import count

_BOX = (230, 20, 20)
_SIDE = 480  # pixels on the longer side of a picture


class Box(NamedTuple):
    """A connected region of a mask: its box in pixels of the image, and its own area in pixels."""

    left: int
    top: int
    width: int
    height: int
    area: int


class Annotated(NamedTuple):
    """An image with a mask, its class, its height and width, and its boxes."""

    path: str
    mask: str
    name: str
    shape: tuple[int, int]
    boxes: list[Box]


def boxes_of(mask: NDArray[np.bool_]) -> list[Box]:
    """Find the connected regions of a mask `(h, w)`, the largest first.

    Example:
        >>> boxes_of(np.array([[True, False, False], [True, False, True]]))
        [Box(left=0, top=0, width=1, height=2, area=2), Box(left=2, top=1, width=1, height=1, area=1)]
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    found = [Box(*map(int, row)) for row in stats[1:]]
    return sorted(found, key=lambda box: -box.area)


def annotated(table: pd.DataFrame) -> list[Annotated]:
    """Read the masks of a table of samples; those that cannot be used are left out."""
    found = []
    classes = class_of_each(table)
    for path, mask, name in zip(table["path"], table["mask"], classes, strict=True):
        if mask:
            with suppress(DataError):
                shape = image_size(path)
                found.append(Annotated(path, mask, name, shape, boxes_of(read_mask(mask, shape))))
    return found


def marked_images(
    table: pd.DataFrame, bits: int | None = 16
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """Read those images of a table of samples whose masks can be used, RGB `(H, W, 3)`, with the masks."""
    for path, mask in zip(table["path"], table["mask"], strict=True):
        if mask:
            with suppress(DataError):
                image = read_image(path, bits=bits)
                marked = read_mask(mask, image.shape[:2])
                yield image, marked


def annotation_exhibits(table: pd.DataFrame) -> Iterator[Exhibit]:
    """Show what is to be prepared for object detection and segmentation, from the masks of a table.

    Nothing is shown where no image has a mask.
    """
    found = [one for one in annotated(table) if one.boxes]
    if found:
        yield boxes_table(found)
        yield boxes_pictures(found)


def boxes_table(found: Sequence[Annotated]) -> Table:
    """Count boxes and areas by defect type, and write the annotation of an image in both formats.

    Example:
        >>> one = Annotated("1.png", "1_mask.png", "dent", (100, 200), [Box(20, 10, 40, 30, 900)])
        >>> table = boxes_table([one])
        >>> table.title
        'For detection 1 box in 1 image; for segmentation 1 mask with a median area of 4.50 % of the image'
    """
    names = sorted({one.name for one in found})
    rows = []
    for place, name in enumerate(names):
        own = [one for one in found if one.name == name]
        areas = [sum(box.area for box in one.boxes) / np.prod(one.shape) for one in own]
        boxes = [box for one in own for box in one.boxes]
        smallest = min(boxes, key=lambda box: box.width * box.height)
        rows.append(
            [
                f"{place} {short(name)}",
                str(len(own)),
                str(len(boxes)),
                f"{np.median([box.area for box in boxes]):,.0f}",
                f"{100 * np.median(areas):.2f} %",
                f"{smallest.width} × {smallest.height}",
            ]
        )
    total = sum(len(one.boxes) for one in found)
    share = np.median([sum(box.area for box in one.boxes) / np.prod(one.shape) for one in found])
    many = f"{total} {'box' if total == 1 else 'boxes'} in {count(len(found), 'image')}"
    title = f"For detection {many}; for segmentation {count(len(found), 'mask')} with a median area of "
    title += f"{100 * share:.2f} % of the image"
    first = found[0]
    box, (height, width) = first.boxes[0], first.shape
    line = (
        f"{names.index(first.name)} {(box.left + box.width / 2) / width:.4f} "
        f"{(box.top + box.height / 2) / height:.4f} {box.width / width:.4f} {box.height / height:.4f}"
    )
    note = (
        f"Detection (YOLO): per image a text file, a line per box with class, centre and size as shares of "
        f"the sides, here “{line}”; a good image has an empty file. Segmentation: per image a picture of its "
        "size with the number of the class in each pixel. SAM also takes a box or a point of each as prompt."
    )
    columns = [
        "number and class",
        "images",
        "boxes",
        "median area of\na box's region, px",
        "median area\nof a mask",
    ]
    return Table(title, [*columns, "smallest\nbox, px"], rows, 5, note)


def boxes_pictures(found: Sequence[Annotated]) -> Pictures:
    """Show an image of each defect type: with its boxes, and with the outline of its mask."""
    first: dict[str, Annotated] = {}
    for one in found:
        first.setdefault(one.name, one)
    shown: list[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]] = []
    for name in sorted(first):
        one = first[name]
        with suppress(DataError):
            image = read_image(one.path)
            small = shrink(image, _SIDE)
            outlined = outline(small, read_mask(one.mask, image.shape[:2]), weight=SLIDE_WEIGHT)
            shown.append((name, _boxed(small, one), outlined))
    rows = [
        [Picture(boxed, short(name)) for name, boxed, _ in shown],
        [Picture(outlined) for _, _, outlined in shown],
    ]
    areas = {name: sum(box.area for box in first[name].boxes) for name, _, _ in shown}
    most, least = (choose(areas, key=lambda name: areas[name]) for choose in (max, min))
    title = "A defect with its box and its mask"
    if areas[most] > areas[least]:
        title = f"In these images {most} covers {areas[most] / areas[least]:.3g} times the area of {least}"
    note = (
        "Above: boxes, the labels of object detection. Below: outlines of the masks, the labels of "
        "segmentation."
    )
    return Pictures(title, rows, ["boxes", "masks"], note)


def _boxed(small: NDArray[np.uint8], one: Annotated) -> NDArray[np.uint8]:
    """Draw the boxes of an image on a small copy of it."""
    drawn, scale = small.copy(), small.shape[1] / one.shape[1]
    for box in one.boxes:
        corner = round(scale * box.left), round(scale * box.top)
        end = round(scale * (box.left + box.width)), round(scale * (box.top + box.height))
        cv2.rectangle(drawn, corner, end, _BOX, SLIDE_WEIGHT)
    return drawn
