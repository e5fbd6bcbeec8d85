"""Are today's good parts still those that the threshold was set on? What changed, and when?"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pandas as pd

from knowngood.brief import brief
from knowngood.capability.figures import CAUSES, Figures, figures_table
from knowngood.capability.page import Answer
from knowngood.data.meanings import GOOD_WORDS
from knowngood.data.selection import good_sources
from knowngood.data.tables import table_or_file
from knowngood.errors import DataError, RecipeError, quoted
from knowngood.inspector.file import check_loaded
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.manifest import MAX_FALSE_REJECT
from knowngood.inspector.verdict import Verdict
from knowngood.metrics.martingale import Martingale
from knowngood.notebook import followed
from knowngood.report.words import count, listed
from knowngood.types import Progress

SCORE = "score"

FALSE_ALARM = 0.01
"""The probability, by default, that a monitor ever reports a change where nothing changes."""


class Change(NamedTuple):
    """A change of the parts.

    Args:
        figure: What changed: `score`, or a figure of the pictures.
        direction: see `knowngood.metrics.martingale.WORDS`.
        at: The part, counted from 1, at which it was noticed.
        since: The part with which it likely began.
    """

    figure: str
    direction: str
    at: int
    since: int

    @property
    def words(self) -> str:
        """The change in a sentence.

        Example:
            >>> Change("brightness", "lower", 80, 61).words
            'brightness is lower since about part 61 (noticed at part 80): look at the light'
        """
        cause = CAUSES.get(self.figure, "the parts and the light, focus and position")
        return (
            f"{self.figure} is {self.direction} since about part {self.since:,} (noticed at part "
            f"{self.at:,}): look at {cause}"
        )


class Monitor:
    """Watches good parts, one verdict at a time, for a change since the threshold was set.

    The probability that it ever reports a change, where nothing changes, is at most `false_alarm`, however
    many parts come; it is divided among the figures that are watched.

    Args:
        inspector: Whose held-out scores the first parts are compared with.
        pictures: Figures of good pictures of before, by name, each (n,), such as
            `knowngood.capability.figures.figures_table` gives; without them the score alone is watched.
        false_alarm: That probability.
        seed: Of the random numbers that break ties.

    Raises:
        RecipeError: `false_alarm` is not between 0 and 1.

    Example::

        monitor = Monitor(inspector)
        for verdict in inspector.stream(camera):
            for change in monitor.update(verdict):
                print(change.words)
    """

    def __init__(
        self,
        inspector: Inspector,
        *,
        pictures: Mapping[str, Sequence[float]] | None = None,
        false_alarm: float = FALSE_ALARM,
        seed: int = 0,
    ) -> None:
        check_loaded(inspector)
        if not 0 < false_alarm < 1:
            raise RecipeError(f"false_alarm must be between 0 and 1; got {quoted(false_alarm)}")
        before = {SCORE: np.array(inspector.manifest.held_out)}
        before |= {name: np.asarray(values, np.float64) for name, values in (pictures or {}).items()}
        self._martingales = {name: Martingale(values, seed=seed) for name, values in before.items()}
        self._line = math.log(len(before) / false_alarm)
        self.parts = 0
        self.changes: list[Change] = []
        self.log_capital = dict.fromkeys(before, 0.0)

    def update(self, verdict: Verdict | float, pictures: Mapping[str, float] | None = None) -> list[Change]:
        """Take the next good part, and return the changes that it makes known; each figure reports one.

        Args:
            verdict: On the part, or its score.
            pictures: The figures of its picture, if they are watched.

        Raises:
            DataError: A figure is missing or NaN.
        """
        score = verdict.score if isinstance(verdict, Verdict) else float(verdict)
        values = {SCORE: score, **(pictures or {})}
        self.parts += 1
        changes = []
        for name, martingale in self._martingales.items():
            value = values.get(name, math.nan)
            if math.isnan(value):
                raise DataError(f"part {self.parts} has no {name}, or one that is not a number")
            state = martingale.update(value)
            self.log_capital[name] = state.log_capital
            if state.log_capital >= self._line and name not in [one.figure for one in self.changes]:
                change = Change(name, state.change, self.parts, state.since + 1)
                self.changes.append(change)
                changes.append(change)
        return changes

    @property
    def alarm_at(self) -> float:
        """The natural logarithm of the capital at which a change is reported."""
        return self._line


@dataclass(frozen=True, eq=False)
class Drift:
    """The result of watching a log of good parts.

    Args:
        answer: Whether they are still those of before, what changed and since when.
        changes: The changes, in the order in which they were noticed.
        parts: One row per part: `path`, the figures, and `capital_` of each as a natural logarithm.
        before: The figures of good parts of before, by name.
        alarm_at: The logarithm of the capital at which a change is reported.
        needed: Fresh good images that `recalibrate` needs at least.
    """

    answer: Answer
    changes: list[Change]
    parts: pd.DataFrame
    before: dict[str, list[float]]
    alarm_at: float
    needed: int

    __repr__ = brief


def monitor(
    inspector: Inspector,
    scores: str | os.PathLike[str] | pd.DataFrame,
    *,
    good: str | os.PathLike[str] | pd.DataFrame | None = None,
    false_alarm: float = FALSE_ALARM,
    progress: Progress | None = None,
) -> Drift:
    """Watch a log of good parts for a change since the threshold was set.

    Args:
        inspector: That gave the scores.
        scores: A table as `knowngood score` writes it, in the order in which the parts came. Where it has a
            column `truth` or `label`, only good parts are watched; without one, all parts count as good.
        good: Good images of before, in whose light, focus and position those of the log are compared too.
        false_alarm: The probability that a change is reported where nothing changes.
        progress: Called during long work.

    Raises:
        DataError: The table is no such log, or an image cannot be read.

    Example::

        drift = knowngood.monitor(inspector, "scores.parquet", good="widget/")
        print(drift.answer.headline)
    """
    check_loaded(inspector)
    progress = followed(progress)
    log = table_or_file(scores, _checked)
    before = {SCORE: list(inspector.manifest.held_out)}
    if good is not None:
        bits = inspector.manifest.bits or 16
        known = figures_table(good_sources(good).sources, bits=bits, progress=progress)
        pictures = figures_table(log["path"].tolist(), bits=bits, progress=progress)
        log = pd.concat([log, pictures], axis=1)
        before |= {name: known[name].tolist() for name in Figures._fields}
    watch = Monitor(
        inspector, pictures={name: before[name] for name in before if name != SCORE}, false_alarm=false_alarm
    )
    capital = []
    for row in log.to_dict("records"):
        watch.update(row[SCORE], {name: row[name] for name in before if name != SCORE})
        capital.append(dict(watch.log_capital))
    gained = pd.DataFrame(capital).add_prefix("capital_")
    needed = needed_for(inspector)
    answer = _answer(watch, len(inspector.manifest.held_out), false_alarm, needed)
    return Drift(answer, watch.changes, pd.concat([log, gained], axis=1), before, watch.alarm_at, needed)


def needed_for(inspector: Inspector) -> int:
    """The number of fresh good images with which a threshold for the inspector's rate can be set."""
    rate = inspector.threshold.requested or MAX_FALSE_REJECT
    return math.ceil(1 / Fraction(str(rate)) - 1)


def _checked(table: pd.DataFrame) -> pd.DataFrame:
    """The paths and scores of the good parts of a log."""
    for name in ("path", SCORE):
        if name not in table:
            raise DataError(f"the log has no column {name!r}, only {quoted(list(table.columns))}")
    for name in ("truth", "label"):
        if name in table:
            table = table[table[name].astype(str).str.strip().str.lower().isin(GOOD_WORDS)]
    found = pd.DataFrame(
        {"path": table["path"].astype(str), SCORE: pd.to_numeric(table[SCORE], errors="coerce")}
    )
    if not np.isfinite(found[SCORE]).all():
        row = int(np.argmin(np.isfinite(found[SCORE]))) + 1
        raise DataError(f"the log has a score that is not a finite number, in row {row} of its good parts")
    if found.empty:
        raise DataError("the log has no good parts; there is nothing to watch")
    return found.reset_index(drop=True)


def _answer(watch: Monitor, held_out: int, false_alarm: float, needed: int) -> Answer:
    """Say whether the parts are still those of before."""
    basis = (
        f"Compared with {count(held_out, 'held-out good part')}; where nothing changes, the probability of "
        f"any report is at most {false_alarm:g}."
    )
    if not watch.changes:
        few = "" if held_out >= needed else " So few parts of before show a change late, or not at all."
        return Answer("good", f"No change was found in {count(watch.parts, 'good part')}.", (basis + few,))
    first = min(watch.changes, key=lambda change: change.since)
    figures = listed([change.figure for change in watch.changes])
    headline = (
        f"These are no longer the parts of before: {figures} changed, since about part {first.since:,}."
    )
    advice = (
        "If the cause cannot be undone, set the threshold anew on fresh good images of after the change: "
        f"{needed} at least, {5 * (needed + 1)} for a threshold that is not the single highest score."
    )
    words = [f"{change.words[0].upper()}{change.words[1:]}." for change in watch.changes]
    return Answer("useless", headline, (*words, advice, basis))
