"""SuperSimpleNet with labelled defects: it marks places by their masks, and classifies images."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional as F

from knowngood import settings
from knowngood.classifiers.base import Classifier, check_readable, make_fit, make_record, score_views
from knowngood.data.images import image_size, read_mask
from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.detectors.base import Fit, FittedOnFeatures
from knowngood.detectors.feature_model import moments
from knowngood.detectors.trained import of_several, over_rows
from knowngood.features.extract import extract_pairs
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.patches import PatchFeatures, smooth
from knowngood.features.views import count_symmetries, symmetries
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.parallel import drawing
from knowngood.training.imbalance import ClassLoss
from knowngood.training.learner import Trainable, TrainingSettings
from knowngood.training.marking import Marking, draw_marks, place_loss
from knowngood.training.record import TrainingRecord
from knowngood.training.run import Run
from knowngood.training.store import Store, store
from knowngood.training.train import train
from knowngood.types import Progress, Scores, silent

NEIGHBOURHOOD = 3  # side of the square over which features are averaged

COVERED = 0.1
"""Share of the pixels of a place that a mask marks, from which on it is defective."""

NO_MASK = -1.0
"""Stands for that share where a defect has no mask."""


@dataclass(frozen=True, kw_only=True)
class SuperSimpleNet(Classifier):
    """Two small heads on frozen features: one marks defective places, one classifies the image.

    Rolih, Fucka and Skocaj, "SuperSimpleNet: Unifying Unsupervised and Supervised Learning for Fast and
    Reliable Surface Defect Detection", arXiv:2408.03143. The heads learn from good parts, from defects, with
    masks where there are some, and from noise in the features of all: noise is a defect of no type. Each
    class has the same weight. One network is trained for each fold, and predicts that fold; new images have
    the mean of their logits. Theirs tells good from defective, this one the types of defect, too. Images are
    learned from in all orientations that the product may have, and inspected in the one they have.

    Example:
        >>> SuperSimpleNet(epochs=10).noise
        1.0
    """

    trains: ClassVar[bool] = True
    multiple: ClassVar[int] = 64

    input_size: Annotated[settings.InputSize, Field(ge=64, le=1024)] = 256
    backbone: settings.BackboneName = DEFAULT_BACKBONE
    weights: settings.Weights = None
    strides: settings.Strides = (8, 16)
    epochs: settings.Epochs = 30
    batch_size: settings.BatchSize = 16
    learning_rate: settings.LearningRate = 2e-3
    patience: settings.Patience = 20
    smoothing: Annotated[settings.Smoothing, Field(ge=0, le=32)] = 1.0
    folds: Annotated[settings.Folds, Field(ge=2, le=20)] = 3
    noise: settings.Noise = 1.0
    channels: settings.HeadChannels = 128

    def fit(
        self, images: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Train a network for each fold; see `Classifier.fit`."""
        features = freeze(
            PatchFeatures,
            images.shape,
            backbone=self.backbone,
            strides=self.strides,
            weights=self.weights,
            neighbourhood=NEIGHBOURHOOD,
        )
        with store(self._samples(features, images, device, progress), images, seed=seed) as kept:
            places, first = np.unique(kept.index, return_index=True)  # of each image, and its first view
            check_readable(images, places.tolist())
            numbers = images.numbers[places]
            fold_of = folds(len(places), self.folds, seed, images.subset(places).groups, numbers.tolist())
            of_row = fold_of[np.searchsorted(places, kept.index)]
            held_out = np.empty((len(places), len(images.names)), np.float32)
            maxima = np.empty(len(places))
            networks: list[MarkingClassifier] = []
            trainings: list[TrainingRecord] = []
            for fold in range(count := int(fold_of.max()) + 1):
                own = fold_of == fold
                part = replace(kept, train=np.flatnonzero(of_row != fold), validation=first[own])
                of_run = replace(run, folder=run.folder / f"fold{fold + 1}") if run and run.folder else run
                network, training = self._learn(
                    part, len(images.names), seed, device, of_several(progress, fold, count), of_run
                )
                held_out[own], maxima[own] = self._predict(network, kept, first[own])
                networks.append(network)
                trainings.append(training)
            learned, _ = self._predict(networks[0], kept, rows := np.flatnonzero(of_row != 0))
            known = kept.labels[rows]
        notes = [
            "imbalance: class_weights (each class has the same weight)",
            f"networks: {count}, each trained without one part in {count} of the images",
        ]
        record = make_record(images.names, numbers, (held_out, numbers), (learned, known), notes)
        fitted = FittedMarking(features, networks, record.temperature, self.smoothing).eval()
        return make_fit(fitted, record, places, training=trainings[0], map_maxima=maxima[numbers == 0])

    def _learn(
        self, part: Store, classes: int, seed: int, device: str, progress: Progress, run: Run | None
    ) -> tuple[MarkingClassifier, TrainingRecord]:
        """Train one network."""
        mean, deviation = moments(part)
        counts = np.bincount(part.labels[part.train], minlength=classes).tolist()
        with drawing(seed):
            network = MarkingClassifier(
                mean[:-1], deviation[:-1], counts, noise=self.noise, width=self.channels
            ).to(memory_format=torch.channels_last)
        optimisation = TrainingSettings(self.epochs, self.batch_size, self.learning_rate, self.patience)
        recipe = {"classifier": "supersimplenet"} | dataclasses.asdict(self)
        record = train(
            network, part, optimisation, seed=seed, device=device, run=run, recipe=recipe, progress=progress
        )
        return network, record

    def _predict(
        self, network: MarkingClassifier, kept: Store, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Logits `(M, C)` and the largest values of maps `(M,)` of stored samples."""

        def score(samples: Tensor) -> tuple[Tensor, Tensor]:
            maps, logits = network(samples[:, :-1].float())
            return logits, smooth(maps, self.smoothing).amax(dim=(1, 2))

        logits, largest = over_rows(score, kept, rows)
        return logits.numpy(), largest.double().numpy()

    def _samples(
        self, features: FrozenFeatures, images: ImageSet, device: str, progress: Progress
    ) -> Iterator[tuple[int, NDArray[np.float16]]]:
        """The features of each view of each image, and the share of each place that its mask marks, `(C + 1,
        h, w)`; the image as it is comes first.
        """
        grid = features.shapes[0][1:]
        done = 0
        for (index, share), [array] in extract_pairs(features, self._views(images, grid), device=device):
            yield index, np.concatenate([array[0], share[None]]).astype(np.float16)
            if index >= done:
                done = index + 1
                progress("looking at images", done, len(images))

    def _views(
        self, images: ImageSet, grid: tuple[int, ...]
    ) -> Iterator[tuple[tuple[int, NDArray[np.float32]], NDArray[np.uint8]]]:
        """Each image in all orientations, with its position and the share of each place that is marked."""
        count = count_symmetries(self.orientation, images.shape)
        for batch in images.batches():
            index = int(batch.index[0])
            share = torch.from_numpy(_share(images, index, grid))[None]
            pictures = symmetries(torch.from_numpy(batch.images), count, 1, 2)
            shares = symmetries(share, count, 1, 2)
            for picture, own in zip(pictures, shares, strict=True):
                yield (index, own[0].numpy()), np.ascontiguousarray(picture.numpy())


def _share(images: ImageSet, index: int, grid: tuple[int, ...]) -> NDArray[np.float32]:
    """The share of each place that the mask of an image marks; of a defect without mask, `NO_MASK`."""
    if images.numbers[index] == 0:
        return np.zeros(grid, np.float32)
    if not images.masks or not len(images.masks[index]):
        return np.full(grid, NO_MASK, np.float32)
    source = images.sources[index]
    marked = images.reading.marked(source, read_mask(images.masks[index], image_size(source)))
    small: Any = cv2.resize(marked.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


class MarkingClassifier(Trainable):
    """Marks places and classifies images, by features `(N, C, h, w)`; the first class is good."""

    def __init__(
        self, mean: Tensor, deviation: Tensor, counts: Sequence[int], *, noise: float, width: int
    ) -> None:
        super().__init__()
        self.noise = noise
        self.marking = Marking(mean, deviation, width=width, classes=len(counts))
        self.balanced = ClassLoss("class_weights", counts)

    def groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """The heads, and the adaptor at a smaller rate."""
        return self.marking.groups(learning_rate)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Maps `(N, h, w)` and logits `(N, C)`."""
        maps, logits = self.marking.heads(self.marking.adapted(features))
        return maps[:, 0], logits

    def losses(self, batch: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The loss of places that are known to be good or defective, and that of images: of their class, and
        of noisy ones, of being no good part.
        """
        share = batch[:, -1:].float()
        adapted = self.marking.adapted(batch[:, :-1].float())
        marked = draw_marks(len(batch), (batch.shape[2], batch.shape[3])).to(adapted.device)
        noisy = adapted + marked * self.noise * torch.randn_like(adapted)
        maps, logits = self.marking.heads(torch.cat([adapted, noisy]))
        defective = (share >= COVERED).float()
        wanted = torch.cat([defective, torch.maximum(defective, marked)])
        known = torch.cat([share >= 0, (share >= 0) | (marked > 0)])
        places = place_loss(maps[known], wanted[known])
        own, of_noisy = logits.float().chunk(2)
        each = F.cross_entropy(own, labels, reduction="none") * self.balanced.weights[labels]
        spoilt = (marked.amax(dim=(1, 2, 3)) > 0) | (labels > 0)
        doubt = (torch.logsumexp(of_noisy, dim=1) - torch.logsumexp(of_noisy[:, 1:], dim=1))[spoilt]
        images = each.mean() + doubt.sum() / max(1, len(doubt))
        return {"loss": places + images, "places": places, "images": images}


class FittedMarking(FittedOnFeatures):
    """The mean of the logits and of the maps of several networks."""

    def __init__(
        self,
        features: FrozenFeatures,
        networks: Sequence[MarkingClassifier],
        temperature: float,
        smoothing: float,
    ) -> None:
        super().__init__(features)
        self.networks = nn.ModuleList(networks)
        self.temperature = temperature
        self.smoothing = smoothing

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """Score images by their features `(N, C, h, w)`."""
        maps, logits = zip(*(network(features[0]) for network in self.networks), strict=True)
        means = features[0].mean(dim=(2, 3))
        return score_views(
            torch.stack(logits).mean(dim=0)[:, None],
            means[:, None],
            self.temperature,
            "mean",
            smooth(torch.stack(maps).mean(dim=0), self.smoothing),
        )
