"""ECE 157A/272A, homework 4 (UC Santa Barbara, fall 2022): autoencoders for anomaly detection.

Good samples are many, defects are rare and of any type, so an autoencoder is trained on good samples alone; a
sample that it cannot reconstruct is a defect. There are two tasks: the digit 1 against the digit 9 of MNIST,
and good transistors of MVTec AD against misplaced or missing ones, of which at least seven of ten must score
above all good ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from knowngood.data.decoding import Source
from knowngood.data.idx import load_idx
from knowngood.data.samples import load_samples
from knowngood.data.selection import good_train
from knowngood.detectors.autoencoder import Autoencoder
from knowngood.errors import DataError
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.reconstructions import reconstructions, write_reconstructions
from knowngood.metrics.ranking import auroc
from knowngood.report.slides import Task, above_all, write_slides
from knowngood.studies.study import Job, Method, Result, Study, figure_table, find
from knowngood.types import Progress

TITLE = "Autoencoders for anomaly detection"
TRANSISTORS = "MVTec AD transistor: good against misplaced or missing"


@dataclass(frozen=True)
class Samples:
    """In-class samples to train on; in-class and out-of-class samples, by name, to test on."""

    train: list[Source]
    test: dict[str, list[Source]]


@dataclass(frozen=True)
class Homework(Study):
    """Both tasks: an autoencoder of digits, with at most so many images of each, and one of transistors."""

    digits: Autoencoder
    transistors: Autoencoder
    most_digits: int | None = None

    def jobs(self, data: Path, seed: int) -> list[Job]:
        """Make one job per task."""
        digits = load_digits(find(data, "mnist"), self.most_digits)
        transistors = load_transistors(find(data, "mvtec/transistor", "transistor"))
        jobs = []
        for method, samples in (
            (Method("mnist", self.digits, "MNIST: the digit 1 against the digit 9"), digits),
            (Method("transistor", self.transistors, TRANSISTORS), transistors),
        ):
            for name, images in samples.test.items():
                if not images:
                    raise DataError(f"{str(data)!r}: {method.name} has no test image of {name}; complete it")
            learn = partial(fit, samples.train, method.recipe)
            jobs.append(Job(method, seed, samples, samples.train, learn))
        return jobs

    def measure(
        self, job: Job, inspector: Inspector, progress: Progress
    ) -> tuple[Mapping[str, float], tuple[Task, Mapping[str, pd.DataFrame]]]:
        """Reconstruct validation, test and out-of-class samples."""
        samples, record, recipe = job.data, inspector.training, inspector.manifest.recipe
        assert record is not None
        validation = [samples.train[row] for row in record.validation]
        (in_class, tested), (out_of_class, strange) = samples.test.items()
        rebuilt = {
            name: reconstructions(inspector, images, label=label, progress=progress)
            for name, images, label in (
                ("validation", validation, "good"),
                ("test", tested, "good"),
                ("out_of_class", strange, out_of_class),
            )
        }
        learned = len(samples.train) - len(validation)
        figures = figures_of(learned, *rebuilt.values(), threshold=inspector.threshold.value)
        height, width = inspector.manifest.input_shape
        task = Task(
            title=job.method.title,
            record=record,
            in_class=rebuilt["validation"],
            out_of_class=rebuilt["out_of_class"],
            threshold=inspector.threshold,
            names=(in_class, out_of_class),
            facts=[
                ("input", f"{height} × {width}"),
                ("code", f"{recipe['code']} numbers"),
                ("loss, epochs at most, seed", f"{recipe['loss']}, {recipe['epochs']}, {job.seed}"),
                *((name, f"{value:,.4f}".rstrip("0").rstrip(".")) for name, value in figures.items()),
            ],
        )
        return figures, (task, rebuilt)

    def tables(self, results: Sequence[Result]) -> dict[str, pd.DataFrame]:
        """Tabulate the figures of both tasks."""
        return {"figures": figure_table(results).drop(columns="seed")}

    def report(self, results: Sequence[Result], _: Mapping[str, pd.DataFrame], out: Path) -> None:
        """Write slides of both tasks, and their reconstructions as Parquet."""
        for result in results:
            for name, table in result.shown[1].items():
                write_reconstructions(table, out / f"{result.job.method.name}.{name}.parquet")
        write_slides(TITLE, [result.shown[0] for result in results], out / "slides.pdf")


def load_digits(folder: Path, most: int | None) -> Samples:
    """Load MNIST: the digit 1 is in-class, the digit 9 is not; at most `most` images of each."""
    train, train_labels = load_idx(folder, "train")
    test, test_labels = load_idx(folder, "test")
    tested = {f"digit {digit}": list(test[test_labels == digit][:most]) for digit in (1, 9)}
    return Samples(list(train[train_labels == 1][:most]), tested)


def load_transistors(folder: Path) -> Samples:
    """Load the transistors: good ones are in-class, misplaced or missing ones are not."""
    samples = load_samples(folder)
    test = samples[samples["split"] == "test"]
    tested = {
        "good": list(test.loc[test["label"] == "good", "path"]),
        "misplaced": list(test.loc[test["defect"] == "misplaced", "path"]),
    }
    return Samples(list(good_train(samples)["path"]), tested)


def figures_of(
    learned: int,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    out_of_class: pd.DataFrame,
    *,
    threshold: float,
) -> dict[str, float]:
    """Count how many out-of-class samples score above the others, as the document asks."""
    in_class, tested = pd.concat([validation, test]), pd.concat([test, out_of_class])
    figures = {
        "image AUROC, in-class test samples against out-of-class": auroc(
            np.arange(len(tested)) >= len(test), tested["score"].to_numpy()
        ),
        "in-class samples learned from": learned,
        "in-class validation samples": len(validation),
        "in-class test samples": len(test),
        "out-of-class samples": len(out_of_class),
        "out-of-class above every validation sample": above_all(validation, out_of_class),
        "out-of-class above every in-class sample": above_all(in_class, out_of_class),
        "threshold, from validation samples": threshold,
        "in-class test samples above the threshold": (test["score"] > threshold).sum(),
        "out-of-class above the threshold": (out_of_class["score"] > threshold).sum(),
    }
    return {name: float(value) for name, value in figures.items()}


STUDY = Homework(Autoencoder(input_size=28, epochs=30), Autoencoder(input_size=128, epochs=100))
QUICK = Homework(
    Autoencoder(input_size=28, epochs=5), Autoencoder(input_size=128, epochs=10), most_digits=400
)
