"""Image scores from the logits of a classifier, or from how far its features are from those of good images.

Each takes features `(N, V, D)` and logits `(N, V, C)` of V views of an image and gives scores `(N,)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.engines.logsumexp import logsumexp
from knowngood.features.covariance import LEAST_VARIANCE, ledoit_wolf, whitening

LARGEST_LOGIT = 1e30  # logits are clamped to this, so that those that overflow give no NaN
TINY = 1e-30

BATCH = 512  # samples whose distances are computed at once


def log_msp(logits: Tensor, temperature: float) -> Tensor:
    """The logarithm of one minus the maximum softmax probability (Hendrycks and Gimpel, arXiv:1610.02136).

    The logarithm ranks images alike and keeps its digits at high confidence. The probability itself is
    `knowngood.metrics.reliability.msp`.

    Example:
        >>> log_msp(torch.tensor([[0.0, 0.0], [0.0, 300.0]]), 1.0)
        tensor([  -0.6931, -300.0000])
    """
    rest = log_rest(logits / temperature)
    return rest - F.softplus(rest)


def max_logit(logits: Tensor, _: float) -> Tensor:
    """Minus the largest logit (Hendrycks et al., arXiv:1911.11132)."""
    return -logits.amax(dim=-1)


def energy(logits: Tensor, temperature: float) -> Tensor:
    """The free energy (Liu et al., "Energy-based Out-of-distribution Detection", arXiv:2010.03759)."""
    return -logits.amax(dim=-1) - temperature * F.softplus(log_rest(logits / temperature))


def log_entropy(logits: Tensor, temperature: float) -> Tensor:
    """The logarithm of the entropy of the softmax probabilities, in nats; a logarithm as in `log_msp`.

    Example:
        >>> log_entropy(torch.tensor([[0.0, 0.0]]), 1.0).exp()
        tensor([0.6931])
    """
    scaled = logits / temperature
    rest = log_rest(scaled)[..., None]
    surprise = (scaled.amax(dim=-1, keepdim=True) - scaled) + F.softplus(rest)
    # At high confidence the largest term is nothing in float32, but its logarithm is known.
    logarithm = torch.where(surprise > TINY, surprise.clamp(min=TINY).log(), rest)
    return logsumexp(logarithm - surprise, dim=-1)


def log_rest(logits: Tensor) -> Tensor:
    """The logarithm of the odds against the largest logit.

    Example:
        >>> log_rest(torch.tensor([[0.0, 300.0]]))
        tensor([-300.])
    """
    largest_first = logits.topk(logits.shape[-1], dim=-1).values
    return logsumexp(largest_first[..., 1:] - largest_first[..., :1], dim=-1)


LOGIT_SCORES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "msp": log_msp,
    "max_logit": max_logit,
    "energy": energy,
    "entropy": log_entropy,
}


class Scorer(nn.Module, ABC):
    """A module from features and logits to scores."""

    @abstractmethod
    def forward(self, features: Tensor, logits: Tensor) -> Tensor:
        """Scores `(N,)`."""

    def of_learned(self, features: Tensor, logits: Tensor) -> Tensor:
        """Scores `(M,)` of the training samples, in their order; none is compared with itself."""
        return self.of_many(features, logits)

    def of_many(self, features: Tensor, logits: Tensor) -> Tensor:
        """Scores `(N,)` of any number of samples, in bounded memory."""
        parts = zip(torch.split(features, BATCH), torch.split(logits, BATCH), strict=True)
        return torch.cat([self(*part) for part in parts])


class LogitScore(Scorer):
    """One of `LOGIT_SCORES`, averaged over the views."""

    def __init__(self, name: str, temperature: float) -> None:
        super().__init__()
        self.function = LOGIT_SCORES[name]
        self.temperature = temperature

    def forward(self, _: Tensor, logits: Tensor) -> Tensor:
        """Scores `(N,)`."""
        return self.function(within_range(logits), self.temperature).mean(dim=1)


class Gaussians(Scorer):
    """Mahalanobis distance to the nearest class, with one covariance for all classes, summed over the views.

    Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial
    Attacks", arXiv:1807.03888. Each view has its own Gaussians, estimated from the features `(M, V, D)` and
    true classes `(M, V)` of the training samples.
    """

    means: Tensor
    whiten: Tensor

    def __init__(self, features: Tensor, truth: Tensor) -> None:
        super().__init__()
        views = zip(features.double().unbind(dim=1), truth.numpy().T, strict=True)
        means, whiten = zip(*(class_gaussians(*view) for view in views), strict=True)
        self.register_buffer("means", torch.stack(means).float())  # (V, K, D)
        self.register_buffer("whiten", torch.stack(whiten).float())  # (V, D, D)

    def forward(self, features: Tensor, _: Tensor) -> Tensor:
        """Scores `(N,)`."""
        deviations = (features[:, :, None] - self.means) @ self.whiten
        return deviations.square().sum(dim=-1).amin(dim=2).sqrt().sum(dim=1)


def class_gaussians(points: Tensor, labels: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Estimate the mean `(K, D)` of each class, and the whitening `(D, D)` of deviations from these.

    Points `(M, D)` are in double precision: from few images little but the least variance is left.
    """
    names, numbers = np.unique(labels, return_inverse=True)
    means = torch.stack([points[numbers == number].mean(dim=0) for number in range(len(names))])
    covariance = ledoit_wolf(points - means[numbers])
    scale = float(covariance.trace()) / len(covariance)
    return means, whitening(covariance, floor=LEAST_VARIANCE * max(scale, 1.0))


class Neighbours(Scorer):
    """Distance to the nearest features of good images, summed over the views.

    Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", arXiv:2204.06507; here features
    are not normalised, and the distances to `count` neighbours are averaged. Of the training samples'
    features `(M, V, D)` those in the rows `kept` are kept.
    """

    points: Tensor

    def __init__(self, features: Tensor, kept: Tensor, *, count: int) -> None:
        super().__init__()
        self.kept = kept
        self.count = count
        self.register_buffer("points", features[kept].transpose(0, 1).contiguous())  # (V, K, D)

    def forward(self, features: Tensor, _: Tensor) -> Tensor:
        """Scores `(N,)`."""
        return self._nearest(distances(features.transpose(0, 1), self.points), len(self.kept))

    def of_learned(self, features: Tensor, logits: Tensor) -> Tensor:
        """Scores `(M,)` of the training samples; those that are kept are compared with the others."""
        scores = self.of_many(features, logits)
        if len(self.kept) > 1:
            among = distances(self.points, self.points)
            among.diagonal(dim1=1, dim2=2).fill_(torch.inf)
            scores[self.kept] = self._nearest(among, len(self.kept) - 1)
        return scores

    def _nearest(self, apart: Tensor, most: int) -> Tensor:
        """From distances `(V, N, K)`, of which at most `most` count, to scores `(N,)`."""
        count = min(self.count, most)
        return apart.topk(count, dim=2, largest=False).values.mean(dim=2).sum(dim=0)


def distances(queries: Tensor, points: Tensor) -> Tensor:
    """Euclidean distances `(V, N, K)` from queries `(V, N, D)` to points `(V, K, D)`.

    They come from differences: a classifier draws each class together, and products would lose what is left.
    """
    if torch.onnx.is_in_onnx_export():
        return (queries[:, :, None] - points[:, None]).square().sum(dim=3).sqrt()
    return torch.cdist(queries, points, compute_mode="donot_use_mm_for_euclid_dist")


def nearest_of(features: Tensor, *, most: int, neighbours: int, seed: int) -> Neighbours:
    """Keep the features of at most so many training samples `(M, V, D)`, drawn at random by the seed."""
    kept = np.random.default_rng(seed).permutation(len(features))[:most]
    return Neighbours(features, torch.from_numpy(kept), count=neighbours)


def within_range(logits: Tensor) -> Tensor:
    """Clamp logits to a range that can be computed with."""
    return logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
