"""Whether numbers that come one after another are still like those before: a conformal test martingale.

Each number gets a p-value among all before it. As long as all are exchangeable, p-values are independent and
uniform, and no bet against them gains on average: capital that begins at 1 ever reaches 1 / a with a
probability of at most a, however many numbers come. Bets here are likelihood ratios of a shift, of another
spread, or of a share that is far higher; they start at any time, since some of the capital is kept for later.

References: Vovk, Petej, Nouretdinov, Ahlberg, Carlsson and Gammerman, "Retrain or not retrain: conformal test
martingales for change-point detection", arXiv:2102.10439. Ville, "Étude critique de la notion de collectif",
1939, for the bound. The choice of bets, and those that start later, are ours.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

SHIFTS = (-1.5, -1.0, -0.5, 0.5, 1.0, 1.5)
SPREADS = (0.5, 2.0)
"""What bets expect of normal scores: their mean, or their standard deviation."""

POWERS = (0.3, 0.6)
"""What bets expect of p-values p where some numbers are far higher: a density k p^(k - 1)."""

WORDS = (*["lower"] * 3, *["higher"] * 3, "closer together", "wider apart", *["far higher in some"] * 2)
"""What each bet expects of the numbers."""

LATER = 100.0
"""The larger, the more capital is kept for changes that come late."""

_SHIFTS, _SPREADS, _POWERS = (np.array(one) for one in (SHIFTS, SPREADS, POWERS))


class State(NamedTuple):
    """What is known after a number.

    Args:
        p_value: Of the number among all before it, small where it is large.
        log_capital: Natural logarithm of the capital.
        since: Which number, from 0, the likeliest change begins with.
        change: What the likeliest change does to the numbers; see `WORDS`.
    """

    p_value: float
    log_capital: float
    since: int
    change: str


class Martingale:
    """A conformal test martingale, which takes one number at a time.

    Args:
        reference: Numbers (n,) of before, against which the first ones are compared.
        seed: Of the random numbers that break ties.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> martingale = Martingale(rng.normal(size=200))
        >>> states = [martingale.update(value) for value in rng.normal(1, 1, size=60)]
        >>> states[-1].log_capital > math.log(100), states[-1].change
        (True, 'higher')
    """

    def __init__(self, reference: ArrayLike, *, seed: int = 0) -> None:
        self._known = np.sort(np.asarray(reference, np.float64)).tolist()
        self._rng = np.random.default_rng(seed)
        self._count = 0
        self._cash = 1.0
        self._bets = np.zeros(len(WORDS))
        self._sums = np.zeros(len(WORDS))
        self._starts = np.zeros(len(WORDS), np.int64)

    def update(self, value: float) -> State:
        """Take the next number, which must not be NaN."""
        below, up_to = bisect_left(self._known, value), bisect_right(self._known, value)
        among = len(self._known) + 1
        p_value = (among - 1 - up_to + self._rng.uniform() * (up_to - below + 1)) / among
        insort(self._known, value)
        gains = log_gains(p_value)
        share = 1 / (self._count + LATER)
        self._bets = (self._bets + self._cash * share / len(gains)) * np.exp(gains)
        self._cash *= 1 - share
        fresh = self._sums <= 0
        self._starts[fresh] = self._count
        self._sums = np.where(fresh, 0.0, self._sums) + gains
        self._count += 1
        best = int(np.argmax(self._sums))
        capital = self._cash + float(self._bets.sum())
        return State(p_value, math.log(capital), int(self._starts[best]), WORDS[best])


def log_gains(p_value: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of what each bet multiplies its capital by, (..., B) for p-values (...).

    Example:
        >>> p_values = (np.arange(20_000) + 0.5) / 20_000
        >>> np.allclose(np.exp(log_gains(p_values)).mean(axis=0), 1, atol=0.05)  # no bet gains by chance
        True
    """
    from scipy.special import ndtri

    small = np.clip(np.asarray(p_value, np.float64)[..., None], 1e-12, 1 - 1e-12)
    normal = -ndtri(small)
    shifted = _SHIFTS * normal - _SHIFTS**2 / 2
    spread = normal**2 / 2 * (1 - 1 / _SPREADS**2) - np.log(_SPREADS)
    powers = np.log(_POWERS) + (_POWERS - 1) * np.log(small)
    return np.concatenate([shifted, spread, powers], axis=-1)
