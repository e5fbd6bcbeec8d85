"""The measurements of the study `kaist`; all follow from the outputs of a shipped graph for test digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from knowngood.detectors.confidence import LOGIT_SCORES, LogitScore, Scorer, nearest_of
from knowngood.detectors.rotation import CircularDistance, LogProbability
from knowngood.inspector.classification import ANSWERS
from knowngood.inspector.inspector import Inspector
from knowngood.metrics.ranking import auroc
from knowngood.metrics.reliability import msp, reliability
from knowngood.training.classes_record import Classes
from knowngood.training.record import TrainingRecord

AUROC = "image AUROC"
NORMAL_DIGITS, ANOMALIES = "normal test digits", "anomalies"
ACCURACY = f"accuracy on {NORMAL_DIGITS}"
SEPARATION = "distance between class centres, over that within classes"
HOT = 3.0  # the temperature that the document shows beside 1
REMEMBERED = 4000  # training digits among which nearest neighbours are searched


@dataclass(frozen=True, eq=False)
class Digits:
    """Normal digits to train on, and normal ones and anomalies to test on, each with its digit as class."""

    train: NDArray[np.uint8]  # (N, 28, 28)
    classes: NDArray[np.uint8]  # (N,)
    test: NDArray[np.uint8]  # (M, 28, 28)
    labels: NDArray[np.uint8]  # (M,)

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        """Whether each test digit is an anomaly: of a class that is not among the training digits."""
        return ~np.isin(self.labels, self.classes)


@dataclass(frozen=True, eq=False)
class Outputs:
    """The outputs of an inspector's graph for the test digits, and every score that follows from them."""

    title: str
    recipe: Mapping[str, Any]
    digits: Digits
    record: TrainingRecord
    classes: Classes  # of its network, with the fitted temperature
    own: str  # the name of the inspector's own score
    scores: Mapping[str, NDArray[np.float64]]  # (M,) by name
    rejected: NDArray[np.bool_]  # (M,)
    logits: NDArray[np.float32]  # (M, V, C)
    features: NDArray[np.float32]  # (M, V, D)


def outputs_of(inspector: Inspector, digits: Digits, title: str, seed: int) -> Outputs:
    """Run the shipped graph of an inspector on the test digits."""
    classes, record, recipe = inspector.records.classes, inspector.training, inspector.manifest.recipe
    assert classes is not None
    assert record is not None
    verdicts = list(inspector.stream(list(digits.test), extras=ANSWERS))
    logits, features = (np.stack([verdict.extras[name] for verdict in verdicts]) for name in ANSWERS)
    rotations = logits.shape[1] > 1
    scorers: dict[str, Scorer] = {"knn": _nearest_neighbour(inspector, digits, seed)}
    if rotations:
        scorers |= {"distance": CircularDistance(), "log_probability": LogProbability(1.0)}
    else:
        scorers |= {name: LogitScore(name, 1.0) for name in LOGIT_SCORES}
        scorers[f"msp at temperature {HOT:g}"] = LogitScore("msp", HOT)
        scorers["msp at the fitted temperature"] = LogitScore("msp", classes.temperature)
    scores = {
        name: scorer.of_many(torch.from_numpy(features), torch.from_numpy(logits)).double().numpy()
        for name, scorer in scorers.items()
    }
    own = str(recipe["score"])
    # The inspector's own `msp` has the fitted temperature.
    scores.setdefault(own, np.array([verdict.score for verdict in verdicts]))
    if rotations:
        scores |= other_distances(logits, digits.anomalous, seed)
    rejected = np.array([verdict.decision == "reject" for verdict in verdicts])
    return Outputs(title, recipe, digits, record, classes, own, scores, rejected, logits, features)


def measure(outputs: Outputs) -> dict[str, float]:
    """Return the figures of one run by name."""
    digits, temperature = outputs.digits, outputs.classes.temperature
    normal = ~digits.anomalous
    views = outputs.logits.shape[1]
    truth = np.searchsorted(np.unique(digits.classes), digits.labels[normal])
    if views > 1:
        truth = np.tile(np.arange(views), len(truth))
    logits = outputs.logits[normal].reshape(len(truth), -1)
    figures = {f"{AUROC}, {name}": auroc(digits.anomalous, score) for name, score in outputs.scores.items()}
    figures |= {
        ACCURACY: (logits.argmax(axis=1) == truth).mean(),
        "fitted temperature": temperature,
        "calibration error, temperature 1": reliability(logits, truth).expected_error,
        "calibration error, fitted temperature": reliability(logits, truth, temperature).expected_error,
        "normal test digits rejected": outputs.rejected[normal].mean(),
        "anomalies rejected": outputs.rejected[digits.anomalous].mean(),
    }
    for name, rows in ((NORMAL_DIGITS, normal), (ANOMALIES, digits.anomalous)):
        for heat in (1.0, HOT):
            figures[confidence_at(heat, name)] = 1 - msp(outputs.logits[rows], heat).mean()
    if views == 1:
        figures[SEPARATION] = separation(outputs.features[normal, 0], truth)
    return {name: float(value) for name, value in figures.items()}


def confidence_at(temperature: float, images: str) -> str:
    """Name the figure of the mean confidence, the maximum softmax probability, on some images.

    Example:
        >>> confidence_at(1.0, "anomalies")
        'mean confidence on anomalies, temperature 1'
    """
    return f"mean confidence on {images}, temperature {temperature:g}"


def separation(features: NDArray[np.float32], classes: NDArray[np.int64]) -> float:
    """Return the mean distance between class centres, over that of features `(N, D)` from their own centre.

    Example:
        >>> separation(np.array([[0.0], [2.0], [10.0], [12.0]]), np.array([0, 0, 1, 1]))
        10.0
    """
    found = np.unique(classes)
    centres = np.stack([features[classes == one].mean(axis=0) for one in found])
    within = np.linalg.norm(features - centres[np.searchsorted(found, classes)], axis=1).mean()
    first, second = np.triu_indices(len(found), 1)
    return float(np.linalg.norm(centres[first] - centres[second], axis=1).mean() / max(within, 1e-12))


def circular_distance(predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the distance between two rotations in quarter turns: of 0 and 3 it is 1, not 3."""
    steps = np.abs(predicted - truth)
    return np.asarray(np.minimum(steps, 4 - steps), np.int64)


def other_distances(
    logits: NDArray[np.float32], anomalous: NDArray[np.bool_], seed: int
) -> dict[str, NDArray[np.float64]]:
    """Compute what else the document's score of rotations could mean, since its text is ambiguous.

    Args:
        logits: `(N, 4, 4)`.
        anomalous: Whether each digit is an anomaly `(N,)`.
        seed: Draws one random rotation per digit, instead of the mean over four, and another one of each
            anomaly, as its true rotation, so that this is unrelated to the image.
    """
    count = len(logits)
    turned, drawn_anew = np.random.default_rng(seed).integers(4, size=(2, count))
    predicted = logits[np.arange(count), turned].argmax(axis=1)
    truths = {
        "distance of one rotation": turned,
        "distance, anomalies' rotations unknown": np.where(anomalous, drawn_anew, turned),
    }
    return {name: circular_distance(predicted, truth).astype(np.float64) for name, truth in truths.items()}


def _nearest_neighbour(inspector: Inspector, digits: Digits, seed: int) -> Scorer:
    """Score by the distance to the nearest of some training digits, in the features of the shipped graph."""
    assert inspector.training is not None
    trained = np.setdiff1d(np.arange(len(digits.train)), inspector.training.validation)
    chosen = np.random.default_rng(seed).permutation(trained)[:REMEMBERED]
    verdicts = inspector.stream(list(digits.train[chosen]), extras=["features"])
    bank = torch.from_numpy(np.stack([verdict.extras["features"] for verdict in verdicts]))
    return nearest_of(bank, most=REMEMBERED, neighbours=1, seed=seed)
