"""Features of a picture and of its reference, which is below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from knowngood.features.backbones import Backbone


class PairFeatures(nn.Module):
    """The feature maps of both halves of an image, those of the picture before those of the reference."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Features `(N, 2C, h, w)` of images `(N, 2H, W, 3)` of 0 to 255, for each level."""
        height, width = int(images.shape[1]) // 2, int(images.shape[2])
        halves = images.reshape(-1, height, width, 3)  # (2N, H, W, 3): each picture, then its reference
        levels = self.backbone(self.backbone.normalise(halves))
        return tuple(
            level.reshape(-1, 2 * int(level.shape[1]), int(level.shape[2]), int(level.shape[3]))
            for level in levels
        )
