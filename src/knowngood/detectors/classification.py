"""What detectors have in common that learn a classification of good images.

A network that has learned to tell kinds of good images apart sees what is typical of them. Of an image that
is none of them it is unsure, and what it sees lies far from what it knows.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from knowngood.data.decoding import name_of
from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Fit, FittedDetector
from knowngood.detectors.confidence import Scorer
from knowngood.detectors.fitted_classification import FittedOnFrozen, FittedOnPixels, Pixels
from knowngood.detectors.trained import Trained, learn, over_rows
from knowngood.errors import DataError, RecipeError
from knowngood.features.extract import extract
from knowngood.features.frozen import freeze
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.metrics.reliability import fit_temperature, reliability
from knowngood.recipe import OneOf
from knowngood.settings import BatchSize, Epochs, InputSize, LabelSmoothing, Schedule, Weights
from knowngood.training.classes_record import Classes, Odd
from knowngood.training.classifying import TRUNKS, ClassifyingNetwork, RandomShift, true_classes
from knowngood.training.learner import SCHEDULES
from knowngood.training.record import TrainingRecord
from knowngood.training.records import Records
from knowngood.training.run import Run
from knowngood.training.standardise import Standardise
from knowngood.training.store import Store, is_grey, store, store_images
from knowngood.types import Progress, silent

Shift = Annotated[
    int, Field(ge=0, le=64, description="Largest random shift while small or cnn is trained, in pixels")
]

ODD = 8
"""Good images that the record shows as the oddest."""


@dataclass(frozen=True, kw_only=True)
class Classification(Trained):
    """A recipe of a classifier."""

    multiple: ClassVar[int] = 4

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
    @abstractmethod
    def step(self) -> float:
        """How far pixels are moved towards what the network takes them for, before it judges; 0 for not."""

    @property
    @abstractmethod
    def known_temperature(self) -> float | None:
        """What logits are divided by; None if that is to be fitted."""

    @abstractmethod
    def classes(self, good: ImageSet) -> list[str]:
        """The names of the classes: those of the images, or, where it needs none, one for each view."""

    @abstractmethod
    def views(self) -> nn.Module:
        """From images `(N, H, W, 3)` to views `(N, V, H, W, 3)`."""

    @abstractmethod
    def frozen(self) -> type[nn.Module]:
        """What `knowngood.features.frozen.freeze` makes features `(N, V, C)` of a backbone with."""

    @abstractmethod
    def scorer(self, features: Tensor, truth: Tensor, *, temperature: float, seed: int) -> Scorer:
        """What scores images.

        Args:
            features: Of the samples learned from, `(M, V, D)`.
            truth: The true class of each view, `(M, V)`.
            temperature: What logits are divided by.
            seed: Draws what is remembered.
        """

    def fit(
        self,
        good: ImageSet,
        *,
        seed: int,
        device: str,
        progress: Progress = silent,
        run: Run | None = None,
    ) -> Fit:
        """Train the network; see `Detector.fit`."""
        names = self.classes(good)
        learned = good if self.needs_classes else dataclasses.replace(good, classes=None)

        def train(
            kept: Store, views: nn.Module, trunk: Callable[[], Sequence[nn.Module]]
        ) -> tuple[ClassifyingNetwork, TrainingRecord]:
            if self.needs_classes:
                check_learned(kept, names)
            sample = torch.from_numpy(kept.samples[:1].copy())
            return learn(
                self,
                lambda: ClassifyingNetwork(
                    views,
                    nn.Sequential(*trunk()),
                    sample,
                    classes=len(names),
                    label_smoothing=self.label_smoothing,
                ),
                kept,
                seed=seed,
                device=device,
                progress=progress,
                run=run,
                schedule=self.schedule,
            )

        if self.network in TRUNKS:
            with store_images(learned, seed=seed, progress=progress) as kept:
                channels = 1 if is_grey(kept.samples) else 3
                layers = TRUNKS[self.network]
                network, record = train(
                    kept,
                    Pixels(self.views(), channels),
                    lambda: [RandomShift(self.shift), *layers(channels, good.shape)],
                )
                return self._conclude(
                    _Subject(network, record, kept, good, names),
                    lambda scorer, temperature: FittedOnPixels(
                        network, scorer, step=self.step, temperature=temperature
                    ),
                    seed,
                )
        features = freeze(
            self.frozen(), good.shape, backbone=self.network, weights=self.weights, setting="network"
        )

        def rows() -> Iterator[tuple[int, NDArray[np.float32]]]:
            done = 0
            for done, (index, [seen]) in enumerate(extract(features, good, device=device), 1):
                yield index, seen.numpy()
                progress("looking at good images", done, len(good))
            if done < len(good):  # some could not be read
                progress("looking at good images", len(good), len(good))

        with store(rows(), learned, seed=seed) as kept:
            standardise = Standardise.over(torch.from_numpy(kept.samples[kept.train]))
            network, record = train(kept, nn.Identity(), lambda: [standardise])
            return self._conclude(
                _Subject(network, record, kept, good, names),
                lambda scorer, _: FittedOnFrozen(features, network, scorer),
                seed,
            )

    def _conclude(
        self, trained: _Subject, judge_by: Callable[[Scorer, float], FittedDetector], seed: int
    ) -> Fit:
        """From a trained network to the detector, with the scores of held-out images."""
        network, record, kept, good, names = trained
        features, logits = over_rows(network, kept, np.arange(len(kept.index)))
        truth = true_classes(logits, torch.from_numpy(kept.labels))
        held_logits, held_truth = (part[kept.validation].flatten(0, 1).numpy() for part in (logits, truth))
        temperature = self.known_temperature or fit_temperature(held_logits, held_truth)
        scorer = self.scorer(features[kept.train], truth[kept.train], temperature=temperature, seed=seed)
        fitted = judge_by(scorer, temperature).eval()
        if self.step:  # scores do not follow from what the network says of images as they are
            (scores,) = over_rows(lambda batch: (fitted(batch).image,), kept, np.arange(len(kept.index)))
        else:
            scores = torch.empty(len(kept.index))
            with torch.inference_mode():
                scores[kept.train] = scorer.of_learned(features[kept.train], logits[kept.train])
                scores[kept.validation] = scorer.of_many(features[kept.validation], logits[kept.validation])
        found, pictures = oddest(good, kept, scores.double().numpy())
        classes = Classes(
            names=names,
            temperature=temperature,
            fitted=self.known_temperature is None,
            accuracy=float((held_logits.argmax(axis=1) == held_truth).mean()),
            before=reliability(held_logits, held_truth),
            after=reliability(held_logits, held_truth, temperature),
            odd=found,
            pictures=pictures,
        )
        held_out = scores[kept.validation].double().numpy()
        return Fit(fitted, held_out, records=Records(record, classes))


class _Subject(NamedTuple):
    """A network that was trained, and on what."""

    network: ClassifyingNetwork
    record: TrainingRecord
    kept: Store
    good: ImageSet
    names: list[str]


def check_learned(kept: Store, names: Sequence[str]) -> None:
    """Make sure that there is something to learn of each class.

    Raises:
        DataError: Of a class no image is left, since too few could be read.
    """
    learned = set(kept.labels[kept.train].tolist())
    for number, name in enumerate(names):
        if number not in learned:
            raise DataError(
                f"too few images of class {name!r} can be read, so that none is left to learn from; replace "
                "them or leave the class out"
            )


def oddest(good: ImageSet, kept: Store, scores: NDArray[np.float64]) -> tuple[list[Odd], NDArray[np.uint8]]:
    """The good images with the highest scores, and their pictures `(n, H, W, 3)`.

    Args:
        good: Where they come from.
        kept: All that could be read, as samples.
        scores: The score of each sample.
    """
    rows = np.argsort(-scores, kind="stable")[:ODD].tolist()
    places = kept.index[rows].tolist()
    held_out = set(kept.validation.tolist())
    odd = [
        Odd(
            name=name_of(good.sources[place], place),
            label=good.classes[place] if good.classes else "",
            score=float(scores[row]),
            held_out=row in held_out,
        )
        for row, place in zip(rows, places, strict=True)
    ]
    return odd, np.concatenate([batch.images for batch in good.subset(places).batches()])
