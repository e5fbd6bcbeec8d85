"""Feature autoencoder: reconstructs the feature maps of a frozen network instead of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Fit, FittedOnFeatures
from knowngood.detectors.trained import Trained, learn, score_held_out, store_features
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.patches import PatchFeatures, smooth
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.settings import BackboneName, Epochs, InputSize, LearningRate, Smoothing, Strides, Weights
from knowngood.training.blocks import SLOPE, down, up
from knowngood.training.learner import Trainable
from knowngood.training.records import Records
from knowngood.training.run import Run
from knowngood.training.standardise import LEAST_DEVIATION, Standardise
from knowngood.training.store import Store
from knowngood.types import Progress, Scores, silent

HALVINGS = 2  # how often the feature maps are halved on their way to the code, if they are large enough


@dataclass(frozen=True, kw_only=True)
class FeatureAutoencoder(Trained):
    """A convolutional autoencoder of backbone features; the anomaly map is its reconstruction error.

    After Shi, Yang and Qi, "Unsupervised anomaly segmentation via deep feature reconstruction",
    arXiv:2012.07122; theirs sees each position alone, this one its surroundings too, so that it also finds a
    part that is missing or misplaced. The score is the maximum of the map.

    Example:
        >>> FeatureAutoencoder(input_size=320).strides
        (8, 16)
    """

    input_size: Annotated[InputSize, Field(ge=64, le=1024)] = 256
    epochs: Epochs = 60
    learning_rate: LearningRate = 2e-3
    code: Annotated[
        int, Field(ge=1, le=4096, description="Length of the code of each region, 64 pixels wide by default")
    ] = 64
    width: Annotated[
        int, Field(ge=1, le=4096, description="Channels of the layers between features and code")
    ] = 128
    smoothing: Annotated[Smoothing, Field(ge=0, le=32)] = 1.0
    backbone: BackboneName = DEFAULT_BACKBONE
    weights: Weights = None
    strides: Strides = (8, 16)

    def fit(
        self, good: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Train the network on stored features."""
        features = freeze(
            PatchFeatures, good.shape, backbone=self.backbone, strides=self.strides, weights=self.weights
        )
        unlabelled = replace(good, classes=None)
        with store_features(
            features, unlabelled, seed=seed, device=device, progress=progress, dtype=np.float16
        ) as kept:
            mean, deviation = moments(kept)
            grid = kept.samples.shape[2:]

            def make() -> FeatureNetwork:
                return FeatureNetwork(mean, deviation, grid, code=self.code, width=self.width)

            network, record = learn(self, make, kept, seed=seed, device=device, progress=progress, run=run)
            fitted = FittedFeatureAutoencoder(features, network, smoothing=self.smoothing).eval()
            held_out, _ = score_held_out(lambda samples: fitted.score_features([samples.float()]), kept)
            index = kept.index[kept.validation]
        return Fit(fitted, held_out, index, records=Records(record))


def moments(kept: Store) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation `(C,)` of each channel over the training samples `(n, C, h, w)`."""
    samples, count = kept.samples, len(kept.train)
    total = square = torch.zeros(())
    for row in kept.train:
        one = torch.from_numpy(samples[row].astype(np.float64)).flatten(1)
        total, square = total + one.mean(dim=1), square + one.square().mean(dim=1)
    mean = total / count
    deviation = (square / count - mean.square()).clamp(min=0).sqrt()
    return mean.float(), deviation.float() + LEAST_DEVIATION


class FeatureNetwork(Trainable):
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

    def show(self, _: Tensor) -> None:
        """Show nothing, since no image is reconstructed."""


def same_size(inputs: int, outputs: int) -> nn.Sequential:
    """A normalised convolution that keeps the size of the maps."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE)
    )


class FittedFeatureAutoencoder(FittedOnFeatures):
    """Scores images by the maximum reconstruction error of their features."""

    def __init__(self, features: FrozenFeatures, network: FeatureNetwork, *, smoothing: float) -> None:
        super().__init__(features)
        self.network = network
        self.smoothing = smoothing

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """Score images by their features `(N, C, h, w)`."""
        maps = smooth(self.network.errors(features[0]), self.smoothing)
        return Scores(maps.amax(dim=(1, 2)), maps)
