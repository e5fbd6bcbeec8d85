"""The base classes of detectors: a recipe that is fitted to good images, and the fitted detector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.errors import DataError
from knowngood.features.frozen import FrozenFeatures
from knowngood.recipe import Recipe
from knowngood.training.records import Records
from knowngood.types import Progress, Scores, silent

if TYPE_CHECKING:
    from knowngood.training.run import Run


class FittedDetector(nn.Module, ABC):
    """A module that scores images with the tensors that a detector has learned."""

    @abstractmethod
    def forward(self, images: Tensor) -> Scores:
        """Score uint8 images `(N, H, W, 3)` in RGB at the input shape, each by itself."""


class FittedOnFeatures(FittedDetector):
    """A fitted detector that scores the features of a frozen network."""

    def __init__(self, features: FrozenFeatures) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: Tensor) -> Scores:
        """Score images."""
        return self.score_features(self.features(images))

    @abstractmethod
    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """Score images by their features, each tensor `(N, ...)`."""


class Fit(NamedTuple):
    """The result of fitting a detector.

    The threshold is set from `held_out`, the scores `(M,)` of good images in no particular order, each by a
    model that was not fitted to that image, nor to another one of its group; `places` has the position of
    each among the images, int64 `(M,)`. If the score has another unit than the anomaly map, `map_maxima` has
    the largest value of each of their maps, `(M,)`. `augmented` says in words which copies of
    the images were learned from too, if any.
    """

    fitted: FittedDetector
    held_out: NDArray[np.float64]
    places: NDArray[np.int64]
    map_maxima: NDArray[np.float64] | None = None
    records: Records = Records()
    augmented: str = ""


class Detector(Recipe, ABC):
    """A recipe of a detector; subclasses declare its settings, see `knowngood.recipe.Recipe`.

    Images are resized to about `input_size` pixels squared, with both sides a `multiple`.
    """

    when: ClassVar[str] = ""  # when to choose it, in a sentence
    multiple: ClassVar[int] = 64  # so that strides up to 32 divide the sides at two scales
    needs_classes: ClassVar[bool] = False  # whether the class of each good image must be known
    compares: ClassVar[bool] = False  # whether each image is compared with its reference
    augments: ClassVar[bool] = False  # whether it learns from augmented copies of few images too
    trains: ClassVar[bool] = False  # whether a network is trained, so that a run says how and where

    input_size: int

    @abstractmethod
    def fit(
        self, good: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Fit a detector to good images.

        Args:
            good: Images of good parts, read as often as needed and never held all at once.
            seed: The same seed on the same images gives the same result.
            device: A torch device, such as `cpu` or `cuda`.
            progress: Called with the stage in words, how much of it is done, and its total.
            run: How and where a network is trained; None for one process that keeps nothing, and for recipes
                that train none.

        Raises:
            DataError: An image cannot be read, or there are too few.
            TrainingError: The training diverged, or cannot be resumed.
        """


def draw_held_out(good: ImageSet, most: int, seed: int) -> set[int]:
    """Draw the images that are scored out of fold: all, or as many as `most`; of a picture, all tiles; and
    no augmented copy.
    """
    own = np.arange(len(good)) if good.augmented is None else np.flatnonzero(~np.array(good.augmented))
    pictures, of_picture = np.unique(good.pictures[own], return_inverse=True)
    drawn = np.random.default_rng(seed).permutation(len(pictures))[:most]
    return set(own[np.isin(of_picture, drawn)].tolist())


def check_folds(readable: int, scored: int) -> None:
    """Refuse a fit with fewer than two readable folds, or without an image that is scored out of fold.

    Raises:
        DataError: There are too few images.
    """
    if readable < 2 or not scored:
        raise DataError("one good image is too few to train on; at least 2 that can be read are needed")
