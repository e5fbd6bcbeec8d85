"""One-class SVM: a boundary around good images, drawn by a few of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.detectors.base import FittedOnFeatures
from knowngood.detectors.pooled import PooledDetector, centre_and_size
from knowngood.engines.logsumexp import logsumexp
from knowngood.features.frozen import FrozenFeatures
from knowngood.types import Scores


@dataclass(frozen=True, kw_only=True)
class Ocsvm(PooledDetector):
    """A one-class support vector machine, by features averaged over the image. It gives no map.

    Schölkopf et al., "Estimating the Support of a High-Dimensional Distribution",
    doi 10.1162/089976601750264965, fitted by scikit-learn to the features of a frozen network, whose levels
    are scaled to the same size. The kernel is Gaussian, and as wide as the good images are spread. The score
    is the logarithm of how many times smaller the sum of kernels is than on the boundary: images are ordered
    as by that sum, but far outside, where it vanishes, they still differ.

    Example:
        >>> Ocsvm(nu=0.05).nu
        0.05
    """

    nu: Annotated[
        float,
        Field(ge=0.001, le=0.999, description="Most good training images, as a share, outside the boundary"),
    ] = 0.1

    def fit_points(self, features: FrozenFeatures, points: Sequence[Tensor], _: int) -> FittedOnFeatures:
        """Find the support vectors."""
        return FittedOcsvm(features, points, nu=self.nu)


class FittedOcsvm(FittedOnFeatures):
    """Support vectors and their weights, from the features of good images, `(N, C)` for each level."""

    centre: Tensor
    size: Tensor
    support: Tensor
    weights: Tensor

    def __init__(self, features: FrozenFeatures, points: Sequence[Tensor], *, nu: float) -> None:
        from sklearn.svm import OneClassSVM  # which an inspector does not need

        super().__init__(features)
        centre, size = centre_and_size(points)
        scaled = (torch.cat(list(points), dim=1) - centre) / size
        variance = float(scaled.square().mean())  # none where there is one image, or all are equal
        self.gamma = 1 / (scaled.shape[1] * variance) if variance > 0 else 1.0
        machine = OneClassSVM(kernel="rbf", gamma=self.gamma, nu=nu).fit(scaled.double().numpy())
        self.boundary = float(-machine.intercept_[0])
        self.register_buffer("centre", centre)
        self.register_buffer("size", size)
        self.register_buffer("support", torch.from_numpy(machine.support_vectors_).float())
        self.register_buffer("weights", torch.from_numpy(machine.dual_coef_[0] / self.boundary).log().float())

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """Score images by their features, `(N, C)` for each level."""
        queries = (torch.cat(list(features), dim=1) - self.centre) / self.size
        # |x - p|² = |x|² - 2xp + |p|²: one matrix product for all pairs.
        lengths, norms = queries.square().sum(dim=1, keepdim=True), self.support.square().sum(dim=1)
        squared = (lengths - 2 * queries @ self.support.T + norms).clamp(min=0)
        return Scores(-logsumexp(self.weights - self.gamma * squared, dim=1), None)
