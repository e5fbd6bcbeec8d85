"""Synthetic features for rare classes: drawn from a Gaussian, and kept only if they are like their class.

After Jiang and Ge, "Data augmentation classifier for imbalanced fault classification",
DOI 10.1109/TASE.2020.2998467: a generative model makes samples of the minority, a filter keeps the good ones,
and a classifier is fitted to real and synthetic samples together. Ten samples cannot train a GAN; a Gaussian
can borrow the variation of features from classes with many samples, as in Yang, Liu and Xu, "Free Lunch for
Few-shot Learning: Distribution Calibration", arXiv:2101.06395. Interpolation between samples ("SMOTE:
Synthetic Minority Over-sampling Technique", arXiv:1106.1813) never leaves the span of the few.
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

BORROWED = 20  # samples of its own to which the covariance of all classes is equivalent for a class
# Share of the real samples whose nearest neighbour is no farther than a synthetic one's may be.
FARTHEST = 0.95
TRIES = 10  # samples drawn for each that is wanted, before fewer are returned
FOLDS = 5  # classifiers of the filter, each fitted without one fold of the real samples
# Inverse regularisation of these classifiers, for samples that are about 1 from the mean of their class.
_STRENGTH = 10.0
_BATCH = 512  # samples drawn at once, so that memory stays bounded
Features = NDArray[np.float64]
Groups = Sequence[Any] | NDArray[Any] | None


class Synthetic(NamedTuple):
    """Synthetic samples, their classes, and how many were drawn and kept."""

    features: NDArray[np.float32]  # (m, D)
    numbers: NDArray[np.int64]  # (m,)
    made: int
    kept: int  # m


class _Real(NamedTuple):
    """The real samples of one class."""

    samples: Features  # (k, D)
    parts: NDArray[np.int64]  # the number of the part that each shows, (k,)
    deviations: Features  # from their mean, (k, D)
    every: Features  # deviations of the samples of all classes from their classes' means, (n, D)
    freedom: int  # degrees of freedom of those


def synthesise(
    features: NDArray[np.float32], numbers: NDArray[np.int64], *, seed: int, groups: Groups = None
) -> Synthetic:
    """Draw samples of the rare classes, until each has as many as the largest.

    A class is drawn from a Gaussian about its own mean. Its covariance is the class's own, mixed with that of
    all classes, the more so the fewer samples it has (Friedman, "Regularized Discriminant Analysis",
    DOI 10.1080/01621459.1989.10478752). A sample is kept if

    - one of five logistic regressions predicts its class, each fitted without a fifth of the real samples
      (if all of them had to, the most useful samples near other classes were lost: on features of screws and
      transistors that cost 1 to 7 points of the defects' recall);
    - it is no farther from the nearest real sample of its class than these are from each other.

    Args:
        features: Real samples, `(n, D)`.
        numbers: The class of each, `(n,)`.
        seed: Another seed draws other samples.
        groups: The group of each, `(n,)`, such as a part photographed more than once: neighbours of one group
            do not show how a class varies.

    Returns:
        The synthetic samples alone, class by class. A class with a single sample or group gets none; one for
        which too few pass the filter gets fewer.

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
    # In these units, all features vary alike within a class, and samples are about 1 from its mean.
    unit = np.sqrt((deviations**2).mean(axis=0) * features.shape[1])
    unit[unit == 0] = 1
    samples, deviations = features / unit, deviations / unit

    classifiers = _classifiers(samples, which, parts, seed) if wanted.any() else []
    kept: list[Features] = [np.zeros((0, features.shape[1]))]
    made = 0
    for index in np.flatnonzero(wanted).tolist():
        own = which == index
        real = _Real(samples[own], parts[own], deviations[own], deviations, len(samples) - len(names))
        rng = np.random.default_rng([seed, index])
        good, drawn = _draw_class(real, index, classifiers, int(wanted[index]), rng)
        kept.append(good)
        made += drawn
    classes = np.repeat(names[np.flatnonzero(wanted)], [len(good) for good in kept[1:]]).astype(np.int64)
    return Synthetic((np.concatenate(kept) * unit).astype(np.float32), classes, made, len(classes))


def _check(features: NDArray[Any], numbers: NDArray[Any], groups: Groups) -> None:
    """Refuse samples of disagreeing shapes or without finite features."""
    count = len(features) if groups is None else len(groups)
    if features.ndim != 2 or not 0 < len(features) == len(numbers) == count:
        raise DataError(
            f"features {features.shape}, numbers {numbers.shape} and {count} groups do not belong together; "
            "give (n, D), (n,) and n of them, n at least 1"
        )
    if not np.isfinite(features).all():
        raise DataError("features hold NaN or infinity; leave out the samples that they come from")


def _draw_class(
    real: _Real, index: int, classifiers: Sequence[LogisticRegression], wanted: int, rng: np.random.Generator
) -> tuple[Features, int]:
    """Draw samples of a class until enough `(m, D)` pass the filter, or too many were drawn; count these."""
    mean, farthest = real.samples.mean(axis=0), _farthest(real)
    kept: list[Features] = []
    made, missing = 0, wanted
    while missing and made < TRIES * wanted:
        count = min(TRIES * wanted - made, missing, _BATCH)
        drawn = mean + _deviations(real, count, rng)
        near = euclidean_distances(drawn, real.samples).min(axis=1) <= farthest
        predicted = np.any([classifier.predict(drawn) == index for classifier in classifiers], axis=0)
        good = drawn[near & predicted]
        kept.append(good)
        made += count
        missing -= len(good)
    return np.concatenate(kept), made


def _deviations(real: _Real, count: int, rng: np.random.Generator) -> Features:
    """Draw deviations from a class's mean, `(count, D)`."""
    # Sums of real deviations, each weighted by a normal number, have the covariance of these: no matrix
    # (D, D) has to be estimated or factorised.
    own, freedom = real.deviations, len(real.deviations) - 1
    every = (real.every**2).sum() / real.freedom
    size = (own**2).sum() / freedom / every if every else 0.0
    share = BORROWED / (BORROWED + len(np.unique(real.parts)) - 1)
    lent = rng.normal(size=(count, len(real.every))) @ real.every * np.sqrt(share * size / real.freedom)
    drawn: Features = lent + rng.normal(size=(count, len(own))) @ own * np.sqrt((1 - share) / freedom)
    return drawn


def _farthest(real: _Real) -> float:
    """The largest distance to the nearest sample of another part that most real samples keep."""
    distances = euclidean_distances(real.samples)
    distances[real.parts[:, None] == real.parts] = np.inf
    return float(np.quantile(distances.min(axis=1), FARTHEST))


def _classifiers(
    samples: Features, which: NDArray[np.int64], parts: NDArray[np.int64], seed: int
) -> list[LogisticRegression]:
    """Fit the classifiers of the filter, each without one fold of the real samples."""
    fold = folds(len(samples), FOLDS, seed, groups=parts.tolist(), classes=which.tolist())
    subsets = [fold != left_out for left_out in range(fold.max() + 1)]
    return [
        LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=1000).fit(
            samples[rows], which[rows]
        )
        for rows in subsets
        if len(np.unique(which[rows])) > 1
    ]
