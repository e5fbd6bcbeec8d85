"""Variational autoencoder: codes of good images follow a normal distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.detectors.reconstruction import PixelScored, ReconstructionNetwork
from knowngood.training.losses import divergence, drawn_code, l2, unlikelihood


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
        rebuilt = self.decoder(drawn_code(mean, log_variance, noisy=self.training)).float()
        far = divergence(mean, log_variance)
        loss = unlikelihood(rebuilt, pixels) + far / pixels[0].numel()
        return {"loss": loss, "error": l2(rebuilt, pixels), "divergence": far}
