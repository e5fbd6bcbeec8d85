"""What an inspector says of one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import Source, name_of


@dataclass(frozen=True, eq=False)
class Verdict:
    """What an inspector says of one image.

    Args:
        source: The image as it was given: a path or an array.
        index: Its position among the images given.
        score: Raw and unbounded; higher is more anomalous.
        p_value: Share of good parts that score at least as high; small means unlike any good part.
        decision: `accept` or `reject`.
        size: Height and width of the image.
        patch_map: Anomaly map at patch resolution, float32 `(h, w)`; None for image-only detectors.
        kind: What a classifier takes it for: `good`, or where it is rejected the likeliest defect type; None
            from an anomaly detector.
        probabilities: What a classifier gives each of its kinds, by name, 1 in all; None from an anomaly
            detector.
    """

    source: Source
    index: int
    score: float
    p_value: float
    decision: str
    size: tuple[int, int]
    patch_map: NDArray[np.float32] | None
    kind: str | None = None
    probabilities: dict[str, float] | None = None

    def row(self) -> dict[str, Any]:
        """The verdict as a row of a table; an array is named by its position."""
        path = name_of(self.source, self.index)
        row = {"path": path, "score": self.score, "p_value": self.p_value, "decision": self.decision}
        if self.probabilities is None:
            return row
        return row | {"kind": self.kind} | {f"p_{name}": share for name, share in self.probabilities.items()}

    @property
    def map(self) -> NDArray[np.float32] | None:
        """The anomaly map in the image's own pixels, float32 `(H, W)`; None for image-only detectors."""
        if self.patch_map is None:
            return None
        height, width = self.size
        upscaled = cv2.resize(self.patch_map, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(upscaled, dtype=np.float32)


class Rebuilt(NamedTuple):
    """An image, and what an inspector's detector made of it.

    Attributes:
        verdict: What the inspector says of it.
        original: The image at the input shape, uint8 `(H, W, 3)`.
        rebuilt: The image as the detector rebuilds it, float32 `(H, W, C)` from 0 to 1; one channel where it
            learned from grey images.
    """

    verdict: Verdict
    original: NDArray[np.uint8]
    rebuilt: NDArray[np.float32]


class Classified(NamedTuple):
    """An image, and what the classifier inside an inspector says of it.

    Attributes:
        verdict: What the inspector says of it.
        logits: float32 `(V, C)`: for each of V views of the image, for each of C classes.
        features: What the classifier sees in each view, float32 `(V, D)`.
    """

    verdict: Verdict
    logits: NDArray[np.float32]
    features: NDArray[np.float32]
