"""Autoencoder: a network encodes good images to a short code and reconstructs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.detectors.reconstruction import PixelScored, ReconstructionNetwork
from knowngood.recipe import OneOf
from knowngood.training import losses

LOSSES = ("l1", "l2", "ssim", "perceptual")
PERCEIVED = (4, 8, 16)  # strides of the feature maps that the perceptual loss compares


@dataclass(frozen=True, kw_only=True)
class Autoencoder(PixelScored):
    """A convolutional autoencoder; the anomaly map is its reconstruction error.

    Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks",
    doi 10.1126/science.1127647; for defects, Bergmann et al., "Improving Unsupervised Defect Segmentation by
    Applying Structural Similarity to Autoencoders", arXiv:1807.02011. It is trained on four fifths of the
    good images; the others stop the training and set the threshold.

    Example:
        >>> Autoencoder(input_size=28, code=8).loss
        'l1'
    """

    when: ClassVar[str] = "You want to see reconstructions, or study the method."

    loss: Annotated[
        str,
        OneOf(LOSSES),
        Field(description="Training loss; perceptual compares features of the frozen backbone"),
    ] = "l1"

    def network(self, channels: int, shape: Sequence[int]) -> ReconstructionNetwork:
        """Make a network with random weights."""
        loss = make_loss(self.loss)
        return AutoencoderNetwork(channels, shape, code=self.code, width=self.width, loss=loss)


def make_loss(name: str) -> losses.Loss:
    """Make a loss by its name in `LOSSES`."""
    if name == "perceptual":
        from knowngood.features.backbones import load_backbone

        return losses.Perceptual(load_backbone(strides=PERCEIVED))
    plain: dict[str, losses.Loss] = {"l1": losses.l1, "l2": losses.l2, "ssim": losses.ssim}
    return plain[name]


class AutoencoderNetwork(ReconstructionNetwork):
    """An encoder and a decoder that minimise a loss between images and reconstructions."""

    def __init__(
        self, channels: int, shape: Sequence[int], *, code: int, width: int, loss: losses.Loss
    ) -> None:
        super().__init__(channels, shape, code=code, width=width)
        self.loss = loss

    def rebuild(self, pixels: Tensor) -> Tensor:
        """Reconstruct pixels."""
        return self.decoder(self.encoder(pixels))  # type: ignore[no-any-return]

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """The chosen loss."""
        pixels = self.pixels(batch)
        rebuilt = self.rebuild(pixels).float()
        with torch.autocast(pixels.device.type, enabled=False):
            return {"loss": self.loss(rebuilt, pixels)}
