"""The recogniser of products: which of several products an image shows, and whether it shows any of them."""

# ruff: noqa: ARG002 (no network is trained, so that `run` is not used)

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.data.imageset import ImageSet
from knowngood.data.splits import folds
from knowngood.detectors.base import Detector, Fit, FittedOnFeatures, check_folds
from knowngood.features.covariance import LEAST_VARIANCE, ledoit_wolf, whitening
from knowngood.features.extract import extract
from knowngood.features.frozen import FrozenFeatures, freeze
from knowngood.features.pooled import LevelMeans
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.settings import BackboneName, Folds, InputSize, Weights
from knowngood.training.classifier_record import ClassifierRecord
from knowngood.training.records import Records
from knowngood.training.run import Run
from knowngood.types import Progress, Scores, silent

_FARTHEST = 1e5  # the distance of a product that had no image to learn from


@dataclass(frozen=True, kw_only=True)
class Recogniser(Detector):
    """Mahalanobis distance of image-level features to the nearest product; the classes are the products.

    Lee, Lee, Lee and Shin, "A Simple Unified Framework for Detecting Out-of-Distribution Samples and
    Adversarial Attacks", arXiv:1807.03888: each class has its own mean, and all share one covariance. Here
    levels of a network are averaged over the image, as `gaussian` does, and the distances of the levels are
    summed. The score is the distance to the nearest product; the logits are all distances, negative.

    It belongs to `knowngood.inspector.products` and has no name among the detectors.

    Example:
        >>> Recogniser().input_size
        256
    """

    backbone: BackboneName = DEFAULT_BACKBONE
    weights: Weights = None
    input_size: Annotated[InputSize, Field(ge=64, le=4096)] = 256
    folds: Folds = 5

    def fit(
        self, good: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Fit to all good images, and score each out of fold, unless no other image shows its product."""
        features = freeze(LevelMeans, good.shape, backbone=self.backbone, weights=self.weights)
        read: list[int] = []
        rows: list[list[Tensor]] = []
        for index, levels in extract(features, good, device=device, progress=progress):
            read.append(index)
            rows.append([level.clone() for level in levels])
        points = [torch.stack(level) for level in zip(*rows, strict=True)]
        classes = torch.from_numpy(good.numbers[read])
        products = len(good.names)
        fold_of = folds(len(good), self.folds, seed, good.groups, good.classes)[read]
        logits = torch.full((len(read), products), -_FARTHEST)
        for fold in np.unique(fold_of):
            inside = torch.from_numpy(fold_of == fold)
            others = FittedRecogniser(features, [level[~inside] for level in points], classes[~inside])
            known = torch.from_numpy(np.unique(classes[~inside].numpy()))
            logits[inside.nonzero(), known] = -others.distances([level[inside] for level in points])
        scored = (logits.gather(1, classes[:, None])[:, 0] > -_FARTHEST).numpy()
        check_folds(len(np.unique(fold_of)), int(scored.sum()))
        fitted = FittedRecogniser(features, points, classes)
        in_sample = -fitted.distances(points)
        record = ClassifierRecord(
            names=good.names,
            counts=classes.bincount(minlength=products).tolist(),
            logits=logits.numpy()[scored],
            truth=classes.numpy()[scored],
            temperature=1.0,
            train_loss=float(torch.nn.functional.cross_entropy(in_sample, classes)),
            train_accuracy=float((in_sample.argmax(dim=1) == classes).double().mean()),
            notes=[],
        )
        held_out = -record.logits.max(axis=1).astype(np.float64)
        return Fit(fitted, held_out, np.array(read)[scored], records=Records(classifier=record))


class FittedRecogniser(FittedOnFeatures):
    """A mean for each product and a common covariance, at each level of a network.

    Args:
        features: The frozen network.
        points: Its features of good images, `(N, C)` for each level.
        classes: The number of the product of each, `(N,)`; numbers without an image are left out.
    """

    def __init__(self, features: FrozenFeatures, points: Sequence[Tensor], classes: Tensor) -> None:
        super().__init__(features)
        known, own = map(torch.from_numpy, np.unique(classes.numpy(), return_inverse=True))
        for place, level in enumerate(points):
            means = torch.stack([level[own == number].mean(dim=0) for number in range(len(known))])
            whiten = whitening(ledoit_wolf((level - means[own]).double()), floor=LEAST_VARIANCE).float()
            self.register_buffer(f"whiten{place}", whiten)
            self.register_buffer(f"means{place}", means @ whiten)

    def distances(self, features: Sequence[Tensor]) -> Tensor:
        """The distance of each image to each product `(N, P)`, from its features, `(N, C)` for each level."""
        per_level = [
            ((level @ self.get_buffer(f"whiten{place}"))[:, None] - self.get_buffer(f"means{place}"))
            .square()
            .sum(dim=2)
            .sqrt()
            for place, level in enumerate(features)
        ]
        return torch.stack(per_level).sum(dim=0)

    def score_features(self, features: Sequence[Tensor]) -> Scores:
        """Score images by their features, `(N, C)` for each level."""
        distances = self.distances(features)
        return Scores(distances.amin(dim=1), None, {"logits": -distances[:, None]})
