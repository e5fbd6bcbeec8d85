"""Differences between an image and its reconstruction, as losses; computed in float32 at any precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.image import structural_similarity_index_measure

if TYPE_CHECKING:
    from knowngood.features.backbones import Backbone

Loss = Callable[[Tensor, Tensor], Tensor]
"""From reconstructions and originals, both `(N, C, H, W)` from 0 to 1, to a scalar."""

LEAST_ERROR = 1e-6  # added to the mean squared error, so that constant images have a logarithm

l1: Loss = F.l1_loss
l2: Loss = F.mse_loss


def drawn_code(mean: Tensor, log_variance: Tensor, *, noisy: bool) -> Tensor:
    """Draw codes `(N, code)` from normal distributions; without noise their means."""
    noise = torch.randn_like(mean) if noisy else torch.zeros_like(mean)
    return mean + (log_variance / 2).exp() * noise


def unlikelihood(rebuilt: Tensor, original: Tensor) -> Tensor:
    """Minus the log-likelihood per value of images `(N, C, H, W)`, up to a constant.

    The variance of a pixel is learned: it is the one that maximises the likelihood, which is the mean squared
    error. Rybkin, Daniilidis and Levine, "Simple and Effective VAE Training with Calibrated Decoders",
    arXiv:2006.13202.
    """
    return ((rebuilt - original).square().mean() + LEAST_ERROR).log() / 2


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """The mean divergence from the standard normal distribution of those of codes `(N, code)`.

    Kingma and Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114, appendix B.
    """
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean() / 2


def ssim(rebuilt: Tensor, original: Tensor) -> Tensor:
    """One minus the structural similarity.

    Bergmann et al., "Improving Unsupervised Defect Segmentation by Applying Structural Similarity to
    Autoencoders", arXiv:1807.02011.
    """
    similarity = structural_similarity_index_measure(rebuilt, original, data_range=(0.0, 1.0))
    assert isinstance(similarity, Tensor)
    return 1 - similarity


class Perceptual:
    """Mean squared distance of the features of a frozen network, scaled to length one at each position.

    Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
    arXiv:1603.08155; scaled as in Zhang et al., arXiv:1801.03924. The mean absolute difference of the pixels
    is added, since the network is hardly sensitive to brightness.
    """

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone.eval().requires_grad_(False)

    def __call__(self, rebuilt: Tensor, original: Tensor) -> Tensor:
        """The loss."""
        self.backbone.to(rebuilt.device)
        with torch.no_grad():
            wanted = self._features(original)
        seen = self._features(rebuilt)
        distances = [
            (one - other).square().sum(dim=1).mean() for one, other in zip(seen, wanted, strict=True)
        ]
        return torch.stack(distances).mean() + l1(rebuilt, original)

    def _features(self, images: Tensor) -> list[Tensor]:
        """Features of images from 0 to 1, grey or colour, of length one at each position."""
        colour = 255 * images.expand(-1, 3, -1, -1)
        levels = self.backbone((colour - self.backbone.mean) * self.backbone.scale)
        return [F.normalize(level, dim=1) for level in levels]
