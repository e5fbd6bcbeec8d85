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

l1: Loss = F.l1_loss
l2: Loss = F.mse_loss


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
