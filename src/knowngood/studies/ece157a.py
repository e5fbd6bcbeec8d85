"""ECE 157A/272A, homework 4 (UC Santa Barbara, fall 2022): autoencoders for anomaly detection.

Good samples are many and fails are rare and of every kind, so an autoencoder learns good ones alone; what
it cannot rebuild is a fail. Two tasks: the digit 1 against the digit 9 of MNIST, and good transistors of
MVTec AD against those that are misplaced or missing, of which at least seven of ten must lie above all good
ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from knowngood.data.decoding import Source
from knowngood.data.idx import load_idx
from knowngood.data.samples import good_train, load_samples
from knowngood.detectors.autoencoder import Autoencoder
from knowngood.errors import DataError
from knowngood.inspector.fit import fit
from knowngood.inspector.reconstructions import reconstructions, write_reconstructions
from knowngood.metrics.ranking import auroc
from knowngood.output import make_folder, replacing
from knowngood.report.slides import Task, write_slides
from knowngood.training.run import Run
from knowngood.types import Progress, silent

TITLE = "Autoencoders for anomaly detection"
IN_CLASS, OUT_OF_CLASS = 1, 9
QUICK_DIGITS = 400
"""Images of each digit in a quick run."""


@dataclass(frozen=True)
class Question:
    """What a task learns from and what it is asked about.

    Args:
        name: Names its files.
        title: Stands on its slides.
        recipe: The model.
        learn: In-class samples; a fifth is held out for validation.
        in_class: In-class samples that were put aside for a test.
        out_of_class: Samples that must be told from these.
        names: What the in-class and the out-of-class samples are called.
    """

    name: str
    title: str
    recipe: Autoencoder
    learn: list[Source]
    in_class: list[Source]
    out_of_class: list[Source]
    names: tuple[str, str]


def study(
    data: Path,
    out: Path,
    *,
    seed: int = 0,
    quick: bool = False,
    device: str = "auto",
    progress: Progress = silent,
) -> pd.DataFrame:
    """Do both tasks; see `knowngood.studies.registry.run_study`.

    Args:
        data: It holds `mnist` (the IDX files as published) and `mvtec/transistor` or `transistor`.
        out: For each task: the inspector, the training folder, and tables of the reconstructions as Parquet;
            for both `figures.csv` and `slides.pdf`.
        seed: Of the held-out samples, the weights and the order.
        quick: Train shortly, on few digits.
        device: `auto`, `cpu` or `cuda`.
        progress: Called during long work.
    """
    questions = [digits(data, quick=quick), transistors(data, quick=quick)]
    for question in questions:
        for name, samples in zip(question.names, (question.in_class, question.out_of_class), strict=True):
            if not samples:
                raise DataError(f"{str(data)!r}: {question.name} has no test image of {name}; complete it")
    make_folder(out)
    answers = [answer(question, out, seed=seed, device=device, progress=progress) for question in questions]
    figures = pd.concat([figures for _, figures in answers], ignore_index=True)
    with replacing(out / "figures.csv") as unfinished:
        figures.to_csv(unfinished, index=False)
    write_slides(TITLE, [task for task, _ in answers], out / "slides.pdf")
    return figures


def digits(data: Path, *, quick: bool) -> Question:
    """The digit 1 as in-class samples, the digit 9 as out-of-class samples."""
    folder = _find(data, "mnist")
    train, train_labels = load_idx(folder, "train")
    test, test_labels = load_idx(folder, "test")
    most = QUICK_DIGITS if quick else None
    return Question(
        name="mnist",
        title="MNIST: the digit 1 against the digit 9",
        recipe=Autoencoder(input_size=28, epochs=5 if quick else 30),
        learn=list(train[train_labels == IN_CLASS][:most]),
        in_class=list(test[test_labels == IN_CLASS][:most]),
        out_of_class=list(test[test_labels == OUT_OF_CLASS][:most]),
        names=("digit 1", "digit 9"),
    )


def transistors(data: Path, *, quick: bool) -> Question:
    """Good transistors as in-class samples, misplaced or missing ones as out-of-class samples."""
    samples = load_samples(_find(data, "mvtec/transistor", "transistor"))
    test = samples[samples["split"] == "test"]
    return Question(
        name="transistor",
        title="MVTec AD transistor: good against misplaced or missing",
        recipe=Autoencoder(input_size=128, epochs=10 if quick else 100),
        learn=list(good_train(samples)["path"]),
        in_class=list(test.loc[test["label"] == "good", "path"]),
        out_of_class=list(test.loc[test["defect"] == "misplaced", "path"]),
        names=("good", "misplaced"),
    )


def answer(
    question: Question, out: Path, *, seed: int, device: str, progress: Progress
) -> tuple[Task, pd.DataFrame]:
    """Train the autoencoder, and examine what it rebuilds of validation, test and out-of-class samples."""
    inspector = fit(
        question.learn,
        question.recipe,
        seed=seed,
        device=device,
        run=Run(out / f"{question.name}.training"),
        progress=progress,
    )
    inspector.save(out / f"{question.name}.inspector")
    record = inspector.training
    assert record is not None

    validation = [question.learn[position] for position in record.validation]
    in_class, tested, out_of_class = (
        reconstructions(inspector, samples, label=label, progress=progress)
        for samples, label in (
            (validation, "good"),
            (question.in_class, "good"),
            (question.out_of_class, question.names[1]),
        )
    )
    write_reconstructions(in_class, out / f"{question.name}.validation.parquet")
    write_reconstructions(tested, out / f"{question.name}.test.parquet")
    write_reconstructions(out_of_class, out / f"{question.name}.out_of_class.parquet")

    line = inspector.threshold.value
    highest_validation, highest_test = in_class["score"].max(), tested["score"].max()
    both = np.concatenate([tested["score"], out_of_class["score"]])
    strange = np.arange(len(both)) >= len(tested)
    values = {
        "image AUROC, in-class test samples against out-of-class": float(auroc(strange, both)),
        "in-class samples learned from": len(question.learn) - len(validation),
        "in-class validation samples": len(in_class),
        "in-class test samples": len(tested),
        "out-of-class samples": len(out_of_class),
        "out-of-class above every validation sample": int((out_of_class["score"] > highest_validation).sum()),
        "out-of-class above every in-class sample": int(
            (out_of_class["score"] > max(highest_validation, highest_test)).sum()
        ),
        "threshold, from validation samples": line,
        "in-class test samples above the threshold": int((tested["score"] > line).sum()),
        "out-of-class above the threshold": int((out_of_class["score"] > line).sum()),
    }
    figures = pd.DataFrame(
        {"task": question.name, "figure": list(values), "value": [float(value) for value in values.values()]}
    )
    height, width = inspector.manifest.input_shape
    task = Task(
        title=question.title,
        record=record,
        in_class=in_class,
        out_of_class=out_of_class,
        threshold=inspector.threshold,
        names=question.names,
        facts=[
            ("input", f"{height} × {width}"),
            ("code", f"{question.recipe.code} numbers"),
            ("loss, epochs at most, seed", f"{question.recipe.loss}, {question.recipe.epochs}, {seed}"),
            *((name, f"{value:,.4f}".rstrip("0").rstrip(".")) for name, value in values.items()),
        ],
    )
    return task, figures


def _find(data: Path, *places: str) -> Path:
    """The first of the places that is there."""
    for place in places:
        if (data / place).is_dir():
            return data / place
    raise DataError(f"{str(data)!r} holds no folder {' or '.join(places)}; put the data set there")
