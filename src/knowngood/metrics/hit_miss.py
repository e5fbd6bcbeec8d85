"""Probability of detection of a defect by its size, from whether each one was found.

The log odds of detection are linear in the logarithm of the size. Its coefficients maximise the likelihood
with Firth's penalty, so that they are finite where all defects above some size are found and none below.
The size a90 is detected with a probability of 90 %; a90/95 is its upper 95 % confidence bound, from the
profile likelihood: all other curves through a larger a90 are less likely by more than chance allows.

References: Firth, "Bias reduction of maximum likelihood estimates", Biometrika 1993,
doi:10.1093/biomet/80.1.27. Heinze and Schemper, "A solution to the problem of separation in logistic
regression", Statistics in Medicine 2002, doi:10.1002/sim.1047 (its profile). The department of defense
handbook MIL-HDBK-1823A, "Nondestructive evaluation system reliability assessment", 2009, for a90 and a90/95.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knowngood.errors import DataError

SIGNIFICANT = 0.05
"""The p-value below which a size explains detection, or large defects are missed too."""

_FLATTEST, _STEEPEST = math.log(1e-4), math.log(1e3)  # log slopes per standard deviation of the log size
_FARTHEST = 30.0  # standard deviations beyond which a size counts as unbounded


class Detection(NamedTuple):
    """A fitted curve.

    Args:
        offset: Log odds of detection at size 1.
        slope: Change of the log odds with the logarithm of the size.
        a50: Size that is detected with a probability of 50 %; None where size does not explain detection.
        a90: The same for 90 %; None too where large defects are missed as well.
        a90_95: Upper 95 % confidence bound of `a90`; None where the defects do not bound it.
        p_size: p-value of the hypothesis that detection does not depend on the size.
        p_asymptote: p-value of the hypothesis that defects are found if they are only large enough.
        asymptote: Share of the largest defects that is found, where that share is fitted too.
        found: Number of defects that were found.
        total: Number of defects.
    """

    offset: float
    slope: float
    a50: float | None
    a90: float | None
    a90_95: float | None
    p_size: float
    p_asymptote: float
    asymptote: float
    found: int
    total: int

    def chance(self, sizes: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of detection of sizes (N,)."""
        from scipy.special import expit

        chances: NDArray[np.float64] = expit(self.offset + self.slope * np.log(np.asarray(sizes, np.float64)))
        return chances


def detection(sizes: ArrayLike, found: ArrayLike) -> Detection:
    """Fit the probability of detection to defects.

    Args:
        sizes: Of the defects (N,), above 0.
        found: Whether each was found, bool (N,).

    Raises:
        DataError: There are fewer than three different sizes, or all or none of the defects were found.

    Example:
        >>> curve = detection(range(1, 13), [False] * 4 + [True, False] + [True] * 6)
        >>> 4 < curve.a50 < 6, curve.a50 < curve.a90 < curve.a90_95
        (True, True)
    """
    from scipy.stats import chi2

    sizes, hits = np.asarray(sizes, np.float64), np.asarray(found, np.bool_)
    _check(sizes, hits)
    logs = np.log(sizes)
    curve = _Curve(logs, hits)
    best = curve.best()
    p_size = float(chi2.sf(2 * max(0.0, best.value - curve.flat()), 1))
    asymptote, gain = curve.asymptote()
    p_asymptote = float(chi2.sf(2 * gain, 1)) / 2  # the share is at the end of its range under the hypothesis
    explains = p_size < SIGNIFICANT and best.slope > 0
    reaches = explains and p_asymptote >= SIGNIFICANT
    bound = curve.upper(0.9, best) if reaches else math.inf
    return Detection(
        offset=best.offset,
        slope=best.slope,
        a50=math.exp(-best.offset / best.slope) if explains else None,
        a90=math.exp((math.log(9) - best.offset) / best.slope) if reaches else None,
        a90_95=bound if math.isfinite(bound) else None,
        p_size=p_size,
        p_asymptote=p_asymptote,
        asymptote=asymptote,
        found=int(hits.sum()),
        total=len(hits),
    )


def upper_sizes(sizes: ArrayLike, found: ArrayLike, chances: ArrayLike) -> NDArray[np.float64]:
    """Return the upper 95 % bounds (P,) of the sizes that are detected with probabilities (P,); maybe inf."""
    curve = _Curve(np.log(np.asarray(sizes, np.float64)), np.asarray(found, np.bool_))
    best = curve.best()
    return np.array([curve.upper(float(chance), best) for chance in np.asarray(chances)])


def _check(sizes: NDArray[np.float64], hits: NDArray[np.bool_]) -> None:
    """Refuse defects to which no curve can be fitted."""
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        raise DataError("sizes of defects must be finite and above 0")
    if hits.all() or not hits.any():
        raise DataError(
            f"{'all' if hits.all() else 'none'} of the {len(hits)} defects were found: a curve needs some of "
            f"each; add {'smaller' if hits.all() else 'larger'} ones"
        )
    if len(np.unique(sizes)) < 3:
        raise DataError("the defects have fewer than three different sizes; a curve needs more")


class _Fit(NamedTuple):
    value: float
    offset: float
    slope: float


class _Curve:
    """The penalised likelihood of curves, for standardised logarithms of sizes."""

    def __init__(self, logs: NDArray[np.float64], hits: NDArray[np.bool_]) -> None:
        self.middle, self.spread = float(logs.mean()), float(logs.std())
        self.x = (logs - self.middle) / self.spread
        self.sign = np.where(hits, 1.0, -1.0)
        self.share = float(hits.mean())

    def value(self, offset: float, slope: float) -> float:
        """The log likelihood with Firth's penalty, half of the log determinant of the information."""
        odds = offset + slope * self.x
        plain = -np.logaddexp(0, -self.sign * odds).sum()
        weight = np.exp(-np.logaddexp(0, odds) - np.logaddexp(0, -odds))
        zero, one, two = weight.sum(), (weight * self.x).sum(), (weight * self.x**2).sum()
        determinant = zero * two - one**2
        return float(plain + 0.5 * math.log(determinant)) if determinant > 1e-300 else -math.inf

    def best(self) -> _Fit:
        """The most likely curve, in logarithms of sizes."""
        from scipy.optimize import minimize

        start = math.log((self.share + 0.05) / (1.05 - self.share))
        found = minimize(lambda curve: -self.value(*curve), np.array([start, 1.0]), method="Nelder-Mead")
        offset, slope = (float(one) for one in found.x)
        slope_of_log = slope / self.spread
        return _Fit(-float(found.fun), offset - slope_of_log * self.middle, slope_of_log)

    def flat(self) -> float:
        """The greatest value without a slope."""
        from scipy.optimize import minimize_scalar

        return -float(
            minimize_scalar(lambda offset: -self.value(offset, 0.0), bounds=(-9, 9), method="bounded").fun
        )

    def upper(self, chance: float, best: _Fit) -> float:
        """The upper 95 % bound of the size that is detected with some probability."""
        from scipy.optimize import brentq
        from scipy.stats import chi2

        odds = math.log(chance / (1 - chance))
        least = best.value - chi2.ppf(0.9, 1) / 2
        own = ((odds - best.offset) / best.slope - self.middle) / self.spread
        far = min(own, 0.0) + _FARTHEST if own < _FARTHEST else own
        if own >= far or self._through(far, odds) >= least:
            return math.inf
        standard = brentq(lambda place: self._through(place, odds) - least, own, far, xtol=1e-4)
        return math.exp(self.middle + self.spread * standard)

    def _through(self, place: float, odds: float) -> float:
        """The greatest value of curves that have some log odds at a standardised place."""
        from scipy.optimize import minimize_scalar

        def loss(log_slope: float) -> float:
            slope = math.exp(log_slope)
            return -self.value(odds - slope * place, slope)

        return -float(minimize_scalar(loss, bounds=(_FLATTEST, _STEEPEST), method="bounded").fun)

    def asymptote(self) -> tuple[float, float]:
        """The likeliest share of the largest defects that is found, and how much log likelihood it gains."""
        from scipy.optimize import minimize
        from scipy.special import expit

        def loss(curve: NDArray[np.float64]) -> float:
            chance = np.clip(expit(curve[2]) * expit(curve[0] + curve[1] * self.x), 1e-12, 1 - 1e-12)
            return -float(np.log(np.where(self.sign > 0, chance, 1 - chance)).sum())

        def of_two(curve: NDArray[np.float64]) -> float:
            return loss(np.array([*curve, 30.0]))

        full = minimize(of_two, np.array([0.0, 1.0]), method="Nelder-Mead")
        starts = [np.array([*(steep * full.x), 2.0]) for steep in (1, 3)]
        part = min(
            (minimize(loss, one, method="Nelder-Mead") for one in starts), key=lambda fit: float(fit.fun)
        )
        gain = float(full.fun - part.fun)
        return (float(expit(part.x[2])), gain) if gain > 0 else (1.0, 0.0)
