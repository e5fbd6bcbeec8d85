"""A pretrained network that learns to tell kinds apart: its head first, then all its layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
"""What may choose the epoch whose weights are kept, on held-out images: cross-entropy with the same weight
for each kind, the share of wrong answers, or the mean of that over the kinds."""

LATE = 0.6
"""Share of the epochs after which a deferred loss weighs kinds."""


class FineTuned(Trainable):
    """A backbone, the means of its feature maps, standardised, and a linear layer.

    Args:
        backbone: Pretrained; all its layers are made to learn.
        counts: Images of each kind to learn from.
        held_out: Images of each kind that are held out.
        imbalance: One of `knowngood.training.imbalance.METHODS`.
        augmentation: How images are changed while it learns.
        label_smoothing: Share of each target that is spread over all kinds.
        dropout: Share of the features that are left out at random while it learns.
        head_epochs: First epochs in which only the linear layer learns.
        layer_decay: The learning rate of each block of layers is that of the next one times this (Howard and
            Ruder, "Universal Language Model Fine-tuning for Text Classification", arXiv:1801.06146, section
            3.2, with a factor of 1 / 2.6).
        metric: One of `METRICS`.
    """

    skips_parameters = True

    def __init__(
        self,
        backbone: Backbone,
        counts: Sequence[int],
        held_out: Sequence[int],
        *,
        imbalance: str,
        augmentation: Augmentation,
        label_smoothing: float,
        dropout: float,
        head_epochs: int,
        layer_decay: float,
        metric: str,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.backbone.requires_grad_(True)
        self.augment = Augment(augmentation)
        self.dropout = dropout
        channels = sum(backbone.channels)
        self.standardise = Standardise(torch.zeros(channels), torch.ones(channels))
        self.head = nn.Linear(channels, len(counts))
        self.loss = ClassLoss(imbalance, counts, label_smoothing=label_smoothing)
        self.balanced = ClassLoss("class_weights", held_out)
        self.head_epochs = head_epochs
        self.layer_decay = layer_decay
        self.metric = metric
        self.frozen = head_epochs > 0
        self.late = False

    def forward(self, pixels: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Feature maps, their means `(N, D)` and logits `(N, C)` of normalised images `(N, 3, H, W)`."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            maps: list[Tensor] = self.backbone(pixels)
            means = torch.cat([level.mean(dim=(2, 3)) for level in maps], dim=1)
        standard = self.standardise(means)
        return maps, means, self.head(F.dropout(standard, self.dropout, self.training)).float()

    @torch.no_grad()
    def learn_scale(self, images: Tensor) -> None:
        """Scale what the head sees by what the backbone sees of some images `(N, H, W, 3)` beforehand.

        They are augmented: a feature that hardly differs from one image to the next may differ much from one
        brightness to another, and would be blown up.
        """
        self.eval()
        images = self.augment.train()(images)
        _, means, _ = self(self.backbone.normalise(images).contiguous(memory_format=torch.channels_last))
        self.standardise = Standardise(means.mean(dim=0), means.std(dim=0) + LEAST_DEVIATION)

    @property
    def places(self) -> tuple[Tensor, Tensor]:
        """Weight `(C, D)` and bias `(C,)` of the linear classifier of the means as they are."""
        weight = self.head.weight / self.standardise.scale
        return weight, self.head.bias - weight @ self.standardise.mean

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Let the head learn first, then all; weigh kinds late, where that is deferred."""
        self.frozen = epoch < self.head_epochs
        self.late = epoch >= LATE * epochs
        self.train()  # Lightning leaves it as it finds it

    def train(self, mode: bool = True) -> FineTuned:
        """Switch to learning or judging; the backbone normalises by the statistics that it came with.

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
            groups.append({"params": parameters, "lr": learning_rate * self.layer_decay**depth})
        return groups

    def losses(self, batch: Tensor, labels: Tensor) -> dict[str, Tensor | Share]:
        """The loss, the share of wrong answers, and where it judges that of right ones of each kind.

        Held-out images are judged by cross-entropy with the same weight for each kind, whatever the loss of
        the training: so methods can be compared, and no majority rules.

        Args:
            batch: Images `(n, H, W, 3)`, uint8.
            labels: The number of each image's kind, int64 `(n,)`.
        """
        pixels = self.backbone.normalise(self.augment(batch)).contiguous(memory_format=torch.channels_last)
        _, _, logits = self(pixels)
        right = logits.argmax(dim=1) == labels
        wrong = (~right).float().mean()
        if self.training:
            return {"loss": self.loss(logits, labels, late=self.late), "error": wrong}
        of_classes: dict[str, Tensor | Share] = {}
        for number in range(logits.shape[1]):
            own = labels == number
            count = int(own.sum())
            of_classes[f"{ACCURACY}{number}"] = Share((right & own).sum() / max(1, count), count)
        # Held-out kinds come one after another: means by each batch's own weights would favour the frequent.
        each = F.cross_entropy(logits, labels, reduction="none") * self.balanced.weights[labels]
        return {"loss": each.mean(), "error": wrong, **of_classes}

    def objective(self, seen: Mapping[str, float]) -> float:
        """See `Trainable.objective`."""
        if self.metric != "balanced_error":
            return seen[f"validation/{self.metric}"]
        shares = [share for name, share in seen.items() if name.startswith(f"validation/{ACCURACY}")]
        known = [share for share in shares if math.isfinite(share)]
        return 1 - sum(known) / len(known)

    def show(self, _: Tensor) -> None:
        """No image is rebuilt."""


def _block(name: str) -> str:
    """The block that a parameter belongs to, by its name.

    Example:
        >>> _block("blocks.3.0.conv_pw.weight"), _block("conv_stem.weight"), _block("layer1.0.bn1.bias")
        ('blocks.3', 'conv_stem', 'layer1')
    """
    first, *rest = name.split(".")
    return f"{first}.{rest[0]}" if first in ("blocks", "stages", "layers") else first
