"""CutPaste: a network learns to tell good places from pasted patches and scars; good ones are a Gaussian."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from knowngood.detectors.damaged import DamageModel, TrainedOnDamage, are_damaged
from knowngood.detectors.feature_model import moments
from knowngood.features.covariance import LEAST_SHARE, LEAST_VARIANCE, whitening
from knowngood.settings import Epochs
from knowngood.training.blocks import SLOPE
from knowngood.training.store import Store

TYPES = ("cut_paste", "scar")


@dataclass(frozen=True, kw_only=True)
class CutPaste(TrainedOnDamage):
    """A Gaussian of what tells good places from pasted patches and scars; the map is its distance.

    Li, Sohn, Yoon and Pfister, "CutPaste: Self-Supervised Learning for Anomaly Detection and Localization",
    arXiv:2104.04015, in its variant of three classes on patches. Theirs trains a whole network on patches cut
    from images; here the features of a frozen network are stored for good images and damaged copies, and two
    layers that map each place learn to classify it as good, pasted or scarred. Pasted patches are smaller
    than theirs, and scars are bent. As in the paper, a Gaussian is then estimated of what the last
    layer classifies, from good images; here each place has its own mean, and all have one covariance. The
    score is the maximum of the map, where the paper has a second network for whole images.

    Example:
        >>> CutPaste(copies=2).types
        ('cut_paste', 'scar')
    """

    when: ClassVar[str] = "You study training on synthetic defects, and parts are aligned."
    types: ClassVar[Sequence[str]] = TYPES

    epochs: Epochs = 20
    width: Annotated[int, Field(ge=1, le=4096, description="Channels between features and code")] = 256
    code: Annotated[int, Field(ge=1, le=1024, description="Length of the code of each place")] = 64

    def make_network(self, kept: Store) -> CutPasteNetwork:
        """Make a network with random weights."""
        mean, deviation = moments(kept)
        return CutPasteNetwork(
            mean[:-1], deviation[:-1], kept.samples.shape[-2:], width=self.width, code=self.code
        )


class CutPasteNetwork(DamageModel):
    """A Gaussian of codes on a grid, and a layer that classifies them."""

    mean: Tensor
    whiten: Tensor

    def __init__(
        self, mean: Tensor, deviation: Tensor, grid: Sequence[int], *, width: int, code: int
    ) -> None:
        super().__init__(mean, deviation, width=width, code=code)
        self.classify = nn.Sequential(nn.LeakyReLU(SLOPE), nn.Conv2d(code, 1 + len(TYPES), 1))
        self.register_buffer("mean", torch.zeros(code, *grid))
        self.register_buffer("whiten", torch.eye(code))

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """The cross entropy of good and of damaged places; each of the three classes counts the same."""
        batch = batch.float()
        features, damaged = batch[:, :-1, 1:].movedim(1, -1), are_damaged(batch)
        types = torch.arange(damaged.shape[1], device=batch.device) % len(TYPES)
        good = self.classify(self.layers(self.good(batch))).movedim(1, -1).flatten(0, -2)
        points = features[damaged]  # (M, C)
        logits = torch.cat([good, self.classify(self.layers(points[:, :, None, None]))[:, :, 0, 0]])
        labels = torch.cat(
            [types.new_zeros(len(good)), 1 + types.view(1, -1, 1, 1).expand_as(damaged)[damaged]]
        )
        counts = torch.bincount(labels, minlength=1 + len(TYPES)).clamp(min=1)
        return {"loss": F.cross_entropy(logits, labels, weight=1 / counts)}

    def settle(self, kept: Store) -> None:
        """Estimate the mean of the codes at each place, and the covariance of their deviations from it."""
        self.mean.copy_(self.mean_of(self.layers, kept))

        def products(features: Tensor) -> Tensor:
            deviations = (self.layers(features) - self.mean).flatten(2).double()
            product: Tensor = deviations @ deviations.mT / deviations.shape[2]
            return product

        covariance = self.mean_of(products, kept)
        floor = LEAST_SHARE * float(covariance.diagonal().mean()) + LEAST_VARIANCE
        self.whiten.copy_(whitening(covariance, floor=floor).T)

    def errors(self, features: Tensor) -> Tensor:
        """The Mahalanobis distance `(N, h, w)` of codes, over the root of their length."""
        deviations = F.conv2d(self.layers(features) - self.mean, self.whiten[:, :, None, None])
        distances: Tensor = deviations.square().mean(dim=1).sqrt()
        return distances
