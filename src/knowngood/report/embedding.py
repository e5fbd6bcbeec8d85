"""Features of images as points on a plane."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

HOW_TO_READ = (
    "t-SNE map: neighbours on the map are neighbours in feature space. Distances between clusters and their "
    "sizes have no meaning."
)

_LEAST = 20  # samples of each group that are shown at least, so that its place can be seen
_PERPLEXITY = 30  # neighbours that each sample stays close to: the usual value
_DIMENSIONS = 50  # as in the paper: fewer speed up the search for neighbours, and the rest is mostly noise
_FEW = 5  # fewer samples have no neighbourhoods


def embed(features: NDArray[np.float32], *, seed: int = 0) -> NDArray[np.float64]:
    """Map finite features `(N, D)` to a plane `(N, 2)` so that neighbours stay neighbours (t-SNE).

    Distances between distant clusters have no meaning, nor have their sizes. Fewer than five samples, or
    identical ones, are placed by their first two principal components.

    Reference: van der Maaten and Hinton, "Visualizing Data using t-SNE", Journal of Machine Learning
    Research 9, 2008, pages 2579-2605, https://jmlr.org/papers/v9/vandermaaten08a.html.

    Example:
        >>> embed(np.repeat(np.eye(3, 8, dtype=np.float32), 4, axis=0)).shape
        (12, 2)
    """
    # Imported here: only reports of features need them, and no other should wait.
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # Threads sum in another order, and t-SNE turns a difference in the last digit into a visible one. They
    # would not even save time: the steps are so short that threads wait for each other.
    with threadpool_limits(limits=1):
        reduced = _reduced(features, seed)
        if len(reduced) < _FEW or np.ptp(reduced, axis=0).max() == 0:
            return reduced[:, :2]
        perplexity = min(_PERPLEXITY, (len(reduced) - 1) / 3)
        points = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)
    centred = np.asarray(points, dtype=np.float64)
    return np.asarray(centred - centred.mean(axis=0))


def choose(groups: Sequence[str], most: int = 1000, *, seed: int = 0) -> NDArray[np.int64]:
    """Choose at most `most` samples to draw: each group in proportion, but enough of the small ones.

    Returns:
        Rows of samples, ascending. Each group has at least 20, or all of its samples; if that would be too
        many, equally many from each.

    Example:
        >>> rows = choose(["good"] * 900 + ["bent"] * 100, most=100)
        >>> len(rows), int((rows >= 900).sum())
        (100, 20)
    """
    order = np.random.default_rng(seed).permutation(len(groups))
    shuffled = pd.Series(list(groups), dtype=object)[order].reset_index(drop=True)
    by_group = shuffled.groupby(shuffled)
    place, size = by_group.cumcount().to_numpy(), by_group.transform("size").to_numpy(np.int64)
    # The first twenty of each group come first, one of each in turn; then the same share of each group.
    urgency = np.where(place < _LEAST, place - _LEAST, (place + 0.5) / size)
    return np.sort(order[np.argsort(urgency, kind="stable")[:most]])


def _reduced(features: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """Return the principal components of features `(N, 2 to 50)`, padded with 0."""
    from sklearn.decomposition import PCA

    values = features.astype(np.float64)
    values -= values.mean(axis=0)
    # Rounding alone makes a constant feature vary.
    values[:, values.std(axis=0) <= 1e-6 * np.abs(features).max(axis=0)] = 0
    if values.any():
        kept = min(_DIMENSIONS, *values.shape)
        values = PCA(n_components=kept, random_state=seed).fit_transform(values)
    else:
        values = values[:, :2]
    return np.pad(values, ((0, 0), (0, max(0, 2 - values.shape[1]))))
