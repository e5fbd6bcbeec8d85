"""Networks that define their own losses, and the module by which Lightning trains them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from knowngood.errors import TrainingError

SCHEDULES = ("cosine", "constant", "one_cycle")
"""How a learning rate changes: it falls to nothing along a cosine, stays, or rises first and then falls."""

RISE, START, END = 0.25, 1 / 25, 1e-4
"""A cycle's share of rising, and its first and last learning rate as shares of the highest."""

ACCURACY = "accuracy_"
"""The start of the names of losses that are the accuracy on one class."""


class Share(NamedTuple):
    """A mean over `of` samples of a batch; an epoch's mean weighs batches by that number."""

    value: Tensor
    of: int


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of an optimisation.

    Args:
        epochs: The most epochs.
        batch_size: Samples per step; fewer if there are fewer.
        learning_rate: The first epoch's, or the largest of a cycle; None for a range test.
        patience: Epochs without improvement on held-out samples after which training stops.
        schedule: One of `SCHEDULES`.
        weight_decay: Share of the learning rate by which weights shrink in a step.
        head_epochs: First epochs, in which not all parameters are trained; a cycle of their own.
        sampling: One of `knowngood.training.imbalance.METHODS`, by which the samples of a pass are drawn.
    """

    epochs: int
    batch_size: int
    learning_rate: float | None
    patience: int
    schedule: str = "cosine"
    weight_decay: float = 0.0
    head_epochs: int = 0
    sampling: str = "none"


class Trainable(nn.Module, ABC):
    """A network that can be trained on batches of samples, each with the number of its class."""

    monitored: ClassVar[str] = "loss"
    """The loss on held-out samples that stops the training and selects the epoch whose weights are kept."""

    skips_parameters: ClassVar[bool] = False
    """Whether the loss of some epochs does not depend on all parameters."""

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Prepare for an epoch, counted from 0."""

    def objective(self, seen: Mapping[str, float]) -> float:
        """The value by which epochs are compared, the smallest being the best, from means over the epoch such
        as `validation/loss`; `validation/monitored` is the loss that `monitored` names.
        """
        return seen["validation/monitored"]

    def groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Parameters with their highest learning rate; the group with the highest rate comes first."""
        return [{"params": list(self.parameters()), "lr": learning_rate}]

    @abstractmethod
    def losses(self, batch: Tensor, labels: Tensor) -> Mapping[str, Tensor | Share]:
        """The losses of samples `(n, ...)` and their labels, int64 `(n,)` and all 0 where there are no
        classes: each a scalar, by name; the one named `loss` is minimised.
        """

    def show(self, batch: Tensor) -> Tensor | None:  # noqa: ARG002  # most networks rebuild no image
        """The batch as the network rebuilds it, uint8 `(n, H, W, 3)`; None where it rebuilds no image."""
        return None


class Learner(lightning.LightningModule):
    """Trains a network with Adam, or with AdamW if there is weight decay.

    Noise and dropout depend on the seed and the step alone, so that they are the same after a restart.
    """

    def __init__(self, network: Trainable, settings: TrainingSettings, seed: int) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.seed = seed
        self.learning_rate = settings.learning_rate or 0.0

    def configure_optimizers(self) -> Any:
        """Adam (AdamW: Loshchilov and Hutter, arXiv:1711.05101) and a schedule: per epoch a cosine (the same,
        arXiv:1608.03983) or none, per step a cycle (Smith and Topin, "Super-Convergence", arXiv:1708.07120).
        """
        settings = self.settings
        groups = self.network.groups(self.learning_rate)
        optimizer: torch.optim.Optimizer = (
            torch.optim.AdamW(groups, lr=self.learning_rate, weight_decay=settings.weight_decay)
            if settings.weight_decay
            else torch.optim.Adam(groups, lr=self.learning_rate)
        )
        interval = "epoch"
        scheduler: lr_scheduler.LRScheduler
        if settings.schedule == "one_cycle":
            steps = int(self.trainer.estimated_stepping_batches)
            cycles = Cycles(round(steps * settings.head_epochs / settings.epochs), steps)
            scheduler, interval = lr_scheduler.LambdaLR(optimizer, cycles), "step"
        elif settings.schedule == "cosine":
            scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=settings.epochs)
        else:
            scheduler = lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": interval}}

    def on_train_epoch_start(self) -> None:
        """Announce the epoch to the network."""
        self.network.begin_epoch(self.current_epoch, self.settings.epochs)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """One step; a loss that is not finite stops the training before it spoils the weights."""
        chance = np.random.SeedSequence([self.seed, self.global_step, self.global_rank])
        torch.manual_seed(int(chance.generate_state(1)[0]))
        losses = self.network.losses(*batch)
        loss = losses["loss"]
        assert isinstance(loss, Tensor)
        if not torch.isfinite(loss):
            rate = self.trainer.optimizers[0].param_groups[0]["lr"]
            raise TrainingError(
                f"the loss is not a finite number at step {self.global_step + 1} (epoch "
                f"{self.current_epoch + 1}, learning rate {rate:.2g}); take a smaller learning_rate, or "
                "precision 32-true"
            )
        self._log("train", losses, len(batch[0]))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Log the losses of held-out samples."""
        self._log("validation", self.network.losses(*batch), len(batch[0]))

    def _log(self, stage: str, losses: Mapping[str, Tensor | Share], count: int) -> None:
        """Log each loss as its mean over the epoch."""
        for name, loss in {**losses, "monitored": losses[self.network.monitored]}.items():
            value, weight = loss if isinstance(loss, Share) else (loss, count)
            self.log(
                f"{stage}/{name}",
                value.detach(),
                on_step=False,
                on_epoch=True,
                batch_size=weight,
                sync_dist=True,
            )


@dataclass(frozen=True)
class Cycles:
    """The factor of a learning rate in each step: it rises along a cosine and falls again, in one cycle or,
    if `first` is not 0, in a cycle of so many steps and another.

    Example:
        >>> cycles = Cycles(0, 100)
        >>> [round(cycles(step), 2) for step in (0, 25, 99)]
        [0.04, 1.0, 0.0]
    """

    first: int
    steps: int

    def __call__(self, step: int) -> float:
        """The factor at a step."""
        begin, end = (0, self.first) if step < self.first else (self.first, self.steps)
        share = (step - begin) / max(1, end - begin)
        if share < RISE:
            return _between(START, 1.0, share / RISE)
        return _between(1.0, END, min(1.0, (share - RISE) / (1 - RISE)))


def _between(start: float, end: float, share: float) -> float:
    """A share of the way from start to end along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
