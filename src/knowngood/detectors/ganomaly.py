"""GANomaly: an encoder, a decoder and a second encoder, trained against a discriminator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from knowngood.detectors.base import FittedDetector
from knowngood.detectors.reconstruction import (
    Code,
    FittedTwiceEncoding,
    RebuildingNetwork,
    Reconstruction,
    TwiceEncodingNetwork,
)
from knowngood.training.blocks import Encoder

REBUILDING, ADVERSARIAL, ENCODING = 50.0, 1.0, 1.0
"""The weights of the three losses in the paper's section 4."""


@dataclass(frozen=True, kw_only=True)
class Ganomaly(Reconstruction):
    """Distance between the code of an image and the code of its reconstruction.

    Akcay, Atapour-Abarghouei and Breckon, "GANomaly: Semi-Supervised Anomaly Detection via Adversarial
    Training", arXiv:1805.06725. The score is the squared distance, as in the authors' code, and not brought
    to 0 to 1 by a test set. Generator and discriminator take their steps at once.

    Example:
        >>> Ganomaly().code
        100
    """

    code: Code = 100

    def network(self, channels: int, shape: Sequence[int]) -> RebuildingNetwork:
        """See `Reconstruction.network`."""
        return GanomalyNetwork(channels, shape, code=self.code, width=self.width)

    def fitted(self, network: RebuildingNetwork) -> FittedDetector:
        """See `Reconstruction.fitted`."""
        assert isinstance(network, GanomalyNetwork)
        return FittedTwiceEncoding(network, smoothing=self.smoothing)


class GanomalyNetwork(TwiceEncodingNetwork):
    """Two encoders, a decoder and a discriminator.

    Args:
        channels: 1 for grey images, 3 for colour.
        shape: Height and width of the images.
        code: Length of a code.
        width: Channels after the first convolution.
    """

    # The discriminator's part says nothing about progress.
    monitored: ClassVar[str] = "rebuilding"

    def __init__(self, channels: int, shape: Sequence[int], *, code: int, width: int) -> None:
        super().__init__(channels, shape, code=code, width=width)
        self.discriminator = Encoder(channels, shape, code=1, width=width)

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """The generator's and the discriminator's losses; neither moves the other's weights."""
        pixels = self.pixels(batch)
        code, rebuilt, again = (tensor.float() for tensor in self.encode_twice(pixels))
        seen = self.discriminator.convolutions
        fixed = {name: value.detach() for name, value in seen.state_dict().items()}
        adversarial = F.mse_loss(functional_call(seen, fixed, (rebuilt,)), seen(pixels).detach())
        rebuilding = REBUILDING * F.l1_loss(rebuilt, pixels) + ENCODING * F.mse_loss(again, code)
        told_apart = _told(self.discriminator, pixels, 1.0) + _told(self.discriminator, rebuilt.detach(), 0.0)
        return {
            "loss": rebuilding + ADVERSARIAL * adversarial + told_apart / 2,
            "rebuilding": rebuilding,
            "adversarial": adversarial,
            "discriminator": told_apart / 2,
        }


def _told(discriminator: nn.Module, pixels: Tensor, real: float) -> Tensor:
    """How wrong the discriminator is about images that are all real (1) or all rebuilt (0)."""
    answer = discriminator(pixels)
    return F.binary_cross_entropy_with_logits(answer, torch.full_like(answer, real))
