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
from numpy.typing import NDArray

from knowngood.data.idx import load_idx
from knowngood.detectors.class_confidence import ClassConfidence
from knowngood.detectors.classification import Classification
from knowngood.detectors.rotation import Rotation
from knowngood.errors import DataError
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.output import make_folder, replacing
from knowngood.recipe import make_recipe
from knowngood.studies.kaist_measures import AUROC, Digits, Seen, look, measure
from knowngood.studies.kaist_slides import write_kaist_slides
from knowngood.training.run import Run
from knowngood.types import Progress, silent

NORMAL, ANOMALIES = (0, 1, 2, 3), (7, 8, 9)
SMOOTHINGS = (0.0, 0.1, 0.2, 0.3)

SEEDS, QUICK_SEEDS = 5, 2
QUICK_DIGITS = 300
"""Images of each digit in a quick run."""

MOVED = 2
"""Pixels by which digits are moved, so that where a digit lies does not tell how it was turned."""

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
