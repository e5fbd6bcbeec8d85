"""The rules that choose a threshold; a part is rejected when its score is strictly greater.

From good parts alone: `conformal`. From labelled validation data: `f1_max`, `youden`, `lowest_cost`, `recall`
and `even_odds`. All of these but the last put the threshold midway between two neighbouring scores, and where
several places are equally good they take the highest: the fewest false rejects. None of them may see the test
set.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, inf

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knowngood.errors import DataError, RecipeError
from knowngood.metrics.checks import checked_pairs, checked_scores
from knowngood.metrics.ranking import Cuts, cut
from knowngood.metrics.rates import clopper_pearson_upper

_RIDGE = 1e-4
"""Keeps the curve of `even_odds` from growing ever steeper where a line parts all scores."""

_FARTHEST = 10.0
"""Standard deviations beyond which a score says no more."""

_LEAST_SLOPE = 1e-3
"""A score says nothing where the log odds rise by less than this from one standard deviation to the next."""


@dataclass(frozen=True)
class Threshold:
    """A threshold, how it was chosen, and how many good parts it will reject.

    Args:
        value: The line; a part is rejected when its score is strictly greater.
        rule: The rule that chose it, in words.
        requested: The false-reject rate asked for; None if the rule asks for none.
        held_out: Number of good scores that it was chosen from.
        above: How many of these lie above it.
        upper_bound: One-sided 95 % Clopper-Pearson bound of the true false-reject rate, from `above` of
            `held_out`; None if unknown. For `conformal` it is exact when no scores tie. The rules on labelled
            data pick the best of many lines on the same scores, which makes it lean low.
        note: What the user should know besides, or empty.
    """

    value: float
    rule: str
    requested: float | None
    held_out: int
    above: int
    upper_bound: float | None
    note: str = ""


OWN_ODDS = "a defect is likelier than a good part"
"""The rule of `own_odds`."""


def own_odds(held_out: ArrayLike) -> Threshold:
    """The line of a classifier whose scores are the log odds of a defect: 0, where both are as likely.

    Args:
        held_out: Scores (n,) of good images that were not learned from; they do not move the line.

    Returns:
        The threshold, with the bound that these scores give.

    Raises:
        DataError: There are no held-out scores.
        ValueError: A score is NaN or -inf.

    Example:
        >>> own_odds([-2.0, -1.0, 0.5]).above
        1
    """
    scores = checked_scores(held_out)
    if not scores.size:
        raise DataError("a bound needs scores of good images that were not learned from; got none")
    return _threshold(0.0, OWN_ODDS, scores)


def conformal(held_out: ArrayLike, max_false_reject: float) -> Threshold:
    """Choose the lowest line that rejects at most a given share of good parts.

    With n scores and the rate a it is the k-th smallest score, k = ceil((n + 1) (1 - a)): over the draw of
    held-out and new parts together, a good part is rejected with probability at most a. It is rejected
    exactly when its p-value (`calibration.p_values`) is at most a. If n is too small for that, the line
    is the highest score instead, and the note says how many good images are needed.

    Reference: Bates et al., "Testing for Outliers with Conformal p-values", arXiv:2104.08279.

    Args:
        held_out: Scores (n,) of good images that the model did not learn from.
        max_false_reject: The false-reject rate a, between 0 and 1.

    Returns:
        The threshold.

    Raises:
        RecipeError: The rate is not between 0 and 1.
        DataError: There are no held-out scores.
        ValueError: A score is NaN or -inf.

    Example:
        >>> chosen = conformal(np.arange(1.0, 100.0), max_false_reject=0.05)
        >>> chosen.value, chosen.above, round(chosen.upper_bound, 3)
        (95.0, 4, 0.09)
        >>> print(conformal(np.arange(60.0), max_false_reject=0.01).note)
        Too few good images for 0.01: 60 held out, 99 needed; with none above the line the bound is 4.9 %.
    """
    if not 0 < max_false_reject < 1:
        raise RecipeError(
            "max_false_reject must be between 0 and 1, such as 0.01 for one good part in a hundred; "
            f"got {max_false_reject}"
        )
    ordered = np.sort(checked_scores(held_out))
    n = ordered.size
    if n == 0:
        raise DataError("a threshold needs scores of held-out good images; got none")
    # the decimal number that was asked for: binary rounding would move k by one (100 * 0.29 is below 29)
    rate = Fraction(str(max_false_reject))
    k = ceil((n + 1) * (1 - rate))
    note = _too_few(n, rate) if k > n else _one_image(n, rate) if k == n else ""
    rule = f"false rejects at most {max_false_reject:g}"
    return _threshold(ordered[min(k, n) - 1], rule, ordered, max_false_reject, note)


def f1_max(defect: ArrayLike, scores: ArrayLike) -> Threshold:
    """Choose the line with the best F1, the harmonic mean of precision and recall.

    Args:
        defect: Labels (N,) of validation data, bool, True = defect.
        scores: Image scores (N,), higher = more anomalous.

    Returns:
        The threshold.

    Raises:
        DataError: There are no good samples or no defects.
        ValueError: Labels and scores do not belong together, or a score is NaN or -inf.

    Example:
        >>> f1_max([False, False, True, True], [1.0, 2.0, 4.0, 5.0]).value
        3.0
    """
    cuts, good = _validation(defect, scores)
    return _threshold(cuts.threshold[np.argmax(cuts.f1)], "F1-max", good)


def youden(defect: ArrayLike, scores: ArrayLike) -> Threshold:
    """Choose the line with the largest difference between recall and false-reject rate.

    Reference: Youden, "Index for rating diagnostic tests", Cancer 1950,
    doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3.

    Args:
        defect: Labels (N,) of validation data, bool, True = defect.
        scores: Image scores (N,), higher = more anomalous.

    Returns:
        The threshold.

    Raises:
        DataError: There are no good samples or no defects.
        ValueError: Labels and scores do not belong together, or a score is NaN or -inf.

    Example:
        >>> youden([False, False, True, True], [1.0, 3.0, 2.0, 4.0]).value
        3.5
    """
    cuts, good = _validation(defect, scores)
    # in whole numbers, so that equally good lines are equal
    index = cuts.true_reject * cuts.good - cuts.false_reject * cuts.defects
    return _threshold(cuts.threshold[np.argmax(index)], "Youden", good)


def lowest_cost(
    defect: ArrayLike, scores: ArrayLike, false_reject_cost: float, escape_cost: ArrayLike
) -> Threshold:
    """Choose the line with the lowest total cost at the mix of good and defect in the data.

    What an escape costs may differ from one defect to another, as it does from type to type.

    Args:
        defect: Labels (N,) of validation data, bool, True = defect.
        scores: Image scores (N,), higher = more anomalous.
        false_reject_cost: Cost of rejecting one good part, in any unit.
        escape_cost: Cost of accepting one defect, in the same unit; or that of each sample (N,), of which
            those of good ones are not looked at.

    Returns:
        The threshold.

    Raises:
        RecipeError: A cost is not a positive number.
        DataError: There are no good samples or no defects.
        ValueError: Labels and scores do not belong together, or a score is NaN or -inf.

    Example:
        >>> defect, scores = [False, False, True, True], [1.0, 3.0, 2.0, 4.0]
        >>> lowest_cost(defect, scores, false_reject_cost=1, escape_cost=10).value
        1.5
    """
    for name, cost in [("false_reject_cost", false_reject_cost), ("escape_cost", escape_cost)]:
        if not ((np.asarray(cost) > 0) & (np.asarray(cost) < inf)).all():
            raise RecipeError(f"{name} must be a positive number; got {cost!r}")
    cuts, good = _validation(defect, scores)
    truth, values = checked_pairs(defect, scores)
    prices = np.broadcast_to(np.asarray(escape_cost, np.float64), values.shape)[truth]
    order = np.argsort(values[truth], kind="stable")
    sums = np.concatenate([[0.0], prices[order].cumsum()])
    escaped = sums[np.searchsorted(values[truth][order], cuts.threshold, side="right")]
    cost_at = false_reject_cost * cuts.false_reject + escaped
    dear = f"{prices.min():g}" + (f" to {prices.max():g}" if prices.max() > prices.min() else "")
    rule = f"lowest cost: {false_reject_cost:g} a false reject, {dear} an escape"
    return _threshold(cuts.threshold[np.argmin(cost_at)], rule, good)


def recall(defect: ArrayLike, scores: ArrayLike, at_least: float) -> Threshold:
    """Choose the highest line that rejects at least a given share of the defects.

    Args:
        defect: Labels (N,) of validation data, bool, True = defect.
        scores: Image scores (N,), higher = more anomalous.
        at_least: The share of defects to reject, in (0, 1].

    Returns:
        The threshold.

    Raises:
        RecipeError: The share is out of range.
        DataError: There are no good samples or no defects.
        ValueError: Labels and scores do not belong together, or a score is NaN or -inf.

    Example:
        >>> recall([False, False, True, True], [1.0, 3.0, 2.0, 4.0], at_least=0.5).value
        3.5
    """
    if not 0 < at_least <= 1:
        raise RecipeError(f"at_least must be above 0 and at most 1, such as 0.95; got {at_least}")
    cuts, good = _validation(defect, scores)
    return _threshold(
        cuts.threshold[np.argmax(cuts.recall >= at_least)], f"recall at least {at_least:g}", good
    )


def even_odds(defect: ArrayLike, scores: ArrayLike) -> Threshold:
    """Choose the line at which a part is as likely good as defective, if as many of both are judged.

    A logistic curve is fitted to the scores, good parts and defects with the same weight in all. All scores
    have a part in it, so it moves less from sample to sample than a line that hangs on the few scores beside
    it, as Youden's does.

    Reference: Platt, "Probabilistic Outputs for Support Vector Machines", in Advances in Large Margin
    Classifiers, 1999.

    Args:
        defect: Labels (N,) of validation data, bool, True = defect.
        scores: Image scores (N,), higher = more anomalous.

    Returns:
        The threshold.

    Raises:
        DataError: There are no good samples or no defects, or defects do not score higher than good samples.
        ValueError: Labels and scores do not belong together, or a score is NaN or -inf.

    Example:
        >>> round(even_odds([False, False, True, True], [1.0, 2.0, 4.0, 5.0]).value, 3)
        3.0
    """
    # Judging images reads thresholds, and must not wait for scipy.
    from scipy.optimize import minimize

    _, good = _validation(defect, scores)
    truth, values = checked_pairs(defect, scores)
    finite = values[np.isfinite(values)]
    middle, spread = (float(finite.mean()), float(finite.std()) or 1.0) if finite.size else (0.0, 1.0)
    x = np.clip((values - middle) / spread, -_FARTHEST, _FARTHEST)
    weight = np.where(truth, 0.5 / truth.sum(), 0.5 / (~truth).sum())
    sign = np.where(truth, 1.0, -1.0)

    def surprise(curve: NDArray[np.float64]) -> float:
        margins = sign * (curve[0] * x + curve[1])
        return float((weight * np.logaddexp(0, -margins)).sum() + _RIDGE * (curve**2).sum())

    slope, offset = minimize(surprise, np.array([1.0, 0.0])).x
    if not slope > _LEAST_SLOPE:
        raise DataError(
            "defects score no higher than good parts, so no line tells them apart; take more data"
        )
    return _threshold(middle - spread * offset / slope, "even odds", good)


def _threshold(
    value: float, rule: str, good: NDArray[np.float64], requested: float | None = None, note: str = ""
) -> Threshold:
    """Describe a line by the good scores (n,) that it was chosen from."""
    above = int(np.count_nonzero(good > value))
    return Threshold(
        float(value), rule, requested, good.size, above, clopper_pearson_upper(above, good.size), note
    )


def _too_few(n: int, rate: Fraction) -> str:
    """Say how many good images a false-reject rate needs, and what n of them can show."""
    return (
        f"Too few good images for {float(rate):g}: {n} held out, {ceil(1 / rate - 1)} needed; "
        f"with none above the line the bound is {100 * clopper_pearson_upper(0, n):.1f} %."
    )


def _one_image(n: int, rate: Fraction) -> str:
    """Say that the line is the highest held-out score, and how many images would make it firm."""
    return (
        f"It rests on the single highest of {n} held-out scores; "
        f"learn from more good images ({ceil(5 / rate)} would do), or allow more false rejects."
    )


def _validation(defect: ArrayLike, scores: ArrayLike) -> tuple[Cuts, NDArray[np.float64]]:
    """Return the cuts of labelled scores and the good scores (n,) among them."""
    defect, scores = checked_pairs(defect, scores)
    if defect.all() or not defect.any():
        raise DataError(
            "this threshold needs validation data with good and defect images; "
            f"got {np.count_nonzero(~defect)} good and {np.count_nonzero(defect)} defects"
        )
    return cut(defect, scores), scores[~defect]
