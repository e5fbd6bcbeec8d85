"""The base of detectors on pooled features: one vector per image and level of a frozen network."""

# ruff: noqa: ARG002 (no network is trained, so that `run` is not used)

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.detectors.base import Detector, Fit, FittedOnFeatures, check_folds
from knowngood.features.extract import extract
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.pooled import LevelMeans
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.settings import BackboneName, Folds, InputSize, Weights
from knowngood.training.run import Run
from knowngood.types import Progress, silent


@dataclass(frozen=True, kw_only=True)
class PooledDetector(Detector):
    """A recipe that is fitted to the mean of each feature map over the image, or over regions of it."""

    regions: ClassVar[int] = 1  # along each side of the image

    backbone: BackboneName = DEFAULT_BACKBONE
    weights: Weights = None
    input_size: Annotated[InputSize, Field(ge=64, le=4096)] = 512
    folds: Folds = 5

    @abstractmethod
    def fit_points(self, features: FrozenFeatures, points: Sequence[Tensor], seed: int) -> FittedOnFeatures:
        """Fit to the features of good images, `(N, C)` for each level."""

    def fit(
        self, good: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Fit to all good images, and score each of them out of fold."""
        features = freeze(
            LevelMeans, good.shape, backbone=self.backbone, weights=self.weights, regions=self.regions
        )
        read: list[int] = []
        rows: list[list[Tensor]] = []
        for index, levels in extract(features, good, device=device, progress=progress):
            read.append(index)
            rows.append([level.clone() for level in levels])
        fold_of = folds(len(good), self.folds, seed, good.groups)[read]
        check_folds(len(np.unique(fold_of)), len(read))

        points = [torch.stack(level) for level in zip(*rows, strict=True)]
        held_out = torch.empty(len(read), dtype=torch.float64)
        for fold in np.unique(fold_of):
            inside = torch.from_numpy(fold_of == fold)
            others = self.fit_points(features, [level[~inside] for level in points], seed)
            held_out[inside] = others.score_features([level[inside] for level in points]).image.double()
        return Fit(self.fit_points(features, points, seed).to(device), held_out.numpy(), np.array(read))
