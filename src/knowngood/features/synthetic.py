"""Made-up features for rare classes: drawn from a Gaussian, and kept only where they look like their class.

After Jiang and Ge, "Data augmentation classifier for imbalanced fault classification",
DOI 10.1109/TASE.2020.2998467: a generative model makes samples of the minority, a filter keeps the good ones,
and a classifier learns from real and made-up samples together. Ten samples cannot train a GAN; a Gaussian can
borrow how features vary from classes that have many samples, as in Yang, Liu and Xu, "Free Lunch for Few-shot
Learning: Distribution Calibration", arXiv:2101.06395. To interpolate between samples ("SMOTE: Synthetic
Minority Over-sampling Technique", arXiv:1106.1813) never leaves what the few span.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import euclidean_distances

from knowngood.data.splits import folds
from knowngood.errors import DataError

BORROWED = 20
"""The covariance of all classes counts as so many samples of a class, beside the class's own."""

FARTHEST = 0.95
"""Share of the real samples whose nearest neighbour is no farther than a made-up one's may be."""

TRIES = 10
"""Samples drawn for each that is wanted, before fewer are given."""

FOLDS = 5
"""Judges, each of which has learned without one part of the real samples."""

_STRENGTH = 10.0
"""Inverse of the judges' regularisation, for samples that lie about 1 from the mean of their class."""

_AT_ONCE = 512
"""Samples drawn at once, so that memory stays bounded."""

Features = NDArray[np.float64]


class Synthetic(NamedTuple):
    """Made-up samples.

    Attributes:
        features: `(m, D)`, float32.
        numbers: The class of each, int64 `(m,)`.
        made: Samples that were drawn.
        kept: Samples that are given, m: those that the filter let through, as far as they were wanted.
    """

    features: NDArray[np.float32]
    numbers: NDArray[np.int64]
    made: int
    kept: int


class _Real(NamedTuple):
    """The real samples of one class, and what its made-up ones are drawn from and judged by.

    Attributes:
        samples: `(k, D)`.
        parts: The number of the part that each shows `(k,)`.
        deviations: Of these from their mean `(k, D)`.
        every: Deviations of the samples of all classes from their classes' means `(n, D)`.
        freedom: Degrees of freedom of all of those.
    """

    samples: Features
    parts: NDArray[np.int64]
    deviations: Features
    every: Features
    freedom: int


def synthesise(
    features: NDArray[np.float32],
    numbers: NDArray[np.int64],
    *,
    seed: int,
    groups: Sequence[Any] | NDArray[Any] | None = None,
) -> Synthetic:
    """Make samples of the rare classes, until each has as many as the largest.

    A class is drawn from a Gaussian about its own mean. Its covariance is the class's own, mixed with that of
    all classes about their means at the class's size, the more so the fewer samples it has (Friedman,
    "Regularized Discriminant Analysis", DOI 10.1080/01621459.1989.10478752). A sample is kept if

    - one of five logistic regressions says its class, each of which has learned without a fifth of the real
      samples. To ask that all say so took away the samples near other classes, the ones most worth having:
      on features of screws and transistors it cost 1 to 7 points of the defects' recall;
    - it lies no farther from the nearest real sample of its class than these lie from each other.

    Args:
        features: Real samples, `(n, D)`.
        numbers: The class of each, `(n,)`.
        seed: Another seed draws other samples.
        groups: The group of each `(n,)`, such as a part photographed more than once: what is near to another
            of its own group does not tell how a class varies.

    Returns:
        The made-up samples alone, class by class. A class with a single sample or group gets none; one of
        which too few look right gets fewer.

    Raises:
        DataError: Shapes do not agree, or a feature is not finite.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> numbers = np.repeat([0, 1], [40, 5])
        >>> features = (rng.normal(size=(45, 8)) + 4 * numbers[:, None]).astype(np.float32)
        >>> made = synthesise(features, numbers, seed=0)
        >>> np.bincount(np.concatenate([numbers, made.numbers])).tolist()
        [40, 40]
    """
    _check(features, numbers, groups)
    names, which, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    parts = np.arange(len(features)) if groups is None else pd.factorize(np.asarray(groups))[0]
    wanted = counts.max() - counts
    for index in range(len(names)):
        if len(np.unique(parts[which == index])) < 2:
            wanted[index] = 0  # one part does not show how a class varies
    means = np.stack([features[which == index].mean(axis=0, dtype=np.float64) for index in range(len(names))])
    deviations = features - means[which]
    # In these units, all features vary alike within a class, and samples lie about 1 from its mean.
    unit = np.sqrt((deviations**2).mean(axis=0) * features.shape[1])
    unit[unit == 0] = 1
    samples, deviations = features / unit, deviations / unit

    judges = _judges(samples, which, parts, seed) if wanted.any() else []
    kept: list[Features] = [np.zeros((0, features.shape[1]))]
    made = 0
    for index in np.flatnonzero(wanted).tolist():
        own = which == index
        freedom = len(samples) - len(names)
        real = _Real(samples[own], parts[own], deviations[own], deviations, freedom)
        good, drawn = _make(real, index, judges, int(wanted[index]), np.random.default_rng([seed, index]))
        kept.append(good)
        made += drawn
    given = np.repeat(names[np.flatnonzero(wanted)], [len(good) for good in kept[1:]]).astype(np.int64)
    return Synthetic((np.concatenate(kept) * unit).astype(np.float32), given, made, len(given))


def _check(
    features: NDArray[np.float32],
    numbers: NDArray[np.int64],
    groups: Sequence[Any] | NDArray[Any] | None,
) -> None:
    """Refuse what cannot be learned from."""
    count = len(features) if groups is None else len(groups)
    if features.ndim != 2 or not 0 < len(features) == len(numbers) == count:
        raise DataError(
            f"features {features.shape}, numbers {numbers.shape} and {count} groups do not belong together; "
            "give (n, D), (n,) and n of them, n at least 1"
        )
    if not np.isfinite(features).all():
        raise DataError("features hold NaN or infinity; leave out the samples that they come from")


def _make(
    real: _Real, index: int, judges: Sequence[LogisticRegression], wanted: int, rng: np.random.Generator
) -> tuple[Features, int]:
    """Draw samples of a class until enough `(m, D)` are good, or too many were drawn; tell how many."""
    mean, farthest = real.samples.mean(axis=0), _farthest(real)
    kept: list[Features] = []
    made, missing = 0, wanted
    while missing and made < TRIES * wanted:
        count = min(TRIES * wanted - made, missing, _AT_ONCE)
        drawn = mean + _deviations(real, count, rng)
        near = euclidean_distances(drawn, real.samples).min(axis=1) <= farthest
        good = drawn[near & _agreed(drawn, index, judges)]
        kept.append(good)
        made += count
        missing -= len(good)
    return np.concatenate(kept), made


def _deviations(real: _Real, count: int, rng: np.random.Generator) -> Features:
    """Draw deviations from a class's mean, `(count, D)`.

    Sums of real deviations, each weighted by a normal number, have the covariance of these: no matrix
    `(D, D)` has to be estimated or factorised.
    """
    own, freedom = real.deviations, len(real.deviations) - 1
    every = (real.every**2).sum() / real.freedom
    size = (own**2).sum() / freedom / every if every else 0.0
    share = BORROWED / (BORROWED + len(np.unique(real.parts)) - 1)
    lent = rng.normal(size=(count, len(real.every))) @ real.every * np.sqrt(share * size / real.freedom)
    drawn: Features = lent + rng.normal(size=(count, len(own))) @ own * np.sqrt((1 - share) / freedom)
    return drawn


def _farthest(real: _Real) -> float:
    """How far most real samples lie at most from the nearest one of another part."""
    distances = euclidean_distances(real.samples)
    distances[real.parts[:, None] == real.parts] = np.inf
    return float(np.quantile(distances.min(axis=1), FARTHEST))


def _judges(
    samples: Features, which: NDArray[np.int64], parts: NDArray[np.int64], seed: int
) -> list[LogisticRegression]:
    """Classifiers, each of which has learned without one fold of the real samples."""
    fold = folds(len(samples), FOLDS, seed, groups=parts.tolist(), classes=which.tolist())
    judges = []
    for left_out in range(fold.max() + 1):
        seen = fold != left_out
        if len(np.unique(which[seen])) > 1:
            judge = LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=1000)
            judges.append(judge.fit(samples[seen], which[seen]))
    return judges


def _agreed(drawn: Features, index: int, judges: Sequence[LogisticRegression]) -> NDArray[np.bool_]:
    """Whether any judge takes samples `(m, D)` for a class; one who has not seen it never does."""
    agreed = np.zeros(len(drawn), np.bool_)
    for judge in judges:
        agreed |= judge.predict(drawn) == index
    return agreed
