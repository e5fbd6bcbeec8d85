"""The base of detectors that learn from the features of good images and of damaged copies of them."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.data.synthetic_defects import TYPES
from knowngood.detectors.feature_model import FeatureModel, TrainedOnFeatures
from knowngood.detectors.trained import over_rows
from knowngood.features.extract import extract_pairs
from knowngood.features.frozen import FrozenFeatures
from knowngood.training.blocks import SLOPE
from knowngood.training.standardise import Standardise
from knowngood.training.store import Store, store
from knowngood.types import Progress

CHANGED = 0.05
"""Share of the pixels of a place that changed, from which on it is damaged; a scar covers few of them."""


@dataclass(frozen=True, kw_only=True)
class TrainedOnDamage(TrainedOnFeatures):
    """A recipe of networks that learn what synthetic defects do to the features of good images.

    A stored sample `(C + 1, 1 + copies, h, w)` holds the features of a good image and of its damaged copies,
    and as last channel the share of each place that is damaged: copies are in the fold of their image.
    The copies depend on the seed and on the image's position alone.
    """

    types: ClassVar[Sequence[str]]  # of the defects, in the order of the copies, and again from the first
    neighbourhood: ClassVar[int] = 3  # since each place is mapped by itself

    copies: Annotated[int, Field(ge=1, le=64, description="Damaged copies of each good image")] = 6

    def samples(
        self, features: FrozenFeatures, images: ImageSet, *, seed: int, device: str, progress: Progress
    ) -> AbstractContextManager[Store]:
        """Store the features of each image and of its copies."""
        return store(self._extract(features, images, seed, device, progress), images, seed=seed)

    def _extract(
        self, features: FrozenFeatures, images: ImageSet, seed: int, device: str, progress: Progress
    ) -> Iterator[tuple[int, NDArray[np.float16]]]:
        """The sample of each readable image, with its position."""
        grid = features.shapes[0][1:]
        extracted = extract_pairs(features, self._views(images, grid, seed), device=device)
        done = 0
        for done, (index, views) in enumerate(groupby(extracted, lambda view: view[0][0]), 1):
            # Features may be overwritten once the next are asked for.
            layers = [np.concatenate([array[0], share[None]]) for (_, share), [array] in views]
            yield index, np.stack(layers, axis=1).astype(np.float16)
            progress("looking at good images", done, len(images))
        if done < len(images):  # some could not be read
            progress("looking at good images", len(images), len(images))

    def _views(
        self, images: ImageSet, grid: tuple[int, ...], seed: int
    ) -> Iterator[tuple[tuple[int, NDArray[np.float32]], NDArray[np.uint8]]]:
        """Each image and its copies, with its position and the share of each place that is damaged."""
        for batch in images.batches():
            index = int(batch.index[0])
            yield (index, np.zeros(grid, np.float32)), batch.images
            for copy in range(self.copies):
                damage = TYPES[self.types[copy % len(self.types)]]
                image, mask = damage(batch.images[0], np.random.default_rng([seed, index, copy]))
                share: Any = cv2.resize(mask.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
                yield (index, share), image[None]


class DamageModel(FeatureModel, ABC):
    """A network that learns from samples `(N, C + 1, 1 + copies, h, w)` of a `TrainedOnDamage`, by two layers
    that map features `(N, C, h, w)` to codes `(N, code, h, w)`, each place by itself.

    Features are standardised by the mean and the standard deviation of each channel, `(C,)`.
    """

    def __init__(self, mean: Tensor, deviation: Tensor, *, width: int, code: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Standardise(mean.view(1, -1, 1, 1), deviation.view(1, -1, 1, 1)),
            nn.Conv2d(len(mean), width, 1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, code, 1),
        )

    def good(self, samples: Tensor) -> Tensor:
        """The features `(N, C, h, w)` of the good images."""
        return samples[:, :-1, 0]

    def mean_of(self, function: Callable[[Tensor], Tensor], kept: Store) -> Tensor:
        """The mean `(...)` over the good images that are learned from of what a function gives for their
        features, `(N, ...)`, in float64.
        """
        total = torch.zeros((), dtype=torch.float64)
        for row in kept.train:
            (found,) = over_rows(lambda batch: (function(self.good(batch.float())),), kept, row[None])
            total = total + found[0]
        return total / len(kept.train)

    def fault(self, samples: Tensor) -> str:
        """Say if damaged places score no higher than good ones."""
        damaged = self.errors(samples[:, :-1, 1:].transpose(1, 2).flatten(0, 1))[
            are_damaged(samples).flatten(0, 1)
        ]
        if not damaged.numel() or damaged.mean() > self.errors(self.good(samples)).mean():
            return ""
        return (
            "it has collapsed, places with synthetic defects score no higher than others; take a smaller "
            "learning_rate"
        )


def are_damaged(samples: Tensor) -> Tensor:
    """Which places of the copies in samples `(N, C + 1, 1 + copies, h, w)` are damaged, `(N, copies, h, w)`.

    Example:
        >>> are_damaged(torch.tensor([0.7, 0.0, 0.7, 0.5]).view(1, 2, 2, 1, 1)).flatten()
        tensor([True])
    """
    return samples[:, -1, 1:] >= CHANGED
