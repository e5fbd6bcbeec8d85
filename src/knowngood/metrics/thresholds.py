"""The rules that choose a threshold; a part is rejected when its score is strictly greater.

From held-out good parts alone: `conformal`, `own_odds` and `given`. From labelled validation data: `f1_max`,
`youden`, `lowest_cost`, `recall` and `even_odds`. All of these but the last put the threshold midway between
two neighbouring scores, and of several equally good thresholds they take the highest: the fewest false
rejects. None of them may see the test set. A setting out of range raises a RecipeError; scores without good
samples, without defects, or that do not separate the two raise a DataError.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, inf, isfinite
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knowngood.errors import DataError, RecipeError
from knowngood.metrics.checks import checked_pairs, checked_rate, checked_scores
from knowngood.metrics.ranking import cut
from knowngood.metrics.rates import clopper_pearson_upper, promise

_RIDGE = 1e-4  # keeps the curve of `even_odds` finite where a threshold separates all scores
_FARTHEST = 10.0  # standard deviations to which `even_odds` clips scores
_LEAST_SLOPE = 1e-3  # of the log odds per standard deviation; below it scores do not separate the classes

OWN_ODDS = "a defect is likelier than a good part"
"""The rule of `own_odds`."""

BY_HAND = "given by hand"
"""The rule of `given`."""


@dataclass(frozen=True)
class Threshold:
    """A threshold, how it was chosen, and how many good parts it will reject.

    Args:
        value: A part is rejected when its score is strictly greater.
        rule: The rule that chose it, in words.
        requested: The false-reject rate asked for; None if the rule asks for none.
        held_out: Number of good scores that it was chosen from.
        above: Number of these above the threshold.
        upper_bound: One-sided 95 % Clopper-Pearson bound of the true false-reject rate, from `above` of
            `held_out`; None if unknown, as from one score. For `conformal` it is exact when no scores tie.
            The rules on labelled data pick the best of many thresholds on the same scores, which biases it
            low.
        note: What the user should know besides, or empty.
    """

    value: float
    rule: str
    requested: float | None
    held_out: int
    above: int
    upper_bound: float | None
    note: str = ""

    def __repr__(self) -> str:
        words = [f"{self.value:.4g}", self.rule]
        if self.upper_bound is not None:
            words.append(f"rejects at most {100 * self.upper_bound:.2g} % of good parts")
        return f"Threshold({', '.join(words)})"


def own_odds(held_out: ArrayLike) -> Threshold:
    """Return the threshold of a classifier whose scores are the log odds of a defect: 0.

    The scores (n,) of held-out good images only give the bound.

    Example:
        >>> own_odds([-2.0, -1.0, 0.5]).above
        1
    """
    scores = checked_scores(held_out)
    if not scores.size:
        raise DataError("a bound needs scores of held-out good images; got none")
    return _threshold(0.0, OWN_ODDS, scores)


def given(held_out: ArrayLike, value: float) -> Threshold:
    """Return a threshold that was given by hand; the scores (n,) of held-out good images give its bound.

    Example:
        >>> given([1.0, 2.0, 3.0], 2.5).above
        1
    """
    if not (isinstance(value, Real) and isfinite(value)):
        raise RecipeError(f"a threshold must be a finite number; got {value!r}")
    return _threshold(value, BY_HAND, checked_scores(held_out))


def conformal(held_out: ArrayLike, max_false_reject: float) -> Threshold:
    """Choose the lowest threshold that rejects at most a given share of good parts.

    With n scores and the rate a it is the k-th smallest score, k = ceil((n + 1) (1 - a)): over the draw of
    held-out and new parts together, a good part is rejected with probability at most a. It is rejected
    exactly when its p-value (`calibration.p_values`) is at most a. If n is too small for that, the threshold
    is the highest score instead, and the note says how many good images are needed.

    Reference: Bates et al., "Testing for Outliers with Conformal p-values", arXiv:2104.08279.

    Args:
        held_out: Scores (n,) of good images that the model was not fitted on.
        max_false_reject: The false-reject rate a, between 0 and 1.

    Example:
        >>> chosen = conformal(np.arange(1.0, 100.0), max_false_reject=0.05)
        >>> chosen.value, chosen.above, round(chosen.upper_bound, 3)
        (95.0, 4, 0.09)
        >>> conformal(np.arange(60.0), max_false_reject=0.01).note.partition(". ")[0]
        'Too few good images for 0.01: 60 held out, 99 needed'
    """
    rate = checked_rate("max_false_reject", max_false_reject, "0.01 for one good part in a hundred")
    ordered = np.sort(checked_scores(held_out))
    n = ordered.size
    if n == 0:
        raise DataError("a threshold needs scores of held-out good images; got none")
    k = conformal_rank(n, max_false_reject)
    note = ""
    if k > n:
        needed = ceil(1 / rate - 1)
        note = f"Too few good images for {float(rate):g}: {n} held out, {needed} needed. {promise(n)}"
    elif k == n:
        note = (
            f"The threshold is the single highest of {n} held-out scores; "
            f"fit on more good images ({ceil(5 / rate)} would do), or allow more false rejects. {promise(n)}"
        )
    rule = f"false rejects at most {max_false_reject:g}"
    return _threshold(ordered[min(k, n) - 1], rule, ordered, max_false_reject, note)


def conformal_rank(n: int, max_false_reject: float) -> int:
    """The place, from 1, of the threshold of `conformal` among n scores in ascending order.

    It is above n where there are too few.

    Example:
        >>> conformal_rank(99, 0.05), conformal_rank(60, 0.01)
        (95, 61)
    """
    # the decimal number that was asked for: binary rounding would move the place by one (100 * 0.29 < 29)
    return ceil((n + 1) * (1 - Fraction(str(max_false_reject))))


def f1_max(defect: ArrayLike, scores: ArrayLike) -> Threshold:
    """Choose the threshold with the best F1, the harmonic mean of precision and recall.

    Example:
        >>> f1_max([False, False, True, True], [1.0, 2.0, 4.0, 5.0]).value
        3.0
    """
    labels, values = _validation(defect, scores)
    cuts = cut(labels, values)
    return _threshold(cuts.threshold[np.argmax(cuts.f1)], "F1-max", values[~labels])


def youden(defect: ArrayLike, scores: ArrayLike) -> Threshold:
    """Choose the threshold with the largest difference between recall and false-reject rate.

    Reference: Youden, "Index for rating diagnostic tests", Cancer 1950,
    doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3.

    Example:
        >>> youden([False, False, True, True], [1.0, 3.0, 2.0, 4.0]).value
        3.5
    """
    labels, values = _validation(defect, scores)
    cuts = cut(labels, values)
    # in whole numbers, so that equally good thresholds are equal
    index = cuts.true_reject * cuts.good - cuts.false_reject * cuts.defects
    return _threshold(cuts.threshold[np.argmax(index)], "Youden", values[~labels])


def lowest_cost(
    defect: ArrayLike, scores: ArrayLike, false_reject_cost: float, escape_cost: ArrayLike
) -> Threshold:
    """Choose the threshold with the lowest total cost at the mix of good and defect in the data.

    Args:
        defect: (N,).
        scores: (N,).
        false_reject_cost: Cost of rejecting one good part, in any unit.
        escape_cost: Cost of accepting one defect, in the same unit; or that of each sample (N,), where the
            values at good samples are ignored.

    Example:
        >>> defect, scores = [False, False, True, True], [1.0, 3.0, 2.0, 4.0]
        >>> lowest_cost(defect, scores, false_reject_cost=1, escape_cost=10).value
        1.5
    """
    for name, cost in [("false_reject_cost", false_reject_cost), ("escape_cost", escape_cost)]:
        if not ((np.asarray(cost) > 0) & (np.asarray(cost) < inf)).all():
            raise RecipeError(f"{name} must be a positive number; got {cost!r}")
    labels, values = _validation(defect, scores)
    cuts = cut(labels, values)
    prices = np.broadcast_to(np.asarray(escape_cost, np.float64), values.shape)[labels]
    order = np.argsort(values[labels], kind="stable")
    sums = np.concatenate([[0.0], prices[order].cumsum()])
    escaped = sums[np.searchsorted(values[labels][order], cuts.threshold, side="right")]
    cost_at = false_reject_cost * cuts.false_reject + escaped
    price = f"{prices.min():g}" + (f" to {prices.max():g}" if prices.max() > prices.min() else "")
    rule = f"lowest cost: {false_reject_cost:g} a false reject, {price} an escape"
    return _threshold(cuts.threshold[np.argmin(cost_at)], rule, values[~labels])


def recall(defect: ArrayLike, scores: ArrayLike, at_least: float) -> Threshold:
    """Choose the highest threshold that rejects at least a given share, in (0, 1], of the defects.

    Example:
        >>> recall([False, False, True, True], [1.0, 3.0, 2.0, 4.0], at_least=0.5).value
        3.5
    """
    if not 0 < at_least <= 1:
        raise RecipeError(f"at_least must be above 0 and at most 1, such as 0.95; got {at_least}")
    labels, values = _validation(defect, scores)
    cuts = cut(labels, values)
    highest = cuts.threshold[np.argmax(cuts.recall >= at_least)]
    return _threshold(highest, f"recall at least {at_least:g}", values[~labels])


def even_odds(defect: ArrayLike, scores: ArrayLike) -> Threshold:
    """Choose the threshold at which a part is as likely good as defective, if both are equally frequent.

    A logistic curve is fitted to the scores, good parts and defects with the same total weight. All scores
    affect it, so it varies less from sample to sample than a threshold that depends on the few scores beside
    it, as Youden's does.

    Reference: Platt, "Probabilistic Outputs for Support Vector Machines", in Advances in Large Margin
    Classifiers, 1999.

    Example:
        >>> round(even_odds([False, False, True, True], [1.0, 2.0, 4.0, 5.0]).value, 3)
        3.0
    """
    # Inspecting images reads thresholds, and must not wait for scipy.
    from scipy.optimize import minimize

    labels, values = _validation(defect, scores)
    finite = values[np.isfinite(values)]
    middle, spread = (float(finite.mean()), float(finite.std()) or 1.0) if finite.size else (0.0, 1.0)
    x = np.clip((values - middle) / spread, -_FARTHEST, _FARTHEST)
    weight = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
    sign = np.where(labels, 1.0, -1.0)

    def loss(curve: NDArray[np.float64]) -> float:
        margins = sign * (curve[0] * x + curve[1])
        return float((weight * np.logaddexp(0, -margins)).sum() + _RIDGE * (curve**2).sum())

    slope, offset = minimize(loss, np.array([1.0, 0.0])).x
    if not slope > _LEAST_SLOPE:
        raise DataError(
            "defects score no higher than good parts, so no threshold separates them; take more data"
        )
    return _threshold(middle - spread * offset / slope, "even odds", values[~labels])


def _threshold(
    value: float, rule: str, good: NDArray[np.float64], requested: float | None = None, note: str = ""
) -> Threshold:
    """Describe a threshold by the good scores (n,) that it was chosen from; a single one gives no bound."""
    above = int(np.count_nonzero(good > value))
    bound = clopper_pearson_upper(above, good.size) if good.size > 1 else None
    return Threshold(float(value), rule, requested, good.size, above, bound, note)


def _validation(defect: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return labels and scores (N,) with both classes among them."""
    labels, values = checked_pairs(defect, scores)
    if labels.all() or not labels.any():
        raise DataError(
            "this threshold needs validation data with good and defect images; "
            f"got {np.count_nonzero(~labels)} good and {np.count_nonzero(labels)} defects"
        )
    return labels, values
