"""What follows from a leaderboard, in sentences that are computed from its figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from knowngood.inspector.measures import NO_DEFECT, NO_GOOD
from knowngood.leaderboards.entrants import FEW, FEW_TRAINING, SMALL
from knowngood.leaderboards.standings import RANKED_BY, Entry
from knowngood.leaderboards.trials import Missing
from knowngood.report.words import count, decimal, listed, score


def conclusions(entries: Sequence[Entry], table: pd.DataFrame, pairs: pd.DataFrame) -> list[str]:
    """Say which detector is best, which the test cannot separate from it, and what was promised.

    Args:
        entries: The finished runs.
        table: Their `standings`.
        pairs: Their `differences`.
    """
    ranked = table[RANKED_BY].notna().all()
    ranking = _ranking(entries, table, pairs) if ranked else _no_ranking(entries, table)
    return [*ranking, *_promises(table)]


def notes(missing: Sequence[Missing], table: pd.DataFrame, *, quick: bool, seeds: int) -> list[str]:
    """Say what is missing, and how the figures are to be read."""
    return list(_notes(missing, table, quick, seeds))


def _ranking(entries: Sequence[Entry], table: pd.DataFrame, pairs: pd.DataFrame) -> Iterator[str]:
    """Say which detectors differ."""
    best, area = table["detector"][0], decimal(table[RANKED_BY][0])
    if len(table) == 1:
        yield f"{best} alone finished, with an image AUROC of {area}: there is nothing to compare it with."
        return
    level = pairs[pairs["low"] <= 0]["other"].tolist()
    behind = pairs[pairs["low"] > 0]
    if level:
        defects = sum(entries[0].defect)
        good = len(entries[0].defect) - defects
        yield (
            f"The test images ({good} good, {count(defects, 'defect')}) are too few to tell "
            f"{listed([best, *level])} apart."
        )
        fast = table[table["detector"].isin([best, *level])].nsmallest(1, "milliseconds").iloc[0]
        yield f"Of these, {fast['detector']} takes the least time: {score(fast['milliseconds'])} ms an image."
    elif len(pairs) == len(table) - 1:
        yield f"{best} is best: its image AUROC of {area} is above that of every other detector."
    if len(behind):
        gaps = behind["difference"]
        by = decimal(gaps.min(), 3) + (f" to {decimal(gaps.max(), 3)}" if len(behind) > 1 else "")
        are = "are" if len(behind) > 1 else "is"
        yield f"{listed(behind['other'].tolist())} {are} behind {best}, by {by} of image AUROC."
    if apart := sorted(set(table["detector"][1:]) - set(pairs["other"])):
        yield f"{best} is not compared with {listed(apart)}: no seed of both has finished."


def _no_ranking(entries: Sequence[Entry], table: pd.DataFrame) -> Iterator[str]:
    """Say why there is no ranking, and what there is."""
    defect = entries[0].defect
    lacking = NO_DEFECT if not any(defect) else NO_GOOD
    yield (
        f"No detector is ranked: {lacking}. Synthetic defects do not replace real ones, since another "
        "detector may be best on them."
    )
    if len(table) > 1:
        costs = {"milliseconds": "time an image", "memory_gb": "memory", "fit_seconds": "time to fit"}
        least = {
            what: table.nsmallest(1, name)["detector"].iloc[0]
            for name, what in costs.items()
            if table[name].notna().any()
        }
        yield f"The least {listed([f'{what} has {name}' for what, name in least.items()])}."


def _promises(table: pd.DataFrame) -> Iterator[str]:
    """Say which detectors rejected more good parts than their thresholds promised."""
    known = table[table["promise_held"].notna()]
    broke = known[known["promise_held"] < 1]
    if known.empty:
        return
    if broke.empty:
        runs = "in every run" if known["seeds"].max() > 1 else ""
        yield " ".join(filter(None, ["Each detector rejects no more good parts than it states", runs])) + "."
        return
    for sure in (True, False):
        said = []
        for row in broke[(broke["promise_refuted"] > 0) == sure].to_dict("records"):
            times = round(row["seeds"] * (1 - row["promise_held"]))
            said.append(f"{row['detector']} ({times} of {count(row['seeds'], 'run')})")
        if said:
            chance = "beyond what chance explains" if sure else "within what chance explains"
            yield f"More good parts than stated, {chance}, were rejected by {listed(said)}."


def _notes(missing: Sequence[Missing], table: pd.DataFrame, quick: bool, seeds: int) -> Iterator[str]:
    """Say how the figures are to be read, and what is missing."""
    if quick:
        yield (
            f"A quick look: one seed, at most {FEW_TRAINING} good training images, {FEW} good and {FEW} "
            f"defective test images, and an input of at most {SMALL} x {SMALL} pixels. With its default "
            "settings a detector may be more accurate and slower."
        )
    elif seeds == 1:
        yield "There is one seed: how much the figures vary between fits is not known."
    if table[RANKED_BY].notna().all() and len(table) > 1:
        yield "The test images have ranked the detectors: evaluate the one that is chosen on other images."
    for one in missing:
        if one.outcome == "failed":
            yield f"{one.detector}, seed {one.seed} failed: {one.reason}"
    cut = [f"{one.detector} (seed {one.seed})" for one in missing if one.outcome != "failed"]
    if cut:
        yield f"The budget left out {listed(cut)}; the same command with more time goes on there."
