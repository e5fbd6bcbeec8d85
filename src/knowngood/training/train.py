"""Train a network on stored samples."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from pickle import UnpicklingError
from tempfile import TemporaryDirectory
from typing import Any

import lightning
import torch
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger
from torch.multiprocessing.spawn import ProcessRaisedException

from knowngood.errors import RecipeError, TrainingError
from knowngood.parallel import one_thread
from knowngood.training.data import StoredData
from knowngood.training.interrupt import interruptible
from knowngood.training.journal import Journal, Told
from knowngood.training.layers import layer_table, multiplications
from knowngood.training.learner import Learner, Trainable
from knowngood.training.learning_rate import find_learning_rate
from knowngood.training.record import Epoch, TrainingRecord
from knowngood.training.resume import CHECKPOINT, begin
from knowngood.training.run import Run, lightning_devices
from knowngood.training.store import Store
from knowngood.types import Progress, silent

SMALL = 20_000_000
"""Multiplications in a step below which one thread is as fast as several. With another program on the same
cores, several threads wait for each other and take many times as long."""


def train(
    network: Trainable,
    store: Store,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float | None,
    schedule: str = "cosine",
    weight_decay: float = 0.0,
    head_epochs: int = 0,
    sampling: str = "none",
    patience: int,
    seed: int,
    device: str,
    run: Run | None = None,
    recipe: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> TrainingRecord:
    """Train a network; afterwards it has the weights of its best epoch.

    Args:
        network: What is trained, in place.
        store: The samples.
        epochs: The most epochs.
        batch_size: Samples in a step; fewer if there are fewer.
        learning_rate: The first epoch's; None to find one by trying (see `find_learning_rate`).
        schedule: One of `knowngood.training.learner.SCHEDULES`: how the learning rate goes on from there.
        weight_decay: Share of the learning rate by which weights shrink in a step.
        head_epochs: Of these, the first ones in which not all parameters learn yet.
        sampling: One of `knowngood.training.imbalance.METHODS`: which samples a pass shows.
        patience: Epochs without progress on held-out samples after which training stops.
        seed: The same seed on the same samples gives the same result.
        device: A torch device.
        run: How and where; None for one process that keeps nothing.
        recipe: What else decides the result, by name: a training that goes on in a folder must have the same.
        progress: Called after each epoch.

    Raises:
        TrainingError: The loss is not finite, or the training in the folder cannot go on.
        RecipeError: The folder holds a training with another recipe.
    """
    run = run or Run()
    if run.precision == "16-mixed" and device == "cpu":
        raise RecipeError("precision='16-mixed' needs a GPU; take bf16-mixed on a CPU")
    what = {
        **(recipe or {}),
        "seed": seed,
        "precision": run.precision,
        "devices": run.devices,
        "samples": store.fingerprint if run.folder else "",
    }
    with _folder(run) as folder, _undisturbed(), torch.random.fork_rng(devices=_cuda_devices()):
        begin(folder, what)
        data = StoredData(store, batch_size=batch_size, seed=seed, sampling=sampling)
        layers = layer_table(network, *data.examples)
        small = device == "cpu" and batch_size * multiplications(layers) < SMALL
        learner = Learner(
            network,
            learning_rate=learning_rate or 0.0,
            epochs=epochs,
            schedule=schedule,
            weight_decay=weight_decay,
            head_epochs=head_epochs,
            seed=seed,
        )
        checkpoint = folder / CHECKPOINT
        saved = _load(checkpoint) if checkpoint.exists() else None
        if saved is None and learning_rate is None:
            learner.learning_rate = find_learning_rate(learner, data, device=device)
        if saved is not None:
            learner.learning_rate = saved["lr_schedulers"][0]["base_lrs"][0]
        if saved is None or not _journal(saved)["done"]:
            trainer = _trainer(
                run,
                folder,
                data,
                epochs,
                patience,
                device,
                progress,
                skips_parameters=network.skips_parameters,
            )
            with one_thread() if small else nullcontext():
                _fit(trainer, learner, data, checkpoint if saved else None)
            saved = _load(checkpoint)
        progress("training", epochs, epochs)
    journal = _journal(saved)
    network.cpu().load_state_dict(journal["weights"])
    network.eval().requires_grad_(False)
    shown = {epoch: images.numpy() for epoch, images in journal["rebuilt"].items()}
    return TrainingRecord(
        layers=layers,
        epochs=[Epoch.of(epoch) for epoch in journal["epochs"]],
        best=journal["best"],
        learning_rate=saved["lr_schedulers"][0]["base_lrs"][0],
        validation=store.validation.tolist(),
        originals=data.examples[0].numpy() if shown else None,
        rebuilt=shown,
    )


def _fit(trainer: lightning.Trainer, learner: Learner, data: StoredData, checkpoint: Path | None) -> None:
    """Train, and give errors of other processes as our own."""
    try:
        with interruptible():
            # Without pickle: a checkpoint of a stranger's runs no code.
            trainer.fit(learner, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except ProcessRaisedException as error:
        message = str(error).rpartition("knowngood.errors.TrainingError: ")
        if not message[1]:
            raise
        raise TrainingError(message[2].strip()) from error


def _trainer(
    run: Run,
    folder: Path,
    data: StoredData,
    epochs: int,
    patience: int,
    device: str,
    progress: Progress,
    *,
    skips_parameters: bool,
) -> lightning.Trainer:
    """Lightning's trainer as we want it."""
    several = run.devices > 1
    strategy = run.strategy
    if several and strategy == "auto":
        strategy = "ddp_spawn_find_unused_parameters_true" if skips_parameters else "ddp_spawn"
    callbacks: list[lightning.Callback] = [
        Journal(folder / CHECKPOINT, data.examples[0], patience),
    ]
    if not several:
        callbacks.append(Told(progress))  # it cannot be sent to another process
    return lightning.Trainer(
        **lightning_devices(device, run.devices),
        strategy=strategy,
        precision=run.precision,  # type: ignore[arg-type]  # one of PRECISIONS
        max_epochs=epochs,
        logger=_loggers(run),
        callbacks=callbacks,
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=several,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        deterministic="warn",
    )


def _loggers(run: Run) -> list[Logger]:
    """Where losses go beside `losses.csv`."""
    loggers: list[Logger] = []
    if run.folder:
        loggers.append(TensorBoardLogger(run.folder, name="", version="tensorboard"))
    if run.mlflow:
        try:
            from mlflow.exceptions import MlflowException
        except ModuleNotFoundError as error:
            raise RecipeError("mlflow is not installed: pip install 'knowngood[mlflow]'") from error
        try:
            logger = MLFlowLogger("knowngood", tracking_uri=run.mlflow)
            _ = logger.experiment  # it looks whether the address can be used
        except MlflowException as error:
            reason = str(error).partition("\n")[0][:200]
            raise RecipeError(f"mlflow={run.mlflow!r} cannot be used: {reason}") from error
        loggers.append(logger)
    return loggers


def _journal(saved: dict[str, Any]) -> dict[str, Any]:
    """The journal in a checkpoint."""
    journal: dict[str, Any] = saved["callbacks"][Journal.__qualname__]
    return journal


def _load(checkpoint: Path) -> dict[str, Any]:
    """A checkpoint, without running anything that is in it."""
    try:
        saved: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
        _ = _journal(saved)["done"]
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError, KeyError, TypeError) as error:
        raise TrainingError(f"{str(checkpoint)!r} cannot be read; delete it to train anew") from error
    return saved


@contextmanager
def _folder(run: Run) -> Iterator[Path]:
    """The run's folder, or one that is thrown away."""
    if run.folder:
        yield Path(run.folder)
        return
    with TemporaryDirectory(prefix="knowngood-") as folder:
        yield Path(folder)


def _cuda_devices() -> list[int]:
    """The GPUs whose chance must be left as it was."""
    return list(range(torch.cuda.device_count()))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep Lightning's remarks from the user, and torch's settings as they were."""
    logger = logging.getLogger("lightning.pytorch")
    level, deterministic = logger.level, torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Advice on workers, logging intervals and the like, none of which the user can follow.
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", module="torch")
            yield
    finally:
        logger.setLevel(level)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
