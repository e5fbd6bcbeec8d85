"""How many parts a study of release needs, and the sheet that says in which order to inspect them.

Reference: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
binomial", Biometrika 1934, doi:10.1093/biomet/26.4.404.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.brief import brief
from knowngood.capability.page import Answer, Page, write_study
from knowngood.errors import RecipeError, quoted
from knowngood.metrics.rates import enough
from knowngood.report.exhibits import Exhibit, Table, Text
from knowngood.report.words import count, listed, percent

GOOD = "good"

SHARES = (0.5, 0.2, 0.1, 0.0)
"""True rates for which the chance to pass is given, as shares of the limit."""

MOST_ERRORS, MOST_TAKES, LEAST_RATE = 20, 20, 1e-4

_MORE = 3  # numbers of errors, beyond the one that is planned for, whose sizes are given too
_MOST_ROWS = 100_000


@dataclass(frozen=True, eq=False)
class Plan:
    """A plan of a study.

    Args:
        sizes: One row for good parts and for each type of defect, and number of errors allowed: `what`,
            `limit` (the rate that is to be shown), `errors`, `parts`, and the chance to pass of a system
            whose true rate is half of the limit, and so on.
        sheet: One row for each picture in the order in which to take them: `path` (empty), `part`, `take`,
            `station`, `truth`. It is the table of `knowngood.gauge`.
        confidence: With which the limits are shown.
        errors: The number of errors that the sheet allows.
        seed: Of the order.
    """

    sizes: pd.DataFrame
    sheet: pd.DataFrame
    confidence: float
    errors: int
    seed: int

    __repr__ = brief

    @property
    def parts(self) -> dict[str, int]:
        """The number of parts by what they are: good, or a type of defect."""
        own = self.sizes[self.sizes["errors"] == self.errors]
        return dict(zip(own["what"], own["parts"].astype(int), strict=True))


def plan(
    *,
    max_false_reject: float = 0.05,
    max_escape: float = 0.1,
    types: Sequence[str] = ("defect",),
    errors: int = 0,
    confidence: float = 0.95,
    takes: int = 3,
    stations: int = 1,
    seed: int = 0,
) -> Plan:
    """Plan a study: how many good parts and how many defects of each type must be shown, and in which order.

    A rate is shown when the exact binomial bound of what was observed is at most the limit. Takes of a part
    say how repeatable an inspection is; they do not stand for more parts.

    Args:
        max_false_reject: The share of good parts that may be rejected.
        max_escape: The share of the defects of each type that may be accepted.
        types: The types of defects; the limit is shown for each of them.
        errors: The number of wrong decisions that are allowed in each group.
        confidence: The least probability that a system beyond the limit does not pass.
        takes: How often each part is inspected at each station.
        stations: How many stations, or operators, inspect each part.
        seed: The same seed gives the same order.

    Raises:
        RecipeError: A number is out of range, a type is there twice, or the sheet would have over 100,000
            rows.

    Example:
        >>> planned = plan(max_false_reject=0.05, max_escape=0.1, types=["dent", "scratch"])
        >>> planned.parts, len(planned.sheet)
        ({'good': 59, 'dent': 29, 'scratch': 29}, 351)
    """
    names = [name.strip() for name in types]
    _check(max_false_reject, max_escape, names, errors, confidence, takes, stations)
    limits = {GOOD: max_false_reject, **dict.fromkeys(names, max_escape)}
    rows = []
    for what, limit in limits.items():
        for allowed in range(errors + _MORE + 1):
            parts = enough(limit, confidence, allowed)
            rows.append([what, limit, allowed, parts, *chances(parts, allowed, limit)])
    columns = ["what", "limit", "errors", "parts", *(f"pass_at_{share:g}_of_limit" for share in SHARES)]
    sizes = pd.DataFrame(rows, columns=columns)
    own = sizes[sizes["errors"] == errors]
    truth = np.repeat(own["what"].to_numpy(object), own["parts"])
    if len(truth) * takes * stations > _MOST_ROWS:
        raise RecipeError(
            f"so strict a plan has {len(truth):,} parts and {len(truth) * takes * stations:,} pictures; at "
            f"most {_MOST_ROWS:,} fit a sheet: allow a higher rate, or fewer takes"
        )
    return Plan(sizes, _sheet(truth, takes, stations, seed), confidence, errors, seed)


def chances(parts: int, errors: int, limit: float) -> list[float]:
    """Return the chance of at most so many errors, where the true rate is each of `SHARES` of the limit.

    Example:
        >>> [round(chance, 2) for chance in chances(59, 0, 0.05)]
        [0.22, 0.55, 0.74, 1.0]
    """
    from scipy.special import bdtr

    return [float(bdtr(errors, parts, share * limit)) for share in SHARES]


def write_plan(planned: Plan, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a plan as `plan.html` to print, `sizes.csv`, and `study.csv`, the table of `knowngood gauge`.

    The truth is in `study.csv` alone: whoever inspects must not see it.

    Returns:
        The path of the page.

    Raises:
        OutputError: A file cannot be written, or is not ours to replace.
    """
    tables = {"sizes": planned.sizes, "study": planned.sheet}
    return write_study(_page(planned), tables, folder, overwrite=overwrite)


def headline(planned: Plan) -> str:
    """Say in a sentence what is to be shown.

    Example:
        >>> headline(plan(types=["dent"]))
        'Show 59 good parts and 29 dent, with no wrong decision.'
    """
    groups = [f"{number} {'good parts' if what == GOOD else what}" for what, number in planned.parts.items()]
    wrong = "no wrong decision" if planned.errors == 0 else f"at most {planned.errors} wrong in each group"
    return f"Show {listed(groups)}, with {wrong}."


def check_limits(max_false_reject: float, max_escape: float, confidence: float) -> None:
    """Refuse rates to be shown, or a confidence, out of range.

    Raises:
        RecipeError: One is.
    """
    _check_range("max_false_reject", max_false_reject, LEAST_RATE, 0.5)
    _check_range("max_escape", max_escape, LEAST_RATE, 0.5)
    _check_range("confidence", confidence, 0.5, 0.9999)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise RecipeError(f"{name} must be between {low:g} and {high:g}; got {quoted(value)}")


def _check(
    max_false_reject: float,
    max_escape: float,
    names: Sequence[str],
    errors: int,
    confidence: float,
    takes: int,
    stations: int,
) -> None:
    """Refuse settings out of range."""
    check_limits(max_false_reject, max_escape, confidence)
    for name, value, low, high in (
        ("errors", errors, 0, MOST_ERRORS),
        ("takes", takes, 1, MOST_TAKES),
        ("stations", stations, 1, MOST_TAKES),
    ):
        _check_range(name, value, low, high)
    if not names or "" in names:
        raise RecipeError("types must be names of defects, such as scratch; got an empty one")
    if twice := sorted({name for name in [*names, GOOD] if [*names, GOOD].count(name) > 1}):
        raise RecipeError(f"types of defects must differ, and none is 'good'; got {quoted(twice[0])} twice")


def _sheet(truth: NDArray[np.object_], takes: int, stations: int, seed: int) -> pd.DataFrame:
    """Number the parts in an order that does not say what they are, and shuffle them for each take."""
    rng = np.random.default_rng(seed)
    truth = truth[rng.permutation(len(truth))]
    rows = []
    for take in range(1, takes + 1):
        for station in range(1, stations + 1):
            rows += [
                ["", int(part) + 1, take, str(station), truth[part]] for part in rng.permutation(len(truth))
            ]
    return pd.DataFrame(rows, columns=["path", "part", "take", "station", "truth"])


def _page(planned: Plan) -> Page:
    """The plan as a page to print."""
    own = planned.sizes[planned.sizes["errors"] == planned.errors]
    details = [
        f"This shows, with {percent(planned.confidence)} confidence, that at most {percent(limit)} of "
        f"{'good parts are rejected' if what == GOOD else f'{what} are accepted'}."
        for what, limit in zip(own["what"], own["limit"], strict=True)
    ]
    takes, stations = planned.sheet["take"].nunique(), planned.sheet["station"].nunique()
    details.append(
        f"Each part is inspected {count(takes, 'time')} at {count(stations, 'station')}: that says how "
        "repeatable decisions are, but does not stand for more parts. Take each part out and place it anew."
    )
    subtitle = f"{count(len(planned.sheet), 'picture')} · order from seed {planned.seed}"
    answer = Answer("good", headline(planned), tuple(details))
    return Page("plan", "Plan of a study", subtitle, answer, [*_exhibits(planned), *_forms(planned.sheet)])


def _exhibits(planned: Plan) -> list[Exhibit]:
    """How many parts, and the chance to pass."""
    heads = [
        "what",
        "rate to be shown",
        "errors allowed",
        "parts",
        *(f"at {share:g} of it" for share in SHARES),
    ]
    rows = [
        [str(what), percent(limit), str(allowed), f"{parts:,}", *map(percent, passing)]
        for what, limit, allowed, parts, *passing in planned.sizes.itertuples(index=False)
    ]
    note = (
        "The last columns are the chance that a system passes whose true rate is that share of the rate to "
        "be shown. More errors allowed need more parts, and let a good system pass more often. Decide before "
        "you look: adding parts because the first ones failed invalidates the bound."
    )
    steps = [
        "The truth of each part is decided by experts beforehand, and is not on this sheet.",
        "Parts must come from normal production, over several batches and shifts; borderline ones included.",
        "Follow the order of the sheet. Fill in the path of each picture in study.csv for `knowngood gauge`.",
    ]
    return [Table("How many parts", heads, rows, numbers=7, note=note), Text("How to do it", steps)]


def _forms(sheet: pd.DataFrame) -> list[Exhibit]:
    """The forms to fill in, one for each take at each station, without the truth."""
    found: list[Exhibit] = []
    for (take, station), rows in sheet.groupby(["take", "station"], sort=False):
        lines = [[str(place), str(part), "", ""] for place, part in enumerate(rows["part"], 1)]
        heads = ["place", "part", "decision", "remark"]
        found.append(Table(f"Take {take}, station {station}", heads, lines))
    return found
