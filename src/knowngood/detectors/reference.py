"""Comparison with a reference: each picture with a flawless one of the same object."""

# ruff: noqa: ARG002 (no network is trained, so that `run` is not used)

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional as F

from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.detectors.base import Detector, Fit, FittedOnFeatures, check_folds, draw_held_out
from knowngood.features.extract import extract
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.pairs import PairFeatures
from knowngood.features.patches import align, smooth
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.settings import BackboneName, Folds, HeldOut, InputSize, Smoothing, Strides, Weights
from knowngood.training.run import Run
from knowngood.types import Progress, Scores, silent

_LEAST_VARIANCE = 1e-6  # of a feature that never differs


@dataclass(frozen=True, kw_only=True)
class Reference(Detector):
    """Difference between the features of a picture and those of its reference, relative to good pairs.

    For boards, prints and labels of which a flawless picture of the same object is at hand, in a column
    `reference` of a table; each object may be another. The reference is registered to the picture when both
    are read (`knowngood.data.pairs`, after Evangelidis and Psarakis, doi 10.1109/TPAMI.2008.113). Each place
    of one is compared with the places around it in the other, in both directions, since something may be
    missing or too much; features that differ between good pairs count less. This comparison is our own.

    Example:
        >>> Reference(reach=2).reach
        2
    """

    when: ClassVar[str] = (
        "A flawless picture of the same object is at hand for each image, as of boards, prints and labels."
    )
    compares: ClassVar[bool] = True

    backbone: BackboneName = DEFAULT_BACKBONE
    weights: Weights = None
    input_size: Annotated[InputSize, Field(ge=64, le=2048)] = 512
    strides: Strides = (4, 8)
    reach: Annotated[
        int, Field(ge=0, le=4, description="How far from its place a feature may be, in places of its map")
    ] = 1
    smoothing: Annotated[Smoothing, Field(ge=0, le=10)] = 1.0
    folds: Folds = 5
    held_out: HeldOut = 400

    def fit(
        self, good: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Measure how much the features of good pairs differ, and score pairs by what others show."""
        features = freeze(
            PairFeatures, good.shape, backbone=self.backbone, strides=self.strides, weights=self.weights
        )
        fold_of = folds(len(good), self.folds, seed, good.groups)
        squares: dict[int, list[list[Tensor]]] = {}
        for index, levels in extract(features, good, device=device, progress=progress):
            squares.setdefault(int(fold_of[index]), []).append([_square(level) for level in levels])

        def fitted(of: Iterable[int]) -> FittedReference:
            levels = zip(*(image for fold in of for image in squares[fold]), strict=True)
            variances = [torch.stack(level).mean(dim=0) for level in levels]
            return FittedReference(features, variances, reach=self.reach, smoothing=self.smoothing)

        others = {fold: fitted(set(squares) - {fold}) for fold in squares if len(squares) > 1}
        scores: dict[int, float] = {}
        scored = good.subset(sorted(draw_held_out(good, self.held_out, seed)))
        places = sorted(draw_held_out(good, self.held_out, seed))
        for index, levels in extract(features, scored, device=device):
            place = places[index]
            model = others.get(int(fold_of[place]))
            if model is not None:
                scores[place] = float(model.score_features([level[None] for level in levels]).image)
            progress("scoring good images out of fold", index + 1, len(scored))
        check_folds(len(squares), len(scores))
        held_out = np.array(list(scores.values()), np.float64)
        return Fit(fitted(squares).to(device), held_out, np.array(list(scores)))


class FittedReference(FittedOnFeatures):
    """The mean square `(C,)` by which each feature of a level differs between good pairs."""

    def __init__(
        self, features: FrozenFeatures, variances: Sequence[Tensor], *, reach: int, smoothing: float
    ) -> None:
        super().__init__(features)
        self.reach = reach
        self.smoothing = smoothing
        for place, variance in enumerate(variances):
            scale = (variance + _LEAST_VARIANCE).rsqrt() / len(variance) ** 0.5
            self.register_buffer(f"scale{place}", scale.view(1, -1, 1, 1))

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """Score pairs by the features of both, `(N, 2C, h, w)` for each level."""
        distances = []
        for place, level in enumerate(features):
            scale = self.get_buffer(f"scale{place}")
            count = int(scale.shape[1])
            picture, reference = level[:, :count] * scale, level[:, count:] * scale
            missing, added = self._nearest(reference, picture), self._nearest(picture, reference)
            distances.append(torch.maximum(missing, added)[:, None])
        maps = smooth(torch.cat(align(distances), dim=1).sum(dim=1).sqrt(), self.smoothing)
        return Scores(maps.amax(dim=(1, 2)), maps)

    def _nearest(self, one: Tensor, other: Tensor) -> Tensor:
        """The least squared distance from each place of a map to those around it in another, `(N, h, w)`."""
        height, width = int(one.shape[2]), int(one.shape[3])
        around = F.pad(other, (self.reach,) * 4, mode="replicate")
        nearest = None
        for down in range(2 * self.reach + 1):
            for across in range(2 * self.reach + 1):
                moved = around[:, :, down : down + height, across : across + width]
                distance = (one - moved).square().sum(dim=1)
                nearest = distance if nearest is None else torch.minimum(nearest, distance)
        assert nearest is not None
        return nearest


def _square(level: Tensor) -> Tensor:
    """The mean square difference `(C,)` of the features of a pair, `(2C, h, w)`."""
    picture, reference = level.chunk(2)
    return (picture - reference).square().mean(dim=(1, 2))
