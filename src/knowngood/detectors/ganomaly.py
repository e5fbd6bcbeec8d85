"""GANomaly: an encoder, a decoder and a second encoder, trained against a discriminator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from knowngood.detectors.reconstruction import Code, Reconstruction, TwiceEncodingNetwork
from knowngood.training.blocks import Encoder

REBUILDING, ADVERSARIAL, ENCODING = 50.0, 1.0, 1.0  # the weights of the three losses in the paper's section 4


@dataclass(frozen=True, kw_only=True)
class Ganomaly(Reconstruction):
    """Distance between the code of an image and the code of its reconstruction.

    Akcay, Atapour-Abarghouei and Breckon, "GANomaly: Semi-Supervised Anomaly Detection via Adversarial
    Training", arXiv:1805.06725. The score is the squared distance, as in the authors' code, and is not scaled
    to 0 to 1 by a test set. Generator and discriminator take their steps at once.

    Example:
        >>> Ganomaly().code
        100
    """

    when: ClassVar[str] = "You study methods that compare codes."

    code: Code = 100

    def network(self, channels: int, shape: Sequence[int]) -> TwiceEncodingNetwork:
        """Make a network with random weights."""
        return GanomalyNetwork(channels, shape, code=self.code, width=self.width)


class GanomalyNetwork(TwiceEncodingNetwork):
    """Two encoders, a decoder and a discriminator."""

    # The discriminator's part says nothing about progress.
    monitored: ClassVar[str] = "rebuilding"

    def __init__(self, channels: int, shape: Sequence[int], *, code: int, width: int) -> None:
        super().__init__(channels, shape, code=code, width=width)
        self.discriminator = Encoder(channels, shape, code=1, width=width)

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """The generator's and the discriminator's losses; neither moves the other's weights."""
        pixels = self.pixels(batch)
        code, rebuilt, again = (tensor.float() for tensor in self.encode_twice(pixels))
        features = self.discriminator.convolutions
        fixed = {name: value.detach() for name, value in features.state_dict().items()}
        adversarial = F.mse_loss(functional_call(features, fixed, (rebuilt,)), features(pixels).detach())
        rebuilding = REBUILDING * F.l1_loss(rebuilt, pixels) + ENCODING * F.mse_loss(again, code)
        real, fake = self._discriminate(pixels, 1.0), self._discriminate(rebuilt.detach(), 0.0)
        return {
            "loss": rebuilding + ADVERSARIAL * adversarial + (real + fake) / 2,
            "rebuilding": rebuilding,
            "adversarial": adversarial,
            "discriminator": (real + fake) / 2,
        }

    def _discriminate(self, pixels: Tensor, real: float) -> Tensor:
        """The discriminator's loss for images that are all real (1) or all reconstructed (0)."""
        logits = self.discriminator(pixels)
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, real))
