"""What classifiers have in common that learn from what a frozen network sees."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.classifiers.base import AGREEMENTS, Classifier, answer, check_left, make_fit
from knowngood.classifiers.linear import Samples, Teaching
from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Fit, FittedOnFeatures
from knowngood.features.frozen import FrozenFeatures
from knowngood.features.views import Symmetries, extract_views
from knowngood.recipe import ORIENTATIONS, OneOf
from knowngood.settings import Agreement, Imbalance, InputSize, Orientation
from knowngood.training.classifier_record import ClassifierRecord
from knowngood.training.classifying import apart
from knowngood.training.imbalance import AUTO, FIXED_FEATURES
from knowngood.types import Progress, Scores

SHEET = 128
"""The longest side of pictures in a sheet of samples, in pixels."""


@dataclass(frozen=True, kw_only=True)
class OnFrozen(Classifier):
    """A recipe whose features do not change."""

    input_size: Annotated[InputSize, Field(ge=32, le=4096)] = 256
    orientation: Annotated[Orientation, OneOf(ORIENTATIONS)] = "fixed"
    agreement: Annotated[Agreement, OneOf(tuple(AGREEMENTS))] = "mean"
    imbalance: Annotated[Imbalance, OneOf((AUTO, *FIXED_FEATURES))] = AUTO
    synthetic: Annotated[
        bool, Field(description="Add synthetic features to classes with few images, where they are plausible")
    ] = False

    def teaching(self, seed: int) -> Teaching:
        """How the classifier of the features is taught."""
        return Teaching(self.imbalance, self.agreement, self.synthetic, seed)


class FittedOnViews(FittedOnFeatures):
    """What has been learned about the features of an image's views.

    Args:
        features: Gives the features of all views; see `knowngood.features.views.seen_from`.
        temperature: Logits are divided by it.
        agreement: How views become one answer.
    """

    def __init__(self, features: FrozenFeatures, temperature: float, agreement: str) -> None:
        super().__init__(features)
        self.temperature = temperature
        self.agreement = agreement

    @abstractmethod
    def describe(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
        """From features of views, each `(N * V, ...)`, to what is classified `(N * V, D)`, logits
        `(N * V, C)`, and a map `(N * V, h, w)` or None.
        """

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """From features of views to scores."""
        views = self.features.views
        described, logits, map_ = self.describe(features)
        first = None if map_ is None else apart(map_, views)[:, 0]
        parts = apart(logits, views), apart(described, views)
        return answer(*parts, self.temperature, self.agreement, first)


def sheet_of(images: ImageSet, views: Symmetries) -> tuple[NDArray[np.uint8] | None, list[str]]:
    """An image of each class in all its views `(C, V, h, w, 3)` with their names; None for one view."""
    if views.count == 1:
        return None, []
    height, width = images.shape
    shrink = max(1, -(-max(height, width) // SHEET))
    reading = replace(images.reading, shape=(height // shrink, width // shrink))
    # Those that cannot be read were told when they were learned from.
    smaller = replace(images, reading=reading, on_unreadable=lambda _: None)
    first = [
        next(smaller.subset(np.flatnonzero(images.numbers == number)).batches()).images
        for number in range(len(images.names))
    ]
    return views(torch.from_numpy(np.concatenate(first))).numpy(), images.names


def described(
    features: FrozenFeatures,
    describe: Callable[[list[NDArray[np.float32]]], NDArray[np.float32]],
    images: ImageSet,
    blocks: Sequence[int],
    *,
    device: str,
    progress: Progress,
) -> Samples:
    """Look at all images in all views.

    Args:
        features: Gives features of views; see `knowngood.features.views.seen_from`.
        describe: From features of views, each `(V, ...)`, to what is classified, `(V, D)`.
        images: The images with their classes.
        blocks: The number of features in each block, D in all.
        device: A torch device.
        progress: Called during long work.

    Returns:
        A sample for each image that can be read.

    Raises:
        DataError: Too few of a class can be read.
    """
    seen: list[NDArray[np.float32]] = []
    places: list[int] = []
    for index, arrays in extract_views(features, images, device=device):
        seen.append(describe(arrays))
        places.append(index)
        progress("looking at images", len(places), len(images))
    check_left(images, places)
    return Samples(np.stack(seen), images.numbers[places], blocks, images.subset(places).groups)


def concluded(
    fitted: FittedOnViews,
    record: ClassifierRecord,
    images: ImageSet,
    views: Symmetries,
    map_maxima: NDArray[np.float64] | None = None,
) -> Fit:
    """The result of learning, its record with a sheet of the views."""
    sheet, rows = sheet_of(images, views)
    return make_fit(fitted.eval(), replace(record, sheet=sheet, rows=rows), map_maxima=map_maxima)
