"""Pooled features: the feature maps of a frozen backbone, averaged over the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from knowngood.features.backbones import Backbone


class LevelMeans(nn.Module):
    """The mean over the image of each feature map."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Features `(N, C)` of images `(N, H, W, 3)` of 0 to 255, for each level."""
        return tuple(level.mean(dim=(2, 3)) for level in self.backbone(self.backbone.normalise(images)))


class OneView(nn.Module):
    """The means of all levels side by side, with the image as its only view."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.means = LevelMeans(backbone)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Features `(N, 1, C)` of images `(N, H, W, 3)` of 0 to 255."""
        return (torch.cat(self.means(images), dim=1)[:, None],)
