"""Gaussian: one normal distribution for the whole image at each level of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from knowngood.data.loader import Batches
from knowngood.data.splits import folds
from knowngood.detectors.base import Detector, Fit, FittedOnFeatures, check_folds
from knowngood.features.covariance import ledoit_wolf, whitening
from knowngood.features.extract import extract
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.pooled import LevelMeans
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.recipe import check_range
from knowngood.training.run import Run
from knowngood.types import Progress, Scores, silent

LEAST_VARIANCE = 1e-6
"""Added to the variances, so that a feature that is constant over all images does not divide by zero."""


@dataclass(frozen=True)
class Gaussian(Detector):
    """Mahalanobis distance of image-level features, summed over the network's levels. It gives no map.

    Rippel, Mertens and Merhof, "Modeling the Distribution of Normal Data in Pre-Trained Deep Features for
    Anomaly Detection", arXiv:2005.14140. Levels are averaged over the image; each has a Gaussian whose
    covariance is shrunk after Ledoit and Wolf.

    Args:
        backbone: timm's name of the network.
        weights: A local checkpoint of the network; None for the installed or downloaded one.
        input_size: Side of the input, in pixels (for other aspect ratios, of the square of equal area).
        folds: Parts into which the good images are divided to score each by the others.

    Raises:
        RecipeError: A value is out of range.

    Example:
        >>> Gaussian(input_size=256).input_size
        256
    """

    backbone: str = DEFAULT_BACKBONE
    weights: str | None = None
    input_size: int = 512
    folds: int = 5

    def __post_init__(self) -> None:
        check_range(self, input_size=(64, 4096), folds=(2, 100))

    def fit(
        self,
        good: Batches,
        *,
        seed: int,
        device: str,
        progress: Progress = silent,
        run: Run | None = None,  # noqa: ARG002
    ) -> Fit:
        """Learn the Gaussians; see `Detector.fit`."""
        features = freeze(LevelMeans, good.shape, backbone=self.backbone, weights=self.weights)
        fold_of = folds(len(good), self.folds, seed, good.groups)
        rows: dict[int, list[Tensor]] = {}
        for done, (index, levels) in enumerate(extract(features, good, device=device), 1):
            rows[index] = [level.clone() for level in levels]
            progress("looking at good images", done, len(good))
        read = np.array(sorted(rows))
        check_folds(len(np.unique(fold_of[read])), len(read))
        points = [torch.stack(level) for level in zip(*(rows[index] for index in read), strict=True)]

        held_out = torch.empty(len(read), dtype=torch.float64)
        for fold in np.unique(fold_of[read]):
            inside = torch.from_numpy(fold_of[read] == fold)
            fitted = FittedGaussian(features, [level[~inside] for level in points])
            held_out[inside] = fitted.judge([level[inside] for level in points]).image.double()
        return Fit(FittedGaussian(features, points).to(device), held_out.numpy())


class FittedGaussian(FittedOnFeatures):
    """A Gaussian for each level.

    Args:
        features: Gives the image-level features.
        points: Features of good images `(N, C)`, for each level.
    """

    def __init__(self, features: FrozenFeatures, points: list[Tensor]) -> None:
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

    def judge(self, features: Sequence[Tensor]) -> Scores:
        """From features `(N, C)` of each level to scores."""
        distances = [
            ((level - mean) @ whiten).pow(2).sum(dim=1).sqrt()
            for level, mean, whiten in zip(features, self.means, self.whiten, strict=True)
        ]
        return Scores(torch.stack(distances).sum(dim=0), None)
