"""What the study `kaist` measures: everything follows from what a shipped graph gives for test digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from knowngood.detectors.confidence import LOGIT_SCORES, LogitScore, Scorer, nearest_of
from knowngood.detectors.rotation import CircularDistance, LogProbability
from knowngood.inspector.classification import ANSWERS
from knowngood.inspector.inspector import Inspector
from knowngood.metrics.ranking import auroc
from knowngood.metrics.reliability import reliability
from knowngood.training.records import Records

AUROC = "image AUROC"

HOT = 3.0
"""The temperature that the document shows beside 1."""

REMEMBERED = 4000
"""Learned digits that nearest neighbours are looked for among."""


@dataclass(frozen=True, eq=False)
class Digits:
    """The data.

    Args:
        learn: Normal digits to learn from, uint8 `(N, 28, 28)`.
        classes: Which digit each is.
        test: Other digits: normal ones and anomalies.
        labels: Which digit each is.
    """

    learn: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    test: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        """Which of the test digits are anomalies: those of a class that was not learned."""
        return ~np.isin(self.labels, self.classes)


@dataclass(frozen=True, eq=False)
class Seen:
    """What an inspector's graph gives for the test digits.

    Args:
        title: The experiment.
        records: What is kept of how its network was trained.
        own: The name of the inspector's own score.
        scores: Scores `(N,)` by name: its own, and others from what its graph gives.
        rejected: Decisions, bool `(N,)`.
        logits: float32 `(N, V, C)`.
        features: float32 `(N, V, D)`.
    """

    title: str
    records: Records
    own: str
    scores: Mapping[str, NDArray[np.float64]]
    rejected: NDArray[np.bool_]
    logits: NDArray[np.float32]
    features: NDArray[np.float32]


def look(inspector: Inspector, digits: Digits, title: str, seed: int) -> Seen:
    """What the shipped graph says of the test digits, and every score that follows from that."""
    classes = inspector.records.classes
    assert classes is not None
    verdicts = list(inspector.stream(list(digits.test), extras=ANSWERS))
    logits, features = (np.stack([verdict.extras[name] for verdict in verdicts]) for name in ANSWERS)
    scorers: dict[str, Scorer] = {"knn": neighbours(inspector, digits, seed)}
    if logits.shape[1] == 1:
        scorers |= {name: LogitScore(name, 1.0) for name in LOGIT_SCORES}
        scorers[f"msp at temperature {HOT:g}"] = LogitScore("msp", HOT)
        scorers["msp at the fitted temperature"] = LogitScore("msp", classes.temperature)
    else:
        scorers |= {"distance": CircularDistance(), "log_probability": LogProbability(1.0)}
    scores = {
        name: scorer.of_many(torch.from_numpy(features), torch.from_numpy(logits)).double().numpy()
        for name, scorer in scorers.items()
    }
    own = str(inspector.manifest.recipe["score"])
    # The inspector's own `msp` has the fitted temperature.
    scores.setdefault(own, np.array([verdict.score for verdict in verdicts]))
    if logits.shape[1] > 1:
        scores |= other_readings(logits, digits.anomalous, seed)
    return Seen(
        title=title,
        records=inspector.records,
        own=own,
        scores=scores,
        rejected=np.array([verdict.decision == "reject" for verdict in verdicts]),
        logits=logits,
        features=features,
    )


def measure(seen: Seen, digits: Digits) -> dict[str, float]:
    """The figures of one run."""
    assert seen.records.classes is not None
    anomalous, fitted = digits.anomalous, seen.records.classes.temperature
    normal = ~anomalous
    views = seen.logits.shape[1]
    numbers = np.searchsorted(np.unique(digits.classes), digits.labels[normal])
    truth = np.tile(np.arange(views), len(numbers)) if views > 1 else numbers
    logits = seen.logits[normal].reshape(len(truth), -1)
    values = {f"{AUROC}, {name}": float(auroc(anomalous, score)) for name, score in seen.scores.items()}
    return values | {
        "accuracy on normal test digits": float((logits.argmax(axis=1) == truth).mean()),
        "fitted temperature": fitted,
        "calibration error, temperature 1": reliability(logits, truth).expected_error,
        "calibration error, fitted temperature": reliability(logits, truth, fitted).expected_error,
        "normal test digits rejected": float(seen.rejected[normal].mean()),
        "anomalies rejected": float(seen.rejected[anomalous].mean()),
    }


def neighbours(inspector: Inspector, digits: Digits, seed: int) -> Scorer:
    """Distance to the nearest of some of the digits learned from, as the shipped graph sees them."""
    assert inspector.training is not None
    learned = np.setdiff1d(np.arange(len(digits.learn)), inspector.training.validation)
    chosen = np.random.default_rng(seed).permutation(learned)[:REMEMBERED]
    verdicts = inspector.stream(list(digits.learn[chosen]), extras=["features"])
    bank = torch.from_numpy(np.stack([verdict.extras["features"] for verdict in verdicts]))
    return nearest_of(bank, most=REMEMBERED, neighbours=1, seed=seed)


def other_readings(
    logits: NDArray[np.float32], anomalous: NDArray[np.bool_], seed: int
) -> dict[str, NDArray[np.float64]]:
    """What else the document's score for rotations could mean; its words leave it open.

    Args:
        logits: `(N, 4, 4)`.
        anomalous: Which of the digits are anomalies `(N,)`.
        seed: Draws rotations.

    Returns:
        Scores `(N,)`: of one random rotation of each digit instead of the mean over four; and the same where
        an anomaly's true rotation is drawn anew, so that it has nothing to do with the image.
    """
    rng = np.random.default_rng(seed)
    count = len(logits)
    turned, drawn_anew = rng.integers(4, size=(2, count))
    predicted = logits[np.arange(count), turned].argmax(axis=1)

    def apart(truth: NDArray[np.int64]) -> NDArray[np.float64]:
        steps = np.abs(predicted - truth)
        return np.asarray(np.minimum(steps, 4 - steps), np.float64)

    return {
        "distance of one rotation": apart(turned),
        "distance, anomalies' rotations unknown": apart(np.where(anomalous, drawn_anew, turned)),
    }
