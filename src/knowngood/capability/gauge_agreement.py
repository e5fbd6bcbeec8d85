"""Decisions of a gauge study: how often they are wrong, and how well takes, stations and people agree."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.capability.repeats import by_part
from knowngood.metrics.agreement import cohen, fleiss
from knowngood.metrics.clustered import Estimate, share_of_parts

ONE_SIDED = 0.9
"""Confidence of a two-sided interval whose ends are one-sided bounds of 95 %."""

FIGURES = {
    "effectiveness": "share of decisions that agree with the truth",
    "misses": "share of the decisions on defects that accept",
    "false_alarms": "share of the decisions on good parts that reject",
    "kappa": "Cohen's kappa of decisions and truth",
    "kappa_takes": "Fleiss' kappa of the pictures of each part",
    "repeats": "share of parts whose takes at each station are all decided alike",
    "alike": "share of parts of which all pictures are decided alike",
    "all_correct": "share of parts of which all pictures are decided correctly",
}
"""The figures of a decider, and what each is."""


class Figure(NamedTuple):
    """A figure with its interval, and the one-sided 95 % bound on the side that matters.

    `value`, its ends and the bound are None where it is not defined.
    """

    value: float | None
    low: float | None
    high: float | None
    bound: float | None
    parts: int


def figures_of(table: pd.DataFrame, rejected: NDArray[np.bool_]) -> dict[str, Figure]:
    """Return the figures of one who decides on the pictures of a study, by their names in `FIGURES`.

    Args:
        table: See `knowngood.capability.repeats.load_repeats`.
        rejected: The decision on each picture (N,).

    Example:
        >>> table = pd.DataFrame({"part": list("aabbccdd"), "station": "1"})
        >>> table["defect"] = [False] * 4 + [True] * 4
        >>> found = figures_of(table, np.array([0, 0, 0, 1, 1, 1, 1, 1], bool))
        >>> found["effectiveness"].value, found["false_alarms"].value, found["kappa"].value
        (0.875, 0.25, 0.75)
    """
    parts = by_part(table, rejected)
    share = (parts["rejected"] / parts["takes"]).to_numpy(float)
    defect = parts["defect"].to_numpy(bool)
    wrong = np.where(defect, 1 - share, share)
    cells = table.assign(rejected=rejected).groupby(["part", "station"], sort=False)["rejected"].mean()
    repeats = cells.isin([0.0, 1.0]).groupby("part", sort=False).all().to_numpy(float)
    alike = np.isin(share, [0.0, 1.0]).astype(float)
    shares = {
        "effectiveness": (1 - wrong, defect),
        "misses": (wrong[defect], None),
        "false_alarms": (wrong[~defect], None),
        "repeats": (repeats, defect),
        "alike": (alike, defect),
        "all_correct": ((wrong == 0).astype(float), defect),
    }
    found = {name: _of_shares(name, values, strata) for name, (values, strata) in shares.items()}
    counts = parts["rejected"].to_numpy(float), parts["takes"].to_numpy(float)
    found["kappa"] = _figure(
        cohen(share, defect, strata=defect),
        cohen(share, defect, strata=defect, confidence=ONE_SIDED),
        len(share),
    )
    found["kappa_takes"] = _figure(
        fleiss(*counts, strata=defect), fleiss(*counts, strata=defect, confidence=ONE_SIDED), len(share)
    )
    return {name: found[name] for name in FIGURES}


def agreement_with(table: pd.DataFrame, one: NDArray[np.bool_], other: NDArray[np.bool_]) -> Figure:
    """Return Cohen's kappa of two who decide on the same pictures."""
    shares = [
        (parts["rejected"] / parts["takes"]).to_numpy(float)
        for parts in (by_part(table, one), by_part(table, other))
    ]
    defect = by_part(table, one)["defect"].to_numpy(bool)
    narrow = cohen(*shares, strata=defect, confidence=ONE_SIDED)
    return _figure(cohen(*shares, strata=defect), narrow, len(defect))


def _of_shares(name: str, shares: NDArray[np.float64], strata: NDArray[np.bool_] | None) -> Figure:
    """A share of parts as a figure; errors are bounded from above, all else from below."""
    found = share_of_parts(shares, strata=strata)
    narrow = share_of_parts(shares, strata=strata, confidence=ONE_SIDED)
    bound = narrow.high if name in ("misses", "false_alarms") else narrow.low
    return Figure(found.value, found.low, found.high, bound, len(shares))


def _figure(found: Estimate | None, narrow: Estimate | None, parts: int) -> Figure:
    """An agreement as a figure, bounded from below."""
    if found is None or narrow is None:
        return Figure(None, None, None, None, parts)
    return Figure(found.value, found.low, found.high, narrow.low, parts)
