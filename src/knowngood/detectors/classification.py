"""What detectors have in common that learn a classification of good images.

A network that has learned to tell kinds of good images apart sees what is typical of them. Of an image that
is none of them it is unsure, and what it sees lies far from what it knows.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.data.decoding import name_of
from knowngood.data.loader import Batches
from knowngood.detectors.base import Fit, FittedDetector, FittedOnFeatures
from knowngood.detectors.confidence import Scorer
from knowngood.detectors.input_gradient import towards_confidence
from knowngood.detectors.recipe import check_choice, check_range
from knowngood.detectors.trained import Trained, learn, over_rows
from knowngood.features.extract import extract
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.metrics.reliability import fit_temperature, reliability
from knowngood.training.blocks import pixels
from knowngood.training.classifying import TRUNKS, ClassifyingNetwork, RandomShift, apart, true_classes
from knowngood.training.record import Classes, Odd, TrainingRecord
from knowngood.training.run import Run
from knowngood.training.store import Store, is_grey, store, store_images
from knowngood.training.train import SCHEDULES
from knowngood.types import Progress, Scores, silent

ODD = 8
"""Good images that the record shows as the oddest."""

LEAST_DEVIATION = 1e-3
"""Added to the standard deviations, so that a feature that is constant does not divide by zero."""


@dataclass(frozen=True)
class Classification(Trained):
    """A recipe of a classifier."""

    multiple: ClassVar[int] = 4

    input_size: int = 256
    epochs: int = 20
    batch_size: int = 64
    network: str = DEFAULT_BACKBONE
    weights: str | None = None
    schedule: str = "cosine"
    label_smoothing: float = 0.1
    shift: int = 2
    temperature: float | None = None
    neighbours: int = 1
    bank: int = 4000

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, label_smoothing=(0, 0.99), shift=(0, 64), neighbours=(1, 1000), bank=(1, 100_000))
        check_choice(self, schedule=SCHEDULES)
        if self.temperature is not None:
            check_range(self, temperature=(1e-3, 1e6))

    @property
    def step(self) -> float:
        """How far pixels are moved towards what the network takes them for, before it judges; 0 for not."""
        return 0.0

    @abstractmethod
    def classes(self, good: Batches) -> tuple[list[str], list[int] | None]:
        """The names of the classes, and the number of each image's; None where each view is a class."""

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
        good: Batches,
        *,
        seed: int,
        device: str,
        progress: Progress = silent,
        run: Run | None = None,
    ) -> Fit:
        """Train the network; see `Trained.fit`."""
        names, numbers = self.classes(good)

        def train(kept: Store, views: nn.Module, layers: Callable[[], Sequence[nn.Module]]) -> _Learned:
            sample = torch.from_numpy(kept.samples[:1].copy())
            network, record = learn(
                self,
                lambda: ClassifyingNetwork(
                    views,
                    nn.Sequential(*layers()),
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
            return _Learned(self, network, record, kept, names, seed)

        if self.network in TRUNKS:
            with store_images(good, classes=numbers, seed=seed, progress=progress) as kept:
                channels = 1 if is_grey(kept.samples) else 3
                learned = train(
                    kept,
                    Pixels(self.views(), channels),
                    lambda: [RandomShift(self.shift), *TRUNKS[self.network](channels, good.shape)],
                )
                fitted = FittedOnPixels(learned.network, learned.scorer, step=self.step)
                return learned.fit(fitted.eval(), fitted, good)
        features = freeze(self.frozen(), good.shape, backbone=self.network, weights=self.weights)

        def rows() -> Iterator[tuple[int, NDArray[np.float32]]]:
            for done, (index, [seen]) in enumerate(extract(features, good, device=device), 1):
                yield index, seen.numpy()
                progress("looking at good images", done, len(good))

        with store(rows(), groups=good.groups, classes=numbers, seed=seed) as kept:
            learned = train(kept, nn.Identity(), lambda: [Standardise(kept.samples[kept.train])])
            on_features = FittedOnFrozen(features, learned.network, learned.scorer)
            return learned.fit(on_features.eval(), lambda seen: on_features.judge([seen]), good)


class _Learned:
    """A trained network, what it makes of all good images, and what scores images by that.

    Args:
        recipe: The settings.
        network: What was trained.
        record: How.
        kept: The good images.
        names: The classes.
        seed: Draws what is remembered.
    """

    def __init__(
        self,
        recipe: Classification,
        network: ClassifyingNetwork,
        record: TrainingRecord,
        kept: Store,
        names: list[str],
        seed: int,
    ) -> None:
        self.network, self.record, self.kept, self.names = network, record, kept, names
        everything = np.arange(len(kept.index))
        self.features, self.logits = over_rows(network, kept, everything)
        self.truth = true_classes(self.logits, torch.from_numpy(kept.labels))
        held_out = (part[kept.validation].flatten(0, 1).numpy() for part in (self.logits, self.truth))
        self.held_out_logits, self.held_out_truth = held_out
        self.fitted = recipe.temperature is None
        self.temperature = recipe.temperature or fit_temperature(self.held_out_logits, self.held_out_truth)
        self.scorer = recipe.scorer(
            self.features[kept.train], self.truth[kept.train], temperature=self.temperature, seed=seed
        )
        self.perturbed = bool(recipe.step)

    def fit(self, fitted: FittedDetector, judge: Callable[[Tensor], Scores], good: Batches) -> Fit:
        """The result, with the scores of held-out images and the oddest of all."""
        kept = self.kept
        scores = np.empty(len(kept.index))
        if self.perturbed:
            (image,) = over_rows(lambda batch: (judge(batch).image,), kept, np.arange(len(kept.index)))
            scores[:] = image.numpy()
        else:
            with torch.inference_mode():
                for rows, score in ((kept.train, self.scorer.of_learned), (kept.validation, self.scorer)):
                    scores[rows] = score(self.features[rows], self.logits[rows]).numpy()
        record = dataclasses.replace(self.record, classes=self._classes(scores, good))
        return Fit(fitted, scores[kept.validation], record=record)

    def _classes(self, scores: NDArray[np.float64], good: Batches) -> Classes:
        """What the record says of the classes."""
        kept, logits, truth = self.kept, self.held_out_logits, self.held_out_truth
        oddest = np.argsort(-scores, kind="stable")[:ODD]
        positions = [int(kept.index[row]) for row in oddest]
        chosen = dataclasses.replace(good, sources=[good.sources[place] for place in positions], size=ODD)
        held_out = set(kept.validation.tolist())
        return Classes(
            names=self.names,
            temperature=self.temperature,
            fitted=self.fitted,
            accuracy=float((logits.argmax(axis=1) == truth).mean()),
            before=reliability(logits, truth),
            after=reliability(logits, truth, self.temperature),
            odd=[
                Odd(
                    name=name_of(good.sources[place], place),
                    label=good.classes[place] if good.classes else "",
                    score=float(scores[row]),
                    held_out=int(row) in held_out,
                )
                for row, place in zip(oddest, positions, strict=True)
            ],
            pictures=np.concatenate([batch.images for batch in chosen]),
        )


class Pixels(nn.Module):
    """From images to the pixels of their views.

    Args:
        views: From images `(N, H, W, 3)` to views `(N, V, H, W, 3)`.
        channels: 1 to look at grey images, 3 at colour.
    """

    def __init__(self, views: nn.Module, channels: int) -> None:
        super().__init__()
        self.views = views
        self.channels = channels

    def forward(self, images: Tensor) -> Tensor:
        """Pixels `(N, V, channels, H, W)` from 0 to 1."""
        views = self.views(images)
        return apart(pixels(views.flatten(0, 1), self.channels), views.shape[1])


class Standardise(nn.Module):
    """Gives each feature mean 0 and variance 1 over good images.

    Args:
        samples: Features of good images `(M, V, C)`.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, samples: NDArray[np.float32]) -> None:
        super().__init__()
        rows = torch.from_numpy(np.asarray(samples, np.float64)).flatten(0, 1)
        self.register_buffer("mean", rows.mean(dim=0).float())
        self.register_buffer("deviation", rows.std(dim=0, correction=0).float() + LEAST_DEVIATION)

    def forward(self, features: Tensor) -> Tensor:
        """Features `(N, C)`, standardised."""
        return (features - self.mean) / self.deviation


def _scores(scorer: Scorer, features: Tensor, logits: Tensor) -> Scores:
    """Scores from what the network sees and says."""
    return Scores(scorer(features, logits), None, logits=logits, features=features[:, 0])


class FittedOnPixels(FittedDetector):
    """Judges images by a network that has learned from pixels.

    Args:
        network: Classifies.
        scorer: Scores.
        step: How far pixels are moved towards what the network takes them for, before it judges.
    """

    def __init__(self, network: ClassifyingNetwork, scorer: Scorer, *, step: float) -> None:
        super().__init__()
        self.network = network
        self.scorer = scorer
        self.step = step

    def forward(self, images: Tensor) -> Scores:
        """Score images; see `FittedDetector.forward`."""
        views = self.network.views(images)
        features, logits = self.network.classify(views)
        if not self.step:
            return _scores(self.scorer, features, logits)
        layers = [*self.network.trunk, self.network.head]
        moved = apart(towards_confidence(layers, views.flatten(0, 1), self.step), views.shape[1])
        score = self.scorer(*self.network.classify(moved))
        return Scores(score, None, logits=logits, features=features[:, 0])


class FittedOnFrozen(FittedOnFeatures):
    """Judges images by a linear classifier of what a frozen network sees.

    Args:
        features: Gives the features.
        network: Classifies them.
        scorer: Scores.
    """

    def __init__(self, features: FrozenFeatures, network: ClassifyingNetwork, scorer: Scorer) -> None:
        super().__init__(features)
        self.network = network
        self.scorer = scorer

    def judge(self, features: Sequence[Tensor]) -> Scores:
        """From features `(N, V, C)` to scores."""
        return _scores(self.scorer, *self.network(features[0]))
