"""Which size of a defect is detected: the probability of detection by length, area and width of its mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.brief import brief
from knowngood.capability.page import Answer
from knowngood.data.class_names import class_of_each
from knowngood.data.decoding import Mask
from knowngood.data.held import masks_of, sources_of
from knowngood.data.images import image_size, read_mask
from knowngood.data.samples import Samples, load_samples
from knowngood.errors import DataError
from knowngood.inspector.evaluation import Evaluation
from knowngood.inspector.file import check_loaded
from knowngood.inspector.inspector import Inspector
from knowngood.metrics.hit_miss import Detection, detection
from knowngood.metrics.rates import Rate, rate
from knowngood.notebook import followed
from knowngood.report.words import percent
from knowngood.types import Progress

MEASURES = {"length": "px", "area": "px²", "width": "px"}
"""The sizes of a defect, and their units."""

ALL = "all defects"

FEWEST = 10
"""Defects of a type, below which it has no curve of its own."""


class Size(NamedTuple):
    """The size of the largest region of a mask, in pixels of the image.

    `length` is the longer side of the smallest rectangle around it, in any orientation; `width` the diameter
    of the largest circle within it.
    """

    length: float
    area: float
    width: float


@dataclass(frozen=True, eq=False)
class Pod:
    """The result of a study of the probability of detection.

    Args:
        answer: Which size is detected, or why that is not known.
        curves: By type of defect, `all defects` first, and measure: the fitted curve, or why not.
        defects: One row per defect: `path`, `type`, `length`, `area`, `width`, `score`, `found`.
        false_calls: Share of good images that are rejected; None without good images.
        notes: What was left out.
    """

    answer: Answer
    curves: dict[str, dict[str, Detection | str]]
    defects: pd.DataFrame
    false_calls: Rate | None
    notes: list[str]

    __repr__ = brief


def pod(inspector: Inspector, data: Samples, *, progress: Progress | None = None) -> Pod:
    """Study which sizes of defects an inspector detects, on test images with masks.

    A defect is found when its image is rejected, or left to a review; that its place is found is not asked.

    Args:
        inspector: Any inspector.
        data: A folder or table with a test split, defects and their masks.
        progress: Called during long work.

    Raises:
        DataError: No defect of the test split has a mask, or an image cannot be read.

    Example::

        study = knowngood.pod(inspector, "widget/")
        print(study.answer.headline)
    """
    check_loaded(inspector)
    progress = followed(progress)
    table = load_samples(data)
    table = table[table["split"] == "test"].reset_index(drop=True)
    defect = (table["label"] == "defect").to_numpy()
    masked = np.array([isinstance(mask, np.ndarray) or bool(mask) for mask in masks_of(table)], np.bool_)
    if not (defect & masked).any():
        raise DataError("no defect of the test split has a mask, from which its size would come; add masks")
    table = table[~defect | masked].reset_index(drop=True)
    verdicts = inspector.inspect(sources_of(table), progress=progress)
    rows = pd.DataFrame([verdict.row() for verdict in verdicts])[["path", "score", "decision"]]
    sizes = [verdict.size for verdict in verdicts]
    left_out = int((defect & ~masked).sum())
    return _of_images(rows.assign(**table[["label", "defect"]]), masks_of(table), sizes, left_out)


def pod_of(evaluation: Evaluation) -> Pod:
    """The same study of the test images of an evaluation; masks that cannot be read are left out.

    Raises:
        DataError: No defect has a mask that can be read.
    """
    kept, masks, sizes = [], [], []
    broken = {failure.path for failure in evaluation.unreadable}
    for row, label in enumerate(evaluation.scores["label"]):
        source, mask = evaluation.image(row)
        named = isinstance(mask, str)
        if label == "good" or (len(mask) and not (named and any(path in mask for path in broken))):
            kept.append(row)
            masks.append(mask)
            sizes.append(image_size(source))
    rows = evaluation.scores.iloc[kept].reset_index(drop=True)
    if (rows["label"] == "good").all():
        raise DataError("no defect of the test has a mask that can be read, from which its size would come")
    return _of_images(rows, masks, sizes, len(evaluation.scores) - len(rows))


def _of_images(
    rows: pd.DataFrame, masks: Sequence[Mask], sizes: Sequence[tuple[int, int]], left_out: int
) -> Pod:
    """The study of images with path, label, defect, score and decision, their masks and their sizes."""
    is_defect, found = (rows["label"] == "defect").to_numpy(), (rows["decision"] != "accept").to_numpy()
    pairs = compress(zip(masks, sizes, strict=True), is_defect)
    defects = pd.DataFrame([size_of(read_mask(*pair)) for pair in pairs], columns=Size._fields)
    defects.insert(0, "path", rows["path"].to_numpy(object)[is_defect])
    defects.insert(1, "type", np.array(class_of_each(rows), object)[is_defect])
    defects["score"] = rows["score"].to_numpy(np.float64)[is_defect]
    defects["found"] = found[is_defect]
    notes = [f"{left_out} defects without a mask were left out."] if left_out else []
    good = int((~is_defect).sum())
    return study(defects, rate(int(found[~is_defect].sum()), good) if good else None, notes)


def study(defects: pd.DataFrame, false_calls: Rate | None, notes: list[str]) -> Pod:
    """Fit curves to defects of known size, with the columns of `Pod.defects`."""
    types = defects["type"].value_counts()
    curves = {ALL: _curves(defects)}
    if len(types) > 1:
        curves |= {str(name): _curves(defects[defects["type"] == name]) for name in types.index}
    return Pod(_answer(curves[ALL]), curves, defects, false_calls, notes)


def size_of(mask: NDArray[np.bool_]) -> Size:
    """Return the size of the largest region of a mask (H, W); all zero for an empty one.

    Example:
        >>> mask = np.zeros((20, 30), bool)
        >>> mask[5:8, 4:24] = True
        >>> size_of(mask)
        Size(length=20.0, area=60.0, width=3.0)
    """
    count, regions, figures, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return Size(0.0, 0.0, 0.0)
    largest = 1 + int(np.argmax(figures[1:, cv2.CC_STAT_AREA]))
    region = np.pad(regions == largest, 1).astype(np.uint8)
    outlines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    _, sides, _ = cv2.minAreaRect(np.concatenate(outlines))
    inside = cv2.distanceTransform(region, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Rectangles and distances go from centre to centre of pixels: half a pixel is missing at either end.
    length = round(float(max(sides)) + 1, 3)
    width = round(2 * float(inside.max()) - 1, 3)
    return Size(length, float(figures[largest, cv2.CC_STAT_AREA]), width)


def _curves(defects: pd.DataFrame) -> dict[str, Detection | str]:
    """The curve of each measure, or why there is not one."""
    if len(defects) < FEWEST:
        few = f"{len(defects)} defects are too few for a curve; {FEWEST} are the least, 60 are usual"
        return dict.fromkeys(MEASURES, few)
    curves: dict[str, Detection | str] = {}
    for name in MEASURES:
        shown = defects[defects[name] > 0]
        try:
            curves[name] = detection(shown[name].to_numpy(), shown["found"].to_numpy(bool))
        except DataError as error:
            curves[name] = str(error)
    return curves


def in_words(curve: Detection | str, measure: str) -> str:
    """Say which size is detected, or why that is not known.

    Example:
        >>> in_words("all of the 30 defects were found", "length")
        'By length: all of the 30 defects were found.'
    """
    unit, by = MEASURES[measure], f"By {measure}"
    if isinstance(curve, str):
        return f"{by}: {curve}."
    if curve.a50 is None:
        return (
            f"{by}: size does not explain detection (p = {curve.p_size:.2g}), so that no size can be "
            f"promised; {curve.found} of {curve.total} were found."
        )
    if curve.a90 is None:
        return (
            f"{by}: large defects are missed too: {percent(curve.asymptote)} of them are found at most "
            f"(p = {curve.p_asymptote:.2g}), so that a90 would mislead."
        )
    known = f"{by}: a90 is {curve.a90:.3g} {unit}"
    if curve.a90_95 is None:
        return f"{known}, but these {curve.total} defects give no upper bound of it; more defects would."
    return f"{known}, a90/95 is {curve.a90_95:.3g} {unit} (from {curve.total} defects, {curve.found} found)."


def _answer(curves: dict[str, Detection | str]) -> Answer:
    """The first lines of the page, by the length of all defects."""
    curve, details = curves["length"], tuple(in_words(curve, name) for name, curve in curves.items())
    if isinstance(curve, str):
        return Answer("doubtful", f"Which size is detected is not known: {curve}.", details)
    if curve.a50 is None:
        return Answer("useless", "The size of a defect does not explain whether it is detected.", details)
    if curve.a90 is None or curve.a90_95 is None:
        missing = "large defects are missed too" if curve.a90 is None else "too few defects bound it"
        return Answer(
            "useless" if curve.a90 is None else "doubtful", f"No size can be promised: {missing}.", details
        )
    headline = (
        f"Defects {curve.a90_95:.3g} px long are detected with a probability of 90 %, with 95 % confidence."
    )
    return Answer("good", headline, details)
