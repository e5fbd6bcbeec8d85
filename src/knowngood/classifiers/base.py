"""What every classifier is: a recipe that learns from good parts and defects, and what it has learned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from knowngood.data.labelled import Labelled
from knowngood.data.loader import Batches
from knowngood.detectors.base import FittedDetector
from knowngood.errors import DataError
from knowngood.training.augment import mean_probability, vote
from knowngood.training.record import TrainingRecord
from knowngood.training.run import Run
from knowngood.types import Progress, Scores, silent

AGREEMENTS = {"mean": mean_probability, "vote": vote}
"""How the answers to several views of an image become one: by mean probability, or by majority."""


class Fit(NamedTuple):
    """The result of learning.

    Attributes:
        classifier: Judges new images: its scores are the log odds of a defect.
        record: How it was trained, with a lesson.
        peaks: The largest value of the map of each good image `(M,)`, as a new one would have it; None where
            maps of images that were learned from are like those of new ones, or there is no map.
    """

    classifier: FittedDetector
    record: TrainingRecord
    peaks: NDArray[np.float64] | None = None


class Classifier(ABC):
    """A recipe. Subclasses are frozen dataclasses of hyper-parameters and nothing else.

    Every recipe has an `input_size`, as a detector's has, and an `orientation`: how the product may lie.
    """

    multiple: ClassVar[int] = 32  # so that strides up to that divide the sides
    trains: ClassVar[bool] = False  # whether a network is trained, so that a run says how and where

    input_size: int
    orientation: str

    @abstractmethod
    def fit(
        self,
        images: Batches,
        taught: Labelled,
        *,
        seed: int,
        device: str,
        progress: Progress = silent,
        run: Run | None = None,
    ) -> Fit:
        """Learn from labelled images.

        Args:
            images: The images of `taught` in its order, read as often as needed and never held all at once.
            taught: The kind of each.
            seed: The same seed on the same images gives the same result.
            device: A torch device, such as `cpu` or `cuda`.
            progress: Called with the stage in words, how much of it is done, and its total.
            run: How and where a network is trained; None for recipes that train none.

        Raises:
            DataError: An image cannot be read, or there are too few.
            TrainingError: The training went wrong.
        """


def log_odds(logits: Tensor, temperature: float) -> Tensor:
    """The image score of a classifier: how much likelier a defect is than a good part.

    Args:
        logits: `(N, C, ...)`, the first kind is good.
        temperature: Logits are divided by it.

    Returns:
        `(N, ...)` raw and unbounded; 0 where both are as likely.

    Example:
        >>> import torch
        >>> log_odds(torch.tensor([[0.0, 0.0], [1.0, 3.0]]), 2.0).tolist()
        [0.0, 1.0]
    """
    scaled = logits / temperature
    defects = scaled[:, 1:]
    # By hand, since OpenVINO takes a logsumexp over all dimensions, whichever is asked for.
    most = defects.amax(dim=1)
    return most + (defects - most[:, None]).exp().sum(dim=1).log() - scaled[:, 0]


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
        logits=logits[:, None],
        features=features.mean(dim=1, keepdim=True),
    )


def check_left(numbers: Sequence[int], names: Sequence[str], groups: Sequence[Any] | None) -> None:
    """Make sure that of each kind two parts are left, once images that cannot be read are out.

    Args:
        numbers: The kind of each image that is left.
        names: The kinds.
        groups: The group of each image; None where every image is a part by itself.

    Raises:
        DataError: There are fewer.
    """
    parts = range(len(numbers)) if groups is None else groups
    present = Counter(number for number, _ in set(zip(numbers, parts, strict=True)))
    for number, name in enumerate(names):
        if present[number] < 2:
            raise DataError(
                f"too few {'images' if groups is None else 'parts'} of {name!r} can be read: "
                f"{present[number]}, and at least 2 are needed; replace them or leave that kind out"
            )
