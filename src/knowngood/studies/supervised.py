"""Studies of classifiers of good parts and defects: several methods, several draws of the images."""

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
from knowngood.data.class_names import class_of_each
from knowngood.data.expectations import expectations
from knowngood.data.images import read_resized
from knowngood.inspector.comparison import experiment_figures, read_grid
from knowngood.inspector.evaluation import Evaluation, evaluate
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.train import train
from knowngood.report.supervised_slides import SupervisedSlides, write_supervised_slides
from knowngood.studies.study import Job, Method, Result, Study
from knowngood.studies.supervised_measures import (
    figure_rows,
    for_slides,
    good_or_defect,
    held_out,
    of_types,
    summary,
)
from knowngood.types import Progress

PICTURE = 160
"""Sides of the picture of each kind, in pixels."""

EXPERIMENTS = "experiments"
"""The table, and the folder, of experiments that change one thing at a time."""

QUICK: dict[str, dict[str, int]] = {
    "anomaly_features": {"input_size": 128},
    "linear_probe": {"input_size": 128},
    "finetune": {"input_size": 128, "epochs": 2, "head_epochs": 1},
    "scattering_boost": {"input_size": 64, "rounds": 20},
}
"""What quick runs change, by method."""


@dataclass(frozen=True, eq=False)
class Draw:
    """What one run learns from and is tested on.

    Args:
        name: Such as `seed0` or `fold3`; names its files.
        seed: Of the learning.
        table: Samples with their split.
        validation: Samples that are neither learned from nor tested; None where there are none.
        known_good: Good training images beside those of the table; None where there are none.
    """

    name: str
    seed: int
    table: pd.DataFrame
    validation: pd.DataFrame | None = None
    known_good: pd.DataFrame | None = None

    @property
    def samples(self) -> pd.DataFrame:
        """All samples to learn from and to test with."""
        if self.known_good is None:
            return self.table
        return given_split(pd.concat([self.known_good, self.table], ignore_index=True))


@dataclass(frozen=True, eq=False)
class ClassifierStudy(Study):
    """Classifiers beside each other, and beside the document's.

    Args:
        name: Names the study in tables.
        title: Stands on the first slide.
        methods: What is compared.
        draws: From the data folder and the first seed to the images of each run.
        by: See `knowngood.inspector.train.train`.
        choose_by: The figure of held-out images that the method is chosen by.
        metrics: Figures on the slides, the main one first.
        facts: Names and values on the first slide, where `{train}`, `{validation}` and `{test}` stand for the
            number of images in the first draw and `{runs}` for the number of draws.
        choices: Sentences: on which images each choice was made.
        document: The document's figures by name.
        experiments: A grid, as `knowngood.inspector.comparison.read_grid` takes it: what is learned from the
            table of the first draw alone.
    """

    name: str
    title: str
    methods: Sequence[Method]
    draws: Callable[[Path, int], list[Draw]]
    by: str
    choose_by: str
    metrics: Sequence[str]
    facts: Sequence[tuple[str, str]]
    choices: Sequence[str]
    document: Mapping[str, float]
    experiments: Mapping[str, Any] | None = None

    def quick(
        self, draws: Callable[[Path, int], list[Draw]], experiments: Mapping[str, Any] | None = None
    ) -> ClassifierStudy:
        """The same study of other draws, on small images and with short trainings.

        Args:
            draws: Few images and few runs.
            experiments: A grid of short trainings.
        """
        methods = [
            replace(method, recipe=replace(method.recipe, **QUICK[method.name])) for method in self.methods
        ]
        return replace(self, methods=methods, draws=draws, experiments=experiments)

    def jobs(self, data: Path, seed: int) -> list[Job]:
        """Every method on every draw, then the experiments; see `Study.jobs`."""
        draws = self.draws(data, seed)
        jobs = [self._job(method, draw, draw.name) for method in self.methods for draw in draws]
        first = replace(draws[0], known_good=None)
        for one in read_grid(self.experiments) if self.experiments else []:
            recipe = make_classifier(one.classifier, one.settings)
            jobs.append(self._job(Method(EXPERIMENTS, recipe, one.change or one.name), first, one.name))
        return jobs

    def _job(self, method: Method, draw: Draw, name: str) -> Job:
        """A method on a draw."""
        samples = draw.samples
        return Job(
            method=method,
            seed=draw.seed,
            data=draw,
            images=samples["path"][samples["split"] == "train"].tolist(),
            learn=partial(train, samples, method.recipe, by=self.by),
            draw=name,
        )

    def measure(
        self, job: Job, inspector: Inspector, progress: Progress
    ) -> tuple[Mapping[str, Any], Evaluation | None]:
        """Evaluate on test images, and on validation images where there are any; see `Study.measure`."""
        draw: Draw = job.data
        evaluation = evaluate(inspector, draw.samples, progress=progress)
        if job.method.name == EXPERIMENTS:
            return experiment_figures(inspector, evaluation), None
        figures = {**good_or_defect(evaluation), **of_types(evaluation), **held_out(inspector)}
        if draw.validation is not None:
            validated = evaluate(inspector, draw.validation.assign(split="test"), progress=progress)
            figures |= {f"validation_{name}": value for name, value in good_or_defect(validated).items()}
        return figures, evaluation

    def tables(self, results: Sequence[Result]) -> dict[str, pd.DataFrame]:
        """The figures of each run, their means, and the experiments; see `Study.tables`."""
        compared: list[dict[str, Any]] = []
        experiments: list[dict[str, Any]] = []
        for result in results:
            name, title = result.job.draw, result.job.method.title
            if result.job.method.name == EXPERIMENTS:
                change = title if experiments else ""
                experiments.append({"experiment": name, "change": change, **result.figures})
            else:
                compared.append({"method": title, "part": name, **result.figures})
        runs = pd.DataFrame(compared)
        means = summary(runs, self.choose_by)
        tables = {"runs": runs, "summary": means, "figures": figure_rows(means, self.name, self.document)}
        if experiments:
            tables[EXPERIMENTS] = pd.DataFrame(experiments)
        return tables

    def report(self, results: Sequence[Result], tables: Mapping[str, pd.DataFrame], out: Path) -> None:
        """Slides of the first draw in pictures, and of the means of all; see `Study.report`."""
        first: Draw = results[0].job.data
        shown = {result.job.method.title: result.shown for result in results if result.shown is not None}
        runs = int(tables["summary"]["runs"].iloc[0])
        samples = first.samples
        counts = {split: counted(samples[samples["split"] == split]) for split in ("train", "test")}
        if first.validation is not None:
            counts["validation"] = counted(first.validation)
        slides = SupervisedSlides(
            title=self.title,
            facts=[(name, text.format(**counts, runs=runs)) for name, text in self.facts],
            classes=class_pictures(first.table[first.table["split"] == "train"]),
            expectations=expected(first.table),
            choices=self.choices,
            results=for_slides(tables["summary"], self.metrics, self.document),
            evaluations={method: shown[method] for method in tables["summary"]["method"]},
            notes=["Pictures and curves show the first run. Figures in the table are means over all runs."],
            experiments=tables.get(EXPERIMENTS),
        )
        write_supervised_slides(slides, out / "slides.pdf")


def given_split(table: pd.DataFrame) -> pd.DataFrame:
    """Mark the split of a table as given by the study, not made for lack of one."""
    table.attrs.clear()
    return table


def class_pictures(table: pd.DataFrame) -> tuple[list[str], NDArray[np.uint8]]:
    """Each kind with its number of images, and a picture of it `(n, h, w, 3)`."""
    kinds = class_of_each(table)
    names = ["good", *sorted(set(kinds) - {"good"})]
    first = [table["path"][kinds == name].iloc[0] for name in names]
    pictures = np.stack([read_resized(path, (PICTURE, PICTURE))[0] for path in first])
    return [f"{name} ({int((kinds == name).sum())})" for name in names], pictures


def counted(table: pd.DataFrame) -> str:
    """How many samples are good and how many defective, and of how many types, in words."""
    defects = table[table["label"] == "defect"]
    types = defects["defect"].nunique()
    words = f"{len(table) - len(defects):,} good, {len(defects):,} defective"
    return f"{words} ({types} types)" if types > 1 else words


def expected(table: pd.DataFrame) -> list[str]:
    """What problems such data let expect, in sentences."""
    return expectations(Counter(zip(table["split"], class_of_each(table), strict=True)))
