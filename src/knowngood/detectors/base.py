"""What every detector is: a recipe that learns from good images, and what it has learned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.errors import DataError
from knowngood.features.extract import extract
from knowngood.features.frozen import FrozenFeatures
from knowngood.recipe import Recipe
from knowngood.training.records import Records
from knowngood.training.run import Run
from knowngood.types import Progress, Scores, silent


class FittedDetector(nn.Module, ABC):
    """What a detector has learned: tensors, and how an image is scored with them."""

    @abstractmethod
    def forward(self, images: Tensor) -> Scores:
        """Score images.

        Args:
            images: uint8 `(N, H, W, 3)` RGB at the input shape; the score of each depends on it alone.
        """


class FittedOnFeatures(FittedDetector):
    """What a detector has learned about the features of a frozen network.

    Args:
        features: Gives the features of images.
    """

    def __init__(self, features: FrozenFeatures) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: Tensor) -> Scores:
        """Score images; see `FittedDetector.forward`."""
        return self.score_features(self.features(images))

    @abstractmethod
    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """From features, each `(N, ...)`, to scores."""


class Fit(NamedTuple):
    """The result of learning.

    Attributes:
        fitted: Scores new images.
        held_out: Scores of good images, `(M,)` float64, in no particular order, each by a model that did not
            learn from that image. A threshold is set from these.
        map_maxima: The largest value of the map of good images, float64, as new ones would have it, where the
            score is of another kind than the map's values; else None.
        records: What is kept of how it learned.
    """

    fitted: FittedDetector
    held_out: NDArray[np.float64]
    map_maxima: NDArray[np.float64] | None = None
    records: Records = Records()


def held_out(count: int, most: int, seed: int) -> set[int]:
    """Draw the images that are scored out of fold: all of `count`, or as many as `most`."""
    return set(np.random.default_rng(seed).permutation(count)[:most].tolist())


def check_folds(present: int, scored: int) -> None:
    """Make sure that there is something to learn from and something to hold out.

    Args:
        present: Number of folds of which at least one image could be read.
        scored: Number of images that will be scored out of fold.

    Raises:
        DataError: There are not two folds, or nothing to score.
    """
    if present < 2 or not scored:
        raise DataError("one good image is too few to train on; at least 2 that can be read are needed")


def fit_out_of_fold(
    features: FrozenFeatures,
    good: ImageSet,
    make: Callable[[Sequence[Tensor]], FittedOnFeatures],
    *,
    count: int,
    seed: int,
    device: str,
    progress: Progress,
) -> Fit:
    """Learn from features that are small enough to be kept for all good images; score each out of fold.

    Args:
        features: Gives one or more tensors per image.
        good: Images of good parts.
        make: Learns from tensors of several images, batch first.
        count: Folds into which the images are divided, to score each by the others.
        seed: Divides them.
        device: A torch device.
        progress: Called during long work.

    Raises:
        DataError: An image cannot be read, or there are too few.
    """
    fold_of = folds(len(good), count, seed, good.groups)
    rows: dict[int, list[Tensor]] = {}
    for done, (index, tensors) in enumerate(extract(features, good, device=device), 1):
        rows[index] = [tensor.clone() for tensor in tensors]
        progress("looking at good images", done, len(good))
    read = np.array(sorted(rows))
    check_folds(len(np.unique(fold_of[read])), len(read))
    stacked = [torch.stack(column) for column in zip(*(rows[index] for index in read), strict=True)]
    scores = torch.empty(len(read), dtype=torch.float64)
    for fold in np.unique(fold_of[read]):
        inside = torch.from_numpy(fold_of[read] == fold)
        fitted = make([tensor[~inside] for tensor in stacked])
        scores[inside] = fitted.score_features([tensor[inside] for tensor in stacked]).image.double()
    return Fit(make(stacked).to(device), scores.numpy())


class Detector(Recipe, ABC):
    """A recipe. Subclasses declare settings and nothing else, see `knowngood.recipe.Recipe`.

    Every recipe has an `input_size`: images are resized to about that many pixels squared, both sides a
    `multiple`.
    """

    multiple: ClassVar[int] = 64  # so that strides up to 32 divide the sides at two scales
    needs_classes: ClassVar[bool] = False  # whether the class of each good image must be known
    trains: ClassVar[bool] = False  # whether a network is trained, so that a run says how and where

    input_size: int

    @abstractmethod
    def fit(
        self, good: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Learn from good images.

        Args:
            good: Images of good parts, read as often as needed and never held all at once.
            seed: The same seed on the same images gives the same result.
            device: A torch device, such as `cpu` or `cuda`.
            progress: Called with the stage in words, how much of it is done, and its total.
            run: How and where a network is trained; None for one process that keeps nothing, and for recipes
                that train none.

        Raises:
            DataError: An image cannot be read, or there are too few.
            TrainingError: The training went wrong.
        """
