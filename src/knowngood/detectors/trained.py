"""What detectors have in common whose network is trained: the settings of the training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Annotated, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from knowngood.detectors.base import Detector
from knowngood.settings import BatchSize, Epochs, InputSize, LearningRate, Patience
from knowngood.training.learner import Trainable, TrainingSettings
from knowngood.training.record import TrainingRecord
from knowngood.training.run import Run
from knowngood.training.store import Store
from knowngood.training.train import train
from knowngood.types import Progress, Scores

N = TypeVar("N", bound=Trainable)

_TOGETHER = 16


@dataclass(frozen=True, kw_only=True)
class Trained(Detector):
    """A recipe whose network is trained: a fifth of the good images is held out."""

    trains: ClassVar[bool] = True

    input_size: Annotated[InputSize, Field(ge=16, le=1024)] = 128
    epochs: Epochs = 100
    batch_size: BatchSize = 16
    learning_rate: LearningRate = 1e-3
    patience: Patience = 20


def learn(
    recipe: Trained,
    make: Callable[[], N],
    store: Store,
    *,
    seed: int,
    device: str,
    progress: Progress,
    run: Run | None,
    schedule: str = "cosine",
) -> tuple[N, TrainingRecord]:
    """Make a network by its seed and train it as a recipe says.

    Args:
        recipe: The settings of the training.
        make: Makes the network, with weights drawn at random.
        store: What it is trained on.
        seed: As in `Detector.fit`, like the others.
        device: A torch device.
        progress: Called after each epoch.
        run: How and where to train.
        schedule: How the learning rate goes on; see `knowngood.training.train.train`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make().to(memory_format=torch.channels_last)
    record = train(
        network,
        store,
        TrainingSettings(
            recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.patience, schedule=schedule
        ),
        seed=seed,
        device=device,
        run=run,
        recipe={"detector": type(recipe).__name__} | dataclasses.asdict(recipe),
        progress=progress,
    )
    return network, record


def score_held_out(
    judge: Callable[[Tensor], Scores], store: Store
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The score of each held-out sample `(M,)`, and the largest value of its map `(M,)`.

    Args:
        judge: From samples `(n, ...)` to scores with maps.
        store: The samples.
    """

    def score_and_peak(batch: Tensor) -> tuple[Tensor, Tensor]:
        scores = judge(batch)
        assert scores.map is not None
        return scores.image.double(), scores.map.double().amax(dim=(1, 2))

    image, map_maxima = over_rows(score_and_peak, store, store.validation)
    return image.numpy(), map_maxima.numpy()


def over_rows(
    function: Callable[[Tensor], tuple[Tensor, ...]], store: Store, rows: NDArray[np.int64]
) -> tuple[Tensor, ...]:
    """What a function gives for stored samples, a few of which are looked at together.

    Args:
        function: From samples `(n, ...)` to tensors, each `(n, ...)`.
        store: The samples.
        rows: Which of them.
    """

    def batches() -> Iterator[tuple[Tensor, ...]]:
        samples = store.samples
        for start in range(0, len(rows), _TOGETHER):
            chosen = rows[start : start + _TOGETHER]
            yield function(torch.from_numpy(np.stack([samples[row] for row in chosen])))

    with torch.inference_mode():
        return tuple(torch.cat(parts) for parts in zip(*batches(), strict=True))
