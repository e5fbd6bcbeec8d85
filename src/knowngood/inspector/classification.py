"""What the classifier inside an inspector says of test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.inspector.verdict import Classified
from knowngood.metrics.reliability import Reliability, reliability
from knowngood.training.record import Classes

UNKNOWN = -1
"""The class of a defect, and of a good image of which nobody has said it."""


@dataclass(frozen=True, eq=False)
class Classification:
    """Answers to images.

    Args:
        names: The classes that were learned.
        temperature: What logits are divided by.
        logits: For each of V views of an image, for each of C classes, float32 `(N, V, C)`.
        features: What the classifier sees in each view, float32 `(N, V, D)`.
        truth: The number of the true class of each view, int `(N, V)`; -1 for defects, and where nobody has
            said it.
    """

    names: list[str]
    temperature: float
    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    truth: NDArray[np.int64]

    def groups(self, scores: pd.DataFrame) -> list[str]:
        """What each image is: its class if it is known, `good` if not, or its defect type.

        Args:
            scores: As in `Evaluation`, in the same order.
        """
        named = self.truth[:, 0] if self.truth.shape[1] == 1 else np.full(len(scores), UNKNOWN)
        return [
            self.names[number] if number != UNKNOWN else str(defect or label)
            for number, defect, label in zip(named, scores["defect"], scores["label"], strict=True)
        ]

    def reliability(self, temperature: float) -> Reliability | None:
        """How sure the classifier is of images whose class is known, against how right; None without any."""
        known = self.truth != UNKNOWN
        return reliability(self.logits[known], self.truth[known], temperature) if known.any() else None

    def metrics(self) -> dict[str, Any]:
        """Accuracy on views whose class is known, and the calibration error before and after the temperature.

        They are None where no class is known.
        """
        known = self.truth != UNKNOWN
        right = self.logits[known].argmax(axis=-1) == self.truth[known]
        before, after = self.reliability(1.0), self.reliability(self.temperature)
        return {
            "answers": int(known.sum()),
            "accuracy": float(right.mean()) if known.any() else None,
            "temperature": self.temperature,
            "expected_calibration_error_before": before.expected_error if before else None,
            "expected_calibration_error": after.expected_error if after else None,
        }


def classification(classes: Classes, answers: Sequence[Classified], table: pd.DataFrame) -> Classification:
    """Gather answers, with what is known of the true classes.

    Args:
        classes: What the classifier learned.
        answers: At least one.
        table: The samples, a row an answer; the class of good ones stands in the column `class`, if there is
            one. Where images have several views, the class of each is its number.
    """
    logits = np.stack([answer.logits for answer in answers])
    count, views = logits.shape[:2]
    if views > 1:
        truth = np.tile(np.arange(views), (count, 1))
    else:
        own = table["class"].tolist() if "class" in table else [""] * count
        truth = pd.Index(classes.names).get_indexer(pd.Index(own)).astype(np.int64)[:, None]
    truth[(table["label"] != "good").to_numpy()] = UNKNOWN
    return Classification(
        names=classes.names,
        temperature=classes.temperature,
        logits=logits,
        features=np.stack([answer.features for answer in answers]),
        truth=truth,
    )
