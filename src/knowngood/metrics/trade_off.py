"""False rejects against escapes: what each allowed false-reject rate would give on scores that are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from numpy.typing import ArrayLike

from knowngood.metrics.rates import Rate, confusion
from knowngood.metrics.thresholds import Threshold, conformal

ALLOWED = (0.01, 0.02, 0.05, 0.10)
"""The false-reject rates that a report compares."""


@dataclass(frozen=True)
class Decided:
    """The decisions of one threshold on labelled samples.

    Args:
        threshold: The threshold, with its bound.
        false_reject: Share of the good samples that it rejects; None without good samples.
        escape: Share of the defects that it accepts; None without defects.
    """

    threshold: Threshold
    false_reject: Rate | None
    escape: Rate | None


def decided(threshold: Threshold, defect: ArrayLike, scores: ArrayLike) -> Decided:
    """Count the decisions of a threshold on labels (N,), True = defect, and scores (N,).

    Example:
        >>> from knowngood.metrics.thresholds import youden
        >>> chosen = youden([False, False, True, True], [1.0, 2.0, 4.0, 5.0])
        >>> decided(chosen, [False, True, True], [2.5, 2.5, 6.0]).escape.value
        0.5
    """
    found = confusion(defect, scores, threshold.value)
    good, defects = found.true_accept + found.false_reject, found.escape + found.true_reject
    return Decided(
        threshold,
        found.false_reject_rate() if good else None,
        found.escape_rate() if defects else None,
    )


def trade_off(
    held_out: ArrayLike, defect: ArrayLike, scores: ArrayLike, allowed: Iterable[float] = ALLOWED
) -> list[Decided]:
    """Choose a threshold for each allowed false-reject rate, and count its decisions.

    Each threshold comes from scores (n,) of held-out good samples alone, see `thresholds.conformal`. Who then
    chooses among the rates by these decisions has chosen on the test samples: the figures of the choice are
    too good, and only other samples can say how good it is.

    Args:
        held_out: Scores (n,) of good samples.
        defect: Labels (N,) of others, True = defect.
        scores: Their scores (N,).
        allowed: False-reject rates, between 0 and 1.

    Example:
        >>> import numpy as np
        >>> rows = trade_off(np.arange(100.0), [False, True, True], [50.0, 95.0, 99.5], [0.01, 0.1])
        >>> [(row.threshold.value, row.escape.count) for row in rows]
        [(99.0, 1), (90.0, 0)]
    """
    return [decided(conformal(held_out, rate), defect, scores) for rate in allowed]
