"""PaDiM: one Gaussian for each position of the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.detectors.base import Detector, Fit, FittedOnFeatures, check_folds, held_out
from knowngood.features.covariance import whitening
from knowngood.features.extract import extract
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.patches import PatchFeatures, smooth
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.settings import BackboneName, Folds, HeldOut, InputSize, Smoothing, Strides, Weights
from knowngood.training.run import Run
from knowngood.types import Progress, Scores, silent

REGULARISATION = 0.01
"""Added to the variances, as in the paper's equation 1."""


@dataclass(frozen=True, kw_only=True)
class Padim(Detector):
    """A Gaussian of patch features per position, for parts that are always aligned.

    Defard et al., "PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and Localization",
    arXiv:2011.08785.

    Example:
        >>> Padim(dimensions=50).dimensions
        50
    """

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
        self,
        good: ImageSet,
        *,
        seed: int,
        device: str,
        progress: Progress = silent,
        run: Run | None = None,  # noqa: ARG002
    ) -> Fit:
        """Learn a Gaussian at each position; see `Detector.fit`."""
        features = freeze(
            PatchFeatures,
            good.shape,
            backbone=self.backbone,
            strides=self.strides,
            weights=self.weights,
            scales=1,
            neighbourhood=1,
            spacing=self.strides[0],
        )
        ((available, *shape),) = features.shapes
        drawn = torch.randperm(available, generator=torch.Generator().manual_seed(seed))
        drawn = drawn[: min(self.dimensions, available)].sort().values
        fold_of = folds(len(good), self.folds, seed, good.groups)
        to_score = held_out(len(good), self.held_out, seed)

        moments: dict[int, _Moments] = {}
        kept: dict[int, Tensor] = {}
        for done, (index, (maps,)) in enumerate(extract(features, good, device=device), 1):
            points = maps[drawn].flatten(1).T.contiguous()  # (P, D): a row a position
            moments.setdefault(int(fold_of[index]), _Moments(points)).add(points)
            if index in to_score:
                kept[index] = points
            progress("looking at good images", done, len(good))
        check_folds(len(moments), len(kept))

        scores: list[Tensor] = []
        for step, fold in enumerate(sorted(moments), 1):
            others = [moments[other] for other in sorted(moments) if other != fold]
            fitted = FittedPadim(features, drawn, *_gaussians(others), shape, self.smoothing)
            scores += [
                fitted.distances(kept[index][None]).image for index in sorted(kept) if fold_of[index] == fold
            ]
            progress("scoring good images out of fold", step, len(moments))
        everything = [moments[fold] for fold in sorted(moments)]
        detector = FittedPadim(features, drawn, *_gaussians(everything), shape, self.smoothing).to(device)
        return Fit(detector, torch.cat(scores).double().numpy())


class FittedPadim(FittedOnFeatures):
    """The Gaussians at all positions.

    Args:
        features: Gives the patch features.
        drawn: `(D,)` which of the features are used.
        mean: `(P, D)` for each of the P positions.
        whiten: `(P, D, D)` turns deviations into Mahalanobis distances.
        shape: Height and width of the map; P in all.
        smoothing: Standard deviation of the blur, in patches.
    """

    drawn: Tensor
    mean: Tensor
    whiten: Tensor

    def __init__(
        self,
        features: FrozenFeatures,
        drawn: Tensor,
        mean: Tensor,
        whiten: Tensor,
        shape: Sequence[int],
        smoothing: float,
    ) -> None:
        super().__init__(features)
        self.shape = shape
        self.smoothing = smoothing
        self.register_buffer("drawn", drawn)
        self.register_buffer("mean", mean)
        self.register_buffer("whiten", whiten)

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """From patch features `(N, C, h, w)` to scores."""
        (maps,) = features
        return self.distances(maps[:, self.drawn].flatten(2).transpose(1, 2))

    def distances(self, points: Tensor) -> Scores:
        """From the drawn features of each position `(N, P, D)` to scores."""
        deviations = (points - self.mean).transpose(0, 1)  # (P, N, D): one matrix product a position
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
        """Take one image's points."""
        shifted = points - self.origin
        self.count += 1
        self.total += shifted
        self.products.baddbmm_(shifted[:, :, None], shifted[:, None, :])

    def merge(self, other: _Moments) -> None:
        """Take the points of another, which may have another origin."""
        offset = other.origin - self.origin
        cross = other.total[:, :, None] * offset[:, None, :]
        square = other.count * offset[:, :, None] * offset[:, None, :]
        self.products += other.products + cross + cross.mT + square
        self.total += other.total + other.count * offset
        self.count += other.count


def _gaussians(parts: list[_Moments]) -> tuple[Tensor, Tensor]:
    """Mean `(P, D)` and whitening `(P, D, D)` of all images of some folds."""
    count = sum(part.count for part in parts)
    mean = torch.stack([part.total + part.count * part.origin for part in parts]).sum(dim=0) / count
    together = _Moments(mean)
    for part in parts:
        together.merge(part)
    # About the common mean the products are the scatter.
    return mean, whitening(together.products / max(count - 1, 1), floor=REGULARISATION)
