"""Variational autoencoder: codes of good images follow a normal distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.detectors.reconstruction import PixelScored, ReconstructionNetwork

LEAST_ERROR = 1e-6  # added to the mean squared error, so that constant images have a logarithm


@dataclass(frozen=True, kw_only=True)
class Vae(PixelScored):
    """A variational autoencoder; images are scored by the reconstruction from the mean of their code.

    Kingma and Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114. The variance of a pixel is
    learned, not set, after Rybkin, Daniilidis and Levine, "Simple and Effective VAE Training with
    Calibrated Decoders", arXiv:2006.13202: so one recipe serves smooth and noisy products.

    Example:
        >>> Vae(code=16).score
        'sum'
    """

    when: ClassVar[str] = "You want to see reconstructions, or study the method."

    def network(self, channels: int, shape: Sequence[int]) -> ReconstructionNetwork:
        """Make a network with random weights."""
        return VaeNetwork(channels, shape, code=self.code, width=self.width)


class VaeNetwork(ReconstructionNetwork):
    """An encoder to the mean and log-variance of a code, and a decoder."""

    outputs: ClassVar[int] = 2

    def rebuild(self, pixels: Tensor) -> Tensor:
        """Reconstruct pixels from the mean of their code."""
        return self.decoder(self.encoder(pixels).chunk(2, dim=1)[0])  # type: ignore[no-any-return]

    def losses(self, batch: Tensor, _: Tensor) -> dict[str, Tensor]:
        """The negative evidence lower bound per pixel value, and its two parts."""
        pixels = self.pixels(batch)
        mean, log_variance = self.encoder(pixels).float().chunk(2, dim=1)
        noise = torch.randn_like(mean) if self.training else torch.zeros_like(mean)
        rebuilt = self.decoder(mean + (log_variance / 2).exp() * noise).float()
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean() / 2
        error = (rebuilt - pixels).square().mean()
        # Minus the log-likelihood of the pixels at the variance that maximises it, which is the error.
        unlikely = (error + LEAST_ERROR).log() / 2
        values = pixels[0].numel()
        return {"loss": unlikely + divergence / values, "error": error, "divergence": divergence}
