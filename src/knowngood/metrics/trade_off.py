"""False rejects against escapes: what each allowed false-reject rate would give on scores that are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from knowngood.metrics.rates import Rate, confusion
from knowngood.metrics.review import Review, with_new_threshold
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
        good_review: Share of the good samples left to a review; None without good samples or a line for it.
        defect_review: The same of the defects.
    """

    threshold: Threshold
    false_reject: Rate | None
    escape: Rate | None
    good_review: Rate | None = None
    defect_review: Rate | None = None


def decided(
    threshold: Threshold, defect: ArrayLike, scores: ArrayLike, review: Review | None = None
) -> Decided:
    """Count the decisions of a threshold, with a line for review or without, on labels and scores (N,).

    Example:
        >>> from knowngood.metrics.thresholds import youden
        >>> chosen = youden([False, False, True, True], [1.0, 2.0, 4.0, 5.0])
        >>> decided(chosen, [False, True, True], [2.5, 2.5, 6.0]).escape.value
        0.5
    """
    found = confusion(defect, scores, threshold.value, review.value if review else None)
    return Decided(
        threshold,
        found.false_reject_rate() if found.good else None,
        found.escape_rate() if found.defects else None,
        found.good_review_rate() if found.good and review else None,
        found.defect_review_rate() if found.defects and review else None,
    )


def trade_off(
    held_out: Sequence[float],
    defect: ArrayLike,
    scores: ArrayLike,
    allowed: Iterable[float] = ALLOWED,
    review: Review | None = None,
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
        review: The line for review, which moves with the threshold; see `review.with_new_threshold`.

    Example:
        >>> import numpy as np
        >>> rows = trade_off(np.arange(100.0), [False, True, True], [50.0, 95.0, 99.5], [0.01, 0.1])
        >>> [(row.threshold.value, row.escape.count) for row in rows]
        [(99.0, 1), (90.0, 0)]
    """
    lines = (conformal(held_out, rate) for rate in allowed)
    return [decided(line, defect, scores, with_new_threshold(review, held_out, line.value)) for line in lines]
