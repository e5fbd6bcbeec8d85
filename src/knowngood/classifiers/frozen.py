"""Base classes of classifiers that learn from the features of a frozen network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.classifiers.base import (
    AGREEMENTS,
    Classifier,
    check_readable,
    make_fit,
    score_views,
    shrinkage,
)
from knowngood.classifiers.linear import HeadSettings, Samples
from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Fit, FittedOnFeatures
from knowngood.features.extract import extract_views
from knowngood.features.frozen import FrozenFeatures
from knowngood.features.views import Symmetries
from knowngood.recipe import OneOf
from knowngood.settings import Agreement, Imbalance
from knowngood.training.classifier_record import ClassifierRecord
from knowngood.training.classifying import apart
from knowngood.training.imbalance import AUTO, FIXED_FEATURES
from knowngood.types import Progress, Scores


@dataclass(frozen=True, kw_only=True)
class OnFrozen(Classifier):
    """A recipe whose features do not change."""

    agreement: Annotated[Agreement, OneOf(tuple(AGREEMENTS))] = "mean"
    imbalance: Annotated[Imbalance, OneOf((AUTO, *FIXED_FEATURES))] = AUTO
    synthetic: Annotated[
        bool, Field(description="Add synthetic features to classes with few images, where they are plausible")
    ] = False

    def head_settings(self, seed: int) -> HeadSettings:
        """How the classifier of the features is fitted."""
        return HeadSettings(self.imbalance, self.agreement, self.synthetic, seed)


class FittedOnViews(FittedOnFeatures):
    """A classifier of the features of all views of an image, see `knowngood.features.views.seen_from`: a
    `head` for one view, and an agreement, one of `knowngood.classifiers.base.AGREEMENTS`.
    """

    def __init__(self, features: FrozenFeatures, head: nn.Module, temperature: float, agreement: str) -> None:
        super().__init__(features)
        self.head = head
        self.temperature = temperature
        self.agreement = agreement

    def describe(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
        """From features of views, each `(N * V, ...)`, to the vectors that are classified `(N * V, D)`, their
        logits `(N * V, C)`, and a map `(N * V, h, w)`; by default the features are the vectors, and there is
        no map.
        """
        return features[0], self.head(features[0]), None

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """From features of views to scores."""
        views = self.features.views
        vectors, logits, map_ = self.describe(features)
        first = None if map_ is None else apart(map_, views)[:, 0]
        return score_views(
            apart(logits, views), apart(vectors, views), self.temperature, self.agreement, first
        )


def describe_images(
    features: FrozenFeatures,
    describe: Callable[[list[NDArray[np.float32]]], NDArray[np.float32]],
    images: ImageSet,
    blocks: Sequence[int],
    *,
    device: str,
    progress: Progress,
) -> tuple[Samples, NDArray[np.int64]]:
    """The vectors of all images that can be read, in all views, in blocks of so many features; and the
    positions of these images.

    `describe` turns the features of the views of an image, each `(V, ...)`, into the vectors that are
    classified, `(V, D)`; see `knowngood.features.views.seen_from`.

    Raises:
        DataError: Too few of a class can be read.
    """
    seen: list[NDArray[np.float32]] = []
    places: list[int] = []
    for index, arrays in extract_views(features, images, device=device):
        seen.append(describe(arrays))
        places.append(index)
        progress("looking at images", len(places), len(images))
    check_readable(images, places)
    samples = Samples(np.stack(seen), images.numbers[places], blocks, images.subset(places).groups)
    return samples, np.array(places)


def fit_with_sheet(
    fitted: FittedOnViews,
    record: ClassifierRecord,
    images: ImageSet,
    index: NDArray[np.int64],
    views: Symmetries,
    map_maxima: NDArray[np.float64] | None = None,
) -> Fit:
    """The result of learning; with several views the record shows an image of each class in all of them."""
    if views.count > 1:
        divisor = shrinkage(images.shape)
        reading = replace(images.reading, shape=(images.shape[0] // divisor, images.shape[1] // divisor))
        # Images that cannot be read were reported when they were learned from.
        smaller = replace(images, reading=reading, on_unreadable=lambda _: None)
        first = [
            next(smaller.subset(np.flatnonzero(images.numbers == number)).batches()).images
            for number in range(len(images.names))
        ]
        sheet = views(torch.from_numpy(np.concatenate(first))).numpy()
        record = replace(record, sheet=sheet, rows=images.names)
    return make_fit(fitted.eval(), record, index, map_maxima=map_maxima)


def summary(maps: Sequence[Tensor]) -> Tensor:
    """Means, standard deviations and maxima over the image of feature maps `(N, D_i, h_i, w_i)`.

    Returns:
        `(N, 3 D)`, D the sum of all D_i: all means, then all standard deviations, then all maxima.

    Example:
        >>> summary([torch.tensor([[[[1.0, 3.0]]]])]).tolist()
        [[2.0, 1.0, 3.0]]
    """
    flat = [level.flatten(2) for level in maps]
    means = [level.mean(dim=2, keepdim=True) for level in flat]
    spreads = [(level - mean).pow(2).mean(dim=2).sqrt() for level, mean in zip(flat, means, strict=True)]
    largest = [level.amax(dim=2) for level in flat]
    return torch.cat([*(mean[..., 0] for mean in means), *spreads, *largest], dim=1)
