"""Gaussian: one normal distribution of the whole image at each level of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.detectors.base import FittedOnFeatures
from knowngood.detectors.pooled import PooledDetector
from knowngood.features.covariance import LEAST_VARIANCE, ledoit_wolf, whitening
from knowngood.features.frozen import FrozenFeatures
from knowngood.types import Scores


@dataclass(frozen=True, kw_only=True)
class Gaussian(PooledDetector):
    """Mahalanobis distance of image-level features, summed over the network's levels. It gives no map.

    Rippel, Mertens and Merhof, "Modeling the Distribution of Normal Data in Pre-Trained Deep Features for
    Anomaly Detection", arXiv:2005.14140. Levels are averaged over the image; each has a Gaussian whose
    covariance is shrunk after Ledoit and Wolf.

    Example:
        >>> Gaussian(input_size=256).input_size
        256
    """

    when: ClassVar[str] = "A defect changes the whole image."

    def fit_points(self, features: FrozenFeatures, points: Sequence[Tensor], _: int) -> FittedOnFeatures:
        """Estimate the Gaussians."""
        return FittedGaussian(features, points)


class FittedGaussian(FittedOnFeatures):
    """A Gaussian per level, estimated from the features of good images, `(N, C)` for each."""

    def __init__(self, features: FrozenFeatures, points: Sequence[Tensor]) -> None:
        super().__init__(features)
        # In double precision: from two or three images little but the least variance is left.
        whiten = [whitening(ledoit_wolf(level.double()), floor=LEAST_VARIANCE).float() for level in points]
        self.means = _constants([level.mean(dim=0) for level in points])
        self.whiten = _constants(whiten)

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """Score images by their features, `(N, C)` for each level."""
        distances = [
            ((level - mean) @ whiten).pow(2).sum(dim=1).sqrt()
            for level, mean, whiten in zip(features, self.means, self.whiten, strict=True)
        ]
        return Scores(torch.stack(distances).sum(dim=0), None)


def _constants(tensors: Sequence[Tensor]) -> nn.ParameterList:
    """Wrap tensors as parameters that are not trained."""
    return nn.ParameterList([nn.Parameter(tensor, requires_grad=False) for tensor in tensors])
