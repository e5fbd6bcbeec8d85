"""Feature autoencoder: rebuilds what a frozen network sees instead of pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Fit, FittedOnFeatures
from knowngood.detectors.trained import Trained, learn, score_held_out
from knowngood.features.extract import extract
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.patches import PatchFeatures, smooth
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.settings import (
    BackboneName,
    Epochs,
    InputSize,
    LearningRate,
    Smoothing,
    Strides,
    Weights,
)
from knowngood.training.blocks import SLOPE, down, up
from knowngood.training.learner import Trainable
from knowngood.training.records import Records
from knowngood.training.run import Run
from knowngood.training.standardise import LEAST_DEVIATION, Standardise
from knowngood.training.store import Store, store
from knowngood.types import Progress, Scores, silent

HALVINGS = 2
"""How often the feature maps are halved on their way to the code, if they are large enough."""


@dataclass(frozen=True, kw_only=True)
class FeatureAutoencoder(Trained):
    """A convolutional autoencoder of backbone features; the anomaly map is its reconstruction error.

    After Shi, Yang and Qi, "Unsupervised anomaly segmentation via deep feature reconstruction",
    arXiv:2012.07122; theirs looks at each place alone, this one at its surroundings too, so that it
    also finds a part that is missing or in a wrong place. The score is the maximum of the map.

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
        self,
        good: ImageSet,
        *,
        seed: int,
        device: str,
        progress: Progress = silent,
        run: Run | None = None,
    ) -> Fit:
        """Train the network; see `Detector.fit`."""
        features = freeze(
            PatchFeatures,
            good.shape,
            backbone=self.backbone,
            weights=self.weights,
            strides=self.strides,
            scales=1,
            neighbourhood=1,
            spacing=self.strides[-1],
        )

        def maps() -> Iterator[tuple[int, NDArray[Any]]]:
            done = 0
            for done, (index, [seen]) in enumerate(extract(features, good, device=device), 1):
                yield index, seen.numpy().astype(np.float16)
                progress("looking at good images", done, len(good))
            if done < len(good):  # some could not be read
                progress("looking at good images", len(good), len(good))

        with store(maps(), replace(good, classes=None), seed=seed) as kept:
            mean, deviation = moments(kept)
            grid = kept.samples.shape[2:]
            network, record = learn(
                self,
                lambda: FeatureNetwork(mean, deviation, grid, code=self.code, width=self.width),
                kept,
                seed=seed,
                device=device,
                progress=progress,
                run=run,
            )
            fitted = FittedFeatureAutoencoder(features, network, smoothing=self.smoothing).eval()
            held_out, _ = score_held_out(lambda samples: fitted.score_features([samples.float()]), kept)
        return Fit(fitted, held_out, records=Records(record))


def moments(kept: Store) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation `(C,)` of each channel, over the samples `(n, C, h, w)` learned from."""
    samples, count = kept.samples, len(kept.train)
    total = square = torch.zeros(())
    for row in kept.train:
        one = torch.from_numpy(samples[row].astype(np.float64)).flatten(1)
        total, square = total + one.mean(dim=1), square + one.square().mean(dim=1)
    mean = total / count
    deviation = (square / count - mean.square()).clamp(min=0).sqrt()
    return mean.float(), deviation.float() + LEAST_DEVIATION


class FeatureNetwork(Trainable):
    """Rebuilds feature maps.

    Args:
        mean: Mean of each channel `(C,)`.
        deviation: Standard deviation of each channel `(C,)`.
        grid: Height and width of the maps.
        code: Channels at the narrowest place.
        width: Channels elsewhere.
    """

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
            keep(channels, width),
            *(down(width, width) for _ in range(steps)),
            nn.Conv2d(width, code, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            keep(code, width),
            *(up(width, width, odd=odd[step]) for step in reversed(range(steps))),
            nn.Conv2d(width, channels, 3, padding=1),
        )

    def errors(self, features: Tensor) -> Tensor:
        """Mean squared difference `(N, h, w)` between features `(N, C, h, w)` and what is rebuilt of them."""
        wanted = self.standardise(features)
        errors: Tensor = (self.decoder(self.encoder(wanted)) - wanted).square()
        return errors.mean(dim=1)

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """See `Trainable.losses`."""
        return {"loss": self.errors(batch.float()).mean()}

    def show(self, _: Tensor) -> None:
        """No image is rebuilt."""


def keep(inputs: int, outputs: int) -> nn.Sequential:
    """A convolution that keeps the size, normalised."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE)
    )


class FittedFeatureAutoencoder(FittedOnFeatures):
    """Judges images by the features that cannot be rebuilt.

    Args:
        features: Gives the features.
        network: Rebuilds them.
        smoothing: Standard deviation of the Gaussian that blurs the map, in patches.
    """

    def __init__(self, features: FrozenFeatures, network: FeatureNetwork, *, smoothing: float) -> None:
        super().__init__(features)
        self.network = network
        self.smoothing = smoothing

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """From features `(N, C, h, w)` to scores."""
        maps = smooth(self.network.errors(features[0]), self.smoothing)
        return Scores(maps.amax(dim=(1, 2)), maps)
