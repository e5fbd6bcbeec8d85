"""Gaussian: one normal distribution for the whole image at each level of the network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Detector, Fit, FittedOnFeatures, fit_out_of_fold
from knowngood.features.covariance import LEAST_VARIANCE, ledoit_wolf, whitening
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.pooled import LevelMeans
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.settings import BackboneName, Folds, InputSize, Weights
from knowngood.training.run import Run
from knowngood.types import Progress, Scores, silent


@dataclass(frozen=True, kw_only=True)
class Gaussian(Detector):
    """Mahalanobis distance of image-level features, summed over the network's levels. It gives no map.

    Rippel, Mertens and Merhof, "Modeling the Distribution of Normal Data in Pre-Trained Deep Features for
    Anomaly Detection", arXiv:2005.14140. Levels are averaged over the image; each has a Gaussian whose
    covariance is shrunk after Ledoit and Wolf.

    Example:
        >>> Gaussian(input_size=256).input_size
        256
    """

    backbone: BackboneName = DEFAULT_BACKBONE
    weights: Weights = None
    input_size: Annotated[InputSize, Field(ge=64, le=4096)] = 512
    folds: Folds = 5

    def fit(
        self,
        good: ImageSet,
        *,
        seed: int,
        device: str,
        progress: Progress = silent,
        run: Run | None = None,  # noqa: ARG002
    ) -> Fit:
        """Learn the Gaussians; see `Detector.fit`."""
        features = freeze(LevelMeans, good.shape, backbone=self.backbone, weights=self.weights)
        make = partial(FittedGaussian, features)
        return fit_out_of_fold(
            features, good, make, count=self.folds, seed=seed, device=device, progress=progress
        )


class FittedGaussian(FittedOnFeatures):
    """A Gaussian for each level.

    Args:
        features: Gives the image-level features.
        points: Features of good images `(N, C)`, for each level.
    """

    def __init__(self, features: FrozenFeatures, points: Sequence[Tensor]) -> None:
        super().__init__(features)
        self.means = nn.ParameterList(
            [nn.Parameter(level.mean(dim=0), requires_grad=False) for level in points]
        )
        self.whiten = nn.ParameterList(
            [
                # In double precision: from two or three images little but the least variance is left.
                nn.Parameter(
                    whitening(ledoit_wolf(level.double()), floor=LEAST_VARIANCE).float(), requires_grad=False
                )
                for level in points
            ]
        )

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """From features `(N, C)` of each level to scores."""
        distances = [
            ((level - mean) @ whiten).pow(2).sum(dim=1).sqrt()
            for level, mean, whiten in zip(features, self.means, self.whiten, strict=True)
        ]
        return Scores(torch.stack(distances).sum(dim=0), None)
