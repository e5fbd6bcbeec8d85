"""Fine-tuning: of a pretrained network the head learns first, then all layers, each at its own rate."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from knowngood.classifiers.activation import class_activation
from knowngood.classifiers.base import AGREEMENTS, Classifier, Fit, answer, check_left, log_odds
from knowngood.classifiers.pasted import with_pasted
from knowngood.data.labelled import Labelled
from knowngood.data.loader import Batches
from knowngood.detectors.base import FittedDetector
from knowngood.detectors.trained import over_rows
from knowngood.errors import RecipeError
from knowngood.features.backbones import load_backbone
from knowngood.features.weights import DEFAULT as DEFAULT_BACKBONE
from knowngood.metrics.classification import losses
from knowngood.metrics.reliability import fit_temperature
from knowngood.recipe import check_choice, check_range, check_strides
from knowngood.training.augment import ORIENTATIONS, Augment, Augmentation, EightViews
from knowngood.training.classifying import apart
from knowngood.training.finetuning import METRICS, FineTuned
from knowngood.training.imbalance import AUTO, METHODS, choose
from knowngood.training.learner import SCHEDULES
from knowngood.training.lesson import Lesson
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


@dataclass(frozen=True)
class FineTune(Classifier):
    """A pretrained network that is trained further on the images, with a new head.

    The head learns alone first; then all layers do, the earlier ones at smaller rates (Howard and Ruder,
    "Universal Language Model Fine-tuning for Text Classification", arXiv:1801.06146). Rates rise and fall in
    one cycle (Smith and Topin, "Super-Convergence", arXiv:1708.07120).

    Args:
        input_size: Side of the input, in pixels (for other aspect ratios, of the square of equal area).
        orientation: How the product may lie: `fixed`, `mirrored`, `quarter` or `any`; so images are flipped
            and turned while it learns.
        zoom: Images are made larger or smaller by a factor of up to one plus this.
        shift: Images are moved by up to this share of their sides.
        contrast: Contrast is multiplied by up to one plus or minus this.
        brightness: Brightness likewise.
        blur: Largest standard deviation of a Gaussian blur, in pixels; half of the images are blurred.
        backbone: timm's name of the network.
        weights: A local checkpoint of the network; None for the installed or downloaded one.
        strides: Feature maps whose means are classified, by their stride in pixels, finest first.
        epochs: The most epochs.
        head_epochs: The first of these, in which only the head learns.
        batch_size: Images in a step.
        learning_rate: The head's highest; None to find one by trying.
        layer_decay: The rate of each block of layers is that of the next one times this.
        weight_decay: AdamW's.
        schedule: `one_cycle`, `cosine` or `constant`.
        label_smoothing: Share of each target that is spread over all kinds.
        dropout: Share of the features that are left out at random while it learns.
        imbalance: `auto` or one of `knowngood.training.imbalance.METHODS`.
        pasted: New images to make for each defect type, of real defects on good parts; masks are needed.
        metric: What chooses the epoch whose weights are kept: `loss`, `error` or `balanced_error`.
        patience: Epochs without progress after which training stops.
        views: 8 to judge eight views of each image (test-time augmentation), or 1.
        agreement: How the answers to views become one: `mean` probability or majority `vote`.

    Raises:
        RecipeError: A value is out of range.

    Example:
        >>> FineTune(orientation="any", epochs=20).head_epochs
        2
    """

    trains: ClassVar[bool] = True

    input_size: int = 256
    orientation: str = "fixed"
    zoom: float = 0.1
    shift: float = 0.05
    contrast: float = 0.2
    brightness: float = 0.2
    blur: float = 0.5
    backbone: str = DEFAULT_BACKBONE
    weights: str | None = None
    strides: tuple[int, ...] = (16, 32)
    epochs: int = 10
    head_epochs: int = 2
    batch_size: int = 16
    learning_rate: float | None = 3e-4
    layer_decay: float = 0.5
    weight_decay: float = 1e-2
    schedule: str = "one_cycle"
    label_smoothing: float = 0.0
    dropout: float = 0.2
    imbalance: str = AUTO
    pasted: int = 0
    metric: str = "loss"
    patience: int = 20
    views: int = 1
    agreement: str = "mean"

    def __post_init__(self) -> None:
        check_range(
            self,
            input_size=(32, 2048),
            epochs=(1, 100_000),
            head_epochs=(0, 100_000),
            batch_size=(2, 4096),
            layer_decay=(0.01, 1),
            weight_decay=(0, 1),
            label_smoothing=(0, 0.99),
            dropout=(0, 0.9),
            pasted=(0, 10_000),
            patience=(1, 100_000),
        )
        if self.learning_rate is not None:
            check_range(self, learning_rate=(1e-8, 1.0))
        check_choice(
            self,
            orientation=ORIENTATIONS,
            schedule=SCHEDULES,
            imbalance=(AUTO, *METHODS),
            metric=METRICS,
            agreement=tuple(AGREEMENTS),
        )
        if self.views not in (1, 8):
            raise RecipeError(f"FineTune: views={self.views!r} must be 1 or 8")
        check_strides(self, self.strides)
        _ = self.augmentation  # it checks its own values

    @property
    def augmentation(self) -> Augmentation:
        """How images are changed while it learns."""
        return Augmentation(
            self.orientation, self.zoom, self.shift, self.contrast, self.brightness, self.blur
        )

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
        """Train the network; see `Classifier.fit`. A fifth of the images is held out."""
        grouped = dataclasses.replace(images, groups=taught.groups)
        with store_images(grouped, classes=taught.numbers.tolist(), seed=seed, progress=progress) as real:
            groups = None if taught.groups is None else [taught.groups[place] for place in real.index]
            check_left(real.labels.tolist(), taught.names, groups)
            kept, pasted = real, ""
            if self.pasted:
                kept, pasted = with_pasted(
                    real,
                    images,
                    taught,
                    self.pasted,
                    orientation=self.orientation,
                    seed=seed,
                    progress=progress,
                )
            counts = np.bincount(kept.labels[kept.train], minlength=len(taught.names)).tolist()
            held_out = np.bincount(kept.labels[kept.validation], minlength=len(taught.names)).tolist()
            method, why = choose(self.imbalance, counts)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                network = FineTuned(
                    load_backbone(self.backbone, strides=self.strides, weights=self.weights),
                    counts,
                    held_out,
                    imbalance=method,
                    augmentation=self.augmentation,
                    label_smoothing=self.label_smoothing,
                    dropout=self.dropout,
                    head_epochs=min(self.head_epochs, self.epochs - 1),
                    layer_decay=self.layer_decay,
                    metric=self.metric,
                ).to(memory_format=torch.channels_last)
                some = np.random.default_rng(seed).permutation(kept.train)[:STANDARD]
                network.standardise(torch.from_numpy(np.stack([kept.samples[row] for row in np.sort(some)])))
            record = train(
                network,
                kept,
                epochs=self.epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                schedule=self.schedule,
                weight_decay=self.weight_decay,
                head_epochs=network.head_epochs,
                sampling=method,
                patience=self.patience,
                seed=seed,
                device=device,
                run=run,
                recipe={"classifier": type(self).__name__} | dataclasses.asdict(self),
                progress=progress,
            )
            notes = [f"imbalance: {method} ({why})", *filter(None, [pasted])]
            return self._conclude(network, record, real, taught.names, notes, seed)

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
            return over_rows(lambda batch: (judge(batch).logits,), kept, rows)[0][:, 0].numpy()

        logits, truth = answers(fitted, kept.validation), kept.labels[kept.validation]
        fitted.temperature = fit_temperature(logits, truth, doubt=1 / (2 + len(truth)))
        learned = np.random.default_rng(seed).permutation(kept.train)[:LEARNED]
        said, right = answers(alone, learned), kept.labels[learned]
        sheet, rows = self._sheet(kept, names, seed)
        lesson = Lesson(
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
        return Fit(fitted, dataclasses.replace(record, lesson=lesson))

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
        places = class_activation(first, *self.network.places)
        return answer(
            apart(logits, count),
            apart(means, count),
            self.temperature,
            self.agreement,
            log_odds(places, self.temperature),
        )
