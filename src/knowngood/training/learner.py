"""What Lightning trains: a network that knows its own losses."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from knowngood.errors import TrainingError

SCHEDULES = ("cosine", "constant", "one_cycle")
"""How a learning rate goes on: it falls to nothing along a cosine, stays, or rises first and then falls."""

RISE, START, END = 0.25, 1 / 25, 1e-4
"""A cycle's share of rising, and its first and last learning rate as shares of the highest."""

ACCURACY = "accuracy_"
"""How the names of shares begin that are told of each class."""


class Share(NamedTuple):
    """A share of some of a batch, so that its mean over an epoch weighs batches by how many these are."""

    value: Tensor
    of: int


class Trainable(nn.Module, ABC):
    """A network that can be trained on batches of samples, each with the number of its class."""

    monitored: ClassVar[str] = "loss"
    """The loss that decides on held-out samples when to stop, and which epoch's weights are kept."""

    skips_parameters: ClassVar[bool] = False
    """Whether some parameters have no part in the loss of some epochs."""

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Told before each epoch; the first one is 0."""

    def objective(self, seen: Mapping[str, float]) -> float:
        """What an epoch is judged by: the smaller, the better.

        Args:
            seen: Means over the epoch, such as `validation/loss`; `validation/monitored` is the loss that
                `monitored` names.
        """
        return seen["validation/monitored"]

    def groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Parameters with their highest learning rate; those that learn fastest come first."""
        return [{"params": list(self.parameters()), "lr": learning_rate}]

    @abstractmethod
    def losses(self, batch: Tensor, labels: Tensor) -> Mapping[str, Tensor | Share]:
        """The losses of a batch by name, each a scalar; the one named `loss` is minimised.

        Args:
            batch: Samples `(n, ...)`.
            labels: The number of each sample's class, int64 `(n,)`; all 0 where there are no classes.
        """

    @abstractmethod
    def show(self, batch: Tensor) -> Tensor | None:
        """The batch as the network rebuilds it, uint8 `(n, H, W, 3)`; None where it rebuilds no image."""


class Learner(lightning.LightningModule):
    """Trains a network with Adam, or AdamW where weights shall decay.

    Args:
        network: What is trained.
        learning_rate: The first epoch's.
        epochs: After so many epochs a schedule is at its end.
        schedule: One of `SCHEDULES`.
        weight_decay: Share of the learning rate by which weights shrink in a step.
        head_epochs: Epochs of a first cycle of a `one_cycle` schedule, when not all parameters learn yet.
        seed: Chance (noise, dropout) depends on this and the step alone, so that it is the same after a kill.
    """

    def __init__(
        self,
        network: Trainable,
        *,
        learning_rate: float,
        epochs: int,
        schedule: str = "cosine",
        weight_decay: float = 0.0,
        head_epochs: int = 0,
        seed: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.head_epochs = head_epochs
        self.seed = seed

    def configure_optimizers(self) -> Any:
        """Adam (AdamW: Loshchilov and Hutter, arXiv:1711.05101) and a schedule: by epochs a cosine (the same,
        arXiv:1608.03983) or none, by steps a cycle (Smith and Topin, "Super-Convergence", arXiv:1708.07120).
        """
        groups = self.network.groups(self.learning_rate)
        optimizer: torch.optim.Optimizer = (
            torch.optim.AdamW(groups, lr=self.learning_rate, weight_decay=self.weight_decay)
            if self.weight_decay
            else torch.optim.Adam(groups, lr=self.learning_rate)
        )
        if self.schedule == "one_cycle":
            steps = int(self.trainer.estimated_stepping_batches)
            cycles = Cycles(round(steps * self.head_epochs / self.epochs), steps)
            by_steps = torch.optim.lr_scheduler.LambdaLR(optimizer, cycles)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": by_steps, "interval": "step"}}
        schedule: torch.optim.lr_scheduler.LRScheduler = (
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.epochs)
            if self.schedule == "cosine"
            else torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=0)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}

    def on_train_epoch_start(self) -> None:
        """Tell the network which epoch begins."""
        self.network.begin_epoch(self.current_epoch, self.epochs)

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
        """Losses of held-out samples."""
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


class Cycles:
    """The factor of a learning rate in each step: it rises along a cosine and falls again, once or twice.

    Args:
        first: Steps of the first cycle; 0 for one cycle in all.
        steps: Steps of both.

    Example:
        >>> cycles = Cycles(0, 100)
        >>> [round(cycles(step), 2) for step in (0, 25, 99)]
        [0.04, 1.0, 0.0]
    """

    def __init__(self, first: int, steps: int) -> None:
        self.first = first
        self.steps = steps

    def __call__(self, step: int) -> float:
        """The factor at a step."""
        begin, end = (0, self.first) if step < self.first else (self.first, self.steps)
        share = (step - begin) / max(1, end - begin)
        if share < RISE:
            return _between(START, 1.0, share / RISE)
        return _between(1.0, END, min(1.0, (share - RISE) / (1 - RISE)))


def _between(start: float, end: float, share: float) -> float:
    """Part of the way along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
