"""The base of detectors whose network is trained: the settings of the training, and its steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Annotated, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Detector
from knowngood.detectors.registry import DETECTORS
from knowngood.errors import TrainingError
from knowngood.features.extract import extract
from knowngood.features.frozen import FrozenFeatures
from knowngood.features.pyramid import joined
from knowngood.parallel import drawing
from knowngood.settings import BatchSize, Epochs, InputSize, LearningRate, Patience
from knowngood.training.learner import Trainable, TrainingSettings
from knowngood.training.record import TrainingRecord
from knowngood.training.run import Run
from knowngood.training.store import Store, store
from knowngood.training.train import train
from knowngood.types import Progress, Scores

N = TypeVar("N", bound=Trainable)

FEW = 16  # held-out images that show whether a network has collapsed

_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class Trained(Detector):
    """A recipe whose network is trained, with a fifth of the good images held out."""

    trains: ClassVar[bool] = True

    input_size: Annotated[InputSize, Field(ge=16, le=1024)] = 128
    epochs: Epochs = 100
    batch_size: BatchSize = 16
    learning_rate: LearningRate = 1e-3
    patience: Patience = 20


def learn(
    recipe: Trained,
    make: Callable[[], N],
    kept: Store,
    *,
    seed: int,
    device: str,
    progress: Progress,
    run: Run | None,
    schedule: str = "cosine",
) -> tuple[N, TrainingRecord]:
    """Make a network with random weights and train it on stored samples with the settings of a recipe.

    The other arguments are those of `Detector.fit` and `knowngood.training.train.train`.

    Raises:
        TrainingError: As `train`, and the message begins with the name of the detector.
    """
    with drawing(seed):
        network = make().to(memory_format=torch.channels_last)
    try:
        record = train(
            network,
            kept,
            TrainingSettings(
                recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.patience, schedule=schedule
            ),
            seed=seed,
            device=device,
            run=run,
            recipe={"detector": type(recipe).__name__} | dataclasses.asdict(recipe),
            progress=progress,
        )
    except TrainingError as error:
        raise TrainingError(named(recipe, str(error))) from error
    return network, record


def learn_each_fold(
    recipe: Trained,
    make: Callable[[Store], N],
    kept: Store,
    fold_of: NDArray[np.int64],
    *,
    seed: int,
    device: str,
    progress: Progress,
    run: Run | None,
) -> Iterator[tuple[Store, N, TrainingRecord]]:
    """Train a network for each fold of stored samples, `fold_of` `(n,)`, on the other folds, as `learn` does.

    Yields:
        The samples, of which those of the fold are held out, the network and how it was trained.
    """
    count = int(fold_of.max()) + 1
    for fold in range(count):
        part = replace(
            kept, train=np.flatnonzero(fold_of != fold), validation=np.flatnonzero(fold_of == fold)
        )
        network, record = learn(
            recipe,
            partial(make, part),
            part,
            seed=seed,
            device=device,
            progress=of_several(progress, fold, count),
            run=replace(run, folder=run.folder / f"fold{fold + 1}") if run and run.folder else run,
        )
        yield part, network, record


def of_several(progress: Progress, number: int, count: int) -> Progress:
    """Tell the progress of one of several trainings, counted from 0, as a part of all of them."""
    return lambda stage, done, total: progress(stage, number * total + done, count * total)


def named(recipe: Trained, message: str) -> str:
    """A message that begins with the name of the detector."""
    return f"{DETECTORS.name_of(recipe)}: {message}"


@contextmanager
def store_features(
    features: FrozenFeatures,
    images: ImageSet,
    *,
    seed: int,
    device: str,
    progress: Progress,
    dtype: DTypeLike = np.float32,
) -> Iterator[Store]:
    """Keep the features of images on disk, several tensors of an image `joined`; see
    `knowngood.training.store.store`.
    """
    extracted = extract(features, images, device=device, progress=progress)
    rows = ((index, joined([tensor[None] for tensor in tensors])[0]) for index, tensors in extracted)
    samples = ((index, row.numpy().astype(dtype)) for index, row in rows)
    with store(samples, images, seed=seed) as kept:
        yield replace(kept, parts=tuple(features.shapes))


def score_held_out(
    score: Callable[[Tensor], Scores], kept: Store
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score the held-out samples: image scores `(M,)`, and the largest value of each map `(M,)`."""

    def image_and_maximum(batch: Tensor) -> tuple[Tensor, Tensor]:
        scores = score(batch)
        assert scores.map is not None
        return scores.image.double(), scores.map.double().amax(dim=(1, 2))

    image, maximum = over_rows(image_and_maximum, kept, kept.validation)
    return image.numpy(), maximum.numpy()


def over_rows(
    function: Callable[[Tensor], tuple[Tensor, ...]], kept: Store, rows: NDArray[np.int64]
) -> tuple[Tensor, ...]:
    """Apply a function to some rows of stored samples, a few at a time.

    It takes samples `(n, ...)` and returns tensors, each `(n, ...)`; these are concatenated.
    """
    samples = kept.samples
    chunks = [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
    with torch.inference_mode():
        results = [function(torch.from_numpy(np.stack([samples[row] for row in chunk]))) for chunk in chunks]
        return tuple(torch.cat(parts) for parts in zip(*results, strict=True))
