"""Nearest neighbours: an image that is far from all good images is anomalous."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.detectors.base import FittedOnFeatures
from knowngood.detectors.pooled import PooledDetector
from knowngood.features.coreset import k_center
from knowngood.features.frozen import FrozenFeatures
from knowngood.types import Scores


@dataclass(frozen=True, kw_only=True)
class Knn(PooledDetector):
    """Mean distance to the nearest good images, by features averaged over the image. It gives no map.

    Bergman, Cohen and Hoshen, "Deep Nearest Neighbor Anomaly Detection", arXiv:2002.10445. Here the levels of
    the network are scaled to the same spread, and of many good images a coreset is kept.

    Example:
        >>> Knn(neighbours=5).neighbours
        5
    """

    when: ClassVar[str] = "A defect changes the whole image, and good parts look different from each other."

    neighbours: Annotated[
        int, Field(ge=1, le=100, description="Nearest neighbours whose distances are averaged")
    ] = 2
    bank: Annotated[int, Field(ge=1, le=100_000, description="Most good images that are kept")] = 2000

    def fit_points(self, features: FrozenFeatures, points: Sequence[Tensor], seed: int) -> FittedOnFeatures:
        """Keep the features of good images."""
        return FittedKnn(features, points, neighbours=self.neighbours, bank=self.bank, seed=seed)


class FittedKnn(FittedOnFeatures):
    """A bank of good images as points.

    Args:
        features: The frozen network.
        points: Its features of good images, `(N, C)` for each level.
        neighbours: Neighbours whose distances are averaged; all if there are fewer.
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
        """Score images by their features, `(N, C)` for each level."""
        queries = (torch.cat(list(features), dim=1) - self.centre) / self.spread
        # |x - p|² = |x|² - 2xp + |p|²: one matrix product for all pairs.
        lengths, norms = queries.square().sum(dim=1, keepdim=True), self.points.square().sum(dim=1)
        squared = lengths - 2 * queries @ self.points.T + norms
        nearest = squared.topk(self.neighbours, dim=1, largest=False).values
        return Scores(nearest.clamp(min=0).sqrt().mean(dim=1), None)
