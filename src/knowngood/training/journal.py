"""The journal of a training: losses, the best weights and reconstructions, saved with each checkpoint.

Only the training that was begun in a folder is resumed there.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

import lightning
import torch
from torch import Tensor

from knowngood.errors import OutputError, RecipeError, TrainingError
from knowngood.inputs import LARGEST_CHECKPOINT, LARGEST_RECIPE, LARGEST_TABLE, open_file, read_file
from knowngood.output import make_folder, replacing
from knowngood.training.learner import ACCURACY
from knowngood.training.record import MOST_RATES, Epoch, loss_table
from knowngood.types import Progress

EVERY = 5
"""Epochs from one reconstruction of the fixed validation batch to the next."""

MOST = 40
"""Reconstructions that are kept: the checkpoint and the inspector hold them all."""

BEGUN, CHECKPOINT, LOSSES, DIGESTS = "run.json", "last.ckpt", "losses.csv", "last.sha256"

LONG = 5.0
"""Seconds after which an epoch says once more how many are done."""

KEPT = ("best", "least", "weights", "rebuilt", "range_test")
"""The attributes that a checkpoint keeps as they are."""

SECONDS = 10.0
"""The least time from one checkpoint to the next; a killed process loses no more than this and an epoch."""


class Journal(lightning.Callback):
    """Records each epoch, and saves everything in one checkpoint file, every few seconds and at the end.

    Losses, weights and pictures are in one file, so that after a kill at any moment they belong to the same
    epoch; `losses.csv` is written beside it. `examples` is the fixed validation batch. Training stops after
    `patience` epochs without improvement on held-out samples. `range_test` is kept with them.
    """

    def __init__(
        self, file: Path, examples: Tensor, patience: int, range_test: Sequence[tuple[float, float]] = ()
    ) -> None:
        self.file = file
        self.patience = patience
        self.examples = examples
        self.epochs: list[Epoch] = []
        self.best = 0
        self.least = float("inf")
        self.weights: dict[str, Tensor] = {}
        self.rebuilt: dict[int, Tensor] = {}
        self.range_test = list(range_test)
        self.rates: list[float] = []
        self.done = False
        self.saved = self.begun = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """The part of a checkpoint that this callback restores."""
        kept = {name: getattr(self, name) for name in KEPT}
        return {**kept, "epochs": [tuple(epoch) for epoch in self.epochs], "done": self.done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        for name in KEPT:
            setattr(self, name, state_dict.get(name, getattr(self, name)))  # older ones have no range test
        self.epochs = [Epoch.of(epoch) for epoch in state_dict["epochs"]]

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        """Note the time."""
        self.begun = time.monotonic()
        self.rates = []

    def on_train_batch_start(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Note the learning rate."""
        self.rates.append(float(trainer.optimizers[0].param_groups[0]["lr"]))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Record the epoch; validation comes before this."""
        network: Any = pl_module.network
        number = trainer.current_epoch + 1
        seen = {name: float(value) for name, value in trainer.callback_metrics.items()}
        validation = network.objective(seen)
        if not math.isfinite(validation):
            raise TrainingError(
                f"the loss of held-out images is not a finite number after epoch {number}; take a smaller "
                "learning_rate"
            )
        self.epochs.append(
            Epoch(
                number,
                seen["train/monitored"],
                seen["validation/monitored"],
                seen.get("validation/error"),
                time.monotonic() - self.begun,
                tuple(_accuracies(seen)),
                seen.get("train/error"),
                _some(self.rates),
            )
        )
        if validation < self.least:
            self.best, self.least = number, validation
            self.weights = {
                name: value.detach().cpu().clone() for name, value in network.state_dict().items()
            }
        trainer.should_stop = number - self.best >= self.patience
        self.done = trainer.should_stop or number == trainer.max_epochs
        if number % EVERY == 0 or self.done:
            self._rebuild(network, pl_module.device)
        late = self.done or time.monotonic() - self.saved >= SECONDS
        if trainer.strategy.reduce_boolean_decision(late, all=False):
            self._save(trainer)

    def _rebuild(self, network: Any, device: torch.device) -> None:
        """Rebuild the fixed validation batch."""
        network.eval()
        with torch.no_grad():
            shown = network.show(self.examples.to(device))
        network.train()
        if shown is not None:
            self.rebuilt[len(self.epochs)] = shown.cpu()
        if len(self.rebuilt) > MOST:  # every second one is left, never the last
            for epoch in sorted(self.rebuilt)[-2::-2]:
                del self.rebuilt[epoch]

    def _save(self, trainer: lightning.Trainer) -> None:
        """Replace the checkpoint completely or not at all."""
        unfinished = self.file.with_suffix(".part")
        try:
            trainer.save_checkpoint(unfinished)
            if trainer.is_global_zero:
                with unfinished.open("rb") as written:
                    os.fsync(written.fileno())
                # Both digests, since the process may be killed between the two files.
                digests = [digest(file) for file in (unfinished, self.file) if file.exists()]
                with replacing(self.file.with_name(DIGESTS)) as names:
                    names.write_text("\n".join(digests), encoding="ascii")
                unfinished.replace(self.file)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise OutputError(f"{str(self.file)!r} cannot be written: {error.strerror or error}") from error
        if trainer.is_global_zero:
            with replacing(self.file.with_name(LOSSES)) as table:
                loss_table(self.epochs).to_csv(table, index=False)
        trainer.strategy.barrier("saved")
        self.saved = time.monotonic()


def _some(rates: Sequence[float]) -> tuple[float, ...]:
    """Some of the learning rates, evenly chosen; one where all are the same."""
    return tuple(rates[:: -(-len(rates) // MOST_RATES)] if len(set(rates)) > 1 else rates[:1])


def _accuracies(seen: Mapping[str, float]) -> Iterator[float | None]:
    """Accuracy on the held-out samples of each class; None for a class without any."""
    for number in itertools.count():
        accuracy = seen.get(f"validation/{ACCURACY}{number}")
        if accuracy is None:
            return
        yield accuracy if math.isfinite(accuracy) else None


class ProgressCallback(lightning.Callback):
    """Reports to a `Progress` how many epochs are done."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.reported = time.monotonic()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        """Show that a long epoch goes on."""
        if time.monotonic() - self.reported >= LONG:
            self._report(trainer.current_epoch, trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        """Report the epoch, but for the last one."""
        if trainer.current_epoch + 1 != trainer.max_epochs:
            self._report(trainer.current_epoch + 1, trainer)

    def _report(self, done: int, trainer: lightning.Trainer) -> None:
        assert trainer.max_epochs is not None
        self.reported = time.monotonic()
        self.progress("training", done, trainer.max_epochs)


def begin(folder: Path, what: dict[str, Any]) -> None:
    """Record what is trained in a folder, or verify that it is what was begun there.

    Raises:
        RecipeError: Something else was begun there; the first field that differs is named.
        TrainingError: The folder holds a damaged file.
        OutputError: The folder cannot be written.
    """
    make_folder(folder)
    file = folder / BEGUN
    if not file.exists():
        with replacing(file) as unfinished:
            unfinished.write_text(json.dumps(what, indent=1), encoding="utf-8")
        return
    try:
        before = dict(json.loads(read_file(file, LARGEST_TABLE)))
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{str(file)!r} is damaged; delete {str(folder)!r} or name another") from error
    now = json.loads(json.dumps(what))
    for name in [*now, *(before.keys() - now.keys())]:
        if before.get(name) != now.get(name):
            raise RecipeError(
                f"{str(folder)!r} holds a training with {name}={before.get(name)!r}, not "
                f"{now.get(name)!r}; name another folder to train anew, or give {name} as it was"
            )


def digest(file: Path) -> str:
    """The SHA-256 of a file."""
    with open_file(file, LARGEST_CHECKPOINT) as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


class Checkpoint(NamedTuple):
    """The part of a checkpoint that is read outside Lightning: the state of its `Journal`, and the rate."""

    journal: dict[str, Any]
    learning_rate: float


def load_checkpoint(file: Path) -> Checkpoint:
    """Read a checkpoint without running code in it; a TrainingError if it cannot be read, or was altered."""
    try:
        digests = read_file(file.with_name(DIGESTS), LARGEST_RECIPE).decode("ascii").split()
        if digest(file) not in digests:
            raise ValueError("its digest is another")
        saved = torch.load(file, map_location="cpu", weights_only=True)
        journal = saved["callbacks"][Journal.__qualname__]
        _ = journal["done"]
        return Checkpoint(journal, saved["lr_schedulers"][0]["base_lrs"][0])
    except (OSError, RuntimeError, ValueError, LookupError, EOFError, UnpicklingError, TypeError) as error:
        raise TrainingError(f"{str(file)!r} cannot be read; delete it to train anew") from error
