"""Composition: which parts are there, how many, and where; beside PatchCore, which sees each patch alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.detectors.at_scales import FittedAtScales, inside
from knowngood.detectors.base import Fit, FittedOnFeatures
from knowngood.detectors.patchcore import PatchCore
from knowngood.features.covariance import LEAST_VARIANCE, ledoit_wolf, whitening
from knowngood.features.extract import extract
from knowngood.features.shelf import Shelf
from knowngood.training.standardise import LEAST_DEVIATION
from knowngood.types import Progress, Scores, silent

if TYPE_CHECKING:
    from knowngood.training.run import Run

SIDES = 1, 2, 4  # regions along each side: the levels of a spatial pyramid
PER_WORD = 100  # patches that are drawn for each word
USUAL = 0.95  # share of good images whose shares of words raise no score
LEAST = 1e-6  # of what is divided by: constant images have no spread


@dataclass(frozen=True, kw_only=True)
class Composition(PatchCore):
    """What an image is composed of, for parts that may be absent, added, swapped or in the wrong place.

    The idea of CSAD (Hsieh and Lai, "CSAD: Unsupervised Component Segmentation for Logical Anomaly
    Detection", arXiv:2408.15628), a histogram of components, without its segmenter: patches of good images
    form words by k-means, and each patch belongs to words the more, the nearer they are. The shares of the
    words in the image, in its quarters and in its sixteenths (Lazebnik et al., "Beyond bags of features:
    spatial pyramid matching", doi 10.1109/CVPR.2006.68) are compared with those of good images by Mahalanobis
    distances, and the most unusual region counts. The score is PatchCore's, raised by as many standard
    deviations as this distance is beyond that of 95 % of held-out good images: where the shares of good
    images vary much, as of turned parts, they add little. The map is PatchCore's.

    Example:
        >>> Composition(words=50).words
        50
    """

    when: ClassVar[str] = "A part may be absent, added, swapped or misplaced though each part looks good."

    words: Annotated[
        int, Field(ge=2, le=1000, description="Words that the patches of good images are sorted into")
    ] = 100

    def fit(
        self, good: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Fill the memory banks, then learn the words and their shares."""
        local = super().fit(good, seed=seed, device=device, progress=progress, run=run)
        assert isinstance(local.fitted, FittedAtScales)
        places = local.places if good.augmented is None else np.arange(len(good))
        images = good.subset(places)
        fold_of = folds(len(images), self.folds, seed, images.groups)
        generator = torch.Generator().manual_seed(seed)
        take = math.ceil(PER_WORD * self.words / len(images))
        kept, drawn = Shelf(), []

        def count(_: str, done: int, total: int) -> None:
            progress("counting parts", done, total)

        for row, maps in extract(local.fitted.features, images, device=device, progress=count):
            patches = inside(maps[0], local.fitted.rim)
            points = patches.flatten(1).T
            drawn.append(points[torch.randperm(len(points), generator=generator)[:take]])
            kept[row] = [patches.half()]

        distances = torch.zeros(len(good), dtype=torch.float64)
        for fold in np.unique(fold_of):
            others = self._learn(kept, drawn, np.flatnonzero(fold_of != fold), seed)
            for row in np.flatnonzero(fold_of == fold).tolist():
                distances[places[row]] = others(kept[row][0][None].float())[0]
        everything = self._learn(kept, drawn, np.arange(len(images)), seed).to(device)
        of_local, of_shares = torch.from_numpy(local.held_out), distances[local.places]
        usual = float(of_shares.quantile(USUAL))
        fitted = FittedComposition(local.fitted, everything, usual, spread(of_local) / spread(of_shares))
        held_out = fitted.combine(of_local, of_shares).numpy()
        return local._replace(fitted=fitted, held_out=held_out)

    def _learn(self, kept: Shelf, drawn: Sequence[Tensor], rows: NDArray[np.int64], seed: int) -> Shares:
        """Learn the words and their shares from some of the images."""
        words = make_words(torch.cat([drawn[row] for row in rows]), self.words, seed)
        return Shares(words, [kept[row][0].float() for row in rows])


def make_words(points: Tensor, count: int, seed: int) -> nn.Module:
    """Sort points `(M, C)` into words; the module gives the share of each in maps, `(N, C, h, w)` to words.

    Shares fall with the squared distance between standardised features, relative to its mean over points:
    softmax(-|x - w|² / t). |x|² is the same for all words, so that a convolution is left.
    """
    mean, scale = points.mean(dim=0), points.std(dim=0, correction=0) + LEAST_DEVIATION
    standardised = ((points - mean) / scale).numpy()
    distinct = len(np.unique(standardised, axis=0))
    clusters = MiniBatchKMeans(min(count, distinct), n_init=1, random_state=seed).fit(standardised)
    centres = torch.from_numpy(clusters.cluster_centers_).float()
    width = max(clusters.inertia_ / len(points), LEAST)
    convolution = nn.Conv2d(len(mean), len(centres), 1).requires_grad_(False)
    convolution.weight.copy_((2 * centres / scale / width)[:, :, None, None])
    assert convolution.bias is not None
    convolution.bias.copy_(-(centres**2 + 2 * centres * mean / scale).sum(dim=1) / width)
    return nn.Sequential(convolution, nn.Softmax(dim=1))


def make_regions(height: int, width: int) -> Tensor:
    """The weights of the places of a map in the mean over each region, `(height * width, R)`.

    Example:
        >>> make_regions(6, 6).shape, make_regions(6, 6)[:, 1].unique()
        (torch.Size([36, 21]), tensor([0.0000, 0.1111]))
    """
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    numbers = [(rows * side // height) * side + columns * side // width for side in SIDES]
    inside = torch.cat([nn.functional.one_hot(each.flatten()) for each in numbers], dim=1).float()
    return inside / inside.sum(dim=0).clamp(min=1)


class Shares(nn.Module):
    """The Mahalanobis distance of the shares of words from those in good images, of the farthest region.

    Their square roots are compared, since the variance of a share grows with its mean. `good` has the patch
    features of good images, `(C, h, w)` each.
    """

    regions: Tensor
    mean: Tensor
    whiten: Tensor

    def __init__(self, words: nn.Module, good: Sequence[Tensor]) -> None:
        super().__init__()
        self.words = words
        self.register_buffer("regions", make_regions(*good[0].shape[1:]))
        roots = torch.cat([self.roots(maps[None]) for maps in good], dim=1)
        covariances = torch.stack([ledoit_wolf(of_region) for of_region in roots.double()])
        self.register_buffer("mean", roots.mean(dim=1, keepdim=True))
        self.register_buffer("whiten", whitening(covariances, floor=LEAST_VARIANCE).float())

    def roots(self, maps: Tensor) -> Tensor:
        """Square roots `(R, N, K)` of the shares of K words in R regions of maps `(N, C, h, w)`."""
        shares: Tensor = self.words(maps).flatten(2) @ self.regions
        return shares.sqrt().permute(2, 0, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Distances `(N,)` of the patch features `(N, C, h, w)` of images."""
        deviations = (self.roots(maps) - self.mean) @ self.whiten
        return deviations.square().sum(dim=2).sqrt().amax(dim=0)


def spread(scores: Tensor) -> float:
    """The standard deviation of scores, at least `LEAST`."""
    return max(float(scores.std(correction=0)), LEAST)


class FittedComposition(FittedOnFeatures):
    """PatchCore; its score is raised by a multiple of how far the distance of shares exceeds the usual."""

    def __init__(self, local: FittedAtScales, shares: Shares, usual: float, weight: float) -> None:
        super().__init__(local.features)
        self.local = local
        self.shares = shares
        self.usual = usual
        self.weight = weight

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """Score images by their patch features, `(N, C, h, w)` for each scale."""
        local = self.local.score_features(features)
        shares = self.shares(inside(features[0], self.local.rim))
        return Scores(self.combine(local.image, shares), local.map)

    def combine(self, local: Tensor, distances: Tensor) -> Tensor:
        """PatchCore's scores, raised by the distances of shares, `(N,)` each."""
        return local + self.weight * (distances - self.usual).clamp(min=0)
