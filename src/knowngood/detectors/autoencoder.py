"""Autoencoder: a network squeezes good images through a short code and rebuilds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.detectors.base import FittedDetector
from knowngood.detectors.reconstruction import (
    FittedReconstruction,
    MapScore,
    RebuildingNetwork,
    Reconstruction,
)
from knowngood.recipe import OneOf
from knowngood.training import losses
from knowngood.training.blocks import Decoder, Encoder

LOSSES = ("l1", "l2", "ssim", "perceptual")
PERCEIVED = (4, 8, 16)
"""Strides of the feature maps that the perceptual loss compares."""


@dataclass(frozen=True, kw_only=True)
class Autoencoder(Reconstruction):
    """A convolutional autoencoder; the anomaly map is its reconstruction error.

    Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks",
    doi 10.1126/science.1127647; for defects, Bergmann et al., "Improving Unsupervised Defect Segmentation by
    Applying Structural Similarity to Autoencoders", arXiv:1807.02011. It is trained on four fifths of the
    good images; the others stop the training and set the threshold.

    Example:
        >>> Autoencoder(input_size=28, code=8).loss
        'l1'
    """

    loss: Annotated[
        str,
        OneOf(LOSSES),
        Field(description="Training loss; perceptual compares features of the frozen backbone"),
    ] = "l1"
    score: MapScore = "sum"

    def network(self, channels: int, shape: Sequence[int]) -> RebuildingNetwork:
        """See `Reconstruction.network`."""
        return AutoencoderNetwork(
            channels, shape, code=self.code, width=self.width, loss=make_loss(self.loss)
        )

    def fitted(self, network: RebuildingNetwork) -> FittedDetector:
        """See `Reconstruction.fitted`."""
        return FittedReconstruction(network, score=self.score, smoothing=self.smoothing)


def make_loss(name: str) -> losses.Loss:
    """The loss of a name in `LOSSES`."""
    if name == "perceptual":
        from knowngood.features.backbones import load_backbone

        return losses.Perceptual(load_backbone(strides=PERCEIVED))
    plain: dict[str, losses.Loss] = {"l1": losses.l1, "l2": losses.l2, "ssim": losses.ssim}
    return plain[name]


class AutoencoderNetwork(RebuildingNetwork):
    """An encoder and a decoder.

    Args:
        channels: 1 for grey images, 3 for colour.
        shape: Height and width of the images.
        code: Length of a code.
        width: Channels after the first convolution.
        loss: What is minimised.
    """

    def __init__(
        self, channels: int, shape: Sequence[int], *, code: int, width: int, loss: losses.Loss
    ) -> None:
        super().__init__(channels)
        self.encoder = Encoder(channels, shape, code=code, width=width)
        self.decoder = Decoder(channels, shape, code=code, width=width)
        self.loss = loss

    def rebuild(self, pixels: Tensor) -> Tensor:
        """See `RebuildingNetwork.rebuild`."""
        return self.decoder(self.encoder(pixels))  # type: ignore[no-any-return]

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """See `Trainable.losses`."""
        pixels = self.pixels(batch)
        rebuilt = self.rebuild(pixels).float()
        with torch.autocast(pixels.device.type, enabled=False):
            return {"loss": self.loss(rebuilt, pixels)}
