"""Autoencoder: a network squeezes good images through a short code and rebuilds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from knowngood.detectors.base import FittedDetector
from knowngood.detectors.reconstruction import FittedReconstruction, RebuildingNetwork, Reconstruction
from knowngood.recipe import check_choice
from knowngood.training import losses
from knowngood.training.blocks import Decoder, Encoder

LOSSES = ("l1", "l2", "ssim", "perceptual")
SCORES = ("sum", "max")
PERCEIVED = (4, 8, 16)
"""Strides of the feature maps that the perceptual loss compares."""


@dataclass(frozen=True)
class Autoencoder(Reconstruction):
    """A convolutional autoencoder; a defect is what it cannot rebuild.

    Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks",
    doi 10.1126/science.1127647; for defects, Bergmann et al., "Improving Unsupervised Defect Segmentation by
    Applying Structural Similarity to Autoencoders", arXiv:1807.02011. It is trained on four fifths of the
    good images; the others stop the training and set the threshold.

    Args:
        input_size: Side of the input, in pixels (for other aspect ratios, of the square of equal area).
        epochs: The most passes over the images.
        batch_size: Images in a step.
        learning_rate: The first epoch's; `none` finds one by trying.
        patience: Epochs without progress on the held-out images after which training stops.
        code: Numbers that an image is squeezed into.
        width: Channels after the first convolution; each further one doubles them.
        smoothing: Standard deviation of the Gaussian that blurs the map, in pixels.
        loss: `l1`, `l2`, `ssim`, or `perceptual`: what the frozen backbone sees.
        score: `sum` of the absolute differences, or `max`imum of the blurred map.

    Raises:
        RecipeError: A value is out of range.

    Example:
        >>> Autoencoder(input_size=28, code=8).loss
        'l1'
    """

    loss: str = "l1"
    score: str = "sum"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self, loss=LOSSES, score=SCORES)

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
