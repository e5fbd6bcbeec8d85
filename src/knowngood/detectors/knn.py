"""Nearest neighbours: an image that looks like none of the good ones is a defect."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Detector, Fit, FittedOnFeatures, fit_out_of_fold
from knowngood.features.coreset import k_center
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.pooled import LevelMeans
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.settings import BackboneName, Folds, InputSize, Weights
from knowngood.training.run import Run
from knowngood.types import Progress, Scores, silent


@dataclass(frozen=True, kw_only=True)
class Knn(Detector):
    """Mean distance to the nearest good images, by features averaged over the image. It gives no map.

    Bergman, Cohen and Hoshen, "Deep Nearest Neighbor Anomaly Detection", arXiv:2002.10445. Here the levels of
    the network are brought to one spread, and of many good images a coreset is kept.

    Example:
        >>> Knn(neighbours=5).neighbours
        5
    """

    backbone: BackboneName = DEFAULT_BACKBONE
    weights: Weights = None
    input_size: Annotated[InputSize, Field(ge=64, le=4096)] = 512
    neighbours: Annotated[
        int, Field(ge=1, le=100, description="Nearest neighbours whose distances are averaged")
    ] = 2
    bank: Annotated[int, Field(ge=1, le=100_000, description="Most good images that are kept")] = 2000
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
        """Remember good images; see `Detector.fit`."""
        features = freeze(LevelMeans, good.shape, backbone=self.backbone, weights=self.weights)
        make = partial(FittedKnn, features, neighbours=self.neighbours, bank=self.bank, seed=seed)
        return fit_out_of_fold(
            features, good, make, count=self.folds, seed=seed, device=device, progress=progress
        )


class FittedKnn(FittedOnFeatures):
    """Good images as points, and how far others are from them.

    Args:
        features: Gives the image-level features.
        points: Features of good images `(N, C)`, for each level.
        neighbours: Neighbours whose distances are averaged; all where there are fewer.
        bank: The most points to keep.
        seed: Draws the first point that is kept.
    """

    centre: Tensor
    spread: Tensor
    points: Tensor

    def __init__(
        self, features: FrozenFeatures, points: Sequence[Tensor], *, neighbours: int, bank: int, seed: int
    ) -> None:
        super().__init__(features)
        centred = [level - level.mean(dim=0) for level in points]
        # Constant images leave no spread to divide by.
        spreads = [level.square().mean().sqrt().clamp(min=1e-6).expand(level.shape[1]) for level in centred]
        self.register_buffer("centre", torch.cat([level.mean(dim=0) for level in points]))
        self.register_buffer("spread", torch.cat(spreads))
        scaled = torch.cat(centred, dim=1) / self.spread
        kept = k_center(scaled, bank, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("points", scaled[kept])
        self.neighbours = min(neighbours, len(kept))

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """From features `(N, C)` of each level to scores."""
        queries = (torch.cat(list(features), dim=1) - self.centre) / self.spread
        lengths, norms = queries.square().sum(dim=1, keepdim=True), self.points.square().sum(dim=1)
        squared = lengths - 2 * queries @ self.points.T + norms
        nearest = squared.topk(self.neighbours, dim=1, largest=False).values
        return Scores(nearest.clamp(min=0).sqrt().mean(dim=1), None)
