"""What a study is, and the one engine that runs it: learn, measure, write tables and slides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from knowngood.data.decoding import Source
from knowngood.data.samples import fingerprint
from knowngood.errors import DataError, InspectorError
from knowngood.inspector.inspector import Inspector
from knowngood.output import make_folder, replacing
from knowngood.training.run import Run
from knowngood.types import Progress


@dataclass(frozen=True)
class Method:
    """One way to learn.

    Args:
        name: Names its folder.
        recipe: The detector or classifier, a frozen dataclass.
        title: Stands in tables and on slides; without it the name.
    """

    name: str
    recipe: Any
    title: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", self.title or self.name)


@dataclass(frozen=True, eq=False)
class Job:
    """One inspector to learn and to measure.

    Args:
        method: How it learns.
        seed: Of the learning.
        data: What the study measures it on.
        images: What it learns from.
        learn: Learns it; takes `seed`, `device`, `run` and `progress`, as `knowngood.fit` does.
        draw: Which draw of the data this is, such as `seed0`; names the file. Empty where there is only one.
    """

    method: Method
    seed: int
    data: Any
    images: Sequence[Source]
    learn: Callable[..., Inspector]
    draw: str = ""

    @property
    def title(self) -> str:
        """What the job is called while it runs."""
        return f"{self.method.title}, {self.draw}" if self.draw else self.method.title

    @property
    def path(self) -> Path:
        """Where its files lie in the study's folder, without a suffix."""
        return Path(self.method.name, self.draw)


@dataclass(frozen=True, eq=False)
class Result:
    """What was measured of one job.

    Args:
        job: The job.
        figures: Values by name.
        shown: What the slides show of it; None but for the first job of each method.
    """

    job: Job
    figures: Mapping[str, Any]
    shown: Any


class Study(ABC):
    """An experiment of a document. Subclasses are frozen dataclasses."""

    @abstractmethod
    def jobs(self, data: Path, seed: int) -> list[Job]:
        """What is learned from the data in a folder, in order; the same seed gives the same jobs.

        Raises:
            DataError: The data are not there.
        """

    @abstractmethod
    def measure(self, job: Job, inspector: Inspector, progress: Progress) -> tuple[Mapping[str, Any], Any]:
        """Measure what was learned: the figures by name, and what slides show."""

    @abstractmethod
    def tables(self, results: Sequence[Result]) -> dict[str, pd.DataFrame]:
        """The tables by name; `figures` holds the main figures: `task`, `figure`, `value` and maybe more."""

    @abstractmethod
    def report(self, results: Sequence[Result], tables: Mapping[str, pd.DataFrame], out: Path) -> None:
        """Write `slides.pdf`, and whatever else is no table of figures, into a folder."""


def run(study: Study, data: Path, out: Path, *, seed: int, device: str, progress: Progress) -> pd.DataFrame:
    """Run a study; inspectors and trainings that are in its folder already are not computed again.

    Args:
        study: The study.
        data: The folder that holds its data.
        out: The folder for inspectors, trainings, tables and slides.
        seed: The same seed gives the same results.
        device: `auto`, `cpu` or `cuda`.
        progress: Called during long work.

    Returns:
        The main figures, as in `figures.csv`.
    """
    jobs = study.jobs(data, seed)  # where data are missing, no folder is made
    results: list[Result] = []
    for job in jobs:

        def named(stage: str, done: int, total: int, title: str = job.title) -> None:
            progress(f"{title}: {stage}", done, total)

        inspector = learned(job, out / job.path, device=device, progress=named)
        figures, shown = study.measure(job, inspector, named)
        first = all(job.method != before.job.method for before in results)
        results.append(Result(job, figures, shown if first else None))
    tables = study.tables(results)
    for name, table in tables.items():
        with replacing(out / f"{name}.csv") as unfinished:
            table.to_csv(unfinished, index=False)
    study.report(results, tables, out)
    return tables["figures"]


def learned(job: Job, path: Path, *, device: str, progress: Progress) -> Inspector:
    """Learn, or take what was learned from the same images by the same recipe with the same seed.

    Args:
        job: What to learn.
        path: Where its files lie, without a suffix.
        device: `auto`, `cpu` or `cuda`.
        progress: Called during long work.
    """
    make_folder(path.parent)
    file = path.with_suffix(".inspector")
    if file.exists():
        with suppress(InspectorError):  # a damaged one is learned again
            kept = Inspector.load(file)
            if _is_of(kept, job):
                return kept
    training = Run(path.with_suffix(".training")) if job.method.recipe.trains else None
    inspector = job.learn(seed=job.seed, device=device, run=training, progress=progress)
    inspector.save(file)
    return inspector


def _is_of(kept: Inspector, job: Job) -> bool:
    """Whether an inspector is what a job would learn."""
    manifest = kept.manifest
    return (
        manifest.seed == job.seed
        and manifest.training == fingerprint(job.images)
        and all(
            # JSON has lists for tuples.
            manifest.recipe.get(name) == (list(value) if isinstance(value, tuple) else value)
            for name, value in vars(job.method.recipe).items()
        )
    )


def find(data: Path, *places: str) -> Path:
    """The first of the places in a folder that is there.

    Raises:
        DataError: None is.
    """
    for place in places:
        if (data / place).is_dir():
            return data / place
    raise DataError(f"{str(data)!r} holds no folder {' or '.join(places)}; put the data set there")
