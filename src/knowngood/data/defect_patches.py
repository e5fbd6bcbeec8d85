"""Real defects cut out of their images as square patches, and patches put into images of good parts."""

from __future__ import annotations

import os
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.arguments import Images
from knowngood.data.class_names import class_of_each
from knowngood.data.decoding import Mask as MaskSource
from knowngood.data.decoding import Source
from knowngood.data.held import masks_of, sources_of
from knowngood.data.images import read_image, read_mask, resize
from knowngood.data.paste import paste
from knowngood.data.samples import load_samples
from knowngood.data.synthetic import shrunk
from knowngood.data.synthetic_defects import SEEN, Damaged, visible_change

SIDE = 64
"""Pixels of the side of a patch, whatever its size in its image."""

LARGEST = 0.6
"""Share of the shorter side of an image that a defect may have; a larger one is not cut out."""

_WIDER = (
    1.5  # a patch is so many times as wide as the box of its mask: what is around the defect belongs to it
)
_LEAST_BOX = 8  # pixels that the box of a mask counts at least

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class Marked(NamedTuple):
    """The image of a real defect as it is read, and what is known of it."""

    name: str
    defect: str  # its type
    group: str  # the part that it shows
    image: Image  # (H, W, 3)
    mask: Mask  # (H, W)


class DefectPatch(NamedTuple):
    """A defect with what is around it."""

    pixels: Image  # (SIDE, SIDE, 3)
    mask: Mask  # (SIDE, SIDE)
    name: str  # of the image that it comes from
    defect: str  # its type
    group: str  # the part that it is on
    middle: tuple[float, float]  # of the patch in its image, as shares of height and width
    side: float  # of the patch, as a share of the shorter side of its image


def masked_defects(data: pd.DataFrame | Images) -> pd.DataFrame:
    """Select the defects of the train split that have a mask; none where images are given alone.

    Example:
        >>> rows = {"path": ["a", "b"], "split": "train", "label": "defect", "mask": ["", "m"]}
        >>> masked_defects(pd.DataFrame(rows))["path"].tolist()
        ['b']
    """
    if not isinstance(data, str | os.PathLike | pd.DataFrame):
        return pd.DataFrame()
    table = load_samples(data)
    has_mask = np.array([len(mask) > 0 for mask in masks_of(table)], np.bool_)
    return table[(table["split"] == "train") & (table["label"] == "defect") & has_mask]


def read_marked(table: pd.DataFrame, row: int, *, bits: int | None, side: int | None) -> Marked:
    """Read the image and the mask of one row of a table, shrunk as `shrunk` does.

    Raises:
        UnreadableImage: The image cannot be read.
        DataError: The mask cannot be read, or has another size.
    """
    source: Source = sources_of(table)[row]
    mask: MaskSource = masks_of(table)[row]
    name = str(table["path"].iloc[row])
    group = str(table["group"].iloc[row]) if "group" in table else name
    image = read_image(source, bits=bits)
    marks = read_mask(mask, (image.shape[0], image.shape[1]))
    small = shrunk(image, side)
    size = small.shape[1::-1]
    covered = cv2.resize(marks.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    return Marked(name, str(class_of_each(table).iloc[row]), group, small, covered)


def box_of(mask: Mask) -> tuple[int, int, int, int]:
    """Return the first row and column of what a mask marks, and its height and width.

    Example:
        >>> box_of(np.array([[0, 0, 0], [0, 1, 1]], np.bool_))
        (1, 1, 1, 2)
    """
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return top, left, height, width


def square_at(mask: Mask, side: int) -> tuple[slice, slice]:
    """Return the rows and columns of a square about the middle of what is marked, moved into the image.

    Example:
        >>> square_at(np.eye(4, dtype=bool), 2)
        (slice(1, 3, None), slice(1, 3, None))
    """
    top, left, height, width = box_of(mask)
    middle = top + height / 2, left + width / 2
    sides = [min(side, whole) for whole in mask.shape]
    first = [
        int(np.clip(round(at - own / 2), 0, whole - own))
        for at, own, whole in zip(middle, sides, mask.shape, strict=True)
    ]
    return slice(first[0], first[0] + sides[0]), slice(first[1], first[1] + sides[1])


def cut_out(marked: Marked) -> DefectPatch | None:
    """Cut the defect out of its image; None where it is larger than `LARGEST`, or nothing is marked.

    Example:
        >>> image, mask = np.zeros((100, 80, 3), np.uint8), np.zeros((100, 80), np.bool_)
        >>> mask[40:60, 40:50] = True
        >>> cut_out(Marked("a.png", "dent", "a.png", image, mask)).side
        0.375
    """
    shape = marked.mask.shape
    longer = max(_LEAST_BOX, *box_of(marked.mask)[2:])
    if not marked.mask.any() or longer > LARGEST * min(shape):
        return None
    square = square_at(marked.mask, round(_WIDER * longer))
    own = marked.mask[square].astype(np.float32)
    covered = cv2.resize(own, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    middle = [(part.start + part.stop) / 2 / whole for part, whole in zip(square, shape, strict=True)]
    return DefectPatch(
        resize(np.ascontiguousarray(marked.image[square]), (SIDE, SIDE)),
        covered >= covered.max() / 2,  # a hair must not be lost
        *marked[:3],
        (middle[0], middle[1]),
        own.shape[0] / min(shape),
    )


def put_on(good: Image, patch: DefectPatch, rng: np.random.Generator) -> Damaged | None:
    """Paste a patch into an image of a good part, where the surroundings are similar; see `paste`.

    It is pasted near the place of the defect that it comes from, as where parts are aligned; where nothing
    there is similar, it is turned and pasted anywhere.

    Returns:
        The image, and the pixels that changed visibly; None where there is no place for it, or it would
        hardly be seen.

    Example:
        >>> image, mask = np.full((64, 64, 3), 200, np.uint8), np.zeros((64, 64), np.bool_)
        >>> mask[28:36, 28:36] = True
        >>> image[mask] = 90
        >>> patch = cut_out(Marked("a.png", "dent", "a.png", image, mask))
        >>> int(put_on(np.full_like(image, 200), patch, np.random.default_rng(0)).mask.sum())
        64
    """
    height, width = good.shape[:2]
    side = max(4, round(patch.side * min(height, width)))
    top, left = (
        int(np.clip(round(middle * whole - side / 2), 0, whole - side))
        for middle, whole in zip(patch.middle, (height, width), strict=True)
    )
    beyond = (top, height - top - side, left, width - left - side)
    whole = cv2.copyMakeBorder(resize(patch.pixels, (side, side)), *beyond, cv2.BORDER_REPLICATE)
    covered = cv2.resize(patch.mask.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    marked = np.pad(covered >= covered.max() / 2, [beyond[:2], beyond[2:]])
    for turn in (False, True):
        made = paste(good, np.asarray(whole, np.uint8), marked, rng, turn=turn, mirror=turn)
        if made is not None:
            change = visible_change(good, made)
            return Damaged(made, change) if change.sum() >= max(1, SEEN * marked.sum()) else None
    return None
