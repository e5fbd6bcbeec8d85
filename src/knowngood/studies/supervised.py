"""Studies of classifiers of good parts and defects: several methods on several draws of the images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from knowngood.classifiers import make_classifier
from knowngood.classifiers.base import Classifier
from knowngood.detectors import make_detector
from knowngood.inspector.comparison import experiment_figures, read_grid
from knowngood.inspector.evaluation import Evaluation, evaluate
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.train import train
from knowngood.report.exhibits import Exhibit
from knowngood.report.supervised_slides import DOCUMENT
from knowngood.studies.conclusions import conclusions
from knowngood.studies.draw import Draw
from knowngood.studies.findings import Findings
from knowngood.studies.notebook import Step
from knowngood.studies.origins import DataSet, Origin
from knowngood.studies.study import Job, Method, Result, Study
from knowngood.studies.supervised_tables import (
    binary_figures,
    detector_figures,
    figure_rows,
    for_slides,
    held_out_figures,
    summary,
)
from knowngood.types import Progress

EXPERIMENTS = "experiments"  # the table, and the folder, of experiments that change one setting at a time
DETECTORS = "detectors"  # the table of detectors, which learn from good images alone

STEPS = [
    Step(
        "The means over the runs, from the figures of each run.",
        """runs = pd.read_csv(folder / "runs.csv")
means = runs.drop(columns="part").groupby("method").mean()
kept = pd.read_csv(folder / "summary.csv").set_index("method")
assert ((means - kept[means.columns]).abs() < 1e-9).all(axis=None)
means""",
    )
]
"""The steps of the notebook."""

QUICK: dict[str, dict[str, int]] = {
    "anomaly_features": {"input_size": 64, "folds": 2},
    "linear_probe": {"input_size": 64},
    "finetune": {"input_size": 32, "epochs": 2, "head_epochs": 1},
    "scattering_boost": {"input_size": 32, "rounds": 10},
    "patchcore": {"input_size": 64, "coreset": 100, "folds": 2},
    "padim": {"input_size": 64, "folds": 2},
    "gaussian": {"input_size": 64, "folds": 2},
    "knn": {"input_size": 64, "folds": 2},
    "feature_autoencoder": {"input_size": 64, "epochs": 1},
    "vae": {"input_size": 32, "epochs": 1},
    "ganomaly": {"input_size": 32, "epochs": 1},
}
"""The settings that quick runs change, by method."""


def classifier(name: str, title: str = "", **settings: Any) -> Method:
    """Make a method from the name of a classifier and the settings that differ from its defaults."""
    return Method(name, make_classifier(name, settings), title)


def detector(name: str, title: str = "", **settings: Any) -> Method:
    """Make a method from the name of a detector, which learns from good images alone."""
    return Method(name, make_detector(name, settings), title)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassifierStudy(Study):
    """A comparison of classifiers with each other and with the document's.

    Its methods are classifiers, which learn from every draw, and detectors, which learn from the good images
    of the first. In the facts and choices, `{train}`, `{validation}` and `{test}` stand for the number of
    images in the first draw, `{known_good}` for that of its good images beside, `{all}` for that of all
    others, `{size}` for their size in pixels, `{classes}` for the classes, and `{runs}` for the number of
    draws.
    """

    name: str
    data_set: DataSet
    draws: Callable[[Path, int], list[Draw]]  # from the data folder and the first seed
    by: str  # see `knowngood.train`
    choose_by: str  # the figure of held-out images by which the method is chosen
    metrics: Sequence[str]  # on the slides, the main one first
    facts: Sequence[tuple[str, str]]  # names and values on the first slide
    choices: Sequence[tuple[str, str]]  # what was chosen, and on which images
    document: Mapping[str, float]  # its figures by name
    answers: Callable[[Findings], Iterable[Exhibit]]  # what the document asks and shows, in its order
    # From the settings that a user changed to a grid for the first draw's table; see `read_grid`.
    experiments: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None

    @property
    def classifiers(self) -> list[Method]:
        """The methods that learn from good parts and defects."""
        return [method for method in self.methods if isinstance(method.recipe, Classifier)]

    @property
    def detectors(self) -> list[Method]:
        """The methods that learn from good images alone."""
        return [method for method in self.methods if not isinstance(method.recipe, Classifier)]

    def quick(self, draws: Callable[[Path, int], list[Draw]], **changes: Any) -> ClassifierStudy:
        """Return the same study on other draws, with small images and short trainings, and no document."""
        methods = [replace(one, recipe=replace(one.recipe, **QUICK[one.name])) for one in self.methods]
        facts = [fact for fact in self.facts if fact[0] != DOCUMENT]
        changes |= {"draws": draws, "methods": methods, "facts": facts}
        return replace(self, **changes, document={}, is_quick=True)

    def jobs(self, data: Path, seed: int) -> list[Job]:
        """Make a job for each classifier on every draw, then for each detector and each experiment."""
        draws = self.draws(data, seed)
        jobs = [self._job(method, draw, draw.name) for method in self.classifiers for draw in draws]
        first = replace(draws[0], known_good=None)
        good = draws[0].good
        for method in self.detectors:
            learn = partial(fit, good, method.recipe)
            jobs.append(Job(method, draws[0].seed, draws[0], good["path"].tolist(), learn, "good"))
        for one in read_grid(self.experiments(self.changed)) if self.experiments else []:
            recipe = make_classifier(one.method, one.settings)
            jobs.append(self._job(Method(EXPERIMENTS, recipe, one.change or one.name), first, one.name))
        return jobs

    def _job(self, method: Method, draw: Draw, name: str) -> Job:
        samples = draw.samples
        images = samples["path"][samples["split"] == "train"].tolist()
        return Job(method, draw.seed, draw, images, partial(train, samples, method.recipe, by=self.by), name)

    def origins(self, data: Path, jobs: Sequence[Job]) -> list[Origin]:  # noqa: ARG002
        """Count the images of all draws."""
        tables = [
            table for job in jobs for table in (job.data.samples, job.data.validation) if table is not None
        ]
        images = pd.concat(tables).drop_duplicates("path")
        defects = int((images["label"] == "defect").sum())
        counts = [("images of good parts", len(images) - defects), ("images of defects", defects)]
        return [Origin(self.data_set, os.path.commonpath(images["path"].tolist()), counts)]

    def measure(
        self, job: Job, inspector: Inspector, progress: Progress
    ) -> tuple[Mapping[str, Any], Evaluation]:
        """Evaluate on test images, and on validation images where there are any."""
        draw: Draw = job.data
        if not isinstance(job.method.recipe, Classifier):
            evaluation = evaluate(inspector, draw.unknown, progress=progress)
            return detector_figures(evaluation), evaluation
        evaluation = evaluate(inspector, draw.samples, progress=progress)
        if job.method.name == EXPERIMENTS:
            return experiment_figures(inspector, evaluation), evaluation
        classes = {name: evaluation.metrics["classifier"][name] for name in ("class_accuracy", "macro_f1")}
        figures = {**binary_figures(evaluation), **classes, **held_out_figures(inspector)}
        if draw.validation is not None:
            validated = evaluate(inspector, draw.validation.assign(split="test"), progress=progress)
            figures |= {f"validation_{name}": value for name, value in binary_figures(validated).items()}
        return figures, evaluation

    def tables(self, results: Sequence[Result]) -> dict[str, pd.DataFrame]:
        """Tabulate the figures of each run, their means, the detectors, and the experiments."""
        compared: list[dict[str, Any]] = []
        detectors: list[dict[str, Any]] = []
        experiments: list[dict[str, Any]] = []
        for job, figures, _ in results:
            if job.method.name == EXPERIMENTS:
                change = job.method.title if experiments else ""
                experiments.append({"experiment": job.draw, "change": change, **figures})
            elif isinstance(job.method.recipe, Classifier):
                compared.append({"method": job.method.title, "part": job.draw, **figures})
            else:
                detectors.append({"method": job.method.title, **figures})
        runs = pd.DataFrame(compared)
        means = summary(runs, self.choose_by)
        tables = {"runs": runs, "summary": means, "figures": figure_rows(means, self.name, self.document)}
        more = {DETECTORS: detectors, EXPERIMENTS: experiments}
        return tables | {name: pd.DataFrame(rows) for name, rows in more.items() if rows}

    def exhibits(self, results: Sequence[Result], tables: Mapping[str, pd.DataFrame]) -> Iterable[Exhibit]:
        """Answer the document, with pictures and curves of the first draw, and means over all."""
        return self.answers(self.findings(results, tables))

    def conclusion(self, results: Sequence[Result], tables: Mapping[str, pd.DataFrame]) -> list[str]:
        """Say what follows from the figures."""
        return conclusions(self.findings(results, tables), self.choose_by, self.metrics)

    def findings(self, results: Sequence[Result], tables: Mapping[str, pd.DataFrame]) -> Findings:
        """Collect what slides are made of."""
        means, first = tables["summary"], results[0].job.data
        shown: dict[str, dict[str, Evaluation]] = {name: {} for name in ("methods", DETECTORS, EXPERIMENTS)}
        for job, _, evaluation in results:
            group = "methods" if isinstance(job.method.recipe, Classifier) else DETECTORS
            if evaluation is not None:
                shown[EXPERIMENTS if job.method.name == EXPERIMENTS else group][job.method.title] = evaluation
        words = first.words(int(means["runs"].iloc[0]))
        return Findings(
            draw=first,
            facts=[(name, text.format(**words)) for name, text in self.facts],
            choices=[(name, text.format(**words)) for name, text in self.choices],
            means=means,
            results=for_slides(means, self.metrics, self.document),
            evaluations={method: shown["methods"][method] for method in means["method"]},
            detectors=shown[DETECTORS],
            experiments=tables.get(EXPERIMENTS),
            experimented=shown[EXPERIMENTS],
            document=self.document,
            is_quick=self.is_quick,
        )

    def steps(self) -> list[Step]:
        """Average the figures of the runs again."""
        return STEPS
