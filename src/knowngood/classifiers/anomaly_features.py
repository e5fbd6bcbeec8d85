"""Anomaly features: good parts teach what is normal, few defects name the types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.classifiers.base import check_left
from knowngood.classifiers.frozen import FittedOnViews, OnFrozen, concluded
from knowngood.classifiers.linear import Linear, Samples, teach_linear
from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.detectors import DETECTORS, make_detector
from knowngood.detectors.base import Detector, Fit, FittedOnFeatures
from knowngood.errors import DataError, RecipeError
from knowngood.features.views import Symmetries, extract_views, seen_from
from knowngood.recipe import OneOf
from knowngood.settings import Folds, InputSize
from knowngood.training.run import Run
from knowngood.types import Progress, silent

LEAST_GOOD = 4
"""The fewest good images that will do: a detector needs two that the others are not."""

SHARPNESSES = (0.2, 0.6, 1.5)
"""How far below the hottest patch another has a weight of 1/e, in standard deviations of good scores: patch
features are pooled around the hottest patch, and ever more widely."""

HOTTEST = (0.0, 0.006, 0.025, 0.1)
"""Shares of the hottest patches whose mean heat is looked at; 0 for the hottest one alone."""

GRID = 4
"""The map is also looked at on a grid of so many fields in each direction."""


@dataclass(frozen=True, kw_only=True)
class AnomalyFeatures(OnFrozen):
    """Logistic regression on a detector's anomaly map, and on patch features where it is high.

    A detector learns from the good images. The features of an image are statistics of its map, the map on a
    coarse grid, patch features averaged where the map is high (narrowly, less so, and widely), and their
    mean over the image. All have the same weight. Images are divided into folds. Those of each fold, good
    and defective alike, get their features from a detector of the good images in the other folds: so a good
    image of the training set looks like a new one, and no difference between detectors tells classes apart.

    Example:
        >>> AnomalyFeatures(orientation="any").detector
        'patchcore'
    """

    multiple: ClassVar[int] = 64

    input_size: Annotated[InputSize, Field(ge=32, le=4096)] = 448
    detector: Annotated[
        str, OneOf(tuple(DETECTORS)), Field(description="Name of a detector with a map of patch features")
    ] = "patchcore"
    folds: Annotated[Folds, Field(le=20)] = 3

    def fit(
        self,
        images: ImageSet,
        *,
        seed: int,
        device: str,
        progress: Progress = silent,
        run: Run | None = None,  # noqa: ARG002  # nothing is trained
    ) -> Fit:
        """Learn the detector and the classifier; see `Classifier.fit`."""
        views = Symmetries(self.orientation, images.shape)
        good = np.flatnonzero(images.numbers == 0)
        if len(good) < LEAST_GOOD:
            raise DataError(
                f"{len(good)} good images are too few for anomaly_features, which learns from them what is "
                f"normal; at least {LEAST_GOOD} are needed, and some dozens are better"
            )
        recipe = _in_full(make_detector(self.detector, {"input_size": self.input_size}))
        fold_of = folds(len(images), self.folds, seed, images.groups, images.numbers.tolist())
        parts = int(fold_of.max()) + 1

        def learn(left_out: int, step: int) -> _Place:
            def told(stage: str, done: int, total: int) -> None:
                progress(f"{self.detector}: {stage}", step * total + done, (parts + 1) * total)

            learned_from = good[fold_of[good] != left_out]
            return _learned(recipe, images.subset(learned_from), seed, device, told)

        seen: dict[int, NDArray[np.float32]] = {}
        for left_out in range(parts):
            other = learn(left_out, left_out)
            rows = np.flatnonzero(fold_of == left_out)
            every = seen_from(other.detector.features, views, images.shape)
            with torch.inference_mode():
                for number, arrays in extract_views(every, images.subset(rows), device=device):
                    features = [torch.from_numpy(array) for array in arrays]
                    seen[int(rows[number])] = other.describe(features)[0].numpy()
                    progress("looking at images", len(seen), len(images))
        progress("looking at images", len(images), len(images))
        place = learn(-1, parts)

        places = sorted(seen)
        check_left(images, places)
        numbers = images.numbers[places]
        channels = [shape[0] for shape in place.detector.features.shapes]
        samples = Samples(
            np.stack([seen[place] for place in places]),
            numbers,
            [len(HOTTEST) + 2, GRID**2, *[sum(channels)] * (len(SHARPNESSES) + 1)],
            images.subset(places).groups,
        )
        linear, record = teach_linear(samples, images.names, self.teaching(seed), progress)
        fitted = FittedAnomalyFeatures(place, linear, views, images.shape, record.temperature, self.agreement)
        map_maxima = samples.features[numbers == 0, 0, 0].astype(np.float64) * place.spread
        return concluded(fitted, record, images, views, map_maxima)


class _Place(nn.Module):
    """Describes images by what a detector sees of them.

    Args:
        detector: It gives a map of patch features.
        spread: Standard deviation of its scores of good images that it did not learn from.
    """

    def __init__(self, detector: FittedOnFeatures, spread: float) -> None:
        super().__init__()
        self.detector = detector
        self.spread = max(spread, 1e-6)

    def describe(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """From patch features, each `(N, C, h, w)`, to a description `(N, D)` and the map `(N, h, w)`."""
        map_ = self.detector.score_features(features).map
        assert map_ is not None
        heat = map_ / self.spread
        flat = heat.flatten(1)
        patches = int(flat.shape[1])  # in a trace it is a tensor
        hottest = flat.topk(max(1, round(HOTTEST[-1] * patches)), dim=1).values
        tops = [hottest[:, : max(1, round(share * patches))].mean(dim=1) for share in HOTTEST]
        centred = flat - flat.mean(dim=1, keepdim=True)
        stats = torch.stack([*tops, flat.mean(dim=1), centred.pow(2).mean(dim=1).sqrt()], dim=1)
        where = F.avg_pool2d(heat[:, None], [int(side) // GRID for side in heat.shape[1:]]).flatten(1)
        hot = [_pooled(maps, heat, sharpness) for sharpness in SHARPNESSES for maps in features]
        means = torch.cat([maps.mean(dim=(2, 3)) for maps in features], dim=1)
        return torch.cat([stats, where, *hot, means], dim=1), map_


class FittedAnomalyFeatures(FittedOnViews):
    """A linear classifier of what a detector sees; its map is the detector's.

    Args:
        place: Describes images.
        linear: Classifies descriptions.
        views: The views.
        shape: Height and width of the images.
        temperature: Logits are divided by it.
        agreement: How views become one answer.
    """

    def __init__(
        self,
        place: _Place,
        linear: Linear,
        views: Symmetries,
        shape: tuple[int, int],
        temperature: float,
        agreement: str,
    ) -> None:
        super().__init__(seen_from(place.detector.features, views, shape), temperature, agreement)
        self.place = place
        self.linear = linear

    def describe(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """See `FittedOnViews.describe`."""
        described, map_ = self.place.describe(features)
        return described, self.linear(described), map_


def _pooled(maps: Tensor, heat: Tensor, sharpness: float) -> Tensor:
    """Patch features `(N, C, h, w)` averaged where the map `(N, H, W)` is hot, `(N, C)`."""
    factors = [int(fine) // int(coarse) for fine, coarse in zip(heat.shape[1:], maps.shape[2:], strict=True)]
    coarse = F.avg_pool2d(heat[:, None], factors).flatten(1)
    share = (coarse / sharpness).softmax(dim=1)
    return (maps.flatten(2) * share[:, None]).sum(dim=2)


def _in_full(recipe: Detector) -> Detector:
    """The recipe without 8-bit numbers: each detector would round in its own way, which tells folds apart."""
    if not hasattr(recipe, "eight_bit"):
        return recipe
    # Every recipe is a dataclass, which the type of their abstract base cannot say.
    return replace(recipe, eight_bit=False)  # type: ignore[call-arg]


def _learned(recipe: Detector, good: ImageSet, seed: int, device: str, progress: Progress) -> _Place:
    """A detector of good images, with the standard deviation of its scores out of fold.

    Raises:
        RecipeError: It gives no map of patch features.
    """
    detector, held_out, *_ = recipe.fit(
        replace(good, classes=None), seed=seed, device=device, progress=progress
    )
    name = type(recipe).__name__
    if not isinstance(detector, FittedOnFeatures) or {len(s) for s in detector.features.shapes} != {3}:
        raise RecipeError(f"detector={name} gives no map of patch features; take patchcore or padim")
    return _Place(detector.eval().cpu(), float(np.std(held_out)))
