"""Pooled features: the feature maps of a frozen backbone, averaged over the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from knowngood.features.backbones import Backbone


class LevelMeans(nn.Module):
    """The mean of each feature map over the image, or over each of some regions along both sides."""

    def __init__(self, backbone: Backbone, *, regions: int = 1) -> None:
        super().__init__()
        self.backbone = backbone
        self.regions = regions

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Features `(N, C * regions²)` of images `(N, H, W, 3)` of 0 to 255, for each level."""
        return tuple(self._means(level) for level in self.backbone(self.backbone.normalise(images)))

    def _means(self, level: Tensor) -> Tensor:
        """Means of a map `(N, C, h, w)` over regions, which overlap if their number divides no side."""
        if self.regions == 1:
            return level.mean(dim=(2, 3))
        sides = [int(side) for side in level.shape[2:]]
        strides = [side // self.regions for side in sides]
        kernel = [side - (self.regions - 1) * stride for side, stride in zip(sides, strides, strict=True)]
        return F.avg_pool2d(level, kernel, strides).flatten(1)


class OneView(nn.Module):
    """The means of all levels side by side, with the image as its only view."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.means = LevelMeans(backbone)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Features `(N, 1, C)` of images `(N, H, W, 3)` of 0 to 255."""
        return (torch.cat(self.means(images), dim=1)[:, None],)
