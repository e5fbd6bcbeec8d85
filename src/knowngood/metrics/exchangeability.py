"""Whether scores of good parts come from one distribution: the condition under which a bound carries over.

References: Pettitt, "A two-sample Anderson-Darling rank statistic", Biometrika 1976,
doi:10.1093/biomet/63.1.161; Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian
Journal of Statistics 1979.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knowngood.metrics.checks import checked_scores

PERMUTATIONS = 9_999
"""Random permutations of a test; its p-value is never below 1 / 10,000."""

_CELLS = 1 << 22  # ranks that are permuted at once
_MOST_CELLS = 1 << 27  # and in all: of very many scores there are fewer permutations, at least 999


def exchangeability(one: ArrayLike, other: ArrayLike, *, seed: int = 0) -> float:
    """Return the p-value of two samples under the hypothesis that all their scores are exchangeable.

    The statistic is the two-sample one of Anderson and Darling, which weighs the tails, where thresholds are,
    more than the middle. Its distribution comes from random permutations of the scores, so that the p-value
    is exact at any size, ties or not: it is at most a with a probability of at most a.

    Args:
        one: Scores (n,).
        other: Scores (m,).
        seed: The same seed gives the same p-value.

    Raises:
        ValueError: There is a sample without any score.

    Example:
        >>> exchangeability(range(20), range(20, 30))
        0.0001
        >>> exchangeability(range(0, 40, 2), range(1, 20, 2)) > 0.05
        True
    """
    first, second = checked_scores(one), checked_scores(other)
    if not first.size or not second.size:
        raise ValueError(f"two samples are needed; got {first.size} and {second.size} scores")
    pooled = np.concatenate([first, second])
    order = np.argsort(pooled, kind="stable")
    # Within scores that tie there is no order: only the ends of ties count.
    ends = np.flatnonzero(np.diff(pooled[order])) + 1
    labels = (order >= first.size)[None]
    observed = _statistic(labels, ends)[0]
    rng, done, as_large = np.random.default_rng(seed), 0, 0
    wanted = int(np.clip(_MOST_CELLS // pooled.size, 999, PERMUTATIONS))
    while done < wanted:
        rows = min(wanted - done, max(1, _CELLS // pooled.size))
        permuted = rng.permuted(np.repeat(labels, rows, axis=0), axis=1)
        as_large += int((_statistic(permuted, ends) >= observed - 1e-9).sum())
        done += rows
    return (1 + as_large) / (1 + wanted)


def superiority(one: ArrayLike, other: ArrayLike) -> float:
    """Return the probability that a score of one sample is above one of the other, ties counting one half.

    Example:
        >>> superiority([3.0, 4.0], [1.0, 3.0])
        0.875
    """
    values, others = checked_scores(one), np.sort(checked_scores(other))
    below = np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")
    return float(below.mean() / (2 * others.size))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values (N,) as adjusted by Holm: those of at most a are all false with a probability of at most a.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """  # noqa: E501 - one sentence
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    adjusted[order] = np.maximum.accumulate(values[order] * np.arange(values.size, 0, -1))
    return np.minimum(adjusted, 1.0)


def _statistic(labels: NDArray[np.bool_], ends: NDArray[np.intp]) -> NDArray[np.float64]:
    """The statistic (R,) of rows of pooled scores in ascending order: whether each is of the second sample.

    `ends` are the numbers of scores up to the end of each tie but the last.
    """
    total = labels.shape[1]
    size = int(labels[0].sum())
    weight = np.diff(ends, prepend=0) / (ends * (total - ends) * float(size) * (total - size))
    below = np.cumsum(labels, axis=1, dtype=np.int32)[:, ends - 1]
    return np.asarray((below * float(total) - size * ends) ** 2 @ weight)
