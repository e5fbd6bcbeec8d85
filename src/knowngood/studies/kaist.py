"""KAIST, "Machine anomaly detection with artificial intelligence" (J.-W. Choi), lecture 5, an exercise.

A network that tells the classes of normal data apart is unsure of anomalies; label smoothing and a
temperature keep it from being too sure. Where there are no classes, it learns by how many quarters an image
was turned (RotNet). MNIST: the digits 0 to 3 are normal, 7 to 9 are anomalies.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from knowngood.data.idx import load_idx
from knowngood.detectors.class_confidence import ClassConfidence
from knowngood.detectors.classification import Classification
from knowngood.detectors.confidence import LOGIT_SCORES, LogitScore, Scorer, nearest_of
from knowngood.detectors.recipe import make_recipe
from knowngood.detectors.rotation import CircularDistance, LogProbability, Rotation
from knowngood.errors import DataError
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.metrics.ranking import auroc
from knowngood.metrics.reliability import reliability
from knowngood.output import make_folder, replacing
from knowngood.studies.kaist_slides import Seen, write_kaist_slides
from knowngood.training.run import Run
from knowngood.types import Progress, silent

NORMAL, ANOMALIES = (0, 1, 2, 3), (7, 8, 9)
SMOOTHINGS = (0.0, 0.1, 0.2, 0.3)
HOT = 3.0
"""The temperature that the document shows beside 1."""

SEEDS, QUICK_SEEDS = 5, 2
QUICK_DIGITS = 300
"""Images of each digit in a quick run."""

MOVED = 2
"""Pixels by which digits are moved, so that where a digit lies does not tell how it was turned."""

REMEMBERED = 4000
"""Learned digits that nearest neighbours are looked for among."""

AUROC = "image AUROC"

DOCUMENT = {
    ("small-0.0", f"{AUROC}, msp"): 0.868,
    ("small-0.1", f"{AUROC}, msp"): 0.927,
    ("small-0.2", f"{AUROC}, msp"): 0.918,
    ("rotnet", f"{AUROC}, distance"): 0.856,
}
"""The document's figures, each of one run."""


@dataclass(frozen=True)
class Experiment:
    """One way to learn from the normal digits.

    Args:
        name: Names its folder.
        title: Stands in tables.
        recipe: The detector.
    """

    name: str
    title: str
    recipe: Classification


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


def experiments(*, quick: bool = False) -> list[Experiment]:
    """What is compared: the document's networks as it trains them, and ours."""
    document = {"input_size": 28, "network": "small", "batch_size": 32, "schedule": "constant", "shift": 0}
    document["epochs"] = 12 if quick else 5
    ours = {"input_size": 28, "network": "cnn"}
    small = {smoothing: document | {"score": "msp", "label_smoothing": smoothing} for smoothing in SMOOTHINGS}
    rotnet = document | {"score": "distance", "label_smoothing": 0.0}
    chosen: list[tuple[str, str, type[Classification], dict[str, Any]]] = [
        *(
            (f"small-{smoothing}", f"small CNN, smoothing {smoothing:g}", ClassConfidence, settings)
            for smoothing, settings in small.items()
        ),
        ("rotnet", "RotNet, small CNN", Rotation, rotnet),
        ("rotnet-moved", "RotNet, digits moved", Rotation, rotnet | {"shift": MOVED}),
        ("cnn", "class_confidence, cnn", ClassConfidence, ours | {"epochs": 2 if quick else 10}),
        ("rotation", "rotation, cnn", Rotation, ours | {"epochs": 1 if quick else 3}),
        # Where a digit lies no longer tells how it was turned: the task is harder, and takes longer.
        (
            "rotation-moved",
            "rotation, cnn, digits moved",
            Rotation,
            ours | {"epochs": 1 if quick else 6, "shift": MOVED},
        ),
    ]
    return [Experiment(name, title, make_recipe(kind, settings)) for name, title, kind, settings in chosen]


def study(
    data: Path,
    out: Path,
    *,
    seed: int = 0,
    quick: bool = False,
    device: str = "auto",
    progress: Progress = silent,
) -> pd.DataFrame:
    """Run all experiments over several seeds; see `knowngood.studies.registry.run_study`.

    Args:
        data: It holds `mnist`, the IDX files as published.
        out: For each experiment and seed the inspector and the training folder; `runs.csv` with every figure
            of every seed, `figures.csv` with their means, and `slides.pdf`.
        seed: The first of five seeds, or of two in a quick run.
        quick: Train shortly, on few digits.
        device: `auto`, `cpu` or `cuda`.
        progress: Called during long work.
    """
    digits = load_digits(data, quick=quick)
    make_folder(out)
    runs: list[dict[str, Any]] = []
    shown: dict[str, Seen] = {}
    for experiment in experiments(quick=quick):
        make_folder(out / experiment.name)
        for one in range(seed, seed + (QUICK_SEEDS if quick else SEEDS)):
            inspector = learn(experiment, digits, out, seed=one, device=device, progress=progress)
            seen = look(inspector, digits, experiment.title, one)
            shown.setdefault(experiment.name, seen)  # pictures are of the first seed
            for figure, value in measure(seen, digits).items():
                runs.append({"task": experiment.name, "figure": figure, "seed": one, "value": value})
    figures = summary(pd.DataFrame(runs))
    for name, content in (("runs.csv", pd.DataFrame(runs)), ("figures.csv", figures)):
        with replacing(out / name) as unfinished:
            content.to_csv(unfinished, index=False)
    write_kaist_slides(figures, shown, digits.labels, digits.anomalous, out / "slides.pdf")
    return figures


def load_digits(data: Path, *, quick: bool) -> Digits:
    """The normal digits to learn from, and normal and anomalous ones to test with."""
    if not (data / "mnist").is_dir():
        raise DataError(f"{str(data)!r} holds no folder mnist; put the data set there")
    train, train_labels = load_idx(data / "mnist", "train")
    test, test_labels = load_idx(data / "mnist", "test")

    def rows(labels: NDArray[np.uint8], digits: tuple[int, ...]) -> NDArray[np.int64]:
        most = QUICK_DIGITS if quick else None
        chosen = [np.flatnonzero(labels == digit)[:most] for digit in digits]
        for digit, found in zip(digits, chosen, strict=True):
            if len(found) < 2:
                raise DataError(
                    f"{str(data / 'mnist')!r} has too few images of the digit {digit}; complete it"
                )
        return np.sort(np.concatenate(chosen))

    learned, tested = rows(train_labels, NORMAL), rows(test_labels, NORMAL + ANOMALIES)
    return Digits(train[learned], train_labels[learned], test[tested], test_labels[tested])


def learn(
    experiment: Experiment, digits: Digits, out: Path, *, seed: int, device: str, progress: Progress
) -> Inspector:
    """Learn from the normal digits, or go on where a run before this was cut off."""
    place = out / experiment.name / f"seed{seed}"
    name = f"{experiment.title}, seed {seed}"
    inspector = fit(
        digits.learn,
        experiment.recipe,
        classes=digits.classes.tolist() if experiment.recipe.needs_classes else None,
        seed=seed,
        device=device,
        run=Run(place.with_suffix(".training")),
        progress=lambda stage, done, total: progress(f"{name}: {stage}", done, total),
    )
    inspector.save(place.with_suffix(".inspector"))
    return inspector


def look(inspector: Inspector, digits: Digits, title: str, seed: int) -> Seen:
    """What the shipped graph says of the test digits, and every score that follows from that."""
    record = inspector.training
    assert record is not None
    assert record.classes is not None
    answers = list(inspector.classify(list(digits.test)))
    logits = np.stack([answer.logits for answer in answers])
    features = np.stack([answer.features for answer in answers])
    scorers: dict[str, Scorer] = {"knn": neighbours(inspector, digits, seed)}
    if logits.shape[1] == 1:
        scorers |= {name: LogitScore(name, 1.0) for name in LOGIT_SCORES}
        scorers[f"msp at temperature {HOT:g}"] = LogitScore("msp", HOT)
        scorers["msp at the fitted temperature"] = LogitScore("msp", record.classes.temperature)
    else:
        scorers |= {"distance": CircularDistance(), "log_probability": LogProbability(1.0)}
    scores = {
        name: scorer(torch.from_numpy(features), torch.from_numpy(logits)).double().numpy()
        for name, scorer in scorers.items()
    }
    own = str(inspector.manifest.recipe["score"])
    # The inspector's own `msp` has the fitted temperature.
    scores.setdefault(own, np.array([answer.verdict.score for answer in answers]))
    if logits.shape[1] > 1:
        scores |= other_readings(logits, digits.anomalous, seed)
    return Seen(
        title=title,
        record=record,
        own=own,
        scores=scores,
        rejected=np.array([answer.verdict.decision == "reject" for answer in answers]),
        logits=logits,
        features=features,
    )


def measure(seen: Seen, digits: Digits) -> dict[str, float]:
    """The figures of one run."""
    assert seen.record.classes is not None
    anomalous, fitted = digits.anomalous, seen.record.classes.temperature
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
    answers = inspector.classify(list(digits.learn[chosen]))
    bank = torch.from_numpy(np.stack([answer.features for answer in answers]))
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


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds, beside the document's figures.

    Args:
        runs: `task`, `figure`, `seed`, `value`.

    Returns:
        `task`, `figure`, `value` (the mean), `sd`, `least`, `n`, `document` (NaN where it gives none), and
        `apart`: how many standard deviations the document's figure is from the mean.
    """
    grouped = runs.groupby(["task", "figure"], sort=False)["value"]
    table = grouped.agg(value="mean", sd="std", least="min", n="count").reset_index()
    cases = zip(table["task"], table["figure"], strict=True)
    document = [DOCUMENT.get(case, np.nan) for case in cases]
    return table.assign(document=document, apart=(np.array(document) - table["value"]) / table["sd"])
