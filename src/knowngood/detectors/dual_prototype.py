"""Dual prototype autoencoder: two encoders, the codes of each drawn to their prototype."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from knowngood.detectors.base import FittedDetector
from knowngood.detectors.reconstruction import (
    FittedTwiceEncoding,
    RebuildingNetwork,
    Reconstruction,
    TwiceEncodingNetwork,
)
from knowngood.recipe import check_range

SLOWEST = 0.01
"""The least share of a batch in the running mean that is its prototype."""


@dataclass(frozen=True)
class DualPrototype(Reconstruction):
    """Mean squared error between the code of an image and the code of its reconstruction.

    Liu et al., "Semi-supervised anomaly detection with dual prototypes autoencoder for industrial surface
    inspection", doi 10.1016/j.optlaseng.2020.106324. Codes of good images are drawn to one point, their
    prototype, for either encoder by itself; a defect stays away from both. Here a prototype is the running
    mean of the codes, and the distance between the two codes, which is the score, is trained as well.

    Args:
        input_size: Side of the input, in pixels (for other aspect ratios, of the square of equal area).
        epochs: The most passes over the images.
        batch_size: Images in a step.
        learning_rate: The first epoch's; `none` finds one by trying.
        patience: Epochs without progress on the held-out images after which training stops.
        code: Numbers that an image is squeezed into.
        width: Channels after the first convolution; each further one doubles them.
        smoothing: Standard deviation of the Gaussian that blurs the map, in pixels.
        pull: Weight of the distances to the prototypes, beside a weight of 1 for the reconstruction.

    Raises:
        RecipeError: A value is out of range.

    Example:
        >>> DualPrototype().pull
        0.01
    """

    pull: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, pull=(0, 1000))

    def network(self, channels: int, shape: Sequence[int]) -> RebuildingNetwork:
        """See `Reconstruction.network`."""
        return DualPrototypeNetwork(channels, shape, code=self.code, width=self.width, pull=self.pull)

    def fitted(self, network: RebuildingNetwork) -> FittedDetector:
        """See `Reconstruction.fitted`."""
        assert isinstance(network, DualPrototypeNetwork)
        return FittedTwiceEncoding(network, smoothing=self.smoothing)


class DualPrototypeNetwork(TwiceEncodingNetwork):
    """Two encoders with a prototype each, and a decoder between them.

    Args:
        channels: 1 for grey images, 3 for colour.
        shape: Height and width of the images.
        code: Length of a code.
        width: Channels after the first convolution.
        pull: Weight of the distances to the prototypes.
    """

    prototypes: Tensor
    seen: Tensor

    def __init__(self, channels: int, shape: Sequence[int], *, code: int, width: int, pull: float) -> None:
        super().__init__(channels, shape, code=code, width=width)
        self.register_buffer("prototypes", torch.zeros(2, code))
        self.register_buffer("seen", torch.zeros(()))
        self.pull = pull

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """The reconstruction's error, and how far the codes are from their prototypes and each other."""
        pixels = self.pixels(batch)
        code, rebuilt, again = (tensor.float() for tensor in self.encode_twice(pixels))
        codes = torch.stack([code, again], dim=1)  # (N, 2, code)
        if self.training:
            self._move_prototypes(codes.detach().mean(dim=0))
        reconstruction = F.l1_loss(rebuilt, pixels)
        prototype = (codes - self.prototypes).square().mean()
        encoding = F.mse_loss(again, code)
        return {
            "loss": reconstruction + self.pull * (prototype + encoding),
            "reconstruction": reconstruction,
            "prototype": prototype,
            "encoding": encoding,
        }

    def _move_prototypes(self, means: Tensor) -> None:
        """Take a batch into the running means, which forget slowly since the codes still move."""
        self.seen += 1
        self.prototypes += (means - self.prototypes) * (1 / self.seen).clamp(min=SLOWEST)
