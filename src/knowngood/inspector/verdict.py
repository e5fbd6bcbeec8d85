"""The result of inspecting one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import Source, name_of
from knowngood.data.reading import map_on_image


@dataclass(frozen=True, eq=False)
class Verdict:
    """The result of inspecting one image.

    Args:
        source: The image: a path as it was given, or the bytes or the array of all else.
        index: Its position among the images given.
        score: Raw and unbounded; higher is more anomalous.
        p_value: Share of good parts that score at least as high; small means unlike any good part.
        decision: `accept` or `reject`.
        size: Height and width of the image.
        patch_map: Anomaly map at patch resolution, float32 `(h, w)`; None for image-only detectors.
        predicted_class: From a classifier, `good`, or for a rejected image the likeliest defect type.
        probabilities: From a classifier, the probability of each class by name, 1 in all.
        extras: What was asked for beyond that, by name, for this image; see `Inspector.stream`.
    """

    source: Source
    index: int
    score: float
    p_value: float
    decision: str
    size: tuple[int, int]
    patch_map: NDArray[np.float32] | None
    predicted_class: str | None = None
    probabilities: dict[str, float] | None = None
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """The verdict as a row of a table; an array is named by its position."""
        path = name_of(self.source, self.index)
        row = {"path": path, "score": self.score, "p_value": self.p_value, "decision": self.decision}
        if self.probabilities is not None:
            row["predicted_class"] = self.predicted_class
            row |= {f"p_{name}": share for name, share in self.probabilities.items()}
        return row

    @property
    def map(self) -> NDArray[np.float32] | None:
        """The anomaly map in the image's own pixels, float32 `(H, W)`; None for image-only detectors."""
        return None if self.patch_map is None else map_on_image(self.patch_map, self.size)
