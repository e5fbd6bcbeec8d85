"""Prototype: the distance of an image to the mean of all good images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.detectors.base import FittedOnFeatures
from knowngood.detectors.pooled import PooledDetector
from knowngood.features.frozen import FrozenFeatures
from knowngood.types import Scores


@dataclass(frozen=True, kw_only=True)
class Prototype(PooledDetector):
    """Euclidean distance to the mean of good images, by features averaged over regions. It gives no map.

    Staar, Lütjen and Freitag, "Anomaly detection with convolutional neural networks for industrial surface
    inspection", doi 10.1016/j.procir.2019.02.123. They learn features of textures from triplets of images;
    here a frozen network gives them, averaged over the quarters of the image, each of its levels scaled to
    the same size.

    Example:
        >>> Prototype(input_size=256).input_size
        256
    """

    when: ClassVar[str] = "You want the simplest model to compare with, and parts are aligned."

    regions: ClassVar[int] = 2

    def fit_points(self, features: FrozenFeatures, points: Sequence[Tensor], _: int) -> FittedOnFeatures:
        """Average the features of good images."""
        return FittedPrototype(features, points)


class FittedPrototype(FittedOnFeatures):
    """The mean of the features of good images, `(N, C)` for each level, and the size of each level."""

    centre: Tensor
    size: Tensor

    def __init__(self, features: FrozenFeatures, points: Sequence[Tensor]) -> None:
        super().__init__(features)
        centre, size = _centre_and_size(points)
        self.register_buffer("centre", centre)
        self.register_buffer("size", size)

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """Score images by their features, `(N, C)` for each level."""
        deviations = (torch.cat(list(features), dim=1) - self.centre) / self.size
        return Scores(deviations.square().sum(dim=1).sqrt(), None)


def _centre_and_size(points: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The mean of points `(N, C)` of several levels, side by side, and the root mean square of each one's
    level, which even one image has.
    """
    centres = [level.mean(dim=0) for level in points]
    # A level that gives nothing at all leaves no size to divide by.
    sizes = [centre.square().mean().sqrt().clamp(min=1e-6).expand(len(centre)) for centre in centres]
    return torch.cat(centres), torch.cat(sizes)
