"""ECE 157A/272A, homework 4 (UC Santa Barbara, fall 2022): autoencoders for anomaly detection.

Good samples are many and fails are rare and of every kind, so an autoencoder learns good ones alone; what
it cannot rebuild is a fail. Two tasks: the digit 1 against the digit 9 of MNIST, and good transistors of
MVTec AD against those that are misplaced or missing, of which at least seven of ten must lie above all good
ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.decoding import Source
from knowngood.data.idx import load_idx
from knowngood.data.samples import good_train, load_samples
from knowngood.detectors.autoencoder import Autoencoder
from knowngood.errors import DataError
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.reconstructions import reconstructions, write_reconstructions
from knowngood.metrics.ranking import auroc
from knowngood.report.slides import Task, write_slides
from knowngood.studies.study import Job, Method, Result, Study, find
from knowngood.types import Progress

TITLE = "Autoencoders for anomaly detection"
IN_CLASS, OUT_OF_CLASS = 1, 9


@dataclass(frozen=True)
class Samples:
    """What a task learns from and is tested on.

    Args:
        learn: In-class samples; a fifth is held out for validation.
        in_class: In-class samples that were put aside for a test.
        out_of_class: Samples that must be told from these.
        names: What the in-class and the out-of-class samples are called.
    """

    learn: list[Source]
    in_class: list[Source]
    out_of_class: list[Source]
    names: tuple[str, str]


@dataclass(frozen=True)
class Homework(Study):
    """Both tasks.

    Args:
        digits: The autoencoder of the digits.
        transistors: That of the transistors.
        most: The most images of each digit; None for all.
    """

    digits: Autoencoder
    transistors: Autoencoder
    most: int | None = None

    def jobs(self, data: Path, seed: int) -> list[Job]:
        """One job per task; see `Study.jobs`."""
        tasks = [
            (
                Method("mnist", self.digits, "MNIST: the digit 1 against the digit 9"),
                load_digits(find(data, "mnist"), self.most),
            ),
            (
                Method(
                    "transistor", self.transistors, "MVTec AD transistor: good against misplaced or missing"
                ),
                load_transistors(find(data, "mvtec/transistor", "transistor")),
            ),
        ]
        for method, samples in tasks:
            for name, tested in zip(samples.names, (samples.in_class, samples.out_of_class), strict=True):
                if not tested:
                    raise DataError(f"{str(data)!r}: {method.name} has no test image of {name}; complete it")
        return [
            Job(method, seed, samples, samples.learn, learn=partial(fit, samples.learn, method.recipe))
            for method, samples in tasks
        ]

    def measure(
        self, job: Job, inspector: Inspector, progress: Progress
    ) -> tuple[Mapping[str, float], tuple[Task, Mapping[str, pd.DataFrame]]]:
        """Rebuild validation, test and out-of-class samples; see `Study.measure`."""
        samples, record, recipe = job.data, inspector.training, inspector.manifest.recipe
        assert record is not None
        rebuilt = {
            name: reconstructions(inspector, sources, label=label, progress=progress)
            for name, sources, label in (
                ("validation", [samples.learn[place] for place in record.validation], "good"),
                ("test", samples.in_class, "good"),
                ("out_of_class", samples.out_of_class, samples.names[1]),
            )
        }
        learned = len(samples.learn) - len(record.validation)
        scores = [table["score"].to_numpy() for table in rebuilt.values()]
        figures = figures_of(learned, *scores, threshold=inspector.threshold.value)
        height, width = inspector.manifest.input_shape
        task = Task(
            title=job.method.title,
            record=record,
            in_class=rebuilt["validation"],
            out_of_class=rebuilt["out_of_class"],
            threshold=inspector.threshold,
            names=samples.names,
            facts=[
                ("input", f"{height} × {width}"),
                ("code", f"{recipe['code']} numbers"),
                ("loss, epochs at most, seed", f"{recipe['loss']}, {recipe['epochs']}, {job.seed}"),
                *((name, f"{value:,.4f}".rstrip("0").rstrip(".")) for name, value in figures.items()),
            ],
        )
        return figures, (task, rebuilt)

    def tables(self, results: Sequence[Result]) -> dict[str, pd.DataFrame]:
        """The figures of both tasks; see `Study.tables`."""
        rows = [
            {"task": result.job.method.name, "figure": figure, "value": value}
            for result in results
            for figure, value in result.figures.items()
        ]
        return {"figures": pd.DataFrame(rows)}

    def report(
        self,
        results: Sequence[Result],
        tables: Mapping[str, pd.DataFrame],  # noqa: ARG002  # the slides make their own
        out: Path,
    ) -> None:
        """Slides of both tasks, and their reconstructions as Parquet; see `Study.report`."""
        for result in results:
            for name, table in result.shown[1].items():
                write_reconstructions(table, out / f"{result.job.method.name}.{name}.parquet")
        write_slides(TITLE, [result.shown[0] for result in results], out / "slides.pdf")


def load_digits(folder: Path, most: int | None) -> Samples:
    """The digit 1 as in-class samples, the digit 9 as out-of-class samples; of each no more than `most`."""
    train, train_labels = load_idx(folder, "train")
    test, test_labels = load_idx(folder, "test")
    return Samples(
        learn=list(train[train_labels == IN_CLASS][:most]),
        in_class=list(test[test_labels == IN_CLASS][:most]),
        out_of_class=list(test[test_labels == OUT_OF_CLASS][:most]),
        names=("digit 1", "digit 9"),
    )


def load_transistors(folder: Path) -> Samples:
    """Good transistors as in-class samples, misplaced or missing ones as out-of-class samples."""
    samples = load_samples(folder)
    test = samples[samples["split"] == "test"]
    return Samples(
        learn=list(good_train(samples)["path"]),
        in_class=list(test.loc[test["label"] == "good", "path"]),
        out_of_class=list(test.loc[test["defect"] == "misplaced", "path"]),
        names=("good", "misplaced"),
    )


def figures_of(
    learned: int,
    validation: NDArray[np.float64],
    tested: NDArray[np.float64],
    out_of_class: NDArray[np.float64],
    *,
    threshold: float,
) -> dict[str, float]:
    """What the document asks for: how far out-of-class samples lie above the others.

    Args:
        learned: Number of samples learned from.
        validation: Scores of in-class samples held out.
        tested: Scores of in-class test samples.
        out_of_class: Scores of out-of-class samples.
        threshold: The line on the score.
    """
    both = np.concatenate([tested, out_of_class])
    highest = validation.max()
    values = {
        "image AUROC, in-class test samples against out-of-class": auroc(
            np.arange(len(both)) >= len(tested), both
        ),
        "in-class samples learned from": learned,
        "in-class validation samples": len(validation),
        "in-class test samples": len(tested),
        "out-of-class samples": len(out_of_class),
        "out-of-class above every validation sample": (out_of_class > highest).sum(),
        "out-of-class above every in-class sample": (out_of_class > max(highest, tested.max())).sum(),
        "threshold, from validation samples": threshold,
        "in-class test samples above the threshold": (tested > threshold).sum(),
        "out-of-class above the threshold": (out_of_class > threshold).sum(),
    }
    return {name: float(value) for name, value in values.items()}


STUDY = Homework(Autoencoder(input_size=28, epochs=30), Autoencoder(input_size=128, epochs=100))
QUICK = Homework(Autoencoder(input_size=28, epochs=5), Autoencoder(input_size=128, epochs=10), most=400)
