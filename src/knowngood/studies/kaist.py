"""KAIST, "Machine anomaly detection with artificial intelligence" (J.-W. Choi), lecture 5, an exercise.

A network that classifies normal data is uncertain about anomalies; label smoothing and a temperature keep it
from overconfidence. Where there are no classes, it is trained to predict by how many quarters an image was
turned (RotNet). The data are MNIST: the digits 0 to 3 are normal, 7 to 9 are anomalies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from knowngood.report.exhibits import Exhibit
from knowngood.studies.kaist_measures import AUROC, Digits, Outputs, measure, outputs_of
from knowngood.studies.kaist_slides import conclusion, exhibits
from knowngood.studies.kaist_words import Content
from knowngood.studies.notebook import Step
from knowngood.studies.origins import MNIST, Origin
from knowngood.studies.study import Job, Method, Result, Study, figure_table, find
from knowngood.types import Progress

NORMAL, ANOMALIES = (0, 1, 2, 3), (7, 8, 9)
SMOOTHINGS = (0.0, 0.1, 0.2, 0.3)

MOVED = 2
"""Pixels by which digits are moved, so that the position of a digit does not reveal its rotation."""

DOCUMENT = {
    ("small-0.0", f"{AUROC}, msp"): 0.868,
    ("small-0.1", f"{AUROC}, msp"): 0.927,
    ("small-0.2", f"{AUROC}, msp"): 0.918,
    ("rotnet", f"{AUROC}, distance"): 0.856,
}
"""The document's figures, each of one run."""


STEPS = [
    Step(
        "The means over the seeds again, from the figures of each run.",
        """runs = pd.read_csv(folder / "runs.csv")
means = runs.groupby(["task", "figure"], sort=False)["value"].agg(["mean", "std", "min", "count"])
kept = figures.set_index(["task", "figure"])["value"]
assert ((means["mean"] - kept).abs() < 1e-9).all()
means""",
    ),
    Step(
        "The image AUROC of each network and score.",
        """scores = means["mean"].unstack("figure").filter(like="image AUROC, ")
scores.rename(columns=lambda name: name.removeprefix("image AUROC, ")).round(3)""",
    ),
    Step(
        "The layers of the first network, and the losses of all networks in the first run, by epoch.",
        """seed = f"/seed{runs['seed'].min()}"
first = {name: inspector for name, inspector in inspectors.items() if name.endswith(seed)}
for name, inspector in first.items():
    inspector.training.losses.plot(x="epoch", y=["train", "validation"], title=name)
pd.DataFrame(next(iter(first.values())).training.layers)""",
    ),
]
"""The steps of the notebook."""


def methods(
    *, document: int, classes: int, rotations: int, moved: int, learning_rate: float = 1e-3
) -> list[Method]:
    """Return the document's networks as it trains them, and ours: each whole number is one of epochs.

    The learning rate is that of the document's networks.
    """
    theirs: dict[str, Any] = {"input_size": 28, "network": "small", "batch_size": 32}
    theirs |= {"schedule": "constant", "epochs": document, "learning_rate": learning_rate}
    small = partial(ClassConfidence, score="msp", shift=0, **theirs)
    rotnet = partial(Rotation, score="distance", label_smoothing=0.0, **theirs)
    rotation = partial(Rotation, input_size=28, network="cnn")
    return [
        *(
            Method(f"small-{share}", small(label_smoothing=share), f"small CNN, smoothing {share:g}")
            for share in SMOOTHINGS
        ),
        Method("rotnet", rotnet(shift=0), "RotNet, small CNN"),
        Method("rotnet-moved", rotnet(shift=MOVED), "RotNet, digits moved"),
        Method("cnn", ClassConfidence(input_size=28, network="cnn", epochs=classes), "class_confidence, cnn"),
        Method("rotation", rotation(epochs=rotations), "rotation, cnn"),
        # The position of a digit no longer reveals its rotation: the task is harder, and takes longer.
        Method("rotation-moved", rotation(epochs=moved, shift=MOVED), "rotation, cnn, digits moved"),
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class Exercise(Study):
    """All methods over several seeds, with at most so many images of each digit."""

    runs: int
    most: int | None = None

    def jobs(self, data: Path, seed: int) -> list[Job]:
        """Make a job for every method with every seed."""
        digits = load_digits(find(data, "mnist"), self.most)
        images, classes = list(digits.train), digits.classes.tolist()
        jobs = []
        for method in self.methods:
            own_classes = classes if method.recipe.needs_classes else None
            learn = partial(fit, digits.train, method.recipe, classes=own_classes)
            jobs += [
                Job(method, number, digits, images, learn, draw=f"seed{number}")
                for number in range(seed, seed + self.runs)
            ]
        return jobs

    def origins(self, data: Path, jobs: Sequence[Job]) -> list[Origin]:
        """Count the digits that all jobs share."""
        digits: Digits = jobs[0].data
        normal, anomalies = (int((digits.anomalous == one).sum()) for one in (False, True))
        counts = [
            ("training images of the digits 0 to 3", len(digits.train)),
            ("test images of 0 to 3", normal),
            ("test images of 7 to 9", anomalies),
        ]
        return [Origin(MNIST, find(data, "mnist"), counts)]

    def measure(self, job: Job, inspector: Inspector, _: Progress) -> tuple[Mapping[str, float], Outputs]:
        """Compute every score of the test digits."""
        outputs = outputs_of(inspector, job.data, job.method.title, job.seed)
        return measure(outputs), outputs

    def tables(self, results: Sequence[Result]) -> dict[str, pd.DataFrame]:
        """Tabulate the figures of each run, and their means."""
        runs = figure_table(results)
        return {"runs": runs, "figures": summary(runs, {} if self.is_quick else DOCUMENT)}

    def exhibits(self, results: Sequence[Result], tables: Mapping[str, pd.DataFrame]) -> Iterator[Exhibit]:
        """Show charts of the first seed, and the means over all."""
        return exhibits(content_of(results, tables))

    def conclusion(self, results: Sequence[Result], tables: Mapping[str, pd.DataFrame]) -> list[str]:
        """Say what follows from the means."""
        return conclusion(content_of(results, tables))

    def steps(self) -> list[Step]:
        """Average the figures of the runs again."""
        return STEPS


def content_of(results: Sequence[Result], tables: Mapping[str, pd.DataFrame]) -> Content:
    """Make the content of the slides."""
    shown = {job.method.name: outputs for job, _, outputs in results if outputs is not None}
    return Content(tables["figures"], shown)


def load_digits(folder: Path, most: int | None) -> Digits:
    """Load normal digits to train on, and normal and anomalous ones to test on, at most `most` of each.

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


def summary(runs: pd.DataFrame, known: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """Average the figures over the seeds, and compare them with the document's by task and figure.

    In `apart` is how many standard deviations the document's figure is from the mean; NaN where it has none.
    """
    grouped = runs.groupby(["task", "figure"], sort=False)["value"]
    table = grouped.agg(value="mean", sd="std", least="min", n="count").reset_index()
    cases = zip(table["task"], table["figure"], strict=True)
    document = np.array([known.get(case, np.nan) for case in cases])
    return table.assign(document=document, apart=(document - table["value"]) / table["sd"])


STUDY = Exercise(
    title="Classification tasks for anomaly detection: MNIST, 0 to 3 against 7 to 9",
    course="Artificial intelligence for machine anomaly detection, lecture 5, exercise (J.-W. Choi, KAIST)",
    methods=methods(document=5, classes=10, rotations=3, moved=6),
    runs=5,
)
QUICK = replace(
    STUDY,
    # Of so few images a few epochs change little at the document's learning rate.
    methods=methods(document=4, classes=2, rotations=1, moved=1, learning_rate=0.02),
    runs=1,
    most=300,
    is_quick=True,
)
