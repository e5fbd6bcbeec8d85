"""Feature autoencoder: reconstructs the feature maps of a frozen network instead of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.detectors.feature_model import FeatureModel, TrainedOnFeatures, moments
from knowngood.settings import Epochs, LearningRate
from knowngood.training.blocks import SLOPE, down, up
from knowngood.training.standardise import Standardise
from knowngood.training.store import Store

HALVINGS = 2  # how often the feature maps are halved on their way to the code, if they are large enough


@dataclass(frozen=True, kw_only=True)
class FeatureAutoencoder(TrainedOnFeatures):
    """A convolutional autoencoder of backbone features; the anomaly map is its reconstruction error.

    After Shi, Yang and Qi, "Unsupervised anomaly segmentation via deep feature reconstruction",
    arXiv:2012.07122; theirs sees each position alone, this one its surroundings too, so that it also finds a
    part that is missing or misplaced. The score is the maximum of the map.

    Example:
        >>> FeatureAutoencoder(input_size=320).strides
        (8, 16)
    """

    when: ClassVar[str] = "Parts are aligned, and a missing or misplaced one matters as much as a scratch."

    epochs: Epochs = 20
    learning_rate: LearningRate = 2e-3
    code: Annotated[
        int, Field(ge=1, le=4096, description="Length of the code of each region, 64 pixels wide by default")
    ] = 64
    width: Annotated[
        int, Field(ge=1, le=4096, description="Channels of the layers between features and code")
    ] = 128

    def make_network(self, kept: Store) -> FeatureNetwork:
        """Make an autoencoder with random weights."""
        return FeatureNetwork(*moments(kept), kept.samples.shape[2:], code=self.code, width=self.width)


class FeatureNetwork(FeatureModel):
    """An autoencoder of feature maps with height and width `grid`, standardised per channel `(C,)`."""

    def __init__(
        self, mean: Tensor, deviation: Tensor, grid: Sequence[int], *, code: int, width: int
    ) -> None:
        super().__init__()
        self.standardise = Standardise(mean.view(1, -1, 1, 1), deviation.view(1, -1, 1, 1))
        # At least two places remain, since a batch of one image must have a variance.
        steps = min(HALVINGS, max(0, int(math.log2(min(grid) / 2))))
        odd = [[(side >> step) % 2 for side in grid] for step in range(steps)]
        channels = len(mean)
        self.encoder = nn.Sequential(
            same_size(channels, width),
            *(down(width, width) for _ in range(steps)),
            nn.Conv2d(width, code, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            same_size(code, width),
            *(up(width, width, odd=odd[step]) for step in reversed(range(steps))),
            nn.Conv2d(width, channels, 3, padding=1),
        )

    def errors(self, features: Tensor) -> Tensor:
        """Mean squared error `(N, h, w)` of the reconstruction of features `(N, C, h, w)`."""
        target = self.standardise(features)
        errors: Tensor = (self.decoder(self.encoder(target)) - target).square()
        return errors.mean(dim=1)

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """Mean squared error of the reconstruction."""
        return {"loss": self.errors(batch.float()).mean()}


def same_size(inputs: int, outputs: int) -> nn.Sequential:
    """A normalised convolution that keeps the size of the maps."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE)
    )
