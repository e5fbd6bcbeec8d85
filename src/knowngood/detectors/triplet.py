"""Triplet network: good places are near to each other, and far from synthetically damaged ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional as F

from knowngood.data.synthetic_defects import TYPES
from knowngood.detectors.damaged import DamageModel, TrainedOnDamage, are_damaged
from knowngood.detectors.feature_model import moments
from knowngood.settings import Epochs
from knowngood.training.store import Store

MARGIN = 0.2
"""By how much squared distances to damaged places shall be larger than those to good ones (FaceNet's)."""

SHORTEST = 1e-12  # of what squares are divided by, at least: constant images may have none

LEAST_SCALE = 0.1
"""Of the mean distance of good images over all places, what is added to that at each place."""


@dataclass(frozen=True, kw_only=True)
class Triplet(TrainedOnDamage):
    """Distances, small among good places and large to damaged ones; the map is that to the mean.

    Tayeh et al., "Distance-Based Anomaly Detection for Industrial Surfaces Using Triplet Networks",
    arXiv:2011.04121, with embeddings of length one and the margin of Schroff, Kalenichenko and Philbin,
    "FaceNet", arXiv:1503.03832. Theirs trains a deep network on patches of textures, and erases random
    rectangles; here the features of a frozen network are stored for good images and for copies with synthetic
    defects of six types, and two layers embed each place. A triplet is a place of a good image, the same
    place of another one, and that of a copy where it is damaged. Each place has its own mean of good images;
    squared distances from it are in units of their mean there. The score is the maximum of the map.

    Example:
        >>> Triplet(copies=12).copies
        12
    """

    when: ClassVar[str] = "You study metric learning on synthetic defects, and parts are aligned."
    types: ClassVar[Sequence[str]] = tuple(TYPES)

    epochs: Epochs = 20
    width: Annotated[int, Field(ge=1, le=4096, description="Channels between features and embedding")] = 256
    code: Annotated[int, Field(ge=1, le=1024, description="Dimensions of the embedding of a place")] = 64

    def make_network(self, kept: Store) -> TripletNetwork:
        """Make a network with random weights."""
        mean, deviation = moments(kept)
        return TripletNetwork(
            mean[:-1], deviation[:-1], kept.samples.shape[-2:], width=self.width, code=self.code
        )


class TripletNetwork(DamageModel):
    """Codes of length one as embeddings, and their centre at each place of a grid."""

    centre: Tensor
    scale: Tensor

    def __init__(
        self, mean: Tensor, deviation: Tensor, grid: Sequence[int], *, width: int, code: int
    ) -> None:
        super().__init__(mean, deviation, width=width, code=code)
        self.register_buffer("centre", torch.zeros(code, *grid))
        self.register_buffer("scale", torch.ones(*grid))

    def embed(self, features: Tensor) -> Tensor:
        """Embeddings `(N, code, h, w)` of length one of features `(N, C, h, w)`."""
        found = self.layers(features)
        embedded: Tensor = found / found.square().sum(dim=1, keepdim=True).clamp(min=SHORTEST).sqrt()
        return embedded

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """By how much damaged places are not a margin farther from a good one than that of the next image."""
        batch = batch.float()
        damaged = are_damaged(batch)
        image, _, row, column = damaged.nonzero(as_tuple=True)
        good = self.embed(self.good(batch)).movedim(1, -1)
        points = batch[:, :-1, 1:].movedim(1, -1)[damaged]  # (M, C)
        negative = self.embed(points[:, :, None, None])[:, :, 0, 0]
        anchor, positive = good[image, row, column], good.roll(1, dims=0)[image, row, column]
        near, far = ((anchor - other).square().sum(dim=1) for other in (positive, negative))
        return {"loss": F.relu(near - far + MARGIN).sum() / max(1, len(near))}

    def settle(self, kept: Store) -> None:
        """Take the mean embedding of good images at each place, and then their mean distance from it."""
        self.centre.copy_(self.mean_of(self.embed, kept))
        distances = self.mean_of(self._distances, kept)
        self.scale.copy_((distances + LEAST_SCALE * distances.mean()).clamp(min=SHORTEST))

    def errors(self, features: Tensor) -> Tensor:
        """The squared distance `(N, h, w)` from the centre, in units of its mean over good images."""
        return self._distances(features) / self.scale

    def _distances(self, features: Tensor) -> Tensor:
        """The squared distance `(N, h, w)` from the centre."""
        distances: Tensor = (self.embed(features) - self.centre).square().sum(dim=1)
        return distances
