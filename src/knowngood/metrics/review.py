"""The three answers: a part is accepted up to a lower line, rejected above the threshold, reviewed between.

The lower line comes from held-out good scores (`review_by_rate`) or from labelled defects
(`review_by_escapes`); neither may come from the test set. A setting out of range raises a RecipeError; scores
that allow no such line raise a DataError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import ArrayLike

from knowngood.errors import DataError
from knowngood.metrics.checks import checked_rate, checked_scores
from knowngood.metrics.rates import clopper_pearson_upper

ACCEPT, REVIEW, REJECT = DECISIONS = ("accept", "review", "reject")

GOOD, DEFECT = LABELS = ("good", "defect")


@dataclass(frozen=True)
class Review:
    """The lower of two lines, and the rate that it was set for.

    Args:
        value: A part is accepted when its score is at most this, and reviewed when it is above this and at
            most the threshold.
        rule: How it was chosen, in words.
        label: `good`: the rate is the share of good parts that are reviewed. `defect`: the share of defects
            that are accepted.
        requested: The rate asked for.
        count: Number of these among the scores that the line was chosen from.
        total: Number of these scores.
        upper_bound: One-sided 95 % Clopper-Pearson bound of the true rate, from `count` of `total`.
        note: What the user should know besides, or empty.
    """

    value: float
    rule: str
    label: str
    requested: float
    count: int
    total: int
    upper_bound: float
    note: str = ""

    def __repr__(self) -> str:
        return f"Review(above {self.value:.4g}, {self.rule}, {self.promise})"

    @property
    def promise(self) -> str:
        """The bound in words.

        Example:
            >>> review_by_rate(np.arange(1.0, 100.0), 95.0, 0.1).promise
            'at 95 % confidence at most 16.5 % of good parts are reviewed'
        """
        what = "good parts are reviewed" if self.label == GOOD else "defects are accepted"
        return f"at 95 % confidence at most {100 * self.upper_bound:.1f} % of {what}"


def decide(score: float, threshold: float, review: float | None = None) -> str:
    """Return the decision on a part: one of `DECISIONS`.

    Example:
        >>> [decide(score, threshold=3.0, review=2.0) for score in (2.0, 3.0, 4.0)], decide(3.0, 3.0)
        (['accept', 'review', 'reject'], 'accept')
    """
    if score > threshold:
        return REJECT
    return ACCEPT if review is None or score <= review else REVIEW


def review_by_rate(held_out: ArrayLike, threshold: float, max_review: float) -> Review:
    """Choose the lowest line that sends at most a given share of good parts to review.

    Of n held-out scores and the rate r, ⌊r (n + 1)⌋ are between the line, which is a held-out score, and the
    threshold; a threshold between two scores has one less. Over the draw of held-out and new parts together,
    a good part is reviewed with probability at most r, since all its n + 1 ranks have the same one.

    Args:
        held_out: Scores (n,) of good images that the model was not fitted on.
        threshold: The line above which parts are rejected.
        max_review: The share r of good parts that may be reviewed, between 0 and 1.

    Example:
        >>> line = review_by_rate(np.arange(1.0, 100.0), threshold=95.0, max_review=0.1)
        >>> line.value, line.count, line.total
        (85.0, 10, 99)
    """
    rate = checked_rate("max_review", max_review, "0.1 for one good part in ten")
    ordered = np.sort(checked_scores(held_out))
    n, below = ordered.size, int(np.count_nonzero(np.asarray(held_out) <= threshold))
    less = int(below == 0 or ordered[below - 1] != threshold)
    most = int(rate * (n + 1)) - less
    if most < 1:
        raise DataError(
            f"{n} held-out good parts are too few to send {_percent(rate)} of good parts to review: allow "
            f"more, or fit on more good images (at least {ceil((1 + less) / rate) - 1})"
        )
    if most >= below:
        raise DataError(
            f"of {n} held-out good parts {below} are not above the threshold; sending {_percent(rate)} of "
            "good parts to review would leave none that is accepted: allow fewer"
        )
    value = float(ordered[below - most - 1])
    if value >= threshold:
        raise DataError("many held-out good parts have the score of the threshold: there is no line below it")
    count = int(np.count_nonzero((ordered > value) & (ordered <= threshold)))
    rule = f"good parts to review at most {max_review:g}"
    return Review(value, rule, GOOD, float(max_review), count, n, clopper_pearson_upper(count, n))


def review_by_escapes(defects: ArrayLike, threshold: float, max_escape: float) -> Review:
    """Choose the highest line that accepts at most a given share of defects.

    It is just below the k-th smallest of n scores, k = ⌊e (n + 1)⌋ with the rate e: over the draw of these
    and new defects together, a defect is accepted with probability at most e. If n is too small for that, it
    is just below the lowest score, and the note says how many defects are needed.

    Args:
        defects: Scores (n,) of defects that the model was not fitted on.
        threshold: The line above which parts are rejected.
        max_escape: The share e of defects that may be accepted, between 0 and 1.

    Example:
        >>> line = review_by_escapes(np.arange(1.0, 50.0), threshold=9.0, max_escape=0.1)
        >>> round(line.value, 6), line.count, line.total, round(line.upper_bound, 3)
        (5.0, 4, 49, 0.177)
    """
    rate = checked_rate("max_escape", max_escape, "0.02 for one defect in fifty")
    ordered = np.sort(checked_scores(defects))
    n = ordered.size
    if not n:
        raise DataError("a line for escapes needs scores of defects; got none")
    k, note = int(rate * (n + 1)), ""
    if k < 1:
        note = f"Too few defects for {max_escape:g}: {n} at hand, {ceil(1 / rate - 1)} needed."
    value = float(np.nextafter(ordered[max(k, 1) - 1], -np.inf))
    if value >= threshold:
        raise DataError(
            f"the threshold {threshold:.4g} alone lets at most {_percent(rate)} of the {n} defects escape: "
            f"the line for review would be above it, at {value:.4g}; keep two answers, or allow fewer escapes"
        )
    count = int(np.count_nonzero(ordered <= value))
    rule = f"escapes at most {max_escape:g}"
    return Review(value, rule, DEFECT, float(max_escape), count, n, clopper_pearson_upper(count, n), note)


def with_new_threshold(review: Review | None, held_out: Sequence[float], threshold: float) -> Review | None:
    """Return the line for review beside another threshold; None where none is left below it.

    A line for a share of good parts is set anew, since the share counts those up to the threshold. A line for
    escapes stays where it is.

    Example:
        >>> scores = np.arange(1.0, 100.0)
        >>> with_new_threshold(review_by_rate(scores, 95.0, 0.1), scores, 90.0).value
        80.0
    """
    if review is None or review.label == DEFECT:
        return review if review and review.value < threshold else None
    try:
        return review_by_rate(held_out, threshold, review.requested)
    except DataError:
        return None


def _percent(rate: Fraction) -> str:
    return f"{float(100 * rate):g} %"
