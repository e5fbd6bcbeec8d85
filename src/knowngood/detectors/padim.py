"""PaDiM: one Gaussian per position of the image."""

# ruff: noqa: ARG002 (no network is trained, so that `run` is not used)

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.detectors.base import Detector, Fit, FittedOnFeatures, check_folds, draw_held_out
from knowngood.features.covariance import whitening
from knowngood.features.extract import extract
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.patches import PatchFeatures, smooth
from knowngood.features.shelf import Shelf
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.settings import BackboneName, Folds, HeldOut, InputSize, Smoothing, Strides, Weights
from knowngood.training.run import Run
from knowngood.types import Progress, Scores, silent

REGULARISATION = 0.01  # added to the variances, as in the paper's equation 1


@dataclass(frozen=True, kw_only=True)
class Padim(Detector):
    """A Gaussian of patch features per position, for parts that are always aligned.

    Defard et al., "PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and Localization",
    arXiv:2011.08785.

    Example:
        >>> Padim(dimensions=50).dimensions
        50
    """

    when: ClassVar[str] = "All parts are aligned."

    backbone: BackboneName = DEFAULT_BACKBONE
    weights: Weights = None
    input_size: Annotated[InputSize, Field(ge=64, le=1024)] = 256
    strides: Strides = (8, 16)
    dimensions: Annotated[
        int, Field(ge=1, le=2000, description="Features drawn at random from all, the same at each position")
    ] = 100
    smoothing: Annotated[Smoothing, Field(ge=0, le=10)] = 1.0
    folds: Folds = 5
    held_out: HeldOut = 400

    def fit(
        self, good: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Estimate a Gaussian at each position."""
        features = freeze(
            PatchFeatures,
            good.shape,
            backbone=self.backbone,
            strides=self.strides,
            weights=self.weights,
            spacing=self.strides[0],
        )
        ((available, *shape),) = features.shapes
        shuffled = torch.randperm(available, generator=torch.Generator().manual_seed(seed))
        drawn = shuffled[: self.dimensions].sort().values
        fold_of = folds(len(good), self.folds, seed, good.groups)
        to_score = draw_held_out(good, self.held_out, seed)

        moments: dict[int, _Moments] = {}
        kept = Shelf()
        for index, (maps,) in extract(features, good, device=device, progress=progress):
            points = maps[drawn].flatten(1).T.contiguous()  # (P, D): a row per position
            moments.setdefault(int(fold_of[index]), _Moments(points)).add(points)
            if index in to_score:
                kept[index] = [points]
        check_folds(len(moments), len(kept))

        scores: list[Tensor] = []
        order: list[int] = []
        for step, fold in enumerate(sorted(moments), 1):
            others = [moments[other] for other in sorted(moments) if other != fold]
            fitted = FittedPadim(features, drawn, _gaussians(others), shape, self.smoothing)
            inside = [index for index in sorted(kept) if fold_of[index] == fold]
            scores += [fitted.score_points(kept[index][0][None]).image for index in inside]
            order += inside
            progress("scoring good images out of fold", step, len(moments))
        everything = [moments[fold] for fold in sorted(moments)]
        fitted = FittedPadim(features, drawn, _gaussians(everything), shape, self.smoothing).to(device)
        return Fit(fitted, torch.cat(scores).double().numpy(), np.array(order))


class FittedPadim(FittedOnFeatures):
    """The Gaussians of the drawn features `(D,)` at all positions of a map.

    They are given by their mean `(P, D)` and whitening matrix `(P, D, D)` at each of the P positions.
    """

    drawn: Tensor
    mean: Tensor
    whiten: Tensor

    def __init__(
        self,
        features: FrozenFeatures,
        drawn: Tensor,
        gaussians: tuple[Tensor, Tensor],
        shape: Sequence[int],
        smoothing: float,
    ) -> None:
        super().__init__(features)
        self.shape = shape
        self.smoothing = smoothing
        self.register_buffer("drawn", drawn)
        for name, tensor in zip(("mean", "whiten"), gaussians, strict=True):
            self.register_buffer(name, tensor)

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """Score images by their patch features `(N, C, h, w)`."""
        (maps,) = features
        return self.score_points(maps[:, self.drawn].flatten(2).transpose(1, 2))

    def score_points(self, points: Tensor) -> Scores:
        """Score images by the drawn features of each position, `(N, P, D)`."""
        deviations = (points - self.mean).transpose(0, 1)  # (P, N, D): one matrix product per position
        distances = (deviations @ self.whiten).pow(2).sum(dim=2).sqrt().T
        maps = smooth(distances.reshape(-1, *self.shape), self.smoothing)
        return Scores(maps.amax(dim=(1, 2)), maps)


class _Moments:
    """Count, sum and sum of products of points `(P, D)`, about an origin that keeps them small."""

    def __init__(self, origin: Tensor) -> None:
        self.origin = origin
        self.count = 0
        self.total = torch.zeros_like(origin)
        self.products = torch.zeros(*origin.shape, origin.shape[1])

    def add(self, points: Tensor) -> None:
        """Add the points of one image."""
        shifted = points - self.origin
        self.count += 1
        self.total += shifted
        self.products.baddbmm_(shifted[:, :, None], shifted[:, None, :])

    def merge(self, other: _Moments) -> None:
        """Add the points of another, which may have another origin."""
        offset = other.origin - self.origin
        cross = other.total[:, :, None] * offset[:, None, :]
        square = other.count * offset[:, :, None] * offset[:, None, :]
        self.products += other.products + cross + cross.mT + square
        self.total += other.total + other.count * offset
        self.count += other.count


def _gaussians(parts: list[_Moments]) -> tuple[Tensor, Tensor]:
    """Estimate the mean `(P, D)` and whitening `(P, D, D)` of all images of some folds."""
    count = sum(part.count for part in parts)
    mean = torch.stack([part.total + part.count * part.origin for part in parts]).sum(dim=0) / count
    together = _Moments(mean)
    for part in parts:
        together.merge(part)
    # About the common mean the products are the scatter.
    return mean, whitening(together.products / max(count - 1, 1), floor=REGULARISATION)
