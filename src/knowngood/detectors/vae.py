"""Variational autoencoder: codes of good images follow a normal distribution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.detectors.base import FittedDetector
from knowngood.detectors.reconstruction import (
    FittedReconstruction,
    MapScore,
    RebuildingNetwork,
    Reconstruction,
)
from knowngood.training.blocks import Decoder, Encoder

LEAST_ERROR = 1e-6
"""Added to the mean squared error, so that constant images have a logarithm."""


@dataclass(frozen=True, kw_only=True)
class Vae(Reconstruction):
    """A variational autoencoder; images are scored by the reconstruction from the mean of their code.

    Kingma and Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114. The variance of a pixel is
    learned, not set, after Rybkin, Daniilidis and Levine, "Simple and Effective VAE Training with
    Calibrated Decoders", arXiv:2006.13202: so one recipe serves smooth and noisy products.

    Example:
        >>> Vae(code=16).score
        'sum'
    """

    score: MapScore = "sum"

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
