"""KAIST, "Machine anomaly detection with artificial intelligence" (J.-W. Choi), lecture 5, an exercise.

A network that classifies normal data is uncertain about anomalies; label smoothing and a temperature keep it
from overconfidence. Where there are no classes, it learns by how many quarters an image was turned (RotNet).
MNIST: the digits 0 to 3 are normal, 7 to 9 are anomalies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.idx import load_idx
from knowngood.detectors.class_confidence import ClassConfidence
from knowngood.detectors.rotation import Rotation
from knowngood.errors import DataError
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.studies.kaist_measures import AUROC, Digits, Seen, look, measure
from knowngood.studies.kaist_slides import write_kaist_slides
from knowngood.studies.study import Job, Method, Result, Study, find
from knowngood.types import Progress

NORMAL, ANOMALIES = (0, 1, 2, 3), (7, 8, 9)
SMOOTHINGS = (0.0, 0.1, 0.2, 0.3)

MOVED = 2
"""Pixels by which digits are moved, so that where a digit lies does not tell how it was turned."""

DOCUMENT = {
    ("small-0.0", f"{AUROC}, msp"): 0.868,
    ("small-0.1", f"{AUROC}, msp"): 0.927,
    ("small-0.2", f"{AUROC}, msp"): 0.918,
    ("rotnet", f"{AUROC}, distance"): 0.856,
}
"""The document's figures, each of one run."""


def methods(*, document: int, classes: int, rotations: int, moved: int) -> list[Method]:
    """What is compared: the document's networks as it trains them, and ours.

    Args:
        document: Epochs of the document's networks.
        classes: Epochs of our network that classifies digits.
        rotations: Epochs of our network that classifies rotations.
        moved: Epochs of the same where digits are moved.
    """
    theirs: dict[str, Any] = {
        "input_size": 28,
        "network": "small",
        "batch_size": 32,
        "schedule": "constant",
        "epochs": document,
    }
    small = partial(ClassConfidence, score="msp", shift=0, **theirs)
    rotnet = partial(Rotation, score="distance", label_smoothing=0.0, **theirs)
    rotation = partial(Rotation, input_size=28, network="cnn")
    return [
        *(
            Method(
                f"small-{smoothing}", small(label_smoothing=smoothing), f"small CNN, smoothing {smoothing:g}"
            )
            for smoothing in SMOOTHINGS
        ),
        Method("rotnet", rotnet(shift=0), "RotNet, small CNN"),
        Method("rotnet-moved", rotnet(shift=MOVED), "RotNet, digits moved"),
        Method("cnn", ClassConfidence(input_size=28, network="cnn", epochs=classes), "class_confidence, cnn"),
        Method("rotation", rotation(epochs=rotations), "rotation, cnn"),
        # Where a digit lies no longer tells how it was turned: the task is harder, and takes longer.
        Method("rotation-moved", rotation(epochs=moved, shift=MOVED), "rotation, cnn, digits moved"),
    ]


@dataclass(frozen=True)
class Exercise(Study):
    """All methods over several seeds.

    Args:
        methods: What is compared.
        runs: Number of seeds.
        most: The most images of each digit; None for all.
    """

    methods: Sequence[Method]
    runs: int
    most: int | None = None

    def jobs(self, data: Path, seed: int) -> list[Job]:
        """Every method with every seed; see `Study.jobs`."""
        digits = load_digits(find(data, "mnist"), self.most)
        images, classes = list(digits.learn), digits.classes.tolist()
        return [
            Job(
                method=method,
                seed=one,
                data=digits,
                images=images,
                learn=partial(
                    fit,
                    digits.learn,
                    method.recipe,
                    classes=classes if method.recipe.needs_classes else None,
                ),
                draw=f"seed{one}",
            )
            for method in self.methods
            for one in range(seed, seed + self.runs)
        ]

    def measure(
        self,
        job: Job,
        inspector: Inspector,
        progress: Progress,  # noqa: ARG002  # it takes seconds
    ) -> tuple[Mapping[str, float], Seen]:
        """Every score of the test digits; see `Study.measure`."""
        seen = look(inspector, job.data, job.method.title, job.seed)
        return measure(seen, job.data), seen

    def tables(self, results: Sequence[Result]) -> dict[str, pd.DataFrame]:
        """The figures of each run, and their means; see `Study.tables`."""
        rows = [
            {"task": result.job.method.name, "figure": figure, "seed": result.job.seed, "value": value}
            for result in results
            for figure, value in result.figures.items()
        ]
        runs = pd.DataFrame(rows)
        return {"runs": runs, "figures": summary(runs)}

    def report(self, results: Sequence[Result], tables: Mapping[str, pd.DataFrame], out: Path) -> None:
        """Slides of the first seed in pictures, and of the means of all; see `Study.report`."""
        shown = {result.job.method.name: result.shown for result in results if result.shown is not None}
        digits: Digits = results[0].job.data
        write_kaist_slides(tables["figures"], shown, digits.labels, digits.anomalous, out / "slides.pdf")


def load_digits(folder: Path, most: int | None) -> Digits:
    """The normal digits to learn from, and normal and anomalous ones to test with.

    Args:
        folder: It holds MNIST's IDX files.
        most: The most images of each digit; None for all.

    Raises:
        DataError: There are too few images of a digit.
    """
    train, train_labels = load_idx(folder, "train")
    test, test_labels = load_idx(folder, "test")

    def rows(labels: NDArray[np.uint8], digits: tuple[int, ...]) -> NDArray[np.int64]:
        chosen = [np.flatnonzero(labels == digit)[:most] for digit in digits]
        for digit, found in zip(digits, chosen, strict=True):
            if len(found) < 2:
                raise DataError(f"{str(folder)!r} has too few images of the digit {digit}; complete it")
        return np.sort(np.concatenate(chosen))

    learned, tested = rows(train_labels, NORMAL), rows(test_labels, NORMAL + ANOMALIES)
    return Digits(train[learned], train_labels[learned], test[tested], test_labels[tested])


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


STUDY = Exercise(methods(document=5, classes=10, rotations=3, moved=6), runs=5)
QUICK = Exercise(methods(document=12, classes=2, rotations=1, moved=1), runs=2, most=300)
