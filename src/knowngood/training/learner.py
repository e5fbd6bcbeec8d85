"""What Lightning trains: a network that knows its own losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from knowngood.errors import TrainingError


class Trainable(nn.Module, ABC):
    """A network that can be trained on batches of samples, each with the number of its class."""

    monitored: ClassVar[str] = "loss"
    """The loss that decides on held-out samples when to stop, and which epoch's weights are kept."""

    @abstractmethod
    def losses(self, batch: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The losses of a batch by name, each a scalar; the one named `loss` is minimised.

        Args:
            batch: Samples `(n, ...)`.
            labels: The number of each sample's class, int64 `(n,)`; all 0 where there are no classes.
        """

    @abstractmethod
    def show(self, batch: Tensor) -> Tensor | None:
        """The batch as the network rebuilds it, uint8 `(n, H, W, 3)`; None where it rebuilds no image."""


class Learner(lightning.LightningModule):
    """Trains a network with Adam.

    Args:
        network: What is trained.
        learning_rate: The first epoch's.
        epochs: After so many epochs the learning rate has fallen to nothing along a cosine; None for a
            learning rate that stays.
        seed: Chance (noise, dropout) depends on this and the step alone, so that it is the same after a kill.
    """

    def __init__(self, network: Trainable, *, learning_rate: float, epochs: int | None, seed: int) -> None:
        super().__init__()
        self.network = network
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.seed = seed

    def configure_optimizers(self) -> Any:
        """Adam, with a cosine schedule by epochs (Loshchilov and Hutter, arXiv:1608.03983) or none."""
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.learning_rate)
        schedule: torch.optim.lr_scheduler.LRScheduler = (
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.epochs)
            if self.epochs
            else torch.optim.lr_scheduler.LambdaLR(optimizer, constant)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """One step; a loss that is not finite stops the training before it spoils the weights."""
        chance = np.random.SeedSequence([self.seed, self.global_step, self.global_rank])
        torch.manual_seed(int(chance.generate_state(1)[0]))
        losses = self.network.losses(*batch)
        if not torch.isfinite(losses["loss"]):
            rate = self.trainer.optimizers[0].param_groups[0]["lr"]
            raise TrainingError(
                f"the loss is not a finite number at step {self.global_step + 1} (epoch "
                f"{self.current_epoch + 1}, learning rate {rate:.2g}); take a smaller learning_rate, or "
                "precision 32-true"
            )
        self._log("train", losses, len(batch[0]))
        return losses["loss"]

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Losses of held-out samples."""
        self._log("validation", self.network.losses(*batch), len(batch[0]))

    def _log(self, stage: str, losses: dict[str, Tensor], count: int) -> None:
        """Log each loss as its mean over the epoch."""
        values = {
            f"{stage}/{name}": loss.detach()
            for name, loss in (losses | {"monitored": losses[self.network.monitored]}).items()
        }
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=count, sync_dist=True)


def constant(_: int) -> float:
    """The factor of a learning rate that stays; it has a name since a lambda cannot go to another process."""
    return 1.0
