"""Patch features: the features of a frozen backbone around each point of an image, at several scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from knowngood.features.backbones import Backbone


class PatchFeatures(nn.Module):
    """Patch features of images at several scales.

    At each scale the feature maps are averaged over a neighbourhood, resampled to one grid and concatenated,
    as in PatchCore (Roth et al., "Towards Total Recall in Industrial Anomaly Detection", arXiv:2106.08265,
    section 3.1). Scale 0 is the image at input size; each further scale halves it.

    The neighbourhood is the odd side of the averaged square, in features of each map; the spacing is the
    number of pixels between patches at each scale, one of the backbone's strides: by default the coarsest.
    """

    def __init__(
        self, backbone: Backbone, *, spacing: int | None = None, scales: int = 1, neighbourhood: int = 1
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.scales = scales
        self.neighbourhood = neighbourhood
        self.spacing = spacing or backbone.strides[-1]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Patch features `(N, C, h, w)` of uint8 images `(N, H, W, 3)`, one per scale, finest first."""
        scaled = self.backbone.normalise(images)
        features = [self._at_one_scale(scaled)]
        for _ in range(self.scales - 1):
            scaled = halve(scaled)
            features.append(self._at_one_scale(scaled))
        return tuple(features)

    def _at_one_scale(self, normalised: Tensor) -> Tensor:
        """The aligned and concatenated feature maps of normalised images `(N, 3, H, W)`."""
        side = self.neighbourhood
        # Zeros count at the border: a mean over the fewer patches there would be noisier than elsewhere, and
        # corners of good images would look like defects (image AUROC on transistor: 0.89 instead of 1.00).
        levels = [
            F.avg_pool2d(level, side, stride=1, padding=side // 2) for level in self.backbone(normalised)
        ]
        grid = levels[self.backbone.strides.index(self.spacing)]
        return torch.cat([_on_grid(level, grid) for level in levels], dim=1)


def halve(maps: Tensor) -> Tensor:
    """Average maps `(N, C, H, W)` over squares of two by two; both sides are even.

    Example:
        >>> halve(torch.arange(4.0).view(1, 1, 2, 2)).item()
        1.5
    """
    # As pooling, it takes twice as long in the engines on the three channels of an image.
    channels = maps.shape[1]
    quarter = torch.full((int(channels), 1, 2, 2), 0.25, device=maps.device)
    return F.conv2d(maps, quarter, stride=2, groups=int(channels))


def align(maps: Sequence[Tensor]) -> list[Tensor]:
    """Resample maps `(N, C, h, w)` of different resolution to the grid of the first one, bilinearly.

    Example:
        >>> [tuple(m.shape) for m in align([torch.zeros(1, 2, 8, 8), torch.zeros(1, 3, 4, 4)])]
        [(1, 2, 8, 8), (1, 3, 8, 8)]
    """
    return [maps[0]] + [_interpolated(coarse, maps[0]) for coarse in maps[1:]]


def _on_grid(level: Tensor, grid: Tensor) -> Tensor:
    """Resample a map to the grid of another; it is averaged if that is a whole number of times coarser."""
    factors = [int(own) / int(side) for own, side in zip(level.shape[-2:], grid.shape[-2:], strict=True)]
    if all(factor.is_integer() for factor in factors):
        return F.avg_pool2d(level, [int(factor) for factor in factors])
    # It is coarser, or the network has rounded its sides, so that 7 meets 4.
    return _interpolated(level, grid)


def _interpolated(maps: Tensor, grid: Tensor) -> Tensor:
    """Resample maps to the grid of others, bilinearly."""
    size = [int(side) for side in grid.shape[-2:]]
    factors = [side / int(own) for side, own in zip(size, maps.shape[-2:], strict=True)]
    if all(factor.is_integer() for factor in factors):
        # In an exported graph a size would fix the batch size too.
        return F.interpolate(maps, scale_factor=factors, mode="bilinear", align_corners=False)
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def as_points(features: Tensor) -> Tensor:
    """From feature maps `(N, C, h, w)` to one row per patch, `(N * h * w, C)`.

    Example:
        >>> tuple(as_points(torch.zeros(2, 5, 3, 4)).shape)
        (24, 5)
    """
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])  # (N, h, w, C) -> rows


def smooth(maps: Tensor, sigma: float) -> Tensor:
    """Blur maps `(N, h, w)` with a Gaussian of standard deviation `sigma`, in map pixels.

    The border is continued with its own values, so that a constant map stays constant.

    Example:
        >>> smooth(torch.ones(1, 4, 4), 1.5).sum().round().item()
        16.0
    """
    if sigma == 0:
        return maps
    radius = int(3 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    padded = F.pad(maps[:, None], (radius,) * 4, mode="replicate")
    blurred = F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return blurred[:, 0]
