"""Variational autoencoder: codes of good images follow a normal distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from knowngood.detectors.base import FittedDetector
from knowngood.detectors.reconstruction import FittedReconstruction, RebuildingNetwork, Reconstruction
from knowngood.recipe import check_choice
from knowngood.training.blocks import Decoder, Encoder

SCORES = ("sum", "max")
LEAST_ERROR = 1e-6
"""Added to the mean squared error, so that constant images have a logarithm."""


@dataclass(frozen=True)
class Vae(Reconstruction):
    """A variational autoencoder; images are judged by the reconstruction from their most likely code.

    Kingma and Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114. How much a pixel may differ is
    learned and not set, after Rybkin, Daniilidis and Levine, "Simple and Effective VAE Training with
    Calibrated Decoders", arXiv:2006.13202: so one recipe serves smooth and noisy products.

    Args:
        input_size: Side of the input, in pixels (for other aspect ratios, of the square of equal area).
        epochs: The most passes over the images.
        batch_size: Images in a step.
        learning_rate: The first epoch's; `none` finds one by trying.
        patience: Epochs without progress on the held-out images after which training stops.
        code: Numbers that an image is squeezed into.
        width: Channels after the first convolution; each further one doubles them.
        smoothing: Standard deviation of the Gaussian that blurs the map, in pixels.
        score: `sum` of the absolute differences, or `max`imum of the blurred map.

    Raises:
        RecipeError: A value is out of range.

    Example:
        >>> Vae(code=16).score
        'sum'
    """

    score: str = "sum"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self, score=SCORES)

    def network(self, channels: int, shape: Sequence[int]) -> RebuildingNetwork:
        """See `Reconstruction.network`."""
        return VaeNetwork(channels, shape, code=self.code, width=self.width)

    def fitted(self, network: RebuildingNetwork) -> FittedDetector:
        """See `Reconstruction.fitted`."""
        return FittedReconstruction(network, score=self.score, smoothing=self.smoothing)


class VaeNetwork(RebuildingNetwork):
    """An encoder to the mean and log-variance of a code, and a decoder.

    Args:
        channels: 1 for grey images, 3 for colour.
        shape: Height and width of the images.
        code: Length of a code.
        width: Channels after the first convolution.
    """

    def __init__(self, channels: int, shape: Sequence[int], *, code: int, width: int) -> None:
        super().__init__(channels)
        self.encoder = Encoder(channels, shape, code=2 * code, width=width)
        self.decoder = Decoder(channels, shape, code=code, width=width)

    def rebuild(self, pixels: Tensor) -> Tensor:
        """See `RebuildingNetwork.rebuild`."""
        return self.decoder(self.encoder(pixels).chunk(2, dim=1)[0])  # type: ignore[no-any-return]

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """The negative evidence lower bound for each pixel value, and its two parts."""
        pixels = self.pixels(batch)
        mean, log_variance = self.encoder(pixels).float().chunk(2, dim=1)
        chance = torch.randn_like(mean) if self.training else torch.zeros_like(mean)
        rebuilt = self.decoder(mean + (log_variance / 2).exp() * chance).float()
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean() / 2
        error = (rebuilt - pixels).square().mean()
        # The likelihood of the pixels at the variance that makes them most likely, which is the error.
        unlikely = (error + LEAST_ERROR).log() / 2
        values = pixels[0].numel()
        return {"loss": unlikely + divergence / values, "error": error, "divergence": divergence}
