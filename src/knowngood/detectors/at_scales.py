"""Models of patches at several scales, whose distances are combined to one map and one score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.data.tiling import Tiling
from knowngood.detectors.base import FittedOnFeatures
from knowngood.features.frozen import FrozenFeatures
from knowngood.features.patches import align, smooth
from knowngood.types import Scores

COARSER = 0.85  # weight of a scale's standardised distances, relative to that of the next finer one
IMAGES = 500  # of which maps are combined at once


def rim_of(tiling: Tiling | None, maps: Tensor) -> int:
    """The patches of a map `(..., h, w)` that are within the rim of a tile; none where nothing is tiled.

    Example:
        >>> rim_of(None, torch.zeros(8, 8))
        0
    """
    return 0 if tiling is None else tiling.rim_of(maps.shape[-1])


def inside(maps: Tensor, rim: int) -> Tensor:
    """Maps `(..., h, w)` without so many patches at each end.

    Example:
        >>> inside(torch.zeros(1, 8, 8), 2).shape
        torch.Size([1, 4, 4])
    """
    return maps[..., rim:-rim, rim:-rim] if rim else maps


class FittedAtScales(FittedOnFeatures):
    """A model of patches per scale, finest first, with mean and standard deviation of good images' distances.

    Each takes the patch features `(N, C, h, w)` of its scale, and gives distances `(N, h, w)`. The rim, in
    patches at each end of the map, takes no part in the score of an image: that of a tile.
    """

    def __init__(
        self,
        features: FrozenFeatures,
        models: Sequence[nn.Module],
        standards: list[tuple[float, float]],
        smoothing: float,
        rim: int = 0,
    ) -> None:
        super().__init__(features)
        self.models = nn.ModuleList(models)
        self.standards = standards
        self.smoothing = smoothing
        self.rim = rim

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """Score images by their patch features, `(N, D, h, w)` for each scale."""
        return self.combine([model(patches) for model, patches in zip(self.models, features, strict=True)])

    def combine(self, distances: Sequence[Tensor]) -> Scores:
        """Score images by their distances, `(N, h, w)` for each scale."""
        standardised = [
            # Constant images leave no spread to divide by.
            (COARSER**scale * (of_scale - mean) / max(spread, 1e-6))[:, None]
            for scale, (of_scale, (mean, spread)) in enumerate(zip(distances, self.standards, strict=True))
        ]
        combined = torch.cat(align(standardised), dim=1).amax(dim=1)
        # The map is not smoothed: a patch that stands out by chance shall reject no part, but a small defect
        # shall be drawn no larger than it is.
        scores = inside(smooth(combined, self.smoothing), self.rim).amax(dim=(1, 2))
        return Scores(scores, combined)

    @torch.inference_mode()
    def score_held_out(self, distances: Sequence[Tensor]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores `(N,)` and the maxima `(N,)` of maps of many images, some at a time, by their distances."""
        scores, maxima = [], []
        for some in zip(*(torch.split(of_scale, IMAGES) for of_scale in distances), strict=True):
            found = self.combine(some)
            assert found.map is not None
            scores.append(found.image)
            maxima.append(inside(found.map, self.rim).amax(dim=(1, 2)))
        return torch.cat(scores).double().cpu().numpy(), torch.cat(maxima).double().cpu().numpy()
