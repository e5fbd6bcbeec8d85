"""Fine-tuning of a pretrained network: first its head is trained, then all layers, each at its own rate."""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood import settings
from knowngood.classifiers.base import (
    AGREEMENTS,
    Classifier,
    check_readable,
    class_activation,
    log_odds,
    make_fit,
    make_record,
    score_views,
    shrinkage,
)
from knowngood.classifiers.pasted import with_pasted
from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Fit, FittedDetector
from knowngood.detectors.trained import over_rows
from knowngood.features.backbones import load_backbone
from knowngood.features.views import EightViews
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.parallel import drawing
from knowngood.recipe import OneOf, settings_of
from knowngood.training.augment import Augment, Augmentation
from knowngood.training.classifying import apart
from knowngood.training.finetuning import METRICS, FineTuned, FineTuning
from knowngood.training.imbalance import AUTO, METHODS, choose
from knowngood.training.learner import SCHEDULES, TrainingSettings
from knowngood.training.record import TrainingRecord
from knowngood.training.run import Run
from knowngood.training.store import Store, store_images
from knowngood.training.train import train
from knowngood.types import Progress, Scores, silent

COLUMNS = 6
"""Pictures in a row of a sheet of augmented samples."""

STANDARD = 64
"""Training images by which features are standardised."""

LEARNED = 500
"""Training images whose loss and accuracy, in one view, are recorded."""


@dataclass(frozen=True, kw_only=True)
class FineTune(Augmentation, Classifier):
    """A pretrained network that is fine-tuned on the images, with a new head.

    At first only the head is trained, then all layers, earlier ones at smaller learning rates (Howard and
    Ruder, "Universal Language Model Fine-tuning for Text Classification", arXiv:1801.06146). Rates rise and
    fall in one cycle (Smith and Topin, "Super-Convergence", arXiv:1708.07120).

    Example:
        >>> FineTune(orientation="any", epochs=20).head_epochs
        2
    """

    trains: ClassVar[bool] = True

    input_size: Annotated[settings.InputSize, Field(ge=32, le=2048)] = 256
    backbone: settings.BackboneName = DEFAULT_BACKBONE
    weights: settings.Weights = None
    strides: settings.Strides = (16, 32)
    epochs: settings.Epochs = 10
    head_epochs: Annotated[int, Field(ge=0, description="First epochs, which train only the head")] = 2
    batch_size: Annotated[settings.BatchSize, Field(ge=2)] = 16
    learning_rate: settings.LearningRate = 3e-4
    layer_decay: Annotated[
        float,
        Field(ge=0.01, le=1, description="Learning rate of a layer block, as a share of the next one's"),
    ] = 0.5
    weight_decay: Annotated[float, Field(ge=0, le=1, description="Weight decay of AdamW")] = 1e-2
    schedule: Annotated[settings.Schedule, OneOf(SCHEDULES)] = "one_cycle"
    label_smoothing: settings.LabelSmoothing = 0.0
    dropout: Annotated[float, Field(ge=0, le=0.9, description="Share of features dropped in training")] = 0.2
    imbalance: Annotated[settings.Imbalance, OneOf((AUTO, *METHODS))] = AUTO
    pasted: Annotated[
        int, Field(ge=0, description="Images made per defect type by pasting masked defects onto good parts")
    ] = 0
    metric: Annotated[
        str, OneOf(METRICS), Field(description="Metric on held-out images that selects the best epoch")
    ] = "loss"
    patience: settings.Patience = 20
    views: Annotated[
        int, OneOf((1, 8)), Field(description="Views per image that are classified (test-time augmentation)")
    ] = 1
    agreement: Annotated[settings.Agreement, OneOf(tuple(AGREEMENTS))] = "mean"

    @property
    def augmentation(self) -> Augmentation:
        """How images are changed in training."""
        return Augmentation(**{name: getattr(self, name) for name in settings_of(Augmentation)})

    def fit(
        self, images: ImageSet, *, seed: int, device: str, progress: Progress = silent, run: Run | None = None
    ) -> Fit:
        """Train the network; see `Classifier.fit`. A fifth of the images is held out."""
        with store_images(images, seed=seed, progress=progress) as real:
            check_readable(images, real.index.tolist())
            kept, notes = real, []
            if self.pasted:
                kept, note = with_pasted(
                    real, images, self.pasted, orientation=self.orientation, seed=seed, progress=progress
                )
                notes = [note]
            counts = np.bincount(kept.labels[kept.train], minlength=len(images.names)).tolist()
            method, why = choose(self.imbalance, counts)
            network = self._network(kept, counts, method, seed)
            optimisation = TrainingSettings(
                self.epochs,
                self.batch_size,
                self.learning_rate,
                self.patience,
                schedule=self.schedule,
                weight_decay=self.weight_decay,
                head_epochs=network.settings.head_epochs,
                sampling=method,
            )
            record = train(
                network,
                kept,
                optimisation,
                seed=seed,
                device=device,
                run=run,
                recipe={"classifier": type(self).__name__} | dataclasses.asdict(self),
                progress=progress,
            )
            notes = [f"imbalance: {method} ({why})", *notes]
            return self._conclude(network, record, real, images.names, notes, seed)

    def _network(self, kept: Store, counts: list[int], method: str, seed: int) -> FineTuned:
        """The network before training, its features standardised by some of the samples."""
        held_out = np.bincount(kept.labels[kept.validation], minlength=len(counts)).tolist()
        fine_tuning = FineTuning(
            method,
            self.augmentation,
            label_smoothing=self.label_smoothing,
            dropout=self.dropout,
            head_epochs=min(self.head_epochs, self.epochs - 1),
            layer_decay=self.layer_decay,
            metric=self.metric,
        )
        with drawing(seed):
            backbone = load_backbone(self.backbone, strides=self.strides, weights=self.weights)
            network = FineTuned(backbone, counts, held_out, fine_tuning).to(memory_format=torch.channels_last)
            some = np.random.default_rng(seed).permutation(kept.train)[:STANDARD]
            samples = kept.samples
            network.learn_scale(torch.from_numpy(np.stack([samples[row] for row in np.sort(some)])))
        return network

    def _conclude(
        self,
        network: FineTuned,
        training: TrainingRecord,
        kept: Store,
        names: list[str],
        notes: list[str],
        seed: int,
    ) -> Fit:
        """From a trained network to the classifier, with its predictions for held-out images."""
        fitted = FittedFineTuned(network.eval(), self.orientation, self.views, self.agreement)
        one_view = FittedFineTuned(network, self.orientation, 1, self.agreement)

        def predict(
            model: FittedFineTuned, rows: NDArray[np.int64]
        ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
            (logits,) = over_rows(lambda batch: (model(batch).extras["logits"],), kept, rows)
            return logits[:, 0].numpy(), kept.labels[rows]

        learned = np.random.default_rng(seed).permutation(kept.train)[:LEARNED]
        held_out = predict(fitted, kept.validation)
        record = make_record(names, kept.labels, held_out, predict(one_view, learned), notes)
        fitted.temperature = record.temperature
        if self.augmentation != Augmentation.none():
            sheet = self._sheet(kept, len(names), seed)
            record = dataclasses.replace(record, sheet=sheet, rows=list(names))
        return make_fit(fitted, record, kept.index[kept.validation], training=training)

    def _sheet(self, kept: Store, classes: int, seed: int) -> NDArray[np.uint8]:
        """An image of each class, original and augmented, `(C, columns, h, w, 3)`."""
        first = [int(kept.train[kept.labels[kept.train] == number][0]) for number in range(classes)]
        shrink = shrinkage(kept.shape[:2])
        originals = torch.from_numpy(np.stack([kept.samples[row] for row in first]))
        augment = Augment(self.augmentation).train()
        with drawing(seed):
            columns = [originals, *(augment(originals) for _ in range(COLUMNS - 1))]
        return torch.stack(columns, dim=1)[:, :, ::shrink, ::shrink].numpy()


class FittedFineTuned(FittedDetector):
    """A fine-tuned network, for 1 or 8 views; its map is the class activation of the first view."""

    def __init__(self, network: FineTuned, orientation: str, views: int, agreement: str) -> None:
        super().__init__()
        self.network = network
        self.eight = EightViews(orientation) if views > 1 else None
        self.agreement = agreement
        self.temperature = 1.0

    def forward(self, images: Tensor) -> Scores:
        """Score images; see `FittedDetector.forward`."""
        pixels = self.network.backbone.normalise(images)
        views = pixels[:, None] if self.eight is None else self.eight(pixels)
        count = 1 if self.eight is None else 8
        maps, means, logits = self.network(views.flatten(0, 1))
        first = [apart(level, count)[:, 0] for level in maps]
        map_ = log_odds(class_activation(first, *self.network.linear), self.temperature)
        return score_views(apart(logits, count), apart(means, count), self.temperature, self.agreement, map_)
