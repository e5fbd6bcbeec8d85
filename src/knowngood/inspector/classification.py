"""The evaluation of a classifier, whether of defects or inside a detector, on test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.brief import brief
from knowngood.data.class_names import class_of_each
from knowngood.data.decoding import LISTED
from knowngood.data.labelled import numbers_among
from knowngood.errors import shortened
from knowngood.inspector.verdict import Verdict
from knowngood.metrics import classification as of_classes
from knowngood.metrics.reliability import Reliability, reliability
from knowngood.training.records import Records

ANSWERS = ("logits", "features")
"""The extras of a verdict that a classification needs."""

UNKNOWN = -1
"""The class of a good image whose class is unknown, and of a defect that belongs to no learned class."""


@dataclass(frozen=True, eq=False)
class Classification:
    """The logits of N images, beside their true classes.

    Args:
        names: The classes that were learned.
        temperature: The divisor of the logits.
        logits: For each of V views of an image, for each of C classes, float32 `(N, V, C)`.
        features: The classifier's input for each view, float32 `(N, V, D)`.
        truth: The number of the true class of each view, int `(N, V)`, or `UNKNOWN`.
        said: The number of the class predicted for each image by a classifier of defects, int `(N,)`, at the
            inspector's threshold; None from an anomaly detector.
    """

    names: list[str]
    temperature: float
    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    truth: NDArray[np.int64]
    said: NDArray[np.int64] | None = None

    __repr__ = brief

    @property
    def matrix(self) -> NDArray[np.int64] | None:
        """The confusion matrix `(C, C)`, rows true and columns predicted; None from an anomaly detector."""
        if self.said is None:
            return None
        known = self.truth[:, 0] != UNKNOWN
        return of_classes.confusion_matrix(self.truth[known, 0], self.said[known], len(self.names))

    def groups(self, scores: pd.DataFrame) -> list[str]:
        """The class of each row of `Evaluation.scores` where it is known, else its defect type or label."""
        numbers = self.truth[:, 0] if self.truth.shape[1] == 1 else np.full(len(scores), UNKNOWN)
        return [
            self.names[number] if number != UNKNOWN else str(defect or label)
            for number, defect, label in zip(numbers, scores["defect"], scores["label"], strict=True)
        ]

    def reliability(self, temperature: float) -> Reliability | None:
        """Confidence and accuracy on images whose class is known; None without any."""
        known = self.truth != UNKNOWN
        return reliability(self.logits[known], self.truth[known], temperature) if known.any() else None

    def metrics(self) -> dict[str, Any]:
        """Accuracy and calibration error on views whose class is known; None where none is known."""
        known = self.truth != UNKNOWN
        correct = self.logits[known].argmax(axis=-1) == self.truth[known]
        before, after = self.reliability(1.0), self.reliability(self.temperature)
        return self._per_class() | {
            "answers": int(known.sum()),
            "accuracy": float(correct.mean()) if known.any() else None,
            "temperature": self.temperature,
            "expected_calibration_error_before": before.expected_error if before else None,
            "expected_calibration_error": after.expected_error if after else None,
        }

    def _per_class(self) -> dict[str, Any]:
        """The figures of each class at the inspector's threshold; empty from an anomaly detector."""
        matrix = self.matrix
        if matrix is None or not matrix.any():
            return {}
        figures = of_classes.class_figures(matrix)
        columns = zip(figures.support, figures.precision, figures.recall, figures.f1, strict=True)
        return {
            "classes": {
                name: {"count": int(support)}
                | {
                    figure: float(value) if np.isfinite(value) else None
                    for figure, value in zip(("precision", "recall", "f1"), values, strict=True)
                }
                for name, (support, *values) in zip(self.names, columns, strict=True)
            },
            "class_accuracy": of_classes.accuracy(matrix),
            "balanced_accuracy": of_classes.balanced_accuracy(matrix),
            "macro_precision": of_classes.macro_precision(matrix),
            "macro_f1": of_classes.macro_f1(matrix),
            "confusion": {"classes": self.names, "matrix": matrix.tolist()},
            "not_learned": int((self.truth[:, 0] == UNKNOWN).sum()),
        }

    def warnings(self, scores: pd.DataFrame) -> list[str]:
        """Name the classes that the classifier did not learn, and those that the test lacks."""
        if self.said is None:
            return []
        warnings, names = [], []
        unknown = sorted(set(scores["defect"][self.truth[:, 0] == UNKNOWN]))
        for name in unknown[:LISTED]:
            close = get_close_matches(name, self.names, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            names.append((shortened(name) or "without a type") + hint)
        names += [f"{len(unknown) - LISTED} more"][: len(unknown) > LISTED]
        if names:
            warnings.append(
                "The classifier did not learn these types of defect, which the test has: "
                f"{', '.join(names)}. It can reject them, but not name them; they are not in the figures by "
                "class."
            )
        absent = [name for number, name in enumerate(self.names) if number not in self.truth]
        if absent:
            warnings.append(
                f"The test has no image of: {', '.join(absent)}. Nothing is known of these classes."
            )
        return warnings


def classification(records: Records, verdicts: Sequence[Verdict], table: pd.DataFrame) -> Classification:
    """Gather the logits and the true classes of test images from verdicts with `ANSWERS`.

    The table has a row per verdict. A classifier of defects learned `good` and the types of defect; for a
    detector, the class of a good image is in the column `class`, if there is one, or where images have
    several views, the class of each is its number.
    """
    logits, features = (np.stack([verdict.extras[name] for verdict in verdicts]) for name in ANSWERS)
    record = records.classifier or records.classes
    if record is None:
        raise TypeError("records without classes name no answer")
    names, predicted = record.names, None
    count, views = logits.shape[:2]
    if records.classifier is not None:
        truth = numbers_among(class_of_each(table).tolist(), names)[:, None]
        predicted = numbers_among([str(verdict.predicted_class) for verdict in verdicts], names)
    elif views > 1:
        truth = np.tile(np.arange(views), (count, 1))
    else:
        own = table["class"].tolist() if "class" in table else [""] * count
        truth = pd.Index(names).get_indexer(pd.Index(own)).astype(np.int64)[:, None]
    if records.classifier is None:
        truth[(table["label"] != "good").to_numpy()] = UNKNOWN
    return Classification(names, record.temperature, logits, features, truth, predicted)
