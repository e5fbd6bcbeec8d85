"""What a classifier, of defects or inside a detector, says of test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.class_names import class_of_each
from knowngood.data.labelled import numbers_among
from knowngood.inspector.verdict import Verdict
from knowngood.metrics.classification import (
    accuracy,
    balanced_accuracy,
    class_figures,
    confusion_matrix,
    macro_f1,
    macro_precision,
)
from knowngood.metrics.reliability import Reliability, reliability
from knowngood.training.records import Records

ANSWERS = ("logits", "features")
"""The extras that tell what a classifier says of an image."""

UNKNOWN = -1
"""The class of a good image of which nobody has said it, and of a defect that none of the classes is."""


@dataclass(frozen=True, eq=False)
class Classification:
    """Answers to images.

    Args:
        names: The classes that were learned.
        temperature: What logits are divided by.
        logits: For each of V views of an image, for each of C classes, float32 `(N, V, C)`.
        features: What the classifier sees in each view, float32 `(N, V, D)`.
        truth: The number of the true class of each view, int `(N, V)`; -1 where nobody has said it, and for
            defects unless they are among the classes.
        said: The number of the class predicted for each image by a classifier of defects, int `(N,)`, with
            the inspector's threshold; None from an anomaly detector.
    """

    names: list[str]
    temperature: float
    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    truth: NDArray[np.int64]
    said: NDArray[np.int64] | None = None

    @property
    def matrix(self) -> NDArray[np.int64] | None:
        """The confusion matrix `(C, C)`, rows true and columns predicted; None from an anomaly detector."""
        if self.said is None:
            return None
        known = self.truth[:, 0] != UNKNOWN
        return confusion_matrix(self.truth[known, 0], self.said[known], len(self.names))

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
        """Confidence and accuracy on images whose class is known; None without any."""
        known = self.truth != UNKNOWN
        return reliability(self.logits[known], self.truth[known], temperature) if known.any() else None

    def metrics(self) -> dict[str, Any]:
        """Accuracy on views whose class is known, and the calibration error before and after the temperature.

        They are None where no class is known.
        """
        known = self.truth != UNKNOWN
        right = self.logits[known].argmax(axis=-1) == self.truth[known]
        before, after = self.reliability(1.0), self.reliability(self.temperature)
        return self._of_kinds() | {
            "answers": int(known.sum()),
            "accuracy": float(right.mean()) if known.any() else None,
            "temperature": self.temperature,
            "expected_calibration_error_before": before.expected_error if before else None,
            "expected_calibration_error": after.expected_error if after else None,
        }

    def _of_kinds(self) -> dict[str, Any]:
        """How well kinds are told apart at the inspector's threshold; empty from an anomaly detector."""
        matrix = self.matrix
        if matrix is None or not matrix.any():
            return {}
        figures = class_figures(matrix)
        return {
            "classes": {
                name: {
                    "count": int(figures.support[number]),
                    **{
                        figure: _share(getattr(figures, figure)[number])
                        for figure in ("precision", "recall", "f1")
                    },
                }
                for number, name in enumerate(self.names)
            },
            "class_accuracy": accuracy(matrix),
            "balanced_accuracy": balanced_accuracy(matrix),
            "macro_precision": macro_precision(matrix),
            "macro_f1": macro_f1(matrix),
            "confusion": {"classes": self.names, "matrix": matrix.tolist()},
            "not_learned": int((self.truth[:, 0] == UNKNOWN).sum()),
        }

    def warnings(self, scores: pd.DataFrame) -> list[str]:
        """What is to be known of kinds that the classifier did not learn, or that the test lacks."""
        if self.said is None:
            return []
        unknown = sorted(set(scores["defect"][self.truth[:, 0] == UNKNOWN]))
        absent = [name for number, name in enumerate(self.names) if number not in self.truth]
        told = []
        if unknown:
            near = {name: get_close_matches(name, self.names, n=1) for name in unknown}
            named = ", ".join(
                f"{name or 'without a type'}" + (f" (did you mean {match[0]}?)" if match else "")
                for name, match in near.items()
            )
            told.append(
                f"The classifier did not learn these types of defect, which the test has: {named}. It can "
                "reject them, but not name them; they are not in the figures by kind."
            )
        if absent:
            told.append(f"The test has no image of: {', '.join(absent)}. Nothing is known of these kinds.")
        return told


def _share(value: float) -> float | None:
    """A share as JSON has it; None where there is none."""
    return float(value) if np.isfinite(value) else None


def classification(records: Records, verdicts: Sequence[Verdict], table: pd.DataFrame) -> Classification:
    """Gather answers, with what is known of the true classes.

    Args:
        records: What the classifier learned.
        verdicts: At least one, with `ANSWERS`.
        table: The samples, one row per verdict. The class of good ones stands in the column `class`, if there
            is one; where images have several views, the class of each is its number. What a classifier of
            defects learned are kinds: `good`, and the types of defect.
    """
    logits, features = (np.stack([verdict.extras[name] for verdict in verdicts]) for name in ANSWERS)
    if records.classifier is not None:
        names, temperature = records.classifier.names, records.classifier.temperature
        truth = numbers_among(class_of_each(table).tolist(), names)[:, None]
        said = numbers_among([str(verdict.predicted_class) for verdict in verdicts], names)
        return Classification(names, temperature, logits, features, truth, said)
    if records.classes is None:
        raise TypeError("records without classes name no answer")
    names, temperature = records.classes.names, records.classes.temperature
    count, views = logits.shape[:2]
    if views > 1:
        truth = np.tile(np.arange(views), (count, 1))
    else:
        own = table["class"].tolist() if "class" in table else [""] * count
        truth = pd.Index(names).get_indexer(pd.Index(own)).astype(np.int64)[:, None]
    truth[(table["label"] != "good").to_numpy()] = UNKNOWN
    return Classification(names, temperature, logits, features, truth)
