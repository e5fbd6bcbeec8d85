"""What detectors have in common that rebuild images from a code: what they cannot rebuild is a defect."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Fit, FittedDetector
from knowngood.detectors.trained import Trained, learn, score_held_out
from knowngood.features.patches import smooth
from knowngood.recipe import OneOf
from knowngood.training.blocks import Decoder, Encoder, pixels
from knowngood.training.learner import Trainable
from knowngood.training.records import Records
from knowngood.training.run import Run
from knowngood.training.store import is_grey, store_images
from knowngood.types import Progress, Scores, silent

Code = Annotated[int, Field(ge=1, le=65_536, description="Length of the code that an image is encoded to")]
MapScore = Annotated[
    str,
    OneOf(("sum", "max")),
    Field(description="Image score: sum of the absolute differences, or maximum of the blurred map"),
]


class RebuildingNetwork(Trainable):
    """A network that rebuilds images.

    Args:
        channels: 1 to look at grey images, 3 at colour.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def pixels(self, images: Tensor) -> Tensor:
        """From uint8 `(N, H, W, 3)` to `(N, channels, H, W)` from 0 to 1; for grey, colours are averaged."""
        return pixels(images, self.channels)

    @abstractmethod
    def rebuild(self, pixels: Tensor) -> Tensor:
        """Pixels `(N, channels, H, W)` from 0 to 1, rebuilt from their code."""

    def show(self, batch: Tensor) -> Tensor:
        """The images rebuilt, uint8 `(n, H, W, 3)`."""
        rebuilt = self.rebuild(self.pixels(batch)).expand(-1, 3, -1, -1)
        return (255 * rebuilt.float()).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


class TwiceEncodingNetwork(RebuildingNetwork):
    """A network that encodes an image, rebuilds it and encodes what it has rebuilt.

    Args:
        channels: 1 for grey images, 3 for colour.
        shape: Height and width of the images.
        code: Length of a code.
        width: Channels after the first convolution.
    """

    def __init__(self, channels: int, shape: Sequence[int], *, code: int, width: int) -> None:
        super().__init__(channels)
        self.encoder = Encoder(channels, shape, code=code, width=width)
        self.decoder = Decoder(channels, shape, code=code, width=width)
        self.second_encoder = Encoder(channels, shape, code=code, width=width)

    def encode_twice(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The code `(N, code)` of pixels, the pixels rebuilt from it, and the code of those."""
        code = self.encoder(pixels)
        rebuilt = self.decoder(code)
        return code, rebuilt, self.second_encoder(rebuilt)

    def rebuild(self, pixels: Tensor) -> Tensor:
        """See `RebuildingNetwork.rebuild`."""
        return self.encode_twice(pixels)[1]


@dataclass(frozen=True, kw_only=True)
class Reconstruction(Trained):
    """A recipe of a network that rebuilds images from a code."""

    multiple: ClassVar[int] = 4

    code: Code = 32
    width: Annotated[
        int,
        Field(ge=1, le=1024, description="Channels of the first convolution; each further one doubles them"),
    ] = 16
    smoothing: Annotated[
        float, Field(ge=0, le=32, description="Standard deviation of the map's Gaussian blur, in pixels")
    ] = 2.0

    @abstractmethod
    def network(self, channels: int, shape: Sequence[int]) -> RebuildingNetwork:
        """A network for images of a height and width, with weights drawn at random."""

    @abstractmethod
    def fitted(self, network: RebuildingNetwork) -> FittedDetector:
        """The detector that judges by a trained network."""

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
        with store_images(replace(good, classes=None), seed=seed, progress=progress) as store:
            channels = 1 if is_grey(store.samples) else 3
            network, record = learn(
                self,
                lambda: self.network(channels, good.shape),
                store,
                seed=seed,
                device=device,
                progress=progress,
                run=run,
            )
            fitted = self.fitted(network).eval()
            held_out, map_maxima = score_held_out(fitted, store)
        return Fit(fitted, held_out, map_maxima=map_maxima, records=Records(record))


class FittedReconstruction(FittedDetector):
    """Judges images by how far their reconstruction is from them.

    Args:
        network: Rebuilds images.
        score: `sum` of the absolute differences over pixels and channels, in units of the full range, or
            `max`imum of the map.
        smoothing: Standard deviation of the Gaussian that blurs the map, in pixels.
    """

    def __init__(self, network: RebuildingNetwork, *, score: str, smoothing: float) -> None:
        super().__init__()
        self.network = network
        self.score = score
        self.smoothing = smoothing

    def forward(self, images: Tensor) -> Scores:
        """Score images; see `FittedDetector.forward`."""
        pixels = self.network.pixels(images)
        rebuilt = self.network.rebuild(pixels)
        differences = difference_map(pixels, rebuilt)
        maps = smooth(differences, self.smoothing)
        image = differences.sum(dim=(1, 2)) if self.score == "sum" else maps.amax(dim=(1, 2))
        return Scores(image, maps, {"rebuilt": rebuilt.permute(0, 2, 3, 1)})


class FittedTwiceEncoding(FittedDetector):
    """Judges images by how far the code of their reconstruction is from their own.

    Args:
        network: Encodes, rebuilds and encodes again.
        smoothing: Standard deviation of the Gaussian that blurs the map, in pixels.
    """

    def __init__(self, network: TwiceEncodingNetwork, *, smoothing: float) -> None:
        super().__init__()
        self.network = network
        self.smoothing = smoothing

    def forward(self, images: Tensor) -> Scores:
        """Score images; see `FittedDetector.forward`."""
        pixels = self.network.pixels(images)
        code, rebuilt, again = self.network.encode_twice(pixels)
        maps = smooth(difference_map(pixels, rebuilt), self.smoothing)
        return Scores((code - again).square().mean(dim=1), maps, {"rebuilt": rebuilt.permute(0, 2, 3, 1)})


def difference_map(pixels: Tensor, rebuilt: Tensor) -> Tensor:
    """Absolute differences `(N, H, W)`, summed over the channels.

    Example:
        >>> difference_map(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)).tolist()
        [[[3.0, 3.0], [3.0, 3.0]]]
    """
    return (pixels - rebuilt).abs().sum(dim=1)
