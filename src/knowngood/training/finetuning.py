"""A pretrained network that learns to classify: first its head, then all its layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from knowngood.training.augment import Augment, Augmentation
from knowngood.training.imbalance import ClassLoss
from knowngood.training.learner import ACCURACY, Share, Trainable
from knowngood.training.standardise import LEAST_DEVIATION, Standardise

if TYPE_CHECKING:
    from knowngood.features.backbones import Backbone

METRICS = ("loss", "error", "balanced_error")
"""The metrics on held-out images that can select the best epoch: cross-entropy with the same weight for each
class, the error rate, or the mean of the error rates of the classes."""

LATE = 0.6
"""Share of the epochs after which a deferred loss weighs classes."""


@dataclass(frozen=True)
class FineTuning:
    """The settings of a `FineTuned` network.

    Args:
        imbalance: One of `knowngood.training.imbalance.METHODS`.
        augmentation: How images are changed in training.
        label_smoothing: Share of each target that is spread over all classes.
        dropout: Share of the features that is dropped at random in training.
        head_epochs: First epochs, in which only the linear layer is trained.
        layer_decay: The learning rate of each block of layers as a share of the next block's (Howard and
            Ruder, arXiv:1801.06146, section 3.2, with a factor of 1 / 2.6).
        metric: One of `METRICS`.
    """

    imbalance: str
    augmentation: Augmentation
    label_smoothing: float
    dropout: float
    head_epochs: int
    layer_decay: float
    metric: str


class FineTuned(Trainable):
    """A backbone, all layers of which are trainable, the standardised means of its feature maps, and a linear
    layer; with the number of images of each class that are learned from and held out.
    """

    skips_parameters = True

    def __init__(
        self, backbone: Backbone, counts: Sequence[int], held_out: Sequence[int], settings: FineTuning
    ) -> None:
        super().__init__()
        self.settings = settings
        self.backbone = backbone
        self.backbone.requires_grad_(True)
        self.augment = Augment(settings.augmentation)
        channels = sum(backbone.channels)
        self.standardise = Standardise(torch.zeros(channels), torch.ones(channels))
        self.head = nn.Linear(channels, len(counts))
        self.loss = ClassLoss(settings.imbalance, counts, label_smoothing=settings.label_smoothing)
        self.balanced = ClassLoss("class_weights", held_out)
        self.frozen = settings.head_epochs > 0
        self.late = False

    def forward(self, pixels: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Feature maps, their means `(N, D)` and logits `(N, C)` of normalised images `(N, 3, H, W)`."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            maps: list[Tensor] = self.backbone(pixels)
            means = torch.cat([level.mean(dim=(2, 3)) for level in maps], dim=1)
        standard = F.dropout(self.standardise(means), self.settings.dropout, self.training)
        return maps, means, self.head(standard).float()

    @torch.no_grad()
    def learn_scale(self, images: Tensor) -> None:
        """Standardise the features by those of some images `(N, H, W, 3)`.

        The images are augmented: a feature that hardly differs from one image to the next may differ much
        from one brightness to another, and would get too large a weight.
        """
        self.eval()
        images = self.augment.train()(images)
        _, means, _ = self(self._pixels(images))
        self.standardise = Standardise(means.mean(dim=0), means.std(dim=0) + LEAST_DEVIATION)

    def _pixels(self, images: Tensor) -> Tensor:
        """Normalised images `(N, 3, H, W)` of images `(N, H, W, 3)`."""
        return self.backbone.normalise(images).contiguous(memory_format=torch.channels_last)

    @property
    def linear(self) -> tuple[Tensor, Tensor]:
        """Weight `(C, D)` and bias `(C,)` of the linear classifier of means that are not standardised."""
        weight = self.head.weight / self.standardise.scale
        return weight, self.head.bias - weight @ self.standardise.mean

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Train only the head in the first epochs; weigh classes in the last, where that is deferred."""
        self.frozen = epoch < self.settings.head_epochs
        self.late = epoch >= LATE * epochs
        self.train()  # Lightning leaves it as it finds it

    def train(self, mode: bool = True) -> FineTuned:
        """Switch between training and evaluation; the backbone keeps the batch statistics that it came with.

        Those of a few augmented images differ from these, and what the head has learned would no longer hold:
        on 300 screws the loss rose by half when the backbone began to learn.
        """
        super().train(mode)
        self.backbone.eval()
        return self

    def groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """The head, then the blocks of the backbone from the last to the first."""
        blocks: dict[str, list[nn.Parameter]] = {}
        for name, parameter in self.backbone.network.named_parameters():
            blocks.setdefault(_block(name), []).append(parameter)
        groups = [{"params": list(self.head.parameters()), "lr": learning_rate}]
        for depth, parameters in enumerate(reversed(blocks.values()), 1):
            groups.append({"params": parameters, "lr": learning_rate * self.settings.layer_decay**depth})
        return groups

    def losses(self, batch: Tensor, labels: Tensor) -> dict[str, Tensor | Share]:
        """The loss and the error rate of images `(n, H, W, 3)`, and in evaluation the accuracy per class.

        In evaluation the loss is cross-entropy with the same weight for each class, whatever the loss of the
        training, so that methods can be compared and frequent classes do not dominate.
        """
        _, _, logits = self(self._pixels(self.augment(batch)))
        correct = logits.argmax(dim=1) == labels
        error = (~correct).float().mean()
        if self.training:
            return {"loss": self.loss(logits, labels, late=self.late), "error": error}
        accuracies: dict[str, Tensor | Share] = {}
        for number in range(logits.shape[1]):
            own = labels == number
            count = int(own.sum())
            accuracies[f"{ACCURACY}{number}"] = Share((correct & own).sum() / max(1, count), count)
        # Held-out images come class by class: a mean by each batch's own weights would favour frequent ones.
        each = F.cross_entropy(logits, labels, reduction="none") * self.balanced.weights[labels]
        return {"loss": each.mean(), "error": error, **accuracies}

    def objective(self, seen: Mapping[str, float]) -> float:
        """See `Trainable.objective`."""
        if self.settings.metric != "balanced_error":
            return seen[f"validation/{self.settings.metric}"]
        accuracies = [value for name, value in seen.items() if name.startswith(f"validation/{ACCURACY}")]
        known = [value for value in accuracies if math.isfinite(value)]
        return 1 - sum(known) / len(known)


def _block(name: str) -> str:
    """The block of a parameter: `blocks.3` of `blocks.3.0.bn1.bias`, `layer1` of `layer1.0.bn1.bias`."""
    first, *rest = name.split(".")
    return f"{first}.{rest[0]}" if first in ("blocks", "stages", "layers") else first
