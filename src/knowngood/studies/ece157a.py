"""ECE 157A/272A, homework 4 (UC Santa Barbara, fall 2022): autoencoders for anomaly detection.

Good samples are many, defects are rare and of any type, so an autoencoder is trained on good samples alone; a
sample that it cannot reconstruct is a defect. There are two tasks: the digit 1 against the digit 9 of MNIST,
and good transistors of MVTec AD against misplaced or missing ones, of which at least seven of ten must score
above all good ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from knowngood.report.exhibits import Exhibit
from knowngood.report.reconstruction_slides import Task, task_exhibits
from knowngood.report.reconstruction_words import above_all
from knowngood.studies.notebook import Step
from knowngood.studies.origins import MNIST, MVTEC, Origin
from knowngood.studies.study import Job, Method, Result, Study, figure_table, find
from knowngood.types import Progress

MNIST_AT, TRANSISTORS_AT = ("mnist",), ("mvtec/transistor", "transistor")
"""The folders of both data sets in the data folder, the first that exists."""

LOSSES = {"l1": "mean absolute difference (L1)", "l2": "mean squared difference (L2)"}

STEPS = [
    Step(
        "The reconstructions that were kept: validation samples, test samples and out-of-class samples.",
        """tasks = list(dict.fromkeys(figures["task"]))
parts = ("validation", "test", "out_of_class")
tables = {
    (task, part): knowngood.read_reconstructions(folder / f"{task}.{part}.parquet")
    for task in tasks
    for part in parts
}
{name: len(table) for name, table in tables.items()}""",
    ),
    Step(
        "The figures again from these tables. The image AUROC is the share of pairs of an in-class and an "
        "out-of-class sample in which the out-of-class sample has the higher score.",
        """def area(low, high):
    above, equal = high[:, None] > low, high[:, None] == low
    return (above + equal / 2).mean()


again = {}
for task in tasks:
    validation, test, strange = (tables[task, part]["score"].to_numpy() for part in parts)
    threshold = inspectors[task].threshold.value
    again[task] = {
        "image AUROC, in-class test samples against out-of-class": area(test, strange),
        "image AUROC, in-class validation samples against out-of-class": area(validation, strange),
        "out-of-class above every validation sample": (strange > validation.max()).sum(),
        "in-class test samples above the threshold": (test > threshold).sum(),
        "out-of-class above the threshold": (strange > threshold).sum(),
    }
again = pd.DataFrame(again)
kept = figures.pivot(index="figure", columns="task", values="value").loc[again.index, again.columns]
assert (again - kept).abs().max(axis=None) < 1e-9
again""",
    ),
    Step(
        "The worst reconstruction of each class: original, reconstruction, difference.",
        """import matplotlib.pyplot as plt

for task in tasks:
    for part in ("validation", "out_of_class"):
        worst = tables[task, part].iloc[0]
        figure, plots = plt.subplots(1, 3)
        figure.suptitle(f"{task}, {part}: sum of differences {worst['sum_of_differences']:.1f}")
        for axes, name in zip(plots, ("original", "reconstruction", "difference")):
            axes.imshow(worst[name], cmap="gray")
            axes.set_title(name)""",
    ),
    Step(
        "Training and validation loss by epoch.",
        """for task in tasks:
    inspectors[task].training.losses.plot(x="epoch", y=["train", "validation"], title=task)""",
    ),
    Step(
        "The sums of absolute differences: in-class samples orange, out-of-class samples blue.",
        """for task in tasks:
    _, axes = plt.subplots()
    for part, colour in (("validation", "tab:orange"), ("out_of_class", "tab:blue")):
        sums = tables[task, part]["sum_of_differences"]
        axes.hist(sums, bins=30, density=True, alpha=0.7, color=colour, label=part)
    axes.axvline(inspectors[task].threshold.value, color="black", linestyle="--", label="threshold")
    axes.set(title=task, xlabel="sum of absolute differences")
    axes.legend()""",
    ),
]
"""The steps of the notebook."""


@dataclass(frozen=True)
class Samples:
    """In-class samples to train on; in-class and out-of-class samples, by name, to test on."""

    train: list[Source]
    test: dict[str, list[Source]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Homework(Study):
    """Both tasks: an autoencoder of digits, with at most so many images of each, and one of transistors."""

    wanted: Mapping[str, int]  # out-of-class samples above all in-class ones, by the name of a method
    most_digits: int | None = None

    def jobs(self, data: Path, seed: int) -> list[Job]:
        """Make one job per task."""
        digits = load_digits(find(data, *MNIST_AT), self.most_digits)
        transistors = load_transistors(find(data, *TRANSISTORS_AT))
        jobs = []
        for method, samples in zip(self.methods, (digits, transistors), strict=True):
            for name, images in samples.test.items():
                if not images:
                    raise DataError(f"{str(data)!r}: {method.name} has no test image of {name}; complete it")
            learn = partial(fit, samples.train, method.recipe)
            jobs.append(Job(method, seed, samples, samples.train, learn))
        return jobs

    def origins(self, data: Path, jobs: Sequence[Job]) -> list[Origin]:
        """Count the images of both tasks."""
        sets = zip(jobs, (MNIST, MVTEC), (MNIST_AT, TRANSISTORS_AT), strict=True)
        return [
            Origin(
                known,
                find(data, *folders),
                [
                    ("in-class images to train and validate with", len(job.data.train)),
                    *((f"test images: {name}", len(images)) for name, images in job.data.test.items()),
                ],
            )
            for job, known, folders in sets
        ]

    def measure(
        self, job: Job, inspector: Inspector, progress: Progress
    ) -> tuple[Mapping[str, float], tuple[Task, Mapping[str, pd.DataFrame]]]:
        """Reconstruct validation, test and out-of-class samples."""
        samples, record = job.data, inspector.training
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
        task = Task(
            label=job.method.title,
            record=record,
            in_class=rebuilt["validation"],
            out_of_class=rebuilt["out_of_class"],
            threshold=inspector.threshold,
            names=(in_class, out_of_class),
            facts=facts_of(inspector),
            figures=figures,
            wanted=0 if self.is_quick else self.wanted.get(job.method.name, 0),
        )
        return figures, (task, rebuilt)

    def tables(self, results: Sequence[Result]) -> dict[str, pd.DataFrame]:
        """Tabulate the figures of both tasks."""
        return {"figures": figure_table(results).drop(columns="seed")}

    def exhibits(self, results: Sequence[Result], _: Mapping[str, pd.DataFrame]) -> Iterator[Exhibit]:
        """Show both tasks, one after the other."""
        return task_exhibits([result.shown[0] for result in results])

    def conclusion(self, results: Sequence[Result], _: Mapping[str, pd.DataFrame]) -> list[str]:
        """Say how well each task was solved."""
        return [sentence for result in results for sentence in result.shown[0].summary]

    def steps(self) -> list[Step]:
        """Count again from the reconstructions that were kept."""
        return STEPS

    def keep(self, results: Sequence[Result], out: Path) -> None:
        """Write the reconstructions as Parquet."""
        for result in results:
            for name, table in result.shown[1].items():
                write_reconstructions(table, out / f"{result.job.method.name}.{name}.parquet")


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


def facts_of(inspector: Inspector) -> list[tuple[str, str]]:
    """List the settings of the model and of its training."""
    recipe, record = inspector.manifest.recipe, inspector.training
    assert record is not None
    height, width = inspector.manifest.input_shape
    learned = len(inspector.manifest.training) - len(record.validation)
    best = f"epoch {record.best} of {len(record.epochs)}, by the loss on validation images"
    return [
        (
            "images",
            f"{learned:,} to train, {len(record.validation):,} to validate (a fifth), drawn by the seed",
        ),
        ("input", f"{height} × {width} pixels from 0 to 1"),
        ("model", f"convolutional autoencoder, code of {recipe['code']} numbers"),
        ("loss", LOSSES.get(str(recipe["loss"]), str(recipe["loss"]))),
        ("optimiser", f"Adam, learning rate {record.learning_rate:g}, falling to 0 by a cosine"),
        ("batch size", str(recipe["batch_size"])),
        ("epochs", f"{recipe['epochs']} at most; ended after {recipe['patience']} without improvement"),
        ("weights kept", best),
        ("augmentation", "none: digits and transistors are always upright"),
        ("seed", str(inspector.manifest.seed)),
    ]


def figures_of(
    learned: int,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    out_of_class: pd.DataFrame,
    *,
    threshold: float,
) -> dict[str, float]:
    """Count how many out-of-class samples score above the others, as the document asks."""
    in_class = pd.concat([validation, test])
    areas = {}
    for name, table in (("test", test), ("validation", validation)):
        scores = pd.concat([table, out_of_class])["score"].to_numpy()
        strange = np.arange(len(scores)) >= len(table)
        areas[f"image AUROC, in-class {name} samples against out-of-class"] = auroc(strange, scores)
    figures = areas | {
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


def methods(*, digits: int, transistors: int) -> list[Method]:
    """Return the autoencoders of both tasks: each number is one of epochs."""
    return [
        Method("mnist", Autoencoder(input_size=28, epochs=digits), "MNIST"),
        Method("transistor", Autoencoder(input_size=128, epochs=transistors), "Transistor"),
    ]


STUDY = Homework(
    title="Autoencoders for anomaly detection",
    course="ECE 157A/272A, homework 4 (UC Santa Barbara, fall 2022)",
    methods=methods(digits=30, transistors=100),
    wanted={"transistor": 7},
)
QUICK = replace(STUDY, methods=methods(digits=5, transistors=10), most_digits=400, is_quick=True)
