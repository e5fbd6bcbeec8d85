"""The base of detectors that encode and reconstruct images: what they fail to reconstruct is anomalous."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, ClassVar, Generic, TypeVar

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Fit, FittedDetector
from knowngood.detectors.trained import FEW, Trained, learn, named, score_held_out
from knowngood.errors import TrainingError
from knowngood.features.patches import smooth
from knowngood.recipe import OneOf
from knowngood.training.blocks import Decoder, Encoder, pixels
from knowngood.training.learner import Trainable
from knowngood.training.records import Records
from knowngood.training.run import Run
from knowngood.training.store import Store, is_grey, store_images
from knowngood.types import Progress, Scores, silent

N = TypeVar("N", bound=Trainable)

Code = Annotated[int, Field(ge=1, le=65_536, description="Length of the code that an image is encoded to")]


class ReconstructionNetwork(Trainable):
    """A network with an `Encoder` and a `Decoder`, for grey images (1 channel) or colour (3)."""

    outputs: ClassVar[int] = 1  # of the encoder, for each number of a code

    def __init__(self, channels: int, shape: Sequence[int], *, code: int, width: int) -> None:
        super().__init__()
        self.channels = channels
        self.encoder = Encoder(channels, shape, code=self.outputs * code, width=width)
        self.decoder = Decoder(channels, shape, code=code, width=width)

    def pixels(self, images: Tensor) -> Tensor:
        """From uint8 `(N, H, W, 3)` to `(N, channels, H, W)` from 0 to 1; for grey, colours are averaged."""
        return pixels(images, self.channels)

    @abstractmethod
    def rebuild(self, pixels: Tensor) -> Tensor:
        """Reconstruct pixels `(N, channels, H, W)` from 0 to 1."""

    def rebuild_and_score(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Reconstruct pixels, and score them `(N,)` if the score does not come from their differences."""
        return self.rebuild(pixels), None

    def show(self, batch: Tensor) -> Tensor:
        """Reconstruct images as uint8 `(n, H, W, 3)`."""
        rebuilt = self.rebuild(self.pixels(batch)).expand(-1, 3, -1, -1)
        return (255 * rebuilt.float()).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


class TwiceEncodingNetwork(ReconstructionNetwork):
    """A network that encodes an image, reconstructs it and encodes the reconstruction.

    The score is the mean squared difference between the two codes.
    """

    def __init__(self, channels: int, shape: Sequence[int], *, code: int, width: int) -> None:
        super().__init__(channels, shape, code=code, width=width)
        self.second_encoder = Encoder(channels, shape, code=code, width=width)

    def encode_twice(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The code `(N, code)` of pixels, their reconstruction, and the code of the reconstruction."""
        code = self.encoder(pixels)
        rebuilt = self.decoder(code)
        return code, rebuilt, self.second_encoder(rebuilt)

    def rebuild(self, pixels: Tensor) -> Tensor:
        """Reconstruct pixels."""
        return self.encode_twice(pixels)[1]

    def rebuild_and_score(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Reconstruct pixels and score them."""
        code, rebuilt, again = self.encode_twice(pixels)
        return rebuilt, (code - again).square().mean(dim=1)


@dataclass(frozen=True, kw_only=True)
class TrainedOnImages(Trained, Generic[N]):
    """A recipe of a network that is trained on stored images."""

    @abstractmethod
    def network(self, channels: int, shape: Sequence[int]) -> N:
        """Make a network with random weights for grey (1 channel) or colour images of a height and width."""

    @abstractmethod
    def fitted(self, network: N) -> FittedDetector:
        """Make the detector of a trained network."""

    def fault(self, network: N, held_out: Tensor) -> str:  # noqa: ARG002  # most networks cannot collapse
        """What went wrong in training, by held-out images, uint8 `(N, H, W, 3)`; empty if nothing."""
        return ""

    def check(self, network: N, kept: Store) -> None:
        """Raise the fault of a network, by stored images that are held out, as a TrainingError."""
        if fault := self.fault(network, torch.from_numpy(kept.samples[kept.validation[:FEW]])):
            raise TrainingError(named(self, fault))

    def fit(
        self, good: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Train the network on stored images."""
        with store_images(replace(good, classes=None), seed=seed, progress=progress) as kept:
            make = partial(self.network, 1 if is_grey(kept.samples) else 3, good.shape)
            network, record = learn(self, make, kept, seed=seed, device=device, progress=progress, run=run)
            self.check(network, kept)
            fitted = self.fitted(network).eval()
            held_out, map_maxima = score_held_out(fitted, kept)
            index = kept.index[kept.validation]
        one_unit = np.array_equal(held_out, map_maxima)
        return Fit(fitted, held_out, index, None if one_unit else map_maxima, Records(record))


@dataclass(frozen=True, kw_only=True)
class Reconstruction(TrainedOnImages[ReconstructionNetwork]):
    """A recipe of a network that reconstructs images from a code."""

    multiple: ClassVar[int] = 4

    code: Code = 32
    width: Annotated[
        int,
        Field(ge=1, le=1024, description="Channels of the first convolution; each further one doubles them"),
    ] = 16
    smoothing: Annotated[
        float, Field(ge=0, le=32, description="Standard deviation of the map's Gaussian blur, in pixels")
    ] = 2.0

    def fitted(self, network: ReconstructionNetwork) -> FittedDetector:
        """Make the detector of a trained network."""
        return FittedReconstruction(network, smoothing=self.smoothing)


@dataclass(frozen=True, kw_only=True)
class PixelScored(Reconstruction):
    """A recipe whose image score comes from the differences of pixels."""

    score: Annotated[
        str,
        OneOf(("sum", "max")),
        Field(description="Image score: sum of the absolute differences, or maximum of the blurred map"),
    ] = "sum"

    def fitted(self, network: ReconstructionNetwork) -> FittedDetector:
        """Make the detector of a trained network."""
        return FittedReconstruction(network, smoothing=self.smoothing, score=self.score)


class FittedReconstruction(FittedDetector):
    """Scores images by the network or, if it gives no score, by their differences from the reconstruction.

    The score is then the `sum` of the absolute differences over pixels and channels, in units of the full
    range, or the `max`imum of the map.
    """

    def __init__(self, network: ReconstructionNetwork, *, smoothing: float, score: str = "sum") -> None:
        super().__init__()
        self.network = network
        self.smoothing = smoothing
        self.score = score

    def forward(self, images: Tensor) -> Scores:
        """Score images."""
        pixels = self.network.pixels(images)
        rebuilt, image = self.network.rebuild_and_score(pixels)
        differences = (pixels - rebuilt).abs().sum(dim=1)
        maps = smooth(differences, self.smoothing)
        if image is None:
            image = differences.sum(dim=(1, 2)) if self.score == "sum" else maps.amax(dim=(1, 2))
        return Scores(image, maps, {"rebuilt": rebuilt.permute(0, 2, 3, 1)})
