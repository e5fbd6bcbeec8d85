"""The base of detectors that learn a classification of good images.

A network that distinguishes classes of good images learns features that are typical of them. Its confidence
in a defect is low, and the features are far from those of good images.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.data.decoding import name_of
from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Fit, FittedDetector
from knowngood.detectors.confidence import Gaussians, Scorer, nearest_of
from knowngood.detectors.fitted_classification import FittedOnFrozen, FittedOnPixels, Pixels
from knowngood.detectors.trained import Trained, learn, over_rows, store_features
from knowngood.errors import DataError, RecipeError
from knowngood.features.frozen import freeze
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.inputs import printable
from knowngood.metrics.reliability import fit_temperature, reliability
from knowngood.recipe import OneOf
from knowngood.settings import BatchSize, Epochs, InputSize, LabelSmoothing, Schedule, Weights
from knowngood.training.classes_record import Classes, Odd
from knowngood.training.classifying import TRUNKS, ClassifyingNetwork, RandomShift, true_classes
from knowngood.training.learner import SCHEDULES
from knowngood.training.records import Records
from knowngood.training.run import Run
from knowngood.training.standardise import Standardise
from knowngood.training.store import Store, is_grey, store_images
from knowngood.types import Progress, silent

Shift = Annotated[
    int, Field(ge=0, le=64, description="Largest random shift while small or cnn is trained, in pixels")
]

SHOWN = 8  # good images with the highest scores that the record shows


@dataclass(frozen=True, kw_only=True)
class Classification(Trained):
    """A recipe of a classifier."""

    multiple: ClassVar[int] = 4
    frozen: ClassVar[type[nn.Module]]  # what `freeze` makes features (N, V, C) of a backbone with

    input_size: Annotated[InputSize, Field(ge=16, le=1024)] = 256
    epochs: Epochs = 20
    batch_size: BatchSize = 64
    network: Annotated[
        str,
        Field(
            description="small or cnn, trained from random weights; or the name of a pretrained network in"
            " timm, on which a linear classifier is trained"
        ),
    ] = DEFAULT_BACKBONE
    weights: Weights = None
    schedule: Annotated[Schedule, OneOf(SCHEDULES)] = "cosine"
    label_smoothing: LabelSmoothing = 0.1
    shift: Shift = 2
    score: str = "mahalanobis"
    temperature: Annotated[
        float | None,
        Field(ge=1e-3, le=1_000_000, description="Temperature that logits are divided by; none to fit it"),
    ] = None
    neighbours: Annotated[
        int,
        Field(ge=1, le=1000, description="Nearest neighbours whose distances are averaged, for score=knn"),
    ] = 1
    bank: Annotated[
        int, Field(ge=1, le=100_000, description="Most training images that are kept, for score=knn")
    ] = 4000

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        """Refuse weights for a network that is trained from random ones."""
        if self.weights is not None and self.network in TRUNKS:
            raise RecipeError(
                f"{type(self).__name__}: weights={self.weights!r} goes with timm's name of a network; "
                f"network={self.network} starts from random weights",
                setting="weights",
                value=self.weights,
            )
        return self

    @property
    def step(self) -> float:
        """How far pixels are moved towards the predicted class before an image is scored."""
        return 0.0

    @property
    def known_temperature(self) -> float | None:
        """The temperature that logits are divided by; None to fit it."""
        return self.temperature

    @abstractmethod
    def classes(self, good: ImageSet) -> list[str]:
        """Name the classes: those of the images or, for a recipe that needs none, one per view."""

    @abstractmethod
    def views(self) -> nn.Module:
        """Make the module from images `(N, H, W, 3)` to views `(N, V, H, W, 3)`."""

    @abstractmethod
    def scorer_of_logits(self, temperature: float) -> Scorer:
        """Make the scorer for a `score` that depends on the logits alone."""

    def scorer(self, features: Tensor, truth: Tensor, temperature: float, seed: int) -> Scorer:
        """Make the scorer from features `(M, V, D)` of training samples and their true classes `(M, V)`."""
        if self.score == "mahalanobis":
            return Gaussians(features, truth)
        if self.score == "knn":
            return nearest_of(features, most=self.bank, neighbours=self.neighbours, seed=seed)
        return self.scorer_of_logits(temperature)

    def fit(
        self, good: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Train the network on stored pixels or features."""
        names = self.classes(good)
        images = good if self.needs_classes else dataclasses.replace(good, classes=None)
        store = self._on_pixels if self.network in TRUNKS else self._on_features
        with store(images, seed, device, progress) as inputs:
            kept = inputs.kept
            unlearned = set(range(len(names))) - set(kept.labels[kept.train].tolist())
            if self.needs_classes and unlearned:
                raise DataError(
                    f"too few images of class {names[min(unlearned)]!r} can be read, so that none is left to "
                    "learn from; replace them or leave the class out"
                )
            sample = torch.from_numpy(kept.samples[:1].copy())

            def make() -> ClassifyingNetwork:
                trunk, smoothing = nn.Sequential(*inputs.trunk()), self.label_smoothing
                return ClassifyingNetwork(
                    inputs.views, trunk, sample, classes=len(names), label_smoothing=smoothing
                )

            network, record = learn(
                self, make, kept, seed=seed, device=device, progress=progress, run=run, schedule=self.schedule
            )
            fitted, held_out, classes = self._conclude(inputs, network, good, seed)
            index = kept.index[kept.validation]
        return Fit(fitted, held_out, index, records=Records(record, classes))

    def _moving(self) -> list[nn.Module]:
        """Return the layer that moves images, if any is moved."""
        return [RandomShift(self.shift)] if self.shift else []

    @contextmanager
    def _on_pixels(self, images: ImageSet, seed: int, _: str, progress: Progress) -> Iterator[_Inputs]:
        """Store images, for a network that is trained from random weights."""
        with store_images(images, seed=seed, progress=progress) as kept:
            channels = 1 if is_grey(kept.samples) else 3
            yield _Inputs(
                kept,
                Pixels(self.views(), channels),
                lambda: [*self._moving(), *TRUNKS[self.network](channels, images.shape)],
                partial(FittedOnPixels, step=self.step),
            )

    @contextmanager
    def _on_features(self, images: ImageSet, seed: int, device: str, progress: Progress) -> Iterator[_Inputs]:
        """Store the features of a frozen backbone, for a linear classifier."""
        features = freeze(
            self.frozen, images.shape, backbone=self.network, weights=self.weights, setting="network"
        )
        with store_features(features, images, seed=seed, device=device, progress=progress) as kept:
            standardise = Standardise.over(torch.from_numpy(kept.samples[kept.train]))
            yield _Inputs(kept, nn.Identity(), lambda: [standardise], partial(FittedOnFrozen, features))

    def _conclude(
        self, inputs: _Inputs, network: ClassifyingNetwork, good: ImageSet, seed: int
    ) -> tuple[FittedDetector, NDArray[np.float64], Classes]:
        """Make the detector of a trained network, score held-out images, and record the classification."""
        kept, everything = inputs.kept, np.arange(len(inputs.kept.index))
        features, logits = over_rows(network, kept, everything)
        truth = true_classes(logits, torch.from_numpy(kept.labels))
        held_logits, held_truth = (part[kept.validation].flatten(0, 1).numpy() for part in (logits, truth))
        temperature = self.known_temperature or fit_temperature(held_logits, held_truth)
        scorer = self.scorer(features[kept.train], truth[kept.train], temperature, seed)
        fitted = inputs.fitted(network, scorer, temperature).eval()
        if self.step:  # scores do not follow from the logits of images as they are
            (scores,) = over_rows(lambda batch: (fitted(batch).image,), kept, everything)
        else:
            scores = torch.empty(len(everything))
            with torch.inference_mode():
                scores[kept.train] = scorer.of_learned(features[kept.train], logits[kept.train])
                scores[kept.validation] = scorer.of_many(features[kept.validation], logits[kept.validation])
        odd, pictures = highest_scores(good, kept, scores.double().numpy())
        classes = Classes(
            names=self.classes(good),
            temperature=temperature,
            fitted=self.known_temperature is None,
            accuracy=float((held_logits.argmax(axis=1) == held_truth).mean()),
            before=reliability(held_logits, held_truth),
            after=reliability(held_logits, held_truth, temperature),
            odd=odd,
            pictures=pictures,
        )
        return fitted, scores[kept.validation].double().numpy(), classes


@dataclasses.dataclass(frozen=True)
class _Inputs:
    """Stored samples, and the parts of a network and of a detector that depend on what they are."""

    kept: Store
    views: nn.Module
    trunk: Callable[[], list[nn.Module]]
    fitted: Callable[[ClassifyingNetwork, Scorer, float], FittedDetector]


def highest_scores(
    good: ImageSet, kept: Store, scores: NDArray[np.float64]
) -> tuple[list[Odd], NDArray[np.uint8]]:
    """List the good images whose samples have the highest scores, with their pictures `(n, H, W, 3)`."""
    rows = np.argsort(-scores, kind="stable")[:SHOWN].tolist()
    places = kept.index[rows].tolist()
    held_out = set(kept.validation.tolist())
    odd = [
        Odd(
            name=printable(name_of(good.sources[place], place)),
            label=good.classes[place] if good.classes else "",
            score=float(scores[row]),
            held_out=row in held_out,
        )
        for row, place in zip(rows, places, strict=True)
    ]
    return odd, np.concatenate([batch.images for batch in good.subset(places).batches()])
