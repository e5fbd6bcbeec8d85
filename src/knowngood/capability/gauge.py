"""A gauge study: are an inspector's decisions right and repeatable enough to release a line?"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import pandas as pd

from knowngood.brief import brief
from knowngood.capability import gauge_scores
from knowngood.capability.gauge_agreement import Figure, agreement_with, figures_of
from knowngood.capability.page import Answer
from knowngood.capability.repeats import check_not_copies, deciders, load_repeats
from knowngood.errors import DataError, RecipeError, quoted
from knowngood.inspector.file import check_loaded
from knowngood.inspector.inspector import Inspector
from knowngood.metrics.clustered import Estimate
from knowngood.metrics.rates import enough
from knowngood.notebook import followed
from knowngood.report.words import count, listed, percent
from knowngood.types import Progress

INSPECTOR = "inspector"


@dataclass(frozen=True)
class Limits:
    """What decisions must reach; the defaults are what studies of attribute gauges usually ask for.

    They are conventions, as textbooks on measurement systems give them; no standard is cited here. Kappa
    above 0.75 as excellent agreement is Fleiss, "Statistical Methods for Rates and Proportions", 1981.

    Args:
        effectiveness: Least share of decisions that agree with the truth.
        misses: Largest share of the decisions on defects that accept.
        false_alarms: Largest share of the decisions on good parts that reject.
        kappa: Least kappa of decisions and truth.
    """

    effectiveness: float = 0.9
    misses: float = 0.02
    false_alarms: float = 0.05
    kappa: float = 0.75

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if not 0 < value < 1:
                raise RecipeError(f"the limit of {one.name} must be between 0 and 1; got {quoted(value)}")


AT_MOST = ("misses", "false_alarms")
"""The limits that are largest values."""


@dataclass(frozen=True, eq=False)
class Gauge:
    """The result of a gauge study.

    Args:
        answer: Whether the line may be released, and why.
        limits: What decisions had to reach.
        figures: By who decides (`inspector`, `inspector at A`, the names of people), the figures that
            `knowngood.capability.gauge_agreement.FIGURES` names.
        between: Kappa of the inspector with each person.
        components: Of the scores of `good` and `defect`: standard deviations with intervals and the number of
            parts, or why there are none.
        parts: One row per part, the riskiest first; see `knowngood.capability.gauge_scores.risks`.
        pictures: One row per picture, with its score and decision.
        line: Scores above it are rejected.
        notes: What the study does not say.
    """

    answer: Answer
    limits: Limits
    figures: dict[str, dict[str, Figure]]
    between: dict[str, Figure]
    components: dict[str, tuple[dict[str, Estimate], int] | str]
    parts: pd.DataFrame
    pictures: pd.DataFrame
    line: float
    notes: list[str] = field(default_factory=list)

    __repr__ = brief


def gauge(
    inspector: Inspector,
    table: str | os.PathLike[str] | pd.DataFrame,
    *,
    people: Sequence[str] = (),
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Gauge:
    """Study the errors and the repeatability of decisions on parts that were taken again and again.

    Every bound counts parts, since takes of one part are not independent. A part that is left to a review
    counts as rejected. Pictures that are copies of another are refused.

    Args:
        inspector: Any inspector.
        table: A file or a table with the columns `path`, `part`, `take`, `truth` and maybe `station` or
            `operator`; `knowngood.plan` makes one to fill in.
        people: Columns that hold the decisions of people, who are compared on the same terms.
        limits: What decisions must reach.
        progress: Called during long work.

    Raises:
        DataError: The table is no such study, a picture cannot be read, or is a copy of another; or all
            scores are the same.

    Example::

        study = knowngood.gauge(inspector, "study.csv", people=["Anna"])
        print(study.answer.headline)
    """
    check_loaded(inspector)
    progress, limits = followed(progress), limits or Limits()
    pictures = load_repeats(table, people)
    check_not_copies(pictures, progress)
    verdicts = inspector.inspect(pictures["path"].tolist(), progress=progress)
    scores = np.array([verdict.score for verdict in verdicts])
    line = (inspector.review or inspector.threshold).value
    return study(pictures, scores, line, people, limits)


def study(
    pictures: pd.DataFrame, scores: np.ndarray, line: float, people: Sequence[str], limits: Limits
) -> Gauge:
    """Return the result of a study from the scores of its pictures (N,)."""
    if not np.isfinite(scores).all():
        raise DataError(
            f"{int((~np.isfinite(scores)).sum())} scores are not finite numbers; fit the inspector anew"
        )
    if np.ptp(scores) == 0:
        raise DataError(
            f"all pictures have the score {scores[0]:.4g}: such an inspector distinguishes nothing"
        )
    rejected = scores > line
    who = deciders(pictures, people, rejected)
    figures = {name: figures_of(*given) for name, given in who.items()}
    between = {name: agreement_with(pictures, rejected, pictures[name].to_numpy(bool)) for name in people}
    decided = pictures.assign(score=scores, decision=np.where(rejected, "reject", "accept"))
    return Gauge(
        answer=answer_of(figures[INSPECTOR], limits),
        limits=limits,
        figures=figures,
        between=between,
        components={
            label: gauge_scores.components(pictures, scores, line, defect=label == "defect")
            for label in ("good", "defect")
        },
        parts=gauge_scores.risks(pictures, scores, line),
        pictures=decided,
        line=line,
        notes=_notes(pictures, rejected),
    )


def answer_of(figures: dict[str, Figure], limits: Limits) -> Answer:
    """Say whether the line may be released, from the figures of the inspector.

    It may when every limit is met by the figure and by its one-sided 95 % bound.
    """
    missed, open_, held = [], [], []
    for one in fields(limits):
        name, limit, found = one.name, getattr(limits, one.name), figures[one.name]
        words = in_words(name, found, limit)
        if found.value is None or not reaches(name, found.value, limit):
            missed.append(words)
        elif not reaches(name, found.bound, limit):
            open_.append(f"{words}{_more(name, found, limit)}")
        else:
            held.append(words)
    details = [f"Missed: {words}." for words in missed] + [f"Not shown: {words}." for words in open_]
    details += [f"Shown: {words}." for words in held]
    if missed:
        return Answer("useless", "May the line be released? No: this sample misses a limit.", tuple(details))
    if open_:
        headline = (
            "May the line be released? Not yet: the sample is within the limits, but too small to show "
            f"{listed([_name(one.name) for one in fields(limits) if _is_open(one.name, figures, limits)])}."
        )
        return Answer("doubtful", headline, tuple(details))
    return Answer(
        "good", "May the line be released? Yes: all limits are met, with 95 % confidence.", tuple(details)
    )


def reaches(name: str, value: float | None, limit: float) -> bool:
    """Whether a figure, or its bound, meets its limit."""
    if value is None:
        return False
    return value <= limit if name in AT_MOST else value >= limit


def in_words(name: str, found: Figure, limit: float) -> str:
    """A figure with its bound and its limit.

    Example:
        >>> in_words("misses", Figure(0.0, 0.0, 0.12, 0.095, 30), 0.02)
        'misses 0.0 % (with 95 % confidence at most 9.5 %; limit: at most 2.0 %)'
    """
    side = "at most" if name in AT_MOST else "at least"
    if found.value is None or found.bound is None:
        return f"{_name(name)} is not defined: all decisions are the same (limit: {side} {limit:g})"
    write = (lambda value: f"{value:.2f}") if name == "kappa" else percent
    bound = f"with 95 % confidence {side} {write(found.bound)}"
    return f"{_name(name)} {write(found.value)} ({bound}; limit: {side} {write(limit)})"


def _is_open(name: str, figures: dict[str, Figure], limits: Limits) -> bool:
    return not reaches(name, figures[name].bound, getattr(limits, name))


def _name(name: str) -> str:
    return name.replace("_", " ")


def _more(name: str, found: Figure, limit: float) -> str:
    """How many parts without an error would show a rate."""
    if name == "kappa" or found.value is None:
        return ""
    rate = limit if name in AT_MOST else 1 - limit
    noun = {"misses": "defect", "false_alarms": "good part"}.get(name, "part")
    needed = enough(rate)
    if found.parts >= needed:
        return f", from {count(found.parts, noun)}; more parts would narrow it"
    return f", from {count(found.parts, noun)}; {needed:,} without an error would show it"


def _notes(pictures: pd.DataFrame, rejected: np.ndarray) -> list[str]:
    """What the study does not say."""
    notes = []
    if pictures["station"].nunique() == 1:
        notes.append("There is one station or operator: whether another one decides alike was not studied.")
    if rejected.all() or not rejected.any():
        notes.append("All decisions are the same, so that agreement beyond chance is not defined.")
    takes = pictures.groupby(["part", "station"]).size()
    if takes.nunique() > 1 or len(takes) < pictures["part"].nunique() * pictures["station"].nunique():
        notes.append(
            "Not every part was taken as often at every station: the components of the scores are of those "
            "parts that were, all other figures of all parts."
        )
    return notes


def margin_in_words(found: dict[str, Estimate], label: str) -> str:
    """Say how the spread of the inspection compares with the margin to the threshold.

    Example:
        >>> one = Estimate(0.4, 0.3, math.inf)
        >>> margin_in_words({"margin_share": one}, "good parts")
        'The inspection takes 40.0 % of the margin of good parts to the threshold (30.0 % to all of it).'
    """
    share = found["margin_share"]
    where = f"of the margin of {label} to the threshold"
    if not math.isfinite(share.value):
        return f"The mean score of {label} is on the wrong side of the threshold: there is no margin."
    high = "all of it" if not share.high < 1 else percent(share.high)
    return f"The inspection takes {percent(share.value)} {where} ({percent(share.low)} to {high})."
