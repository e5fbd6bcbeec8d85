"""PaDiM: one Gaussian for each position of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from knowngood.data.loader import Batches
from knowngood.data.splits import folds
from knowngood.detectors.base import Detector, Fit, FittedOnFeatures, check_folds, held_out
from knowngood.features.covariance import whitening
from knowngood.features.extract import extract
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.patches import PatchFeatures, smooth
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.recipe import check_range, check_strides
from knowngood.training.run import Run
from knowngood.types import Progress, Scores, silent

REGULARISATION = 0.01
"""Added to the variances, as in the paper's equation 1."""


@dataclass(frozen=True)
class Padim(Detector):
    """A Gaussian of patch features at each position, for parts that always lie the same way.

    Defard et al., "PaDiM: a Patch Distribution Modeling Framework for Anomaly Detection and Localization",
    arXiv:2011.08785.

    Args:
        backbone: timm's name of the network.
        weights: A local checkpoint of the network; None for the installed or downloaded one.
        input_size: Side of the input, in pixels (for other aspect ratios, of the square of equal area).
        strides: Feature maps to use, by their stride in pixels, finest first.
        dimensions: Features drawn at random from all, the same at each position.
        smoothing: Standard deviation of the Gaussian that blurs the map, in patches.
        folds: Parts into which the good images are divided to score each by the others.
        held_out: The most good images to score out of fold.

    Raises:
        RecipeError: A value is out of range.

    Example:
        >>> Padim(dimensions=50).dimensions
        50
    """

    backbone: str = DEFAULT_BACKBONE
    weights: str | None = None
    input_size: int = 256
    strides: tuple[int, ...] = (8, 16)
    dimensions: int = 100
    smoothing: float = 1.0
    folds: int = 5
    held_out: int = 400

    def __post_init__(self) -> None:
        check_range(
            self,
            input_size=(64, 1024),
            dimensions=(1, 2000),
            smoothing=(0, 10),
            folds=(2, 100),
            held_out=(2, 10_000),
        )
        check_strides(self, self.strides)

    def fit(
        self,
        good: Batches,
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

    def judge(self, features: Sequence[Tensor]) -> Scores:
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


def _gaussians(parts: list[_Moments]) -> tuple[Tensor, Tensor]:
    """Mean `(P, D)` and whitening `(P, D, D)` of all images of some folds."""
    count = sum(part.count for part in parts)
    mean = torch.stack([part.total + part.count * part.origin for part in parts]).sum(dim=0) / count
    scatter = torch.zeros_like(parts[0].products)
    for part in parts:
        # Scatter about the common mean, from moments about the part's own origin.
        offset = part.origin - mean
        cross = part.total[:, :, None] * offset[:, None, :]
        scatter += part.products + cross + cross.mT
        scatter += part.count * offset[:, :, None] * offset[:, None, :]
    return mean, whitening(scatter / max(count - 1, 1), floor=REGULARISATION)
