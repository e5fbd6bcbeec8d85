"""Words: a few hundred or thousand points that stand for all others."""

from __future__ import annotations

import torch
from torch import Tensor

from knowngood.features.coreset import k_center

STEPS = 1  # of k-means: more would pull the words to where most points are, away from the rare ones


def words_of(points: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Find at most so many words `(K, D)` of points `(N, D)`, and the word of each point `(N,)`.

    They are centres of k-means that starts from points which cover all others, so that what is rare has a
    word of its own. scikit-learn may remark that k-means has not converged.

    Example:
        >>> words, word_of = words_of(torch.tensor([[0.0], [2.0], [9.0]]), 2, seed=0)
        >>> words[word_of].flatten()
        tensor([1., 1., 9.])
    """
    from sklearn.cluster import KMeans  # which an inspector does not need

    start = points[k_center(points, count, generator=torch.Generator().manual_seed(seed))]
    means = KMeans(len(start), init=start.numpy(), n_init=1, max_iter=STEPS).fit(points.numpy())
    return torch.from_numpy(means.cluster_centers_), torch.from_numpy(means.labels_).long()
