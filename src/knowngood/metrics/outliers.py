"""Scores of good images that are so far above the others that they are probably no scores of good images."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knowngood.metrics.checks import checked_scores

FEWEST = 8
"""Among fewer scores it is unknown how much they usually differ."""

EXPECTED = 0.001
"""How many of all scores may be expected beyond the limit, if all images are good."""


def far_outside(held_out: ArrayLike) -> NDArray[np.bool_]:
    """Which scores (n,) of good images stand far above the others, (n,).

    In an exponential tail the number of scores halves with each distance from the median to the upper
    quartile, and the scores of detectors, which are maxima or distances, mostly fall off faster. The limit is
    where `EXPECTED` of n scores are left: the median plus log2(n / 2 / EXPECTED) such distances. For
    symmetric scores the distance is half of that between the quartiles; where it is less than this, this
    one is used, since it varies less. Up to a quarter of the images may be no good ones.

    How often it errs on good images, and how much it finds: docs/decisions/0016-good-images.md.

    Example:
        >>> far_outside([*np.linspace(3.0, 5.0, 38), 22.0, 31.0]).nonzero()[0].tolist()
        [38, 39]
    """
    scores = checked_scores(held_out)
    if scores.size < FEWEST:
        return np.zeros(scores.size, np.bool_)
    low, median, high = np.quantile(scores, (0.25, 0.5, 0.75))
    distance = max(high - median, (high - low) / 2)
    limit = median + distance * np.log2(scores.size / 2 / EXPECTED)
    far: NDArray[np.bool_] = (scores > limit) & (distance > 0)
    return far
