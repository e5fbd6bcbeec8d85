"""Anomaly features: a detector of good parts finds anomalies, and a linear classifier names their types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.classifiers.base import check_readable
from knowngood.classifiers.frozen import FittedOnViews, OnFrozen, fit_with_sheet, summary
from knowngood.classifiers.linear import Linear, Samples, select_linear
from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.detectors import DETECTORS, make_detector
from knowngood.detectors.base import Detector, Fit, FittedOnFeatures
from knowngood.errors import DataError, RecipeError
from knowngood.features.extract import extract_views
from knowngood.features.frozen import FrozenFeatures, beside, freeze
from knowngood.features.patches import halve
from knowngood.features.views import Symmetries, seen_from
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.recipe import OneOf
from knowngood.settings import Folds, InputSize
from knowngood.training.run import Run
from knowngood.types import Progress, silent

if TYPE_CHECKING:
    from knowngood.features.backbones import Backbone

LEAST_GOOD = 4
"""The least number of good images: a detector needs two that the others are not."""

SHARPNESSES = (0.2, 0.6, 1.5)
"""Patch features are pooled around the maximum of the map, and ever more widely: a patch so many standard
deviations of good scores below the maximum has a weight of 1/e."""

HOTTEST = (0.0, 0.006, 0.025, 0.1)
"""Shares of the patches with the highest values, of which the mean is a feature; 0 for the maximum alone."""

GRID = 4
"""Fields in each direction of a grid, over which means of the map are features."""

DEEPEST = 32
"""The stride of the deepest features, which tell what a part looks like as a whole."""


@dataclass(frozen=True, kw_only=True)
class AnomalyFeatures(OnFrozen):
    """Logistic regression on a detector's anomaly map, and on patch features where it is high.

    A detector learns from the good images. The features of an image are statistics of its map, the map on a
    coarse grid, patch features averaged where the map is high (narrowly, less so, and widely), their mean
    over the image, and mean, standard deviation and maximum of the deepest features of the image at half its
    size. All have the same weight. Images are divided into folds. Those of each fold, good and defective
    alike, get their features from a detector of the good images in the other folds: so a good image of the
    training set looks like a new one, and no difference between detectors tells classes apart.

    Example:
        >>> AnomalyFeatures(orientation="any").detector
        'patchcore'
    """

    multiple: ClassVar[int] = 64

    input_size: Annotated[InputSize, Field(ge=32, le=4096)] = 448
    detector: Annotated[
        str,
        OneOf(tuple(DETECTORS.classes)),
        Field(description="Name of a detector with a map of patch features"),
    ] = "patchcore"
    folds: Annotated[Folds, Field(le=20)] = 3

    def fit(
        self, images: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Learn the detector and the classifier; see `Classifier.fit`."""
        del run  # nothing is trained
        views = Symmetries(self.orientation, images.shape)
        good = np.flatnonzero(images.numbers == 0)
        if len(good) < LEAST_GOOD:
            raise DataError(
                f"{len(good)} good images are too few for anomaly_features, which learns from them what is "
                f"normal; at least {LEAST_GOOD} are needed, and some dozens are better"
            )
        deep = freeze(DeepestMap, images.shape, backbone=DEFAULT_BACKBONE, strides=(DEEPEST,))
        recipe = _without_eight_bit(make_detector(self.detector, {"input_size": self.input_size}))
        fold_of = folds(len(images), self.folds, seed, images.groups, images.numbers.tolist())
        count = int(fold_of.max()) + 1

        def learn(step: int) -> _Descriptor:
            def report(stage: str, done: int, total: int) -> None:
                progress(f"{self.detector}: {stage}", step * total + done, (count + 1) * total)

            # In the last step no image is in the fold, so that the detector learns from all.
            learned = images.subset(good[fold_of[good] != step])
            return _fit_descriptor(recipe, learned, seed, device, report)

        vectors: dict[int, NDArray[np.float32]] = {}
        for fold in range(count):
            other = learn(fold)
            rows = np.flatnonzero(fold_of == fold)
            every = seen_from(beside(other.detector.features, deep), views, images.shape)
            with torch.inference_mode():
                for row, arrays in extract_views(every, images.subset(rows), device=device):
                    vectors[int(rows[row])] = other.describe(list(map(torch.from_numpy, arrays)))[0].numpy()
                    progress("looking at images", len(vectors), len(images))
        progress("looking at images", len(images), len(images))
        descriptor = learn(count)

        places = sorted(vectors)
        check_readable(images, places)
        samples = Samples(
            np.stack([vectors[place] for place in places]),
            images.numbers[places],
            [*descriptor.blocks, *deep.shapes[0][:1] * 3],
            images.subset(places).groups,
        )
        linear, record = select_linear(samples, images.names, self.head_settings(seed), progress)
        features = seen_from(beside(descriptor.detector.features, deep), views, images.shape)
        fitted = FittedAnomalyFeatures(descriptor, features, linear, record.temperature, self.agreement)
        map_maxima = samples.features[samples.numbers == 0, 0, 0].astype(np.float64) * descriptor.spread
        return fit_with_sheet(fitted, record, images, np.array(places), views, map_maxima)


class DeepestMap(nn.Module):
    """A backbone's features of images at half their size, near that of the images it learned from."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Feature maps `(N, C, h, w)` of images `(N, H, W, 3)` of 0 to 255."""
        return tuple(self.backbone(halve(self.backbone.normalise(images))))


class _Descriptor(nn.Module):
    """Describes images by the map and the features of a detector, in units of its `spread`: the standard
    deviation of its scores of good images that it did not learn from.
    """

    def __init__(self, detector: FittedOnFeatures, spread: float) -> None:
        super().__init__()
        self.detector = detector
        self.spread = max(spread, 1e-6)

    @property
    def blocks(self) -> list[int]:
        """The number of features in each block of a description, without those of the deepest map."""
        channels = sum(shape[0] for shape in self.detector.features.shapes)
        return [len(HOTTEST) + 2, GRID**2, *[channels] * (len(SHARPNESSES) + 1)]

    def describe(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """From patch features and the deepest map, each `(N, C, h, w)`, to a description `(N, D)` and the
        anomaly map `(N, h, w)`.
        """
        *patches, deepest = features
        map_ = self.detector.score_features(patches).map
        assert map_ is not None
        heat = map_ / self.spread
        flat = heat.flatten(1)
        count = int(flat.shape[1])  # in a trace it is a tensor
        hottest = flat.topk(max(1, round(HOTTEST[-1] * count)), dim=1).values
        tops = [hottest[:, : max(1, round(share * count))].mean(dim=1) for share in HOTTEST]
        centred = flat - flat.mean(dim=1, keepdim=True)
        stats = torch.stack([*tops, flat.mean(dim=1), centred.pow(2).mean(dim=1).sqrt()], dim=1)
        grid = F.avg_pool2d(heat[:, None], [int(side) // GRID for side in heat.shape[1:]]).flatten(1)
        hot = [_pool(maps, heat, sharpness) for sharpness in SHARPNESSES for maps in patches]
        means = [maps.mean(dim=(2, 3)) for maps in patches]
        return torch.cat([stats, grid, *hot, *means, summary([deepest])], dim=1), map_


class FittedAnomalyFeatures(FittedOnViews):
    """A linear classifier of descriptions by a detector; its map is the detector's."""

    def __init__(
        self,
        descriptor: _Descriptor,
        features: FrozenFeatures,
        head: Linear,
        temperature: float,
        agreement: str,
    ) -> None:
        super().__init__(features, head, temperature, agreement)
        self.descriptor = descriptor

    def describe(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """See `FittedOnViews.describe`."""
        vectors, map_ = self.descriptor.describe(features)
        return vectors, self.head(vectors), map_


def _pool(maps: Tensor, heat: Tensor, sharpness: float) -> Tensor:
    """Patch features `(N, C, h, w)` averaged where the map `(N, H, W)` is high, `(N, C)`."""
    factors = [int(fine) // int(coarse) for fine, coarse in zip(heat.shape[1:], maps.shape[2:], strict=True)]
    coarse = F.avg_pool2d(heat[:, None], factors).flatten(1)
    share = (coarse / sharpness).softmax(dim=1)
    return (maps.flatten(2) * share[:, None]).sum(dim=2)


def _without_eight_bit(recipe: Detector) -> Detector:
    """The recipe in floating point: each detector would round in its own way, which tells folds apart."""
    if not hasattr(recipe, "eight_bit"):
        return recipe
    # Every recipe is a dataclass, which the type of their abstract base cannot say.
    return replace(recipe, eight_bit=False)  # type: ignore[call-arg]


def _fit_descriptor(
    recipe: Detector, good: ImageSet, seed: int, device: str, progress: Progress
) -> _Descriptor:
    """Fit a detector of good images, scaled by its scores out of fold; refuse one without patch features."""
    detector, held_out, *_ = recipe.fit(
        replace(good, classes=None), seed=seed, device=device, progress=progress
    )
    name = type(recipe).__name__
    if not isinstance(detector, FittedOnFeatures) or {len(s) for s in detector.features.shapes} != {3}:
        raise RecipeError(f"detector={name} gives no map of patch features; take patchcore or padim")
    return _Descriptor(detector.eval().cpu(), float(np.std(held_out)))
