"""What every classifier is: a recipe that learns from good parts and defects, and what it has learned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Fit, FittedDetector
from knowngood.engines.logsumexp import logsumexp
from knowngood.errors import DataError
from knowngood.features.views import mean_probability, vote
from knowngood.recipe import Recipe
from knowngood.training.classifier_record import ClassifierRecord
from knowngood.training.record import TrainingRecord
from knowngood.training.records import Records
from knowngood.training.run import Run
from knowngood.types import Progress, Scores, silent

AGREEMENTS = {"mean": mean_probability, "vote": vote}
"""How the answers to several views of an image become one: by mean probability, or by majority."""


class Classifier(Recipe, ABC):
    """A recipe. Subclasses declare settings and nothing else, see `knowngood.recipe.Recipe`.

    Every recipe has an `input_size`, as a detector's has, and an `orientation`: how the product may lie. What
    it learns scores images by the log odds of a defect.
    """

    multiple: ClassVar[int] = 32  # so that strides up to that divide the sides
    trains: ClassVar[bool] = False  # whether a network is trained, so that a run says how and where

    input_size: int
    orientation: str

    @abstractmethod
    def fit(
        self, images: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Learn from labelled images.

        Args:
            images: Good parts and defects with their classes, read as often as needed and never held all at
                once.
            seed: The same seed on the same images gives the same result.
            device: A torch device, such as `cpu` or `cuda`.
            progress: Called with the stage in words, how much of it is done, and its total.
            run: How and where a network is trained; None for recipes that train none.

        Raises:
            DataError: An image cannot be read, or there are too few.
            TrainingError: The training went wrong.
        """


def make_fit(
    fitted: FittedDetector,
    classifier: ClassifierRecord,
    *,
    training: TrainingRecord | None = None,
    map_maxima: NDArray[np.float64] | None = None,
) -> Fit:
    """The result of learning a classifier: its held-out scores are those of held-out good images.

    Args:
        fitted: Judges new images.
        classifier: What it learned.
        training: How its network was trained, if it has one.
        map_maxima: See `Fit`.
    """
    scores = held_out_scores(classifier)[classifier.truth == 0]
    return Fit(fitted, scores, map_maxima, Records(training=training, classifier=classifier))


def held_out_scores(classifier: ClassifierRecord) -> NDArray[np.float64]:
    """The score of each held-out image `(M,)`."""
    return log_odds(torch.from_numpy(classifier.logits).double(), classifier.temperature).numpy()


def log_odds(logits: Tensor, temperature: float) -> Tensor:
    """The image score of a classifier: how much likelier a defect is than a good part.

    Args:
        logits: `(N, C, ...)`, the first kind is good.
        temperature: Logits are divided by it.

    Returns:
        `(N, ...)` raw and unbounded; 0 where both are as likely.

    Example:
        >>> log_odds(torch.tensor([[0.0, 0.0], [1.0, 3.0]]), 2.0).tolist()
        [0.0, 1.0]
    """
    scaled = logits / temperature
    return logsumexp(scaled[:, 1:], dim=1) - scaled[:, 0]


def agreed(views: Tensor, agreement: str) -> Tensor:
    """Logits `(N, C)` of images from those of their views `(N, V, C)`."""
    return views[:, 0] if views.shape[1] == 1 else AGREEMENTS[agreement](views)


def answer(
    views: Tensor, features: Tensor, temperature: float, agreement: str, map_: Tensor | None
) -> Scores:
    """What a classifier says of images, from its answers to their views.

    Args:
        views: Logits `(N, V, C)`.
        features: What it sees in each view `(N, V, D)`.
        temperature: Logits are divided by it.
        agreement: How views become one answer, a name in `AGREEMENTS`.
        map_: `(N, h, w)` of the first view, or None.
    """
    logits = agreed(views, agreement)
    return Scores(
        log_odds(logits, temperature),
        map_,
        {"logits": logits[:, None], "features": features.mean(dim=1, keepdim=True)},
    )


def check_left(images: ImageSet, places: Sequence[int]) -> None:
    """Make sure that two images or groups of each class are left, once images that cannot be read are out.

    Args:
        images: The images with their classes.
        places: The positions of those that could be read.

    Raises:
        DataError: There are fewer.
    """
    left = images.subset(places)
    present = left.group_counts
    for name in images.names:
        if present[name] < 2:
            raise DataError(
                f"too few {'images' if left.groups is None else 'groups'} of {name!r} can be read: "
                f"{present[name]}, and at least 2 are needed; replace them or leave that class out"
            )
