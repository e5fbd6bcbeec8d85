"""The interface of classifiers: a recipe that learns from good parts and defects, and its results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Fit, FittedDetector
from knowngood.engines.logsumexp import logsumexp
from knowngood.errors import DataError
from knowngood.features.patches import align
from knowngood.features.views import mean_probability, vote
from knowngood.metrics.classification import losses
from knowngood.metrics.reliability import fit_temperature
from knowngood.recipe import ORIENTATIONS, OneOf, Recipe
from knowngood.settings import InputSize, Orientation
from knowngood.training.classifier_record import ClassifierRecord, held_out_scores
from knowngood.training.record import TrainingRecord
from knowngood.training.records import Records
from knowngood.training.run import Run
from knowngood.types import Progress, Scores, silent

AGREEMENTS = {"mean": mean_probability, "vote": vote}
"""How predictions for several views of an image are combined: by mean probability, or by majority."""

SHEET = 128
"""The longest side of pictures in a sheet of samples, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Classifier(Recipe, ABC):
    """A recipe. Subclasses declare settings and nothing else, see `knowngood.recipe.Recipe`.

    The image score is the log odds of a defect.
    """

    multiple: ClassVar[int] = 32  # so that strides up to that divide the sides
    trains: ClassVar[bool] = False  # whether a network is trained, so that a run says how and where

    input_size: Annotated[InputSize, Field(ge=32, le=4096)] = 256
    orientation: Annotated[Orientation, OneOf(ORIENTATIONS)] = "fixed"

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
    index: NDArray[np.int64],
    *,
    training: TrainingRecord | None = None,
    map_maxima: NDArray[np.float64] | None = None,
) -> Fit:
    """A `Fit` whose held-out scores are those of held-out good images; `index` has the position of each
    held-out image among all, `(M,)`.
    """
    good = classifier.truth == 0
    return Fit(
        fitted,
        held_out_scores(classifier)[good],
        index[good],
        map_maxima,
        Records(training=training, classifier=classifier),
    )


def make_record(
    names: Sequence[str],
    numbers: NDArray[np.int64],
    held_out: tuple[NDArray[np.float32], NDArray[np.int64]],
    learned: tuple[NDArray[np.float32], NDArray[np.int64]],
    notes: Sequence[str],
) -> ClassifierRecord:
    """The record of a classifier, from the classes `(n,)` of all images, and from logits `(M, C)` and true
    classes `(M,)` of held-out images, on which the temperature is fitted, and of images that were learned
    from.
    """
    (logits, truth), (predicted, known) = held_out, learned
    return ClassifierRecord(
        names=list(names),
        counts=np.bincount(numbers, minlength=len(names)).tolist(),
        logits=logits,
        truth=truth,
        temperature=fit_temperature(logits, truth, doubt=1 / (2 + len(truth))),
        train_loss=float(losses(predicted, known).mean()),
        train_accuracy=float((predicted.argmax(axis=1) == known).mean()),
        notes=list(notes),
    )


def shrinkage(shape: Sequence[int]) -> int:
    """The whole number by which the sides of images of a shape are divided in a sheet of samples."""
    return max(1, -(-max(shape) // SHEET))


def log_odds(logits: Tensor, temperature: float) -> Tensor:
    """The log odds of a defect `(N, ...)` from logits `(N, C, ...)`, of which the first class is good.

    Example:
        >>> log_odds(torch.tensor([[0.0, 0.0], [1.0, 3.0]]), 2.0).tolist()
        [0.0, 1.0]
    """
    scaled = logits / temperature
    return logsumexp(scaled[:, 1:], dim=1) - scaled[:, 0]


def class_activation(maps: Sequence[Tensor], weight: Tensor, bias: Tensor) -> Tensor:
    """The logits that a linear classifier of mean features has at each position, `(N, C, h, w)`.

    Their mean over the image is the image's logits, where all maps are of one size. Zhou et al., "Learning
    Deep Features for Discriminative Localization", arXiv:1512.04150.

    Args:
        maps: Feature maps `(N, D_i, h_i, w_i)`; the result has the resolution of the first, the finest.
        weight: `(C, D)` of their means side by side, D the sum of all D_i.
        bias: `(C,)`.

    Example:
        >>> maps = [torch.tensor([[[[1.0, 3.0]]]])]
        >>> class_activation(maps, torch.tensor([[2.0]]), torch.tensor([1.0])).tolist()
        [[[[3.0, 7.0]]]]
    """
    parts = torch.split(weight, [int(level.shape[1]) for level in maps], dim=1)
    each = [torch.einsum("nchw,kc->nkhw", level, part) for level, part in zip(maps, parts, strict=True)]
    return torch.stack(align(each)).sum(dim=0) + bias[:, None, None]


def combine_views(views: Tensor, agreement: str) -> Tensor:
    """Logits `(N, C)` of images from those of their views `(N, V, C)`, by one of `AGREEMENTS`."""
    return views[:, 0] if views.shape[1] == 1 else AGREEMENTS[agreement](views)


def score_views(
    views: Tensor, features: Tensor, temperature: float, agreement: str, map_: Tensor | None
) -> Scores:
    """The scores of images from logits `(N, V, C)` and features `(N, V, D)` of their views."""
    logits = combine_views(views, agreement)
    extras = {"logits": logits[:, None], "features": features.mean(dim=1, keepdim=True)}
    return Scores(log_odds(logits, temperature), map_, extras)


def check_readable(images: ImageSet, places: Sequence[int]) -> None:
    """Verify that of each class two images or groups are among those that could be read, at `places`.

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
