"""The feature maps of a backbone, each on its own grid, and several tensors of an image as one row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from knowngood.features.backbones import Backbone


class Pyramid(nn.Module):
    """The feature map of each stride, finest first; before them, if `pictured`, what the backbone was given:
    the normalised image `(N, 3, H, W)`.
    """

    def __init__(self, backbone: Backbone, *, pictured: bool = False) -> None:
        super().__init__()
        self.backbone = backbone
        self.pictured = pictured

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Maps `(N, C, H / stride, W / stride)` of uint8 images `(N, H, W, 3)`."""
        normalised = self.backbone.normalise(images)
        levels = self.backbone(normalised)
        return (normalised, *levels) if self.pictured else tuple(levels)


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """Several tensors, batch first, as one with a row for each image; a single tensor stays as it is.

    Example:
        >>> joined([torch.zeros(5, 2, 8, 8), torch.zeros(5, 3, 4, 4)]).shape
        torch.Size([5, 176])
    """
    if len(tensors) == 1:
        return tensors[0]
    return torch.cat([tensor.flatten(1) for tensor in tensors], dim=1)


def apart(rows: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """The tensors `(N, *shape)` that were `joined`.

    Example:
        >>> [tuple(part.shape) for part in apart(torch.zeros(5, 176), [(2, 8, 8), (3, 4, 4)])]
        [(5, 2, 8, 8), (5, 3, 4, 4)]
    """
    parts = torch.split(rows.flatten(1), [math.prod(shape) for shape in shapes], dim=1)
    return [part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True)]
