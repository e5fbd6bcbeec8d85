"""The engine of all studies: it fits the inspectors, measures them, and writes tables and slides."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

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
    """A detector or classifier of a study: the name of its folder, its recipe, and its title on slides."""

    name: str
    recipe: Any
    title: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", self.title or self.name)


@dataclass(frozen=True, eq=False)
class Job:
    """One inspector to fit and to measure."""

    method: Method
    seed: int
    data: Any  # what the study measures it on
    images: Sequence[Source]  # for training
    fit: Callable[..., Inspector]  # takes `seed`, `device`, `run` and `progress`, as `knowngood.fit` does
    draw: str = ""  # the draw of the data, such as `seed0`; empty where there is only one

    @property
    def path(self) -> Path:
        """The path of its files in the study's folder, without a suffix."""
        return Path(self.method.name, self.draw)


class Result(NamedTuple):
    """The figures of a job by name, and what slides show of it: None but for a method's first job."""

    job: Job
    figures: Mapping[str, Any]
    shown: Any


class Study(ABC):
    """An experiment of a document. Subclasses are frozen dataclasses."""

    @abstractmethod
    def jobs(self, data: Path, seed: int) -> list[Job]:
        """List the inspectors to fit to the data in a folder; the same seed gives the same jobs.

        Raises:
            DataError: The data are missing.
        """

    @abstractmethod
    def measure(self, job: Job, inspector: Inspector, progress: Progress) -> tuple[Mapping[str, Any], Any]:
        """Measure the inspector of a job; return its figures by name, and what slides show of it."""

    @abstractmethod
    def tables(self, results: Sequence[Result]) -> dict[str, pd.DataFrame]:
        """Return tables by name; `figures` has at least the columns `task`, `figure` and `value`."""

    @abstractmethod
    def report(self, results: Sequence[Result], tables: Mapping[str, pd.DataFrame], out: Path) -> None:
        """Write `slides.pdf`, and all other files that are not tables of figures, to a folder."""


def run(study: Study, data: Path, out: Path, *, seed: int, device: str, progress: Progress) -> pd.DataFrame:
    """Run a study; see `knowngood.run_study`. Inspectors that are in its folder are not fitted again."""
    jobs = study.jobs(data, seed)  # where data are missing, no folder is made
    results: list[Result] = []
    for job in jobs:
        title = f"{job.method.title}, {job.draw}" if job.draw else job.method.title

        def with_title(stage: str, done: int, total: int, title: str = title) -> None:
            progress(f"{title}: {stage}", done, total)

        inspector = load_or_fit(job, out / job.path, device=device, progress=with_title)
        figures, shown = study.measure(job, inspector, with_title)
        first = all(job.method != before.job.method for before in results)
        results.append(Result(job, figures, shown if first else None))
    tables = study.tables(results)
    for name, table in tables.items():
        header = table.head(0).to_csv(index=False).strip()
        with replacing(out / f"{name}.csv", header) as unfinished:
            table.to_csv(unfinished, index=False)
    study.report(results, tables, out)
    return tables["figures"]


def load_or_fit(job: Job, path: Path, *, device: str, progress: Progress) -> Inspector:
    """Load the inspector of a job from `path` plus `.inspector`, or fit and save it."""
    make_folder(path.parent)
    file = path.with_suffix(".inspector")
    if file.exists():
        with suppress(InspectorError):  # a damaged one is fitted again
            inspector = Inspector.load(file)
            if _is_of(inspector, job):
                return inspector
    training = Run(path.with_suffix(".training")) if job.method.recipe.trains else None
    inspector = job.fit(seed=job.seed, device=device, run=training, progress=progress)
    inspector.save(file)
    return inspector


def _is_of(inspector: Inspector, job: Job) -> bool:
    """Return whether an inspector was fitted to the images of a job, by its recipe and with its seed."""
    manifest = inspector.manifest
    recipe = json.loads(json.dumps(asdict(job.method.recipe)))  # with lists for tuples, as in a manifest
    same = (manifest.seed, manifest.recipe) == (job.seed, recipe)
    return same and manifest.training == fingerprint(job.images)


def figure_table(results: Sequence[Result]) -> pd.DataFrame:
    """The figures of all results, one per row: `task` (the method's name), `figure`, `seed`, `value`."""
    return pd.DataFrame(
        [
            {"task": job.method.name, "figure": figure, "seed": job.seed, "value": value}
            for job, figures, _ in results
            for figure, value in figures.items()
        ]
    )


def find(data: Path, *folders: str) -> Path:
    """Return the first of the folders that exists in the data folder.

    Raises:
        DataError: None of them exists.
    """
    for folder in folders:
        if (data / folder).is_dir():
            return data / folder
    raise DataError(f"{str(data)!r} holds no folder {' or '.join(folders)}; put the data set there")
