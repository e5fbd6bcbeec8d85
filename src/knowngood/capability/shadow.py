"""Shadow mode: an inspector and people, or an old and a new inspector, decide on the same parts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from knowngood.brief import brief
from knowngood.capability.page import Answer, Page, write_study
from knowngood.capability.repeats import decisions
from knowngood.data.tables import table_or_file
from knowngood.errors import DataError, RecipeError, quoted
from knowngood.metrics.decisions import bounds_at_all_times, mcnemar
from knowngood.report.exhibits import Chart, Exhibit, Table, Text
from knowngood.report.words import count, percent, range_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "shadow"

MOST_SHOWN = 100

Log = str | os.PathLike[str] | pd.DataFrame
"""Decisions in the order of the parts: a table with `decision`, and `part` or `path`."""


@dataclass(frozen=True, eq=False)
class Shadow:
    """The result of a trial of two who decide on the same parts.

    Args:
        answer: Whether the trial may stop, and what it found.
        parts: One row per part in the order of the trial: its name, `one` and `other` (the decisions),
            `disagree`, and `low` and `high`, the bounds of the share of disagreements so far.
        disagreements: The parts on which they disagree, for an expert.
        p_value: McNemar's exact test that both reject equally often.
        stopped_at: The part after which the trial could stop; None while it cannot.
        limit: The share of disagreements that is allowed.
    """

    answer: Answer
    parts: pd.DataFrame
    disagreements: pd.DataFrame
    p_value: float
    stopped_at: int | None
    limit: float

    __repr__ = brief


def shadow(one: Log, other: Log, *, limit: float = 0.05) -> Shadow:
    """Compare two logs of decisions on the same parts.

    A part is rejected by `reject`, `review` or a word for a defect. Bounds hold at all times together: the
    trial may be looked at after each part, and stops when they are below or above the limit.

    Args:
        one: Decisions of the one, such as those of people; parts count in its order.
        other: Decisions of the other on the same parts.
        limit: The share of parts on which the two may disagree.

    Raises:
        DataError: A table lacks a column or a decision, names a part twice, or the two have no part in
            common.
        RecipeError: The limit is not between 0 and 1.

    Example:
        >>> people = pd.DataFrame({"part": range(200), "decision": ["accept"] * 195 + ["reject"] * 5})
        >>> machine = pd.DataFrame({"part": range(200), "decision": ["accept"] * 194 + ["reject"] * 6})
        >>> found = shadow(people, machine)
        >>> len(found.disagreements), found.p_value, found.stopped_at
        (1, 1.0, 116)
    """
    if not 0 < limit < 1:
        raise RecipeError(f"limit must be between 0 and 1, such as 0.05; got {quoted(limit)}")
    tables = [table_or_file(log, _as_log) for log in (one, other)]
    key = next((name for name in ("part", "image") if all(name in table for table in tables)), "")
    if not key:
        raise DataError("the logs have neither a column 'part' nor a column 'path' in common; add one")
    logs = [_decided(table, key) for table in tables]
    parts = logs[0].rename("one").to_frame().join(logs[1].rename("other"), how="inner").reset_index(names=key)
    if parts.empty:
        raise DataError(f"the logs have no {key} in common, such as {quoted(str(tables[0][key].iloc[0]))}")
    apart = (parts["one"] != parts["other"]).to_numpy()
    bounds = bounds_at_all_times(np.cumsum(apart), np.arange(1, len(parts) + 1))
    decided = np.flatnonzero((bounds[:, 1] <= limit) | (bounds[:, 0] > limit))
    stopped = int(decided[0]) + 1 if len(decided) else None
    words = {True: "reject", False: "accept"}
    parts = parts.assign(
        one=parts["one"].map(words),
        other=parts["other"].map(words),
        disagree=apart,
        low=np.maximum.accumulate(bounds[:, 0]),
        high=np.minimum.accumulate(bounds[:, 1]),
    )
    alone = [int(((parts["one"] == mine) & apart).sum()) for mine in ("reject", "accept")]
    answer = _answer(parts, alone, stopped, limit, [len(log) - len(parts) for log in logs])
    return Shadow(answer, parts, parts[apart].reset_index(drop=True), mcnemar(*alone), stopped, limit)


def write_shadow(trial: Shadow, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a trial as `shadow.html`, `parts.csv` and `disagreements.csv`.

    Returns:
        The path of the page.

    Raises:
        OutputError: A file cannot be written, or is not ours to replace.
        MissingExtra: The page's libraries are not installed; the tables are written.
    """
    parts = trial.parts
    shown = trial.disagreements.head(MOST_SHOWN)
    rows = [[str(cell) for cell in row] for row in shown.iloc[:, :3].to_numpy()]
    more = len(trial.disagreements) - len(shown)
    note = f"{more:,} more are in disagreements.csv." if more else ""
    listed: list[Exhibit] = [
        Table("For an expert: parts on which they disagree", ["part", "one", "other"], rows, note=note)
    ]
    nothing: list[Exhibit] = [Text("Disagreements", ["There are none."])]
    page = Page(
        PAGE,
        "Shadow mode",
        f"{count(len(parts), 'part')} that both decided on",
        trial.answer,
        [_counts(parts), _chart(trial), *(listed if rows else nothing)],
    )
    tables = {"parts": parts, "disagreements": trial.disagreements}
    return write_study(page, tables, folder, overwrite=overwrite)


def _as_log(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of a log, as text."""
    if "decision" not in table:
        raise DataError(f"the log has no column 'decision', only {quoted(list(table.columns))}; add it")
    # Paths are names here: those of two logs must not start from the folders of both.
    table = table.rename(columns={"path": "image"})
    names = [name for name in ("part", "image", "decision") if name in table]
    return pd.DataFrame({name: table[name].astype(str).str.strip() for name in names}).reset_index(drop=True)


def _decided(table: pd.DataFrame, key: str) -> pd.Series:
    """The decision on each part, True for a reject."""
    if (twice := table[key].duplicated()).any():
        raise DataError(f"a log names the {key} {quoted(table[key][twice].iloc[0])} twice; keep one decision")
    return pd.Series(decisions(table["decision"], "decision").to_numpy(), index=table[key])


def _answer(
    parts: pd.DataFrame, alone: list[int], stopped: int | None, limit: float, missing: list[int]
) -> Answer:
    """The first lines of the page."""
    number, apart = len(parts), sum(alone)
    low, high = parts[["low", "high"]].iloc[-1]
    details = [
        f"They disagree on {apart} of {number:,} parts, {percent(apart / number)}; the true share is "
        f"{range_of(low, high)} (95 % confidence, at all times together).",
        f"The one alone rejects {alone[0]}, the other alone {alone[1]}: McNemar's exact test gives p = "
        f"{mcnemar(*alone):.2g}"
        + (
            ", so that they do not reject equally often."
            if mcnemar(*alone) < 0.05
            else ", no sign of a difference."
        ),
    ]
    details += [
        f"{count(left, 'part')} of {who} have no decision of the other, and were left out."
        for who, left in zip(("the one", "the other"), missing, strict=True)
        if left
    ]
    if stopped is None:
        headline = (
            f"Go on: it is not known yet whether they disagree on more than {percent(limit)} of the parts."
        )
        return Answer("doubtful", headline, tuple(details))
    side = "at most" if parts["high"].iloc[stopped - 1] <= limit else "more than"
    headline = (
        f"The trial may stop, since part {stopped:,}: they disagree on {side} {percent(limit)} of the parts."
    )
    return Answer("good" if side == "at most" else "useless", headline, tuple(details))


def _counts(parts: pd.DataFrame) -> Table:
    """The four numbers of the trial."""
    table = pd.crosstab(parts["one"], parts["other"]).reindex(
        index=["accept", "reject"], columns=["accept", "reject"], fill_value=0
    )
    rows = [[f"the one: {name}", *(f"{number:,}" for number in row)] for name, *row in table.itertuples()]
    return Table("Decisions", ["", "the other: accept", "the other: reject"], rows, numbers=2)


def _chart(trial: Shadow) -> Chart:
    """The share of disagreements so far, with its bounds."""

    def draw(figure: Figure) -> None:
        from knowngood.report.style import DEFECT, FAINT, INK

        axes = figure.subplots()
        places = np.arange(1, len(trial.parts) + 1)
        share = np.cumsum(trial.parts["disagree"].to_numpy()) / places
        axes.fill_between(
            places,
            100 * trial.parts["low"],
            100 * trial.parts["high"],
            color=FAINT,
            alpha=0.3,
            linewidth=0,
            label="bounds",
        )
        axes.plot(places, 100 * share, color=DEFECT, linewidth=2, label="disagreements")
        axes.axhline(100 * trial.limit, color=INK, linestyle="--", linewidth=1.2, label="limit")
        axes.set(
            xlabel="parts",
            ylabel="share, %",
            ylim=(0, min(100, 100 * max(4 * trial.limit, 2 * float(share[-1])))),
        )
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), borderpad=0)

    return Chart("Disagreements in the course of the trial", draw)
