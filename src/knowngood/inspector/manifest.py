"""The manifest of an inspector: its origin and its threshold, as JSON."""

from __future__ import annotations

import dataclasses
import json
import types
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from knowngood.brief import brief
from knowngood.data.alignment import Alignment
from knowngood.data.reading import Reading
from knowngood.data.roi import Roi
from knowngood.data.tiling import LEAST_SIDE, Tiling
from knowngood.engines.engine import DEFAULT_ENGINE
from knowngood.engines.vetting.check import MOST_PIXELS
from knowngood.errors import InspectorError, quoted
from knowngood.inputs import is_plain
from knowngood.inspector.json_values import check_values, fits
from knowngood.inspector.regions import HeatScale
from knowngood.metrics.outliers import far_outside
from knowngood.metrics.review import DEFECT, LABELS, Review, with_new_threshold
from knowngood.metrics.thresholds import Threshold

FORMAT = 9
"""Counts up when an older knowngood could no longer read a new inspector."""

OLDEST = 4
"""Older formats do not say what their inspector's task is."""

RENAMED = {"peaks": "map_maxima"}
"""Keys of format 4 that have another name since."""

ADDED: dict[str, type] = dict.fromkeys(
    ("sizes", "example_scores", "held_out_names", "tiles", "apart"), list
) | {
    "left_out": dict,
    "data": str,
    "region": dict,
    "alignment": dict,
    "alignment_note": str,
    "review": types.NoneType,
    "pairs": bool,
    "detail": str,
    "augmented": str,
    "grouped": str,
}
"""What formats 6 to 9 have added, empty in older ones."""

DETECTION, CLASSIFICATION = TASKS = ("detection", "classification")
"""An inspector separates good parts from all others, or also predicts classes of defects."""

MAX_FALSE_REJECT = 0.05
"""The false-reject rate that the first threshold is set for; `knowngood threshold` moves it."""

RESIZE = (
    "stretched to the input shape: halved by area averages while both sides are even and at least twice as "
    "long as needed, then area averages if a side is still that long, else linear; JPEG decoded at 1/2, 1/4 "
    "or 1/8 where that is large enough"
)

Value = bool | float | str | None
"""A value that a setting may have in JSON."""


@dataclass(frozen=True)
class Manifest:
    """Everything about an inspector but its graph.

    Args:
        task: One of `TASKS`.
        method: The name of the detector or classifier in its registry.
        recipe: Its hyper-parameters.
        backbone: Name, source and hash of the frozen network's weights; empty without one.
        input_shape: Height and width that images are resized to.
        resize: How they are resized, in words.
        bits: Bits that 16-bit pixels really use, larger values saturate; None if no image had 16 bits.
        seed: The seed of the fit.
        device: The torch device of the fit.
        created: The time of the fit, in ISO 8601, UTC.
        versions: Versions of the software of the fit.
        data: The name of the folder or table of the training images, which does not say where it is; empty
            where images were given alone, and in inspectors of older formats.
        training: Fingerprint of each training image.
        held_out: Scores of good parts that the model did not learn from, ascending: of several images of a
            part, the largest.
        held_out_names: The names of the images of each of these parts, that with the largest score first:
            paths from the folder that all images share, which do not say where it is. Empty in inspectors of
            older formats.
        left_out: The fingerprint of each good image that the user left out, by its name.
        map_maxima: The largest value of each of their maps, ascending, where the score is another quantity
            than the maps' values; else empty.
        validation: Fingerprint of each image that the threshold was set on, beyond the held-out scores.
        threshold: The threshold, and how it was chosen.
        review: The lower line of three answers; None for two answers.
        graph_hash: SHA-256 of the graph, hexadecimal.
        graph_difference: Largest relative difference between torch's scores and the graph's.
        example_scores: The graph's scores of the pictures `example1.png` and so on in the file.
        sizes: The least height and width of the training images, and the largest; empty in inspectors of
            older formats.
        region: The region of images that is inspected, see `knowngood.data.roi.Roi.to_numbers`; empty for all
            of them.
        alignment: How parts are found and turned, see `knowngood.data.alignment.Alignment.to_numbers`; empty
            where they are not.
        alignment_note: Why parts are aligned or not, in words; empty where that was not asked for.
        pairs: Whether each image is compared with its reference, which is read below it; the input shape is
            that of both.
        tiles: The side of the tiles that images, or their regions, are cut into, and the width of their rim,
            in pixels; empty where whole ones are resized to the input shape.
        detail: How fine to look, as it was asked for, in words; empty in inspectors of older formats.
        augmented: How many copies of the training images were learned from too, and which, in words; empty
            where none were.
        grouped: Which groups of good images were compared by their held-out scores, and with which result, in
            words; see `knowngood.inspector.exchangeability`. Empty in inspectors of older formats.
        apart: The groups that stand apart, a sentence for each.
    """

    task: str
    method: str
    recipe: dict[str, Value | list[Value]]
    backbone: dict[str, str]
    input_shape: tuple[int, int]
    resize: str
    bits: int | None
    seed: int
    device: str
    created: str
    versions: dict[str, str]
    data: str
    training: list[str]
    held_out: list[float]
    held_out_names: list[list[str]]
    left_out: dict[str, str]
    map_maxima: list[float]
    validation: list[str]
    threshold: Threshold
    review: Review | None
    graph_hash: str
    graph_difference: float
    example_scores: list[float]
    sizes: list[int]
    region: dict[str, list[int]]
    alignment: dict[str, list[int]]
    alignment_note: str
    pairs: bool
    tiles: list[int]
    detail: str
    augmented: str
    grouped: str
    apart: list[str]

    __repr__ = brief

    @property
    def engine(self) -> str:
        """The engine by which the held-out images were scored."""
        return str(self.recipe.get("engine", DEFAULT_ENGINE))

    @cached_property
    def reading(self) -> Reading:
        """How images are read."""
        tiling = Tiling(*self.tiles) if self.tiles else None
        return Reading(self.input_shape, self.bits, self.roi, self._alignment, self.pairs, tiling)

    @cached_property
    def _alignment(self) -> Alignment | None:
        return Alignment.of_numbers(self.alignment) if self.alignment else None

    @cached_property
    def roi(self) -> Roi | None:
        """The region of images that is inspected; None for all of them."""
        return Roi.of_numbers(self.region) if self.region else None

    @property
    def heat_scale(self) -> HeatScale:
        """The scale of heatmaps.

        Where the score is the maximum of the map, the line is the threshold. Where it is another quantity,
        the line has the place among the maxima of good maps that the threshold has among held-out scores.
        """
        if not self.map_maxima:
            return HeatScale(float(np.median(self.held_out)), self.threshold.value)
        up_to = float(np.mean(np.array(self.held_out) <= self.threshold.value))
        rank = round(up_to * len(self.map_maxima))
        return HeatScale(float(np.median(self.map_maxima)), self.map_maxima[max(rank, 1) - 1])

    @property
    def far_outside(self) -> list[tuple[list[str], float]]:
        """The held-out good parts that score far above the others, highest first: names of images, and score.

        See `knowngood.metrics.outliers.far_outside`; a name is one that `fit` takes in `without`.
        """
        far = np.flatnonzero(far_outside(self.held_out))[::-1].tolist()
        return [(self.held_out_names[at] if self.held_out_names else [], self.held_out[at]) for at in far]

    def moved(self, threshold: Threshold, validation: list[str]) -> dict[str, Any]:
        """What another threshold changes, by name, where it was set on images with these fingerprints.

        A line for review stays below it, see `knowngood.metrics.review.with_new_threshold`; where it cannot,
        there are two answers, and the threshold's note says so.
        """
        kept = with_new_threshold(self.review, self.held_out, threshold.value)
        if self.review and not kept:
            removed = (
                f"The line for review at {self.review.value:.4g} does not fit below it, and was removed."
            )
            threshold = dataclasses.replace(threshold, note=f"{threshold.note} {removed}".strip())
        if kept and kept.label == DEFECT:
            validation = list(dict.fromkeys([*validation, *self.validation]))
        return {"threshold": threshold, "review": kept, "validation": validation}

    def to_json(self) -> bytes:
        """Serialise, with the format number first."""
        content = {"format": FORMAT, **dataclasses.asdict(self)}
        return json.dumps(content, indent=1, allow_nan=False).encode()

    @classmethod
    def from_json(cls, content: bytes, *, name: str) -> Manifest:
        """Parse and check a manifest that may come from a stranger; messages have the file's name.

        Raises:
            InspectorError: Its format is too new or too old, or a key is missing, unknown or of a wrong type.
        """
        values = _read(content, name)
        check_values(values, cls, _ALLOWED, name)
        check_values(values["threshold"], Threshold, _ALLOWED, name)
        if values["review"] is not None:
            check_values(values["review"], Review, _ALLOWED, name)
            if values["review"]["value"] >= values["threshold"]["value"]:
                raise InspectorError(
                    f"{name!r}: its manifest has a line for review that is not below the threshold"
                )
            values["review"] = Review(**values["review"])
        height, width = values["input_shape"]
        halves = not (values["pairs"] and height % 2)
        if min(height, width) < 8 or height * width > MOST_PIXELS or not halves:
            raise InspectorError(f"{name!r}: its manifest has an impossible input shape, {height} x {width}")
        if len(values["sizes"]) not in (0, 4) or 0 in values["sizes"]:
            raise InspectorError(f"{name!r}: its manifest has a wrong value for 'sizes'")
        tiles = values["tiles"]
        if tiles and (len(tiles) != 2 or tiles[0] < LEAST_SIDE or not 0 <= 2 * tiles[1] < tiles[0]):
            raise InspectorError(f"{name!r}: its manifest has a wrong value for 'tiles'")
        if not values["held_out"]:
            raise InspectorError(f"{name!r}: its manifest has no held-out scores")
        if values["held_out"] != sorted(values["held_out"]) or (
            values["held_out_names"] and len(values["held_out_names"]) != len(values["held_out"])
        ):
            raise InspectorError(f"{name!r}: its manifest has held-out scores in disorder")
        if not is_plain(values):
            raise InspectorError(f"{name!r}: its manifest has a text or a number that no inspector has")
        values |= {"input_shape": (height, width), "threshold": Threshold(**values["threshold"])}
        manifest = cls(**values)
        try:
            _ = manifest.reading
        except ValueError as error:
            raise InspectorError(f"{name!r}: {error}") from error
        return manifest


def _read(content: bytes, name: str) -> dict[str, Any]:
    """The values of a manifest under their present names, if its format can be read."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InspectorError(f"{name!r}: its manifest is not JSON") from error
    if not isinstance(values, dict) or not fits(values.get("format"), int):
        raise InspectorError(f"{name!r}: its manifest names no format")
    made = values.pop("format")
    if made > FORMAT:
        raise InspectorError(
            f"{name!r} has format {quoted(made)}; this knowngood reads format {FORMAT}. Upgrade knowngood"
        )
    if made < OLDEST:
        raise InspectorError(f"{name!r} has format {quoted(made)}, which is no longer read; fit it anew")
    if made < FORMAT:
        values.update({key: make() for key, make in ADDED.items() if key not in values})
    for former, key in RENAMED.items():
        if made == 4 and former in values:
            values[key] = values.pop(former)
    return values


_ALLOWED: dict[str, tuple[Any, ...]] = {
    "task": TASKS,
    "bits": (None, *range(1, 17)),
    "label": LABELS,
}
