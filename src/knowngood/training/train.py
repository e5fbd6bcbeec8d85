"""Train a network on stored samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger
from lightning.pytorch.tuner import lr_finder
from lightning.pytorch.tuner.tuning import Tuner
from torch.multiprocessing.spawn import ProcessRaisedException

from knowngood.errors import RecipeError, TrainingError
from knowngood.output import temporary_folder
from knowngood.parallel import ALONE, drawing, one_thread, without_remarks
from knowngood.training.data import StoredData
from knowngood.training.journal import CHECKPOINT, Journal, ProgressCallback, begin, load_checkpoint
from knowngood.training.layers import layer_table, multiplications
from knowngood.training.learner import Learner, Trainable, TrainingSettings
from knowngood.training.record import Epoch, TrainingRecord
from knowngood.training.run import Run, interruptible, lightning_devices
from knowngood.training.store import Store
from knowngood.types import Progress, silent

STEPS, FIRST, WIDE = 100, 10, 10
RANGE = (1e-6, 0.1)
"""Steps of a range test, those of them that come first and are not looked at, and those over which a fall of
the loss is measured, since from one step to the next chance decides; and its learning rates."""

SMALL = 20_000_000
"""Multiplications in a step below which one thread is as fast as several. With another program on the same
cores, several threads wait for each other and take many times as long."""


def train(
    network: Trainable,
    store: Store,
    settings: TrainingSettings,
    *,
    seed: int,
    device: str,
    run: Run | None = None,
    recipe: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> TrainingRecord:
    """Train a network in place; afterwards it has the weights of its best epoch.

    Args:
        network: The network.
        store: The samples.
        settings: The settings of the optimisation.
        seed: The same seed on the same samples gives the same result.
        device: A torch device.
        run: How and where; None for one process that keeps nothing.
        recipe: What else decides the result, by name: only a training with the same is resumed in a folder.
        progress: Called after each epoch.

    Raises:
        TrainingError: The loss is not finite, or the training in the folder cannot be resumed.
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
    place: AbstractContextManager[Path | str] = nullcontext(run.folder) if run.folder else temporary_folder()
    with place as folder, _undisturbed(), drawing(seed, range(torch.cuda.device_count())):
        checkpoint = Path(folder) / CHECKPOINT
        begin(checkpoint.parent, what)
        data = StoredData(store, batch_size=settings.batch_size, seed=seed, sampling=settings.sampling)
        layers = layer_table(network, *data.examples)
        small = device == "cpu" and settings.batch_size * multiplications(layers) < SMALL
        learner = Learner(network, settings, seed)
        saved = load_checkpoint(checkpoint) if checkpoint.exists() else None
        range_test: list[tuple[float, float]] = []
        if saved is not None:
            learner.learning_rate = saved.learning_rate
        elif settings.learning_rate is None:
            learner.learning_rate, range_test = find_learning_rate(learner, data, device=device)
        if saved is None or not saved.journal["done"]:
            journal = Journal(checkpoint, data.examples[0], settings.patience, range_test)
            trainer = _trainer(learner, run, journal, device, progress)
            with one_thread() if small else nullcontext():
                _fit(trainer, learner, data, checkpoint if saved else None)
            saved = load_checkpoint(checkpoint)
        progress("training", settings.epochs, settings.epochs)
    network.cpu().load_state_dict(saved.journal["weights"])
    network.eval().requires_grad_(False)
    rebuilt = {epoch: images.numpy() for epoch, images in saved.journal["rebuilt"].items()}
    return TrainingRecord(
        layers=layers,
        epochs=[Epoch.of(epoch) for epoch in saved.journal["epochs"]],
        best=saved.journal["best"],
        learning_rate=saved.learning_rate,
        validation=store.validation.tolist(),
        originals=data.examples[0].numpy() if rebuilt else None,
        rebuilt=rebuilt,
        range_test=[(rate, loss) for rate, loss in saved.journal.get("range_test", [])],
    )


def find_learning_rate(
    learner: Learner, data: StoredData, *, device: str
) -> tuple[float, list[tuple[float, float]]]:
    """Raise the learning rate step by step and choose the one at which the loss falls fastest.

    Smith, "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186, section 3.3; fastest by
    the logarithm of the rate, since the rates are raised by a factor. The weights are restored afterwards.

    Returns:
        The learning rate, and the rates of the test with their losses, smoothed over the steps, but for the
        first, whose mean is of too few steps.

    Raises:
        TrainingError: The loss falls at no rate.
    """
    with temporary_folder() as folder, interruptible(), _without_bar():
        trainer = lightning.Trainer(
            **lightning_devices(device),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        found = Tuner(trainer).lr_find(
            learner,
            datamodule=data,
            min_lr=RANGE[0],
            max_lr=RANGE[1],
            num_training=STEPS,
            early_stop_threshold=None,  # it compares with a multiple of the loss, which may be negative
            update_attr=False,
        )
    steps = found.results if found else {"lr": [], "loss": []}
    kept = [
        (float(rate), float(loss))
        for rate, loss in list(zip(steps["lr"], steps["loss"], strict=True))[FIRST:]
        if math.isfinite(loss)
    ]
    losses = np.array([loss for _, loss in kept])
    falls = losses[:-WIDE] - losses[WIDE:]
    if not (falls > 0).any():
        raise TrainingError("no learning rate was found at which the loss falls; give learning_rate yourself")
    return kept[int(falls.argmax()) + WIDE // 2][0], kept


def _fit(trainer: lightning.Trainer, learner: Learner, data: StoredData, checkpoint: Path | None) -> None:
    """Train, and raise the TrainingError of another process as our own."""
    try:
        with interruptible():
            # Without pickle, so that no code in a checkpoint is run.
            trainer.fit(learner, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except ProcessRaisedException as error:
        message = str(error).rpartition("knowngood.errors.TrainingError: ")
        if not message[1]:
            raise
        raise TrainingError(message[2].strip()) from error


def _trainer(
    learner: Learner, run: Run, journal: Journal, device: str, progress: Progress
) -> lightning.Trainer:
    """Lightning's trainer, with a checkpoint and messages of our own."""
    several = run.devices > 1
    strategy = run.strategy
    if several and strategy == "auto":
        unused = learner.network.skips_parameters
        strategy = "ddp_spawn_find_unused_parameters_true" if unused else "ddp_spawn"
    callbacks: list[lightning.Callback] = [journal]
    if not several:
        callbacks.append(ProgressCallback(progress))  # it cannot be sent to another process
    return lightning.Trainer(
        **lightning_devices(device, run.devices),
        strategy=strategy,
        precision=run.precision,  # type: ignore[arg-type]  # one of PRECISIONS
        max_epochs=learner.settings.epochs,
        logger=_loggers(run),
        callbacks=callbacks,
        default_root_dir=journal.file.parent,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=several,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        deterministic="warn",
    )


def _loggers(run: Run) -> list[Logger]:
    """The loggers of losses beside `losses.csv`."""
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
            _ = logger.experiment  # this checks whether the address can be used
        except MlflowException as error:
            reason = str(error).partition("\n")[0][:200]
            raise RecipeError(f"mlflow={run.mlflow!r} cannot be used: {reason}") from error
        loggers.append(logger)
    return loggers


@contextmanager
def _without_bar() -> Iterator[None]:
    """Hide the bar of Lightning's range test, which has no setting for it."""
    with ALONE:
        finder: Any = lr_finder
        shown = finder.tqdm
        finder.tqdm = partial(shown, disable=True)
        try:
            yield
        finally:
            finder.tqdm = shown


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hide Lightning's remarks from the user, and restore torch's settings."""
    # Lightning gives advice on workers, logging intervals and the like, none of which the user can follow.
    with without_remarks("lightning", "torch"):
        deterministic = torch.are_deterministic_algorithms_enabled()
        warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
