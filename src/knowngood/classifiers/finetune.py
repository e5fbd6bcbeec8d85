"""Fine-tuning: of a pretrained network the head learns first, then all layers, each at its own rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.classifiers.activation import class_activation
from knowngood.classifiers.base import AGREEMENTS, Classifier, answer, check_left, log_odds, make_fit
from knowngood.classifiers.pasted import with_pasted
from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Fit, FittedDetector
from knowngood.detectors.trained import over_rows
from knowngood.features.backbones import load_backbone
from knowngood.features.views import EightViews
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.metrics.classification import losses
from knowngood.metrics.reliability import fit_temperature
from knowngood.recipe import ORIENTATIONS, OneOf
from knowngood.settings import (
    Agreement,
    BackboneName,
    BatchSize,
    Epochs,
    Imbalance,
    InputSize,
    LabelSmoothing,
    LearningRate,
    Orientation,
    Patience,
    Schedule,
    Strides,
    Weights,
)
from knowngood.training.augment import Augment, Augmentation
from knowngood.training.classifier_record import ClassifierRecord
from knowngood.training.classifying import apart
from knowngood.training.finetuning import METRICS, FineTuned, FineTuning
from knowngood.training.imbalance import AUTO, METHODS, choose
from knowngood.training.learner import SCHEDULES, TrainingSettings
from knowngood.training.record import TrainingRecord
from knowngood.training.run import Run
from knowngood.training.store import Store, store_images
from knowngood.training.train import train
from knowngood.types import Progress, Scores, silent

SHEET, COLUMNS = 128, 6
"""Pictures in a sheet of augmented samples: their longest side in pixels, and how many stand in a row."""

STANDARD = 64
"""Images to learn from by which features are standardised."""

LEARNED = 500
"""Images learned from that are judged again, in one view, for the figures of the training."""


@dataclass(frozen=True, kw_only=True)
class FineTune(Classifier):
    """A pretrained network that is fine-tuned on the images, with a new head.

    At first only the head is trained, then all layers, earlier ones at smaller learning rates (Howard and
    Ruder, "Universal Language Model Fine-tuning for Text Classification", arXiv:1801.06146). Rates rise and
    fall in one cycle (Smith and Topin, "Super-Convergence", arXiv:1708.07120).

    Example:
        >>> FineTune(orientation="any", epochs=20).head_epochs
        2
    """

    trains: ClassVar[bool] = True

    input_size: Annotated[InputSize, Field(ge=32, le=2048)] = 256
    orientation: Annotated[Orientation, OneOf(ORIENTATIONS)] = "fixed"
    zoom: Annotated[
        float, Field(ge=0, le=1, description="Random zoom in training, by a factor of up to one plus this")
    ] = 0.1
    shift: Annotated[
        float,
        Field(ge=0, le=0.5, description="Largest random shift in training, as a share of the image's side"),
    ] = 0.05
    contrast: Annotated[
        float, Field(ge=0, le=1, description="Random contrast in training, one plus or minus up to this")
    ] = 0.2
    brightness: Annotated[
        float, Field(ge=0, le=1, description="Random brightness in training, one plus or minus up to this")
    ] = 0.2
    blur: Annotated[
        float,
        Field(
            ge=0,
            le=5,
            description="Largest standard deviation of random Gaussian blur in training, in pixels",
        ),
    ] = 0.5
    backbone: BackboneName = DEFAULT_BACKBONE
    weights: Weights = None
    strides: Strides = (16, 32)
    epochs: Epochs = 10
    head_epochs: Annotated[
        int, Field(ge=0, description="First epochs, in which only the head is trained")
    ] = 2
    batch_size: Annotated[BatchSize, Field(ge=2)] = 16
    learning_rate: LearningRate = 3e-4
    layer_decay: Annotated[
        float,
        Field(
            ge=0.01, le=1, description="Learning rate of a block of layers, as a share of the next block's"
        ),
    ] = 0.5
    weight_decay: Annotated[float, Field(ge=0, le=1, description="Weight decay of AdamW")] = 1e-2
    schedule: Annotated[Schedule, OneOf(SCHEDULES)] = "one_cycle"
    label_smoothing: LabelSmoothing = 0.0
    dropout: Annotated[
        float, Field(ge=0, le=0.9, description="Share of the features that is dropped at random in training")
    ] = 0.2
    imbalance: Annotated[Imbalance, OneOf((AUTO, *METHODS))] = AUTO
    pasted: Annotated[
        int,
        Field(
            ge=0,
            description="Images made for each defect type by pasting defects, from masks, onto good parts",
        ),
    ] = 0
    metric: Annotated[
        str, OneOf(METRICS), Field(description="Metric on held-out images that selects the best epoch")
    ] = "loss"
    patience: Patience = 20
    views: Annotated[
        int,
        OneOf((1, 8)),
        Field(description="Views of each image that are classified (test-time augmentation)"),
    ] = 1
    agreement: Annotated[Agreement, OneOf(tuple(AGREEMENTS))] = "mean"

    @property
    def augmentation(self) -> Augmentation:
        """How images are changed while it learns."""
        return Augmentation(
            self.orientation, self.zoom, self.shift, self.contrast, self.brightness, self.blur
        )

    def fit(
        self,
        images: ImageSet,
        *,
        seed: int,
        device: str,
        progress: Progress = silent,
        run: Run | None = None,
    ) -> Fit:
        """Train the network; see `Classifier.fit`. A fifth of the images is held out."""
        with store_images(images, seed=seed, progress=progress) as real:
            check_left(images, real.index.tolist())
            kept, pasted = real, ""
            if self.pasted:
                kept, pasted = with_pasted(
                    real,
                    images,
                    self.pasted,
                    orientation=self.orientation,
                    seed=seed,
                    progress=progress,
                )
            counts = np.bincount(kept.labels[kept.train], minlength=len(images.names)).tolist()
            held_out = np.bincount(kept.labels[kept.validation], minlength=len(images.names)).tolist()
            method, why = choose(self.imbalance, counts)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                network = FineTuned(
                    load_backbone(self.backbone, strides=self.strides, weights=self.weights),
                    counts,
                    held_out,
                    FineTuning(
                        method,
                        self.augmentation,
                        label_smoothing=self.label_smoothing,
                        dropout=self.dropout,
                        head_epochs=min(self.head_epochs, self.epochs - 1),
                        layer_decay=self.layer_decay,
                        metric=self.metric,
                    ),
                ).to(memory_format=torch.channels_last)
                some = np.random.default_rng(seed).permutation(kept.train)[:STANDARD]
                network.learn_scale(torch.from_numpy(np.stack([kept.samples[row] for row in np.sort(some)])))
            record = train(
                network,
                kept,
                TrainingSettings(
                    self.epochs,
                    self.batch_size,
                    self.learning_rate,
                    self.patience,
                    schedule=self.schedule,
                    weight_decay=self.weight_decay,
                    head_epochs=network.settings.head_epochs,
                    sampling=method,
                ),
                seed=seed,
                device=device,
                run=run,
                recipe={"classifier": type(self).__name__} | dataclasses.asdict(self),
                progress=progress,
            )
            notes = [f"imbalance: {method} ({why})", *filter(None, [pasted])]
            return self._conclude(network, record, real, images.names, notes, seed)

    def _conclude(
        self,
        network: FineTuned,
        record: TrainingRecord,
        kept: Store,
        names: list[str],
        notes: list[str],
        seed: int,
    ) -> Fit:
        """From a trained network to the classifier, with its answers to held-out images."""
        fitted = FittedFineTuned(network.eval(), self.orientation, self.views, self.agreement)
        alone = FittedFineTuned(network, self.orientation, 1, self.agreement)

        def answers(judge: FittedFineTuned, rows: NDArray[np.int64]) -> NDArray[np.float32]:
            return over_rows(lambda batch: (judge(batch).extras["logits"],), kept, rows)[0][:, 0].numpy()

        logits, truth = answers(fitted, kept.validation), kept.labels[kept.validation]
        fitted.temperature = fit_temperature(logits, truth, doubt=1 / (2 + len(truth)))
        learned = np.random.default_rng(seed).permutation(kept.train)[:LEARNED]
        said, right = answers(alone, learned), kept.labels[learned]
        sheet, rows = self._sheet(kept, names, seed)
        classifier = ClassifierRecord(
            names=names,
            counts=np.bincount(kept.labels, minlength=len(names)).tolist(),
            logits=logits,
            truth=truth,
            temperature=fitted.temperature,
            train_loss=float(losses(said, right).mean()),
            train_accuracy=float((said.argmax(axis=1) == right).mean()),
            notes=notes,
            sheet=sheet,
            rows=rows,
        )
        return make_fit(fitted, classifier, training=record)

    def _sheet(
        self, kept: Store, names: Sequence[str], seed: int
    ) -> tuple[NDArray[np.uint8] | None, list[str]]:
        """An image of each kind `(C, columns, h, w, 3)`, as it is and augmented; None where nothing is."""
        if self.augmentation == Augmentation.none():
            return None, []
        first = [int(kept.train[kept.labels[kept.train] == number][0]) for number in range(len(names))]
        shrink = max(1, -(-max(kept.shape[:2]) // SHEET))
        originals = torch.from_numpy(np.stack([kept.samples[row] for row in first]))
        augment = Augment(self.augmentation).train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            columns = [originals, *(augment(originals) for _ in range(COLUMNS - 1))]
        return torch.stack(columns, dim=1)[:, :, ::shrink, ::shrink].numpy(), list(names)


class FittedFineTuned(FittedDetector):
    """Judges images by a fine-tuned network; its map is the class activation of the image as it is.

    Args:
        network: Classifies.
        orientation: How the product may lie.
        views: How many views are judged, 1 or 8.
        agreement: How they become one answer.
    """

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
        places = class_activation(first, *self.network.linear)
        return answer(
            apart(logits, count),
            apart(means, count),
            self.temperature,
            self.agreement,
            log_odds(places, self.temperature),
        )
