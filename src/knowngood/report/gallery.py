"""The test images of an evaluation as rows, each with its pictures, in a page of limited size."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from knowngood.cells import spelt
from knowngood.data.files import common_folder
from knowngood.data.images import read_image, read_mask
from knowngood.data.pairs import Pair
from knowngood.data.threads import in_threads
from knowngood.errors import DataError, UnreadableImage
from knowngood.inspector.evaluation import Evaluation
from knowngood.inspector.regions import hottest
from knowngood.metrics.review import ACCEPT, REJECT, REVIEW
from knowngood.report.heatmaps import draw_heat
from knowngood.report.pictures import outline, shrink
from knowngood.types import Progress, silent

PICTURES = 7.5e6
"""Bytes of the pictures of all test images together, before they are written as text."""

SIDE = 480  # pixels of a picture: twice those that it takes on the page, for screens with small pixels
LARGEST = 40_000  # bytes of one picture
ERROR, DEFECT, GOOD = 5, 3, 1  # shares of the bytes

_CROP = 0.22  # side of the part that is enlarged, as a share of the geometric mean of the image's sides
_LEAST_CROP = 48  # pixels
_QUALITY, _EFFORT = 70, 2  # of WebP; with the usual effort of 4, files are 5 % smaller in twice the time
_BITS = 0.8  # of a pixel, as a first guess
_ERRORS = {("good", REJECT): "false reject", ("defect", ACCEPT): "escape"}
_DECIDED = {ACCEPT: "accepted", REVIEW: "for review", REJECT: "rejected"}
_LEAST_SIDE = 32  # pixels below which nothing is seen, however few bytes there are


class Tile(NamedTuple):
    """A picture as a data URI, with its caption and alternative text; without it, the text says why."""

    uri: str
    caption: str
    text: str


class Row(NamedTuple):
    """A test image, with what is known and decided of it."""

    position: int  # of the row in `Evaluation.scores`
    name: str  # its path below the folder that all share
    link: str  # its address; empty where there is no such file
    label: str
    type: str  # of a defect; its label without one
    score: float
    p_value: float
    decision: str  # one of `knowngood.metrics.review.DECISIONS`
    predicted: str  # by a classifier
    mask: str
    path: str

    @property
    def mask_link(self) -> str:
        """The address of its mask; empty where it has none, or several."""
        return address(self.mask) if self.mask else ""

    @property
    def error(self) -> str:
        """The name of the error that was made, if one was.

        Example:
            >>> Row(0, "a.png", "", "good", "good", 9.0, 0.01, "reject", "", "", "a.png").error
            'false reject'
        """
        return _ERRORS.get((self.label, self.decision), "")

    @property
    def decided(self) -> str:
        """The decision as a participle."""
        return _DECIDED[self.decision]


def rows_of(evaluation: Evaluation) -> list[Row]:
    """List the test images, the highest score first."""
    scores = evaluation.scores.reset_index(drop=True)
    paths = list(map(str, scores["path"]))
    folder = common_folder(paths)
    predicted = scores["predicted_class"] if "predicted_class" in scores else [""] * len(scores)
    rows = [
        Row(
            position=position,
            name=spelt(os.path.relpath(Path(path).absolute(), folder)),
            link=address(path),
            label=label,
            type=str(defect or label),
            score=float(score),
            p_value=float(p_value),
            decision=decision,
            predicted=str(said),
            mask=str(mask),
            path=path,
        )
        for position, (path, label, defect, mask, score, p_value, decision, said) in enumerate(
            zip(
                paths,
                *(scores[name] for name in ("label", "defect", "mask", "score", "p_value", "decision")),
                predicted,
                strict=True,
            )
        )
    ]
    return sorted(rows, key=lambda row: (-row.score, row.path))


def address(path: str) -> str:
    """Return the address of a file for a browser; empty if there is no such file.

    Example:
        >>> address("no such file.png")
        ''
    """
    file = Path(path).absolute()
    return file.as_uri() if file.is_file() else ""


def tiles_of(
    evaluation: Evaluation, rows: Sequence[Row], budget: float = PICTURES, *, progress: Progress = silent
) -> list[list[Tile]]:
    """Make the pictures of some rows: image, heatmap, true defect, and one place enlarged.

    This is the hottest one; of a defect that escaped it is the defect, which is elsewhere perhaps. Where the
    image was compared with a reference, that place of the reference is beside it.

    Args:
        evaluation: Of the rows.
        rows: Of `rows_of`.
        budget: Bytes for all of them; errors get the most, then other defects.
        progress: Called for each row.
    """
    shares = [ERROR if row.error else DEFECT if row.label == "defect" else GOOD for row in rows]
    unit = budget / max(1, sum(shares))
    work = [(evaluation, row, share * unit) for row, share in zip(rows, shares, strict=True)]
    made: list[list[Tile]] = []
    for tiles in in_threads(_tiles, work):
        made.append(tiles)
        progress("drawing test images", len(made), len(rows))
    return made


def enlarged(image: NDArray[np.uint8], place: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut a square out of an image `(H, W, 3)` around a place, its column and row, as far as it reaches.

    Example:
        >>> enlarged(np.zeros((400, 300, 3), np.uint8), (299, 0)).shape
        (76, 76, 3)
    """
    height, width = image.shape[:2]
    side = min(max(_LEAST_CROP, round(_CROP * (height * width) ** 0.5)), height, width)
    left, top = (
        int(np.clip(at - side // 2, 0, length - side))
        for at, length in zip(place, (width, height), strict=True)
    )
    return image[top : top + side, left : left + side]


def within(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the column and row of the pixel of a mask `(H, W)` that is farthest from all outside it.

    Example:
        >>> within(np.ones((3, 3), np.bool_))
        (1, 1)
    """
    inside = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]
    row, column = np.unravel_index(inside.argmax(), inside.shape)
    return int(column), int(row)


def webp(image: NDArray[np.uint8], most: float) -> str:
    """Encode an RGB image as a data URI of at most so many bytes before base64, smaller where needed.

    Example:
        >>> webp(np.zeros((80, 80, 3), np.uint8), 1000)[:23]
        'data:image/webp;base64,'
    """
    side = max(image.shape[:2])
    while True:
        small = shrink(image, side)
        buffer = BytesIO()
        Image.fromarray(small).save(buffer, "WEBP", quality=_QUALITY, method=_EFFORT)
        encoded = buffer.getvalue()
        if len(encoded) <= most or side <= _LEAST_SIDE:
            return "data:image/webp;base64," + b64encode(encoded).decode("ascii")
        side = max(_LEAST_SIDE, int(0.95 * side * (most / len(encoded)) ** 0.5))


def _tiles(work: tuple[Evaluation, Row, float]) -> list[Tile]:
    """Make the pictures of one row in so many bytes."""
    evaluation, row, budget = work
    source, mask = evaluation.image(row.position)
    try:
        image = read_image(source, bits=evaluation.provenance["bits"])
    except UnreadableImage as error:
        return [Tile("", "image", f"The image could not be read: {error.reason}")]
    has_map, missed = evaluation.maps is not None, bool(row.mask) and row.error == "escape"
    reference = source.reference if isinstance(source, Pair) and evaluation.provenance["pairs"] else ""
    places = (has_map or missed) * (1 + bool(reference))
    most = min(LARGEST, budget / (1 + has_map + bool(row.mask) + places))
    # Lines are drawn at the size at which they will be seen.
    side = max(_LEAST_SIDE, min(SIDE, int((8 * most / _BITS) ** 0.5)))
    small = shrink(image, side)
    pictures, missing = [(small, "image", row.name)], []
    place = None
    if evaluation.maps is not None:
        patch_map = evaluation.maps[row.position]
        place, named = hottest(patch_map, (image.shape[0], image.shape[1])), "hottest place"
        scale = evaluation.heat_scale.of_image(patch_map, rejected=row.decision == REJECT)
        drawn = draw_heat(small, patch_map, scale, evaluation.roi)
        pictures += [(drawn, "heatmap", f"heatmap over {row.name}")]
    if row.mask:
        try:
            defect = read_mask(mask, image.shape[:2])
            if row.error == "escape" and defect.any():
                place, named = within(defect), "true defect"
            pictures.append(
                (outline(small, defect), "true defect", f"outline of the true defect in {row.name}")
            )
        except DataError as error:
            missing.append(Tile("", "true defect", f"The mask could not be used: {error}"))
    if place is not None:
        crop = shrink(enlarged(image, place), side)
        pictures.append((crop, f"{named}, enlarged", f"the {named} in {row.name}, enlarged"))
    if place is not None and reference:
        try:
            crop = shrink(enlarged(read_image(reference, bits=evaluation.provenance["bits"]), place), side)
            pictures.append((crop, "the reference there", f"that place of the reference of {row.name}"))
        except UnreadableImage as error:
            missing.append(Tile("", "the reference there", f"It could not be read: {error.reason}"))
    return [Tile(webp(picture, most), caption, text) for picture, caption, text in pictures] + missing
