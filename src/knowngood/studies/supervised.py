"""Studies of classifiers of good parts and defects: several methods on several draws of the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.classifiers import make_classifier
from knowngood.classifiers.base import held_out_scores
from knowngood.data.class_names import class_of_each
from knowngood.data.expectations import expectations
from knowngood.data.images import read_resized
from knowngood.inspector.comparison import experiment_figures, read_grid
from knowngood.inspector.evaluation import Evaluation, evaluate
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.train import train
from knowngood.metrics.classification import balanced_accuracy, confusion_matrix
from knowngood.metrics.ranking import auroc
from knowngood.report.supervised_slides import DOCUMENT, SupervisedSlides, write_supervised_slides
from knowngood.studies.study import Job, Method, Result, Study
from knowngood.types import Progress

PICTURE = 160  # side of the picture of each class, in pixels
EXPERIMENTS = "experiments"  # the table, and the folder, of experiments that change one setting at a time

FIGURES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "image_auroc")
"""The figures of good or defective, whatever types there are."""

HELD_OUT, HELD_OUT_CLASSES = "held_out_auroc", "held_out_classes"
"""The image AUROC, and the balanced accuracy over the classes, of held-out training images."""

QUICK: dict[str, dict[str, int]] = {
    "anomaly_features": {"input_size": 128},
    "linear_probe": {"input_size": 128},
    "finetune": {"input_size": 128, "epochs": 2, "head_epochs": 1},
    "scattering_boost": {"input_size": 64, "rounds": 20},
}
"""The settings that quick runs change, by method."""


def classifier(name: str, title: str = "", **settings: Any) -> Method:
    """Make a method from the name of a classifier and the settings that differ from its defaults."""
    return Method(name, make_classifier(name, settings), title)


@dataclass(frozen=True, eq=False)
class Draw:
    """The images of one run."""

    name: str  # such as `seed0` or `fold3`; names its files
    seed: int
    table: pd.DataFrame  # samples with their split
    validation: pd.DataFrame | None = None  # samples of neither split
    known_good: pd.DataFrame | None = None  # good training images beside those of the table

    def __post_init__(self) -> None:
        for table in (self.table, self.validation):
            if table is not None:
                table.attrs.clear()  # its split is given by the study, not made for lack of one

    @property
    def samples(self) -> pd.DataFrame:
        """All training and test samples."""
        if self.known_good is None:
            return self.table
        return pd.concat([self.known_good, self.table], ignore_index=True)


@dataclass(frozen=True, eq=False)
class ClassifierStudy(Study):
    """A comparison of classifiers with each other and with the document's.

    In the facts, `{train}`, `{validation}` and `{test}` stand for the number of images in the first draw, and
    `{runs}` for the number of draws.
    """

    name: str
    title: str
    methods: Sequence[Method]
    draws: Callable[[Path, int], list[Draw]]  # from the data folder and the first seed
    by: str  # see `knowngood.train`
    choose_by: str  # the figure of held-out images by which the method is chosen
    metrics: Sequence[str]  # on the slides, the main one first
    facts: Sequence[tuple[str, str]]  # names and values on the first slide
    choices: Sequence[str]  # sentences that say on which images each choice was made
    document: Mapping[str, float]  # its figures by name
    experiments: Mapping[str, Any] | None = None  # a grid for the first draw's table; see `read_grid`

    def quick(
        self, draws: Callable[[Path, int], list[Draw]], experiments: Mapping[str, Any] | None = None
    ) -> ClassifierStudy:
        """Return the same study on other draws, with small images and short trainings."""
        methods = [replace(one, recipe=replace(one.recipe, **QUICK[one.name])) for one in self.methods]
        return replace(self, methods=methods, draws=draws, experiments=experiments)

    def jobs(self, data: Path, seed: int) -> list[Job]:
        """Make a job for every method on every draw, then for each experiment."""
        draws = self.draws(data, seed)
        jobs = [self._job(method, draw, draw.name) for method in self.methods for draw in draws]
        first = replace(draws[0], known_good=None)
        for one in read_grid(self.experiments) if self.experiments else []:
            recipe = make_classifier(one.method, one.settings)
            jobs.append(self._job(Method(EXPERIMENTS, recipe, one.change or one.name), first, one.name))
        return jobs

    def _job(self, method: Method, draw: Draw, name: str) -> Job:
        samples = draw.samples
        images = samples["path"][samples["split"] == "train"].tolist()
        return Job(method, draw.seed, draw, images, partial(train, samples, method.recipe, by=self.by), name)

    def measure(
        self, job: Job, inspector: Inspector, progress: Progress
    ) -> tuple[Mapping[str, Any], Evaluation | None]:
        """Evaluate on test images, and on validation images where there are any."""
        draw: Draw = job.data
        evaluation = evaluate(inspector, draw.samples, progress=progress)
        if job.method.name == EXPERIMENTS:
            return experiment_figures(inspector, evaluation), None
        classes = {name: evaluation.metrics["classifier"][name] for name in ("class_accuracy", "macro_f1")}
        figures = {**binary_figures(evaluation), **classes, **held_out_figures(inspector)}
        if draw.validation is not None:
            validated = evaluate(inspector, draw.validation.assign(split="test"), progress=progress)
            figures |= {f"validation_{name}": value for name, value in binary_figures(validated).items()}
        return figures, evaluation

    def tables(self, results: Sequence[Result]) -> dict[str, pd.DataFrame]:
        """Tabulate the figures of each run, their means, and the experiments."""
        compared: list[dict[str, Any]] = []
        experiments: list[dict[str, Any]] = []
        for job, figures, _ in results:
            if job.method.name == EXPERIMENTS:
                change = job.method.title if experiments else ""
                experiments.append({"experiment": job.draw, "change": change, **figures})
            else:
                compared.append({"method": job.method.title, "part": job.draw, **figures})
        runs = pd.DataFrame(compared)
        means = summary(runs, self.choose_by)
        tables = {"runs": runs, "summary": means, "figures": figure_rows(means, self.name, self.document)}
        return tables | ({EXPERIMENTS: pd.DataFrame(experiments)} if experiments else {})

    def report(self, results: Sequence[Result], tables: Mapping[str, pd.DataFrame], out: Path) -> None:
        """Write slides with pictures and curves of the first draw, and the means over all."""
        first: Draw = results[0].job.data
        shown = {job.method.title: evaluation for job, _, evaluation in results if evaluation is not None}
        means, samples = tables["summary"], first.samples
        parts = {split: samples[samples["split"] == split] for split in ("train", "test")}
        if first.validation is not None:
            parts["validation"] = first.validation
        counts = {name: counted(part) for name, part in parts.items()}
        classes = zip(first.table["split"], class_of_each(first.table), strict=True)
        slides = SupervisedSlides(
            title=self.title,
            facts=[(name, text.format(**counts, runs=means["runs"].iloc[0])) for name, text in self.facts],
            classes=class_pictures(first.table[first.table["split"] == "train"]),
            expectations=expectations(Counter(classes)),
            choices=self.choices,
            results=for_slides(means, self.metrics, self.document),
            evaluations={method: shown[method] for method in means["method"]},
            notes=["Pictures and curves show the first run. Figures in the table are means over all runs."],
            experiments=tables.get(EXPERIMENTS),
        )
        write_supervised_slides(slides, out / "slides.pdf")


def binary_figures(evaluation: Evaluation) -> dict[str, float]:
    """Return `FIGURES` of the inspector's decisions; a defect is the positive class."""
    confusion = evaluation.metrics["confusion"]
    caught, missed = confusion["true_reject"], confusion["escape"]
    passed, alarms = confusion["true_accept"], confusion["false_reject"]
    recall = caught / (caught + missed)
    return {
        "accuracy": (caught + passed) / (caught + missed + passed + alarms),
        "balanced_accuracy": (recall + passed / (passed + alarms)) / 2,
        "precision": caught / max(1, caught + alarms),
        "recall": recall,
        "f1": 2 * caught / (2 * caught + alarms + missed),
        "image_auroc": evaluation.metrics["image_auroc"],
    }


def held_out_figures(inspector: Inspector) -> dict[str, float]:
    """Return `HELD_OUT` and `HELD_OUT_CLASSES` of an inspector, which take no test image."""
    record = inspector.classifier
    matrix = confusion_matrix(record.truth, record.logits.argmax(axis=1), len(record.names))
    return {
        HELD_OUT: float(auroc(record.truth > 0, held_out_scores(record))),
        HELD_OUT_CLASSES: balanced_accuracy(matrix),
    }


def summary(runs: pd.DataFrame, by: str) -> pd.DataFrame:
    """Average the figures of each method over its runs, with deviations as `<figure>_sd`; best first."""
    grouped = runs.drop(columns="part").groupby("method", sort=False)
    table = grouped.mean().join(grouped.std().add_suffix("_sd")).assign(runs=grouped.size())
    return table.sort_values(by, ascending=False, kind="stable").reset_index()


def figure_rows(means: pd.DataFrame, task: str, document: Mapping[str, float]) -> pd.DataFrame:
    """List the figures of a `summary`, those of the method chosen beside the document's."""
    rows = []
    for place, row in enumerate(means.to_dict("records")):
        method, known = (row["method"], {}) if place else (f"{row['method']} (chosen)", document)
        rows += [
            (task, f"{method}: {name}", row[name], row[f"{name}_sd"], known.get(name, np.nan))
            for name in means.columns
            if f"{name}_sd" in means.columns
        ]
    return pd.DataFrame(rows, columns=["task", "figure", "value", "sd", "document"])


def for_slides(means: pd.DataFrame, figures: Sequence[str], document: Mapping[str, float]) -> pd.DataFrame:
    """Select figures of a `summary`, and add a row of the document's, if it has any."""
    shown = means[["method", *figures, *(f"{figure}_sd" for figure in figures)]].copy()
    shown.loc[0, "method"] = f"{shown['method'].iloc[0]} (chosen)"
    if not document:
        return shown
    row = {"method": DOCUMENT, **{figure: document.get(figure, np.nan) for figure in figures}}
    return pd.concat([shown, pd.DataFrame([row])], ignore_index=True)


def class_pictures(table: pd.DataFrame) -> tuple[list[str], NDArray[np.uint8]]:
    """Return each class with its number of images, and a picture of it `(n, h, w, 3)`."""
    classes = class_of_each(table)
    names = ["good", *sorted(set(classes) - {"good"})]
    first = [table["path"][classes == name].iloc[0] for name in names]
    pictures = np.stack([read_resized(path, (PICTURE, PICTURE))[0] for path in first])
    return [f"{name} ({int((classes == name).sum())})" for name in names], pictures


def counted(table: pd.DataFrame) -> str:
    """Say how many samples are good, how many are defective, and of how many types."""
    defects = table[table["label"] == "defect"]
    types = defects["defect"].nunique()
    words = f"{len(table) - len(defects):,} good, {len(defects):,} defective"
    return f"{words} ({types} types)" if types > 1 else words
