"""The manifest of an inspector: where it comes from and how it decides, as JSON."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowngood.data.reading import Reading
from knowngood.errors import InspectorError
from knowngood.metrics.thresholds import Threshold, conformal

FORMAT = 5
"""Counts up when an older knowngood could no longer read a new inspector."""

OLDEST = 4
"""Older formats do not say what their inspector's task is."""

FORMER = {"peaks": "map_maxima"}
"""Keys of format 4, and what they are called since."""

DETECTION, CLASSIFICATION = TASKS = ("detection", "classification")
"""What an inspector does: it tells good parts from all others, or names classes of defects too."""

MAX_FALSE_REJECT = 0.05
"""The false-reject rate for which the threshold is set at first; `knowngood threshold` moves it."""

RESIZE = (
    "stretched to the input shape: halved by area averages while both sides are even and at least twice as "
    "long as needed, then area averages if a side is still that long, else linear; JPEG decoded at 1/2, 1/4 "
    "or 1/8 where that is large enough"
)


@dataclass(frozen=True)
class Manifest:
    """Everything about an inspector but its graph.

    Args:
        task: One of `TASKS`.
        method: The name of the detector or classifier in its registry.
        recipe: Its hyper-parameters.
        backbone: Name, source and hash of the frozen network's weights; empty if there is none.
        input_shape: Height and width that images are resized to.
        resize: How they are resized, in words.
        bits: Bits that 16-bit pixels really use, larger values saturate; None if no image had 16 bits.
        seed: The seed of the fit.
        device: The device of the fit.
        created: When it was fitted, in ISO 8601, UTC.
        versions: Versions of the software that made it.
        training: Fingerprint of each training image.
        held_out: Scores of good images that the model did not learn from, ascending.
        map_maxima: The largest value of each of their maps, ascending, where the score is another quantity
            than the maps' values; else empty.
        validation: Fingerprint of each image that the threshold was set on, beyond the held-out scores.
        threshold: The line between accept and reject, and how it was chosen.
        graph_hash: SHA-256 of the graph, hexadecimal.
        graph_difference: Largest difference between torch's scores and the graph's, relative; where the
            detector stands on frozen features, both take them from the engine, compared when converted.
    """

    task: str
    method: str
    recipe: dict[str, Any]
    backbone: dict[str, str]
    input_shape: tuple[int, int]
    resize: str
    bits: int | None
    seed: int
    device: str
    created: str
    versions: dict[str, str]
    training: list[str]
    held_out: list[float]
    map_maxima: list[float]
    validation: list[str]
    threshold: Threshold
    graph_hash: str
    graph_difference: float

    @property
    def reading(self) -> Reading:
        """How images are read."""
        return Reading(self.input_shape, self.bits)

    @property
    def heat_scale(self) -> tuple[NDArray[np.float64], float]:
        """What heatmaps are scaled by: typical largest values of good parts' maps, and a line above them."""
        if not self.map_maxima:
            return np.array(self.held_out), self.threshold.value
        return np.array(self.map_maxima), conformal(self.map_maxima, MAX_FALSE_REJECT).value

    def to_json(self) -> bytes:
        """Serialise, with the format's number first."""
        content = {"format": FORMAT, **dataclasses.asdict(self)}
        return json.dumps(content, indent=1, allow_nan=False).encode()

    @classmethod
    def from_json(cls, content: bytes, *, name: str) -> Manifest:
        """Parse and check a manifest that may come from a stranger.

        Args:
            content: UTF-8 JSON.
            name: The inspector's file name, for messages.

        Raises:
            InspectorError: Its format is too new or too old, or a key is missing, unknown or of a wrong type.
        """
        try:
            values = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise InspectorError(f"{name!r}: its manifest is not JSON") from error
        if not isinstance(values, dict) or not _is_count(values.get("format")):
            raise InspectorError(f"{name!r}: its manifest names no format")
        made = values.pop("format")
        if made > FORMAT:
            raise InspectorError(
                f"{name!r} has format {made}; this knowngood reads format {FORMAT}. Upgrade knowngood"
            )
        if made < OLDEST:
            raise InspectorError(f"{name!r} has format {made}, which is no longer read; fit it anew")
        if made == 4:
            values = {FORMER.get(key, key): value for key, value in values.items()}
        values = _checked(values, _MANIFEST, name)
        values["threshold"] = Threshold(**_checked(values["threshold"], _THRESHOLD, name))
        height, width = values["input_shape"] = tuple(values["input_shape"])
        if not (8 <= height <= 16384 and 8 <= width <= 16384):
            raise InspectorError(f"{name!r}: its manifest has an impossible input shape, {height} x {width}")
        if not values["held_out"]:
            raise InspectorError(f"{name!r}: its manifest has no held-out scores")
        return cls(**values)


def _is_number(value: Any) -> bool:
    # The bound also tells infinity and NaN, and whole numbers that no float can hold.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_setting(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return all(item is None or isinstance(item, bool | str) or _is_number(item) for item in items)


def _is_texts_by_name(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


_THRESHOLD = {
    "value": _is_number,
    "rule": _is_text,
    "requested": lambda value: value is None or _is_number(value),
    "held_out": _is_count,
    "above": _is_count,
    "upper_bound": lambda value: value is None or _is_number(value),
    "note": _is_text,
}
_MANIFEST = {
    "task": lambda value: _is_text(value) and value in TASKS,
    "method": _is_text,
    "recipe": lambda value: isinstance(value, dict) and all(map(_is_setting, value.values())),
    "backbone": _is_texts_by_name,
    "input_shape": lambda value: isinstance(value, list) and len(value) == 2 and all(map(_is_count, value)),
    "resize": _is_text,
    "bits": lambda value: value is None or (_is_count(value) and 1 <= value <= 16),
    "seed": _is_count,
    "device": _is_text,
    "created": _is_text,
    "versions": _is_texts_by_name,
    "training": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "held_out": lambda value: isinstance(value, list) and all(map(_is_number, value)),
    "map_maxima": lambda value: isinstance(value, list) and all(map(_is_number, value)),
    "validation": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "threshold": lambda value: isinstance(value, dict),
    "graph_hash": _is_text,
    "graph_difference": _is_number,
}


def _checked(values: dict[str, Any], rules: dict[str, Any], name: str) -> dict[str, Any]:
    """The values, if they have exactly the keys of the rules and each follows its rule."""
    for key in values.keys() - rules.keys():
        raise InspectorError(f"{name!r}: its manifest has an unknown key {key!r}")
    for key, rule in rules.items():
        if key not in values:
            raise InspectorError(f"{name!r}: its manifest lacks {key!r}")
        if not rule(values[key]):
            raise InspectorError(f"{name!r}: its manifest has a wrong value for {key!r}")
    return dict(values)
