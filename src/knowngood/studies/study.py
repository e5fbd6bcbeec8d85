"""The engine of all studies: it fits inspectors, measures them, and writes tables, slides and a notebook."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pandas as pd

from knowngood.data.decoding import Source
from knowngood.data.samples import fingerprint
from knowngood.errors import DataError, InspectorError, RecipeError, quoted
from knowngood.inputs import LARGEST_RECIPE, read_file
from knowngood.inspector.inspector import Inspector
from knowngood.output import MARK, check_target, make_folder, replacing
from knowngood.recipe import as_text, settings_of
from knowngood.report.deck import write_deck
from knowngood.report.editable import write_editable
from knowngood.report.exhibits import Exhibit, Text
from knowngood.report.slide import Deck
from knowngood.studies.notebook import START, Step, write_notebook
from knowngood.studies.origins import Origin, origins_table
from knowngood.training.run import Run
from knowngood.types import Progress

ARGUMENTS = "arguments.json"
"""The file in a study's folder that says what it was run with."""

SLIDES, EDITABLE, NOTEBOOK = "slides.pdf", "slides.pptx", "study.ipynb"

QUICK = "QUICK RUN, NOT A RESULT"

PRESENTING = "slides and notebook"
"""The stage of the progress that comes last."""

S = TypeVar("S", bound="Study")


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


@dataclass(frozen=True, kw_only=True, eq=False)
class Study(ABC):
    """An experiment of a document. Subclasses are frozen dataclasses.

    A quick run has few images and short trainings: it is compared with no document.
    """

    title: str
    course: str  # the document: what, who, where, when
    methods: Sequence[Method]
    is_quick: bool = False
    changed: Mapping[str, Any] = field(default_factory=dict)  # the settings that a user changed

    @abstractmethod
    def jobs(self, data: Path, seed: int) -> list[Job]:
        """List the inspectors to fit to the data in a folder; the same seed gives the same jobs.

        Raises:
            DataError: The data are missing.
        """

    @abstractmethod
    def origins(self, data: Path, jobs: Sequence[Job]) -> list[Origin]:
        """Say which images of which data sets the jobs use, as many as there really are."""

    @abstractmethod
    def measure(self, job: Job, inspector: Inspector, progress: Progress) -> tuple[Mapping[str, Any], Any]:
        """Measure the inspector of a job; return its figures by name, and what slides show of it."""

    @abstractmethod
    def tables(self, results: Sequence[Result]) -> dict[str, pd.DataFrame]:
        """Return tables by name; `figures` has at least the columns `task`, `figure` and `value`."""

    @abstractmethod
    def exhibits(self, results: Sequence[Result], tables: Mapping[str, pd.DataFrame]) -> Iterable[Exhibit]:
        """Give what the slides between data and conclusion show; their titles state what was found."""

    @abstractmethod
    def conclusion(self, results: Sequence[Result], tables: Mapping[str, pd.DataFrame]) -> list[str]:
        """Say what follows, in two sentences or more that are derived from the figures."""

    @abstractmethod
    def steps(self) -> list[Step]:
        """Give the steps of the notebook that make the tables again from the files that were kept."""

    def keep(self, results: Sequence[Result], out: Path) -> None:  # noqa: B027 - most studies keep no more
        """Write files beside the tables, the slides and the notebook to a folder."""


def with_settings(study: S, settings: Mapping[str, Any]) -> S:
    """Return a study with other settings of its methods: each is for all methods that have it.

    Raises:
        RecipeError: No method has such a setting, or a value is out of range.
    """
    known = {method.name: settings_of(type(method.recipe)) for method in study.methods}
    for name in settings:
        if not any(name in names for names in known.values()):
            names = ", ".join(dict.fromkeys(name for names in known.values() for name in names))
            raise RecipeError(f"no method of this study has a setting {quoted(name)}; they have {names}")
    changed = []
    for method in study.methods:
        own = {name: value for name, value in settings.items() if name in known[method.name]}
        changed.append(replace(method, recipe=replace(method.recipe, **own)))
    return replace(study, methods=changed, changed=dict(settings))


def run(
    study: Study,
    data: Path,
    out: Path,
    *,
    deck: Deck,
    arguments: Mapping[str, Any],
    device: str,
    progress: Progress,
) -> pd.DataFrame:
    """Run a study; see `knowngood.run_study`. Inspectors that are in its folder are not fitted again.

    Raises:
        RecipeError: The folder holds a run with other arguments.
        OutputError: It holds slides that were edited, or others that are not ours to replace.
    """
    jobs = study.jobs(data, arguments["seed"])  # where data are missing, no folder is made
    keep_arguments(out, arguments)
    for name in (SLIDES, EDITABLE, NOTEBOOK):
        check_target(out / name, MARK)
    results: list[Result] = []
    for number, job in enumerate(jobs, 1):
        title = f"{job.method.title}, {job.draw}" if job.draw else job.method.title
        title = f"{number} of {len(jobs)}, {title}" if len(jobs) > 1 else title

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
    study.keep(results, out)
    origins = study.origins(data, jobs)
    notes = [*_changes(study, arguments["settings"]), *_reservations(study)]
    progress(PRESENTING, 0, 3)
    exhibits = [
        replace(origins_table(origins), note="\n".join(notes)),
        *study.exhibits(results, tables),
        Text("Conclusion", [*notes, *study.conclusion(results, tables)]),
    ]
    present(replace(deck, exhibits=exhibits), [*map(str, origins), *notes], study.steps(), out, progress)
    tables["figures"].attrs["notes"] = [*map("data: {}".format, origins), *notes]
    return tables["figures"]


def present(deck: Deck, notes: Sequence[str], steps: Sequence[Step], out: Path, progress: Progress) -> None:
    """Write the slides in both forms, and the notebook, which begins with the notes."""
    progress(PRESENTING, 1, 3)
    write_deck(deck, out / SLIDES)
    progress(PRESENTING, 2, 3)
    write_editable(deck, out / EDITABLE)
    write_notebook(deck.title, [*map(Step, notes), *START, *steps], out / NOTEBOOK)
    progress(PRESENTING, 3, 3)


def keep_arguments(out: Path, arguments: Mapping[str, Any]) -> None:
    """Write what a study is run with to its folder, to which only the same run may be added.

    Raises:
        RecipeError: The folder holds another study, or one with another seed or other settings.
    """
    make_folder(out)
    file = out / ARGUMENTS
    before: Any = {}
    with suppress(OSError, ValueError):  # a damaged one is written again
        before = json.loads(read_file(file, LARGEST_RECIPE))
    for name, value in arguments.items():
        if isinstance(before, dict) and before.get(name, value) != value:
            found, wanted = _shown(before[name]), _shown(value)
            raise RecipeError(
                f"{str(out)!r} holds a run with {name} {found}, not {wanted}; name another folder"
            )
    with replacing(file) as unfinished:
        unfinished.write_text(json.dumps(dict(arguments), indent=1))


def _shown(value: Any) -> str:
    """Write an argument of a run."""
    if isinstance(value, dict):
        return ",".join(f"{name}={one}" for name, one in value.items()) or "none"
    return as_text(value)


def _changes(study: Study, settings: Mapping[str, str]) -> list[str]:
    """Say which settings are not the study's own."""
    said = []
    for name, value in settings.items():
        having = [one.title for one in study.methods if name in settings_of(type(one.recipe))]
        whose = "every method" if len(having) == len(study.methods) else "; ".join(having)
        said.append(f"Changed setting: {name}={value}, for {whose}.")
    return said


def _reservations(study: Study) -> list[str]:
    """Say of a quick run what it is worth."""
    if not study.is_quick:
        return []
    return [f"{QUICK}: few images and short trainings, to check that everything runs."]


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
    """Return the first of the folders that exists in the data folder, also where `get_data` places them.

    Raises:
        DataError: None of them exists.
    """
    products = [f"{name}/{Path(folder).name}" for name in ("mvtec-ad", "mvtec-loco") for folder in folders]
    for folder in (*folders, *products):
        if (data / folder).is_dir():
            return data / folder
    raise DataError(f"{str(data)!r} holds no folder {' or '.join(folders)}; put the data set there")
