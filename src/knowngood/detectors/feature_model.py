"""The base of detectors whose networks are trained on the features of a frozen one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.detectors.base import Fit, FittedOnFeatures
from knowngood.detectors.trained import FEW, Trained, learn_each_fold, named, over_rows, store_features
from knowngood.errors import TrainingError
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.patches import PatchFeatures, smooth
from knowngood.features.pyramid import apart, joined
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.settings import BackboneName, Folds, InputSize, Smoothing, Strides, Weights
from knowngood.training.learner import Trainable
from knowngood.training.records import Records
from knowngood.training.run import Run
from knowngood.training.standardise import LEAST_DEVIATION
from knowngood.training.store import Store
from knowngood.types import Progress, Scores, silent

LEAST = 1e-6  # of what errors are divided by: constant images may have none


class FeatureModel(Trainable, ABC):
    """A network that says how unusual the features of each place are."""

    @abstractmethod
    def errors(self, features: Tensor) -> Tensor:
        """How unusual each place is, `(N, h, w)` and at least 0, of features `(N, C, h, w)`, or of several
        tensors that are `joined`.
        """

    def objective(self, seen: Mapping[str, float]) -> float:
        """The loss on the images that are learned from: those that are held out set the threshold, and
        would score too low by a network whose epoch they have chosen.
        """
        return seen["train/monitored"]

    def good(self, samples: Tensor) -> Tensor:
        """The features `(N, C, h, w)` of good images in stored samples `(N, ...)`: here the same."""
        return samples

    def settle(self, kept: Store) -> None:
        """Estimate from samples, after the training, what no gradient finds; most networks need nothing."""

    def fault(self, samples: Tensor) -> str:  # noqa: ARG002  # most networks cannot collapse
        """What went wrong in training, by stored samples of held-out images; empty if nothing."""
        return ""


@dataclass(frozen=True, kw_only=True)
class TrainedOnFeatures(Trained):
    """A recipe of networks that are trained on stored features; the score is the maximum of the map.

    One network is trained for each fold of the good images, on the other folds, and scores that fold: all
    good images are scored by a network that did not learn from them, and the threshold is set from these
    scores. The map is the mean of the networks' maps, each divided by its mean over its own held-out images.
    The maximum of a mean of maps is at most the mean of their maxima, so that new good images, which no
    network has learned from, score no higher on average than the held-out ones (the idea of cross-conformal
    prediction: Vovk, "Cross-conformal predictors", arXiv:1208.0806). The record is of the first training.
    """

    neighbourhood: ClassVar[int] = 1  # side of the square over which features are averaged

    input_size: Annotated[InputSize, Field(ge=64, le=1024)] = 256
    smoothing: Annotated[Smoothing, Field(ge=0, le=32)] = 1.0
    folds: Annotated[Folds, Field(ge=2, le=20)] = 3
    backbone: BackboneName = DEFAULT_BACKBONE
    weights: Weights = None
    strides: Strides = (8, 16)

    @abstractmethod
    def make_network(self, kept: Store) -> FeatureModel:
        """Make a network with random weights for training samples `(n, ...)`."""

    def samples(
        self, features: FrozenFeatures, images: ImageSet, *, seed: int, device: str, progress: Progress
    ) -> AbstractContextManager[Store]:
        """Store a sample of each image: here its features, `(C, h, w)`."""
        return store_features(features, images, seed=seed, device=device, progress=progress, dtype=np.float16)

    def extractor(self, shape: tuple[int, int]) -> FrozenFeatures:
        """What is stored of images of a height and width."""
        return freeze(
            PatchFeatures,
            shape,
            backbone=self.backbone,
            strides=self.strides,
            weights=self.weights,
            neighbourhood=self.neighbourhood,
        )

    def fit(
        self, good: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Train the networks on stored features."""
        features = self.extractor(good.shape)
        unlabelled = replace(good, classes=None)
        with self.samples(features, unlabelled, seed=seed, device=device, progress=progress) as kept:
            fold_of = folds(len(kept.index), self.folds, seed, unlabelled.subset(kept.index).groups)
            held_out = np.empty(len(fold_of))
            networks, scales, records = [], [], []
            trainings = learn_each_fold(
                self, self.make_network, kept, fold_of, seed=seed, device=device, progress=progress, run=run
            )
            for part, network, record in trainings:
                network.settle(part)
                held_out[part.validation], scale = self._score_held_out(network, part)
                networks.append(network)
                scales.append(scale)
                records.append(record)
            index = kept.index
        fitted = FittedFeatureModel(features, networks, scales, smoothing=self.smoothing).eval()
        return Fit(fitted, held_out, index, records=Records(records[0]))

    def _score_held_out(self, network: FeatureModel, part: Store) -> tuple[NDArray[np.float64], float]:
        """Score the held-out samples `(M,)` by their network, in units of its mean error, which is returned.

        Raises:
            TrainingError: The training went wrong.
        """

        def score(samples: Tensor) -> tuple[Tensor, Tensor]:
            errors = network.errors(network.good(samples.float()))
            return smooth(errors, self.smoothing).amax(dim=(1, 2)).double(), errors.double().mean(dim=(1, 2))

        maxima, means = over_rows(score, part, part.validation)
        fault = network.fault(torch.from_numpy(part.samples[part.validation[:FEW]]).float())
        if not torch.isfinite(maxima).all():
            fault = "the scores of good images are not finite numbers; take a smaller learning_rate"
        if fault:
            raise TrainingError(named(self, fault))
        scale = max(float(means.mean()), LEAST)
        return (maxima / scale).numpy(), scale


def moments(kept: Store, part: int = 0) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation `(C,)` of each channel over the training samples `(n, C, h, w)`, or over
    one of the tensors that samples join.
    """
    samples, count, shapes = kept.samples, len(kept.train), kept.parts or (kept.shape,)
    total = square = torch.zeros(())
    for row in kept.train:
        one = apart(torch.from_numpy(samples[row][None].astype(np.float64)), shapes)[part][0].flatten(1)
        total, square = total + one.mean(dim=1), square + one.square().mean(dim=1)
    mean = total / count
    deviation = (square / count - mean.square()).clamp(min=0).sqrt()
    return mean.float(), deviation.float() + LEAST_DEVIATION


class FittedFeatureModel(FittedOnFeatures):
    """Scores images by the most unusual place of their features, in units of each network's mean error."""

    def __init__(
        self,
        features: FrozenFeatures,
        networks: Sequence[FeatureModel],
        scales: Sequence[float],
        *,
        smoothing: float,
    ) -> None:
        super().__init__(features)
        self.networks = nn.ModuleList(networks)
        self.scales = scales
        self.smoothing = smoothing

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """Score images by their features, `(N, C, h, w)` each."""
        maps = [
            network.errors(joined(features)) / scale  # type: ignore[operator]  # a FeatureModel
            for network, scale in zip(self.networks, self.scales, strict=True)
        ]
        smoothed = smooth(torch.stack(maps).mean(dim=0), self.smoothing)
        return Scores(smoothed.amax(dim=(1, 2)), smoothed)
