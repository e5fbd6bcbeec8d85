"""What classifiers have in common that learn from what a frozen network sees."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from knowngood.classifiers.base import AGREEMENTS, Classifier, Fit, answer
from knowngood.classifiers.linear import IMBALANCES, Samples, Teaching
from knowngood.data.labelled import Labelled
from knowngood.data.loader import Batches
from knowngood.detectors.base import FittedOnFeatures
from knowngood.errors import RecipeError
from knowngood.features.frozen import FrozenFeatures
from knowngood.features.views import Symmetries, extract_views
from knowngood.recipe import check_choice, check_range
from knowngood.training.augment import ORIENTATIONS
from knowngood.training.classifying import apart
from knowngood.training.lesson import Lesson
from knowngood.training.record import TrainingRecord
from knowngood.types import Progress, Scores

SHEET = 128
"""The longest side of pictures in a sheet of samples, in pixels."""


@dataclass(frozen=True)
class OnFrozen(Classifier):
    """A recipe whose features do not change."""

    input_size: int = 256
    orientation: str = "fixed"
    agreement: str = "mean"
    imbalance: str = "auto"
    synthetic: bool = False

    def __post_init__(self) -> None:
        check_range(self, input_size=(32, 4096))
        check_choice(self, orientation=ORIENTATIONS, agreement=tuple(AGREEMENTS), imbalance=IMBALANCES)
        if not isinstance(self.synthetic, bool):
            raise RecipeError(f"{type(self).__name__}: synthetic={self.synthetic!r} must be true or false")

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

    def judge(self, features: Sequence[Tensor]) -> Scores:
        """From features of views to scores."""
        views = self.features.views
        described, logits, map_ = self.describe(features)
        first = None if map_ is None else apart(map_, views)[:, 0]
        parts = apart(logits, views), apart(described, views)
        return answer(*parts, self.temperature, self.agreement, first)


def record_of(lesson: Lesson) -> TrainingRecord:
    """The record of a classifier that trains no network."""
    return TrainingRecord(
        layers=[],
        epochs=[],
        best=0,
        learning_rate=0.0,
        validation=list(range(len(lesson.truth))),
        lesson=lesson,
    )


def sheet_of(
    images: Batches, numbers: Sequence[int], names: Sequence[str], views: Symmetries
) -> tuple[NDArray[np.uint8] | None, list[str]]:
    """An image of each kind in all its views `(C, V, h, w, 3)` with their names; None for one view."""
    if views.count == 1:
        return None, []
    height, width = images.shape
    shrink = max(1, -(-max(height, width) // SHEET))
    smaller = replace(images, groups=None, classes=None, shape=(height // shrink, width // shrink), size=1)

    def first(number: int) -> NDArray[np.uint8]:
        own = [source for source, other in zip(images.sources, numbers, strict=True) if other == number]
        # Those that cannot be read were told when they were learned from.
        return next(iter(replace(smaller, sources=own, on_unreadable=lambda _: None))).images

    pictures = np.concatenate([first(number) for number in range(len(names))])
    return views(torch.from_numpy(pictures)).numpy(), list(names)


def described(
    features: FrozenFeatures,
    describe: Callable[[list[NDArray[np.float32]]], NDArray[np.float32]],
    images: Batches,
    taught: Labelled,
    blocks: Sequence[int],
    *,
    device: str,
    progress: Progress,
) -> Samples:
    """Look at all images in all views.

    Args:
        features: Gives features of views; see `knowngood.features.views.seen_from`.
        describe: From features of views, each `(V, ...)`, to what is classified, `(V, D)`.
        images: The images.
        taught: The kind of each.
        blocks: The number of features in each block, D in all.
        device: A torch device.
        progress: Called during long work.

    Returns:
        A sample for each image that can be read.
    """
    seen: list[NDArray[np.float32]] = []
    places: list[int] = []
    for index, arrays in extract_views(features, images, device=device):
        seen.append(describe(arrays))
        places.append(index)
        progress("looking at images", len(places), len(images))
    groups = None if taught.groups is None else [taught.groups[place] for place in places]
    return Samples(np.stack(seen), taught.numbers[places], blocks, groups)


def concluded(
    fitted: FittedOnViews,
    lesson: Lesson,
    images: Batches,
    taught: Labelled,
    views: Symmetries,
    peaks: NDArray[np.float64] | None = None,
) -> Fit:
    """The result of learning, its record with a sheet of the views."""
    sheet, rows = sheet_of(images, taught.numbers.tolist(), taught.names, views)
    return Fit(fitted.eval(), record_of(replace(lesson, sheet=sheet, rows=rows)), peaks)
