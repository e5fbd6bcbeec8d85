"""A leaderboard: any number of detectors, fitted to the same images with the same seeds, side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import pandas as pd

from knowngood.data.held import sources_of
from knowngood.data.samples import Samples, fingerprint, load_samples
from knowngood.data.selection import good_sources
from knowngood.errors import DataError, RecipeError, quoted
from knowngood.inspector.about import fingerprint_of
from knowngood.inspector.measures import check_mask_sizes
from knowngood.leaderboards.conclusions import conclusions, notes
from knowngood.leaderboards.entrants import few, named, small, suited
from knowngood.leaderboards.page import MARKS, PAGE, write_leaderboard
from knowngood.leaderboards.standings import FIGURES, Entry, Leaderboard, differences, standings
from knowngood.leaderboards.trials import (
    OUT_OF_TIME,
    RECORD,
    Missing,
    Trial,
    end_if_imported,
    read_record,
    run_apart,
)
from knowngood.notebook import followed
from knowngood.output import check_target, make_folder
from knowngood.types import Progress, with_title

if TYPE_CHECKING:
    from knowngood.detectors.base import Detector  # torch; a mistake must not wait for it

_UNITS = {"s": 1, "m": 60, "h": 3600}


def leaderboard(
    data: Samples,
    folder: str | Path,
    *,
    detectors: str | Sequence[str | Detector] | None = None,
    seeds: int = 3,
    budget: str | float | None = None,
    quick: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Leaderboard:
    """Fit and evaluate detectors on the same images with the same seeds, and say which of them differ.

    Each run has a process of its own, so that one that fails does not end the others. Finished runs are kept
    in the folder, and the same call goes on where it was interrupted; more seeds or detectors may be added.

    Args:
        data: Input of `load_samples`. Its test images rank the detectors; without labelled defects there is
            no ranking.
        folder: For `leaderboard.html`, `leaderboard.csv`, and a folder with the inspector and the report of
            each detector and seed.
        detectors: Names in `knowngood.detectors.DETECTORS` or recipes; None for all that suit the data.
        seeds: Each detector is fitted with the seeds 0, 1, ...; the first seed of all detectors comes first.
        budget: Seconds, or a text such as `90s`, `10m` or `2h`, after which no run goes on.
        quick: One seed, detectors that train no network, at most 100 good images to learn from, 50 good and
            50 defective test images, and an input of at most 256 pixels squared.
        overwrite: Start anew in a folder with other runs, and replace files of these names that are not ours.
        progress: Called during long work; without it, a notebook shows a bar.

    Raises:
        DataError: There are too few good images, the data cannot be used, or no run finished.
        RecipeError: A detector, the seeds or the budget cannot be understood, the folder holds runs of other
            images or settings, or the budget is too short for any run.
        OutputError: Results cannot be written, or would replace files that are not ours.

    Example::

        board = knowngood.leaderboard("widget/", "leaderboard/", detectors=["patchcore", "padim"])
        print(board.conclusions[0], board.page)
    """
    end_if_imported()
    start, progress, folder = monotonic(), followed(progress), Path(folder)
    seconds = None if budget is None else seconds_of(budget)
    if seeds < 1:
        raise RecipeError(f"seeds={seeds}: at least 1 is needed", setting="seeds", value=seeds)
    wanted = named(detectors)
    samples = load_samples(data)
    good_sources(samples)
    check_mask_sizes(samples[samples["split"] == "test"])
    recipes, unsuited = suited(wanted, samples, quick=quick)
    make_folder(folder)
    for name, mark in MARKS.items():
        check_target(folder / name, mark, overwrite=overwrite)
    conditions = {"data": _identity(samples, progress), "quick": quick, "version": version("knowngood")}
    if quick:
        samples, seeds, recipes = few(samples), 1, small(recipes)
    trials = {
        (name, seed): Trial(name, _plain(recipe), seed, conditions)
        for seed in range(seeds)
        for name, recipe in recipes.items()
    }
    finished = {} if overwrite else _finished(folder, trials)
    if overwrite:
        for path in _records(folder):
            path.unlink()
    trained = [name for name, recipe in recipes.items() if recipe.trains]
    end = None if seconds is None else start + seconds
    entries, missing = _run(trials, samples, folder, finished, trained, end, progress)
    if not entries:
        raise _nothing(missing, budget)
    table = standings(entries)
    pairs = differences(entries, table)
    board = Leaderboard(
        _runs(entries, missing),
        table,
        pairs,
        conclusions(entries, table, pairs),
        [*unsuited, *notes(missing, table, quick=quick, seeds=seeds)],
        folder / PAGE,
    )
    write_leaderboard(board, samples, overwrite=overwrite)
    return board


def seconds_of(budget: str | float) -> float:
    """Return a budget in seconds.

    Raises:
        RecipeError: It is no time, or not positive.

    Example:
        >>> seconds_of("10m"), seconds_of("1.5h"), seconds_of(90)
        (600.0, 5400.0, 90.0)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([smh]?)\s*", str(budget))
    seconds = float(found[1]) * _UNITS[found[2] or "s"] if found else 0.0
    if not seconds:
        raise RecipeError(
            f"budget={quoted(budget)} is no time; write such as 90s, 10m or 2h",
            setting="budget",
            value=budget,
        )
    return seconds


def _plain(recipe: Detector) -> dict[str, Any]:
    """The settings of a recipe as JSON has them."""
    from pydantic_core import to_jsonable_python

    settings: dict[str, Any] = to_jsonable_python(asdict(recipe))
    return settings


def _identity(samples: pd.DataFrame, progress: Progress) -> str:
    """A fingerprint of all images, and of what is known of them."""
    known = [name for name in ("split", "label", "defect", "class", "group") if name in samples]
    facts = samples[known].agg("\n".join, axis=1) + (samples["mask"].astype(bool)).astype(str)
    digests = fingerprint(sources_of(samples), progress=progress)
    return fingerprint_of([digest + fact for digest, fact in zip(digests, facts, strict=True)])


def _records(folder: Path) -> list[Path]:
    """The files of all finished runs in a folder."""
    return sorted(folder.glob(f"*/seed*/{RECORD}"))


def _finished(folder: Path, trials: Mapping[tuple[str, int], Trial]) -> dict[tuple[str, int], Entry]:
    """The runs that have finished before.

    Raises:
        RecipeError: The folder holds runs on other images, in another way or with other settings.
    """
    found: dict[tuple[str, int], Entry] = {}
    any_trial = next(iter(trials.values()))
    settings = {trial.detector: trial.settings for trial in trials.values()}
    for path in _records(folder):
        record = read_record(path)
        if record is None:
            continue
        before, entry = record
        differs = _differs(before, any_trial.conditions, settings.get(before.detector, before.settings))
        if differs:
            raise RecipeError(
                f"{str(folder)!r} holds a run {differs}; name another folder, or start anew with --overwrite "
                "(in Python overwrite=True)"
            )
        found[before.detector, before.seed] = entry
    return found


def _differs(before: Trial, conditions: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Say how a run differs from what is wanted now; empty where it does not."""
    was = before.conditions
    if was.get("data") != conditions["data"]:
        return f"of {before.detector} on other images"
    if was.get("quick") != conditions["quick"]:
        return "of a quick look" if was.get("quick") else "that was no quick look"
    if was.get("version") != conditions["version"]:
        return f"of knowngood {was.get('version')}"
    for name, value in settings.items():
        if before.settings.get(name) != value:
            return f"of {before.detector} with {name}={before.settings.get(name)}, not {value}"
    return ""


def _run(
    trials: Mapping[tuple[str, int], Trial],
    samples: pd.DataFrame,
    folder: Path,
    finished: Mapping[tuple[str, int], Entry],
    trained: Sequence[str],
    end: float | None,
    progress: Progress,
) -> tuple[list[Entry], list[Missing]]:
    """Run what has not finished before: seed by seed, cheap detectors first, until the end of the budget."""
    entries: list[Entry] = []
    missing: list[Missing] = []
    took: dict[str, float] = {}

    def cost(trial: Trial) -> tuple[int, bool, float]:
        return trial.seed, trial.detector in trained, took.get(trial.detector, 0.0)

    waiting = list(trials.values())
    while waiting:
        progress("runs", len(trials) - len(waiting), len(trials))
        trial = min(waiting, key=cost)
        waiting.remove(trial)
        left = None if end is None else end - monotonic()
        entry, reason = finished.get((trial.detector, trial.seed)), ""
        if entry is None and left is not None and left <= took.get(trial.detector, 0.0):
            reason = OUT_OF_TIME
        elif entry is None:
            titled = with_title(progress, trial.title)
            reason = run_apart(trial, samples, folder, seconds=left, progress=titled)
            record = None if reason else read_record(folder / trial.folder / RECORD)
            entry = record and record[1]
        if entry is None:
            outcome = "left out" if reason == OUT_OF_TIME else "failed"
            missing.append(Missing(trial.detector, trial.seed, outcome, reason))
        else:
            entries.append(entry)
            took[trial.detector] = entry.seconds
    progress("runs", len(trials), len(trials))
    return entries, missing


def _runs(entries: Sequence[Entry], missing: Sequence[Missing]) -> pd.DataFrame:
    """The table of all runs."""
    rows: list[dict[str, Any]] = [
        {"detector": one.detector, "seed": one.seed, "outcome": "finished", "reason": "", **one.figures}
        | {"report": one.report}
        for one in entries
    ]
    rows += [one._asdict() for one in missing]
    table = pd.DataFrame(rows, columns=["detector", "seed", "outcome", "reason", *FIGURES, "report"])
    figures = table[list(FIGURES)].astype(float)
    return table.assign(**{name: figures[name] for name in FIGURES}, report=table["report"].fillna(""))


def _nothing(missing: Sequence[Missing], budget: str | float | None) -> DataError | RecipeError:
    """The error where no run finished."""
    failed = [one for one in missing if one.outcome == "failed"]
    if not failed:
        return RecipeError(f"the budget of {budget} is too short for one run; give more time")
    return DataError(f"no run finished; {failed[0].detector}, seed {failed[0].seed}: {failed[0].reason}")
