"""The record of a training: layers, losses, and reconstructions by epoch. No torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from knowngood.brief import brief
from knowngood.inputs import LONGEST_NAME
from knowngood.training.members import (
    MOST_CLASSES,
    MOST_EPOCHS,
    MOST_IMAGES,
    MOST_LAYERS,
    MOST_UNPACKED,
    checked_list,
    checked_texts,
    picture_shape,
    read_json,
    read_pictures,
    write_json,
    write_pictures,
)

if TYPE_CHECKING:
    import pandas as pd

CONTENT = "training.json"
"""The member of an inspector file that holds the record without its pictures."""

_PICTURES = "training/{}.png"
_MOST_SIDES = 8  # dimensions of a layer's output

MOST_RATES, MOST_STEPS = 16, 1000
"""Learning rates that are kept of an epoch, and steps of a range test."""


class Layer(NamedTuple):
    """One layer of a network: its position, such as `encoder.0`; its type and main settings; the shape of its
    output without the batch; and its number of trained parameters.
    """

    name: str
    type: str
    output: tuple[int, ...]
    parameters: int


class Epoch(NamedTuple):
    """The mean losses of one epoch, counted from 1, on training images and on held-out images.

    Attributes:
        error: Error rate on held-out images; None where nothing is classified.
        seconds: Duration of the epoch; None where it is unknown.
        accuracies: Accuracy on held-out images of each class, None for a class without any; may be empty.
        train_error: Error rate on training images while they were learned; None where it is unknown.
        rates: The highest learning rate of some steps, evenly chosen; empty where it is unknown.
    """

    epoch: int
    train: float
    validation: float
    error: float | None = None
    seconds: float | None = None
    accuracies: tuple[float | None, ...] = ()
    train_error: float | None = None
    rates: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: Sequence[Any]) -> Epoch:
        """An epoch from its values in JSON or a checkpoint; the last ones may be missing.

        Example:
            >>> Epoch.of([1, 0.5, 0.6, None, 2.0, [0.5, None]]).accuracies
            (0.5, None)
        """
        missing = list(cls._field_defaults.values())[len(values) - 3 :]
        epoch, train, validation, error, seconds, accuracies, train_error, rates = [*values, *missing]
        measured = _optional(error), _optional(seconds), tuple(map(_optional, accuracies))
        learned = _optional(train_error), tuple(map(float, rates))
        return cls(int(epoch), float(train), float(validation), *measured, *learned)


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """How a network was trained.

    Args:
        layers: Its layers, in the order in which an image passes them.
        best: The epoch whose weights were kept: the one with the smallest validation loss.
        learning_rate: The learning rate at the start.
        validation: Positions of the held-out images among the images that could be read.
        originals: A fixed batch of held-out images, uint8 `(n, h, w, 3)`; None if pixels are not rebuilt.
        rebuilt: Their reconstructions by epoch.
        range_test: Learning rates and the losses at them, of the range test that chose the learning rate;
            empty where it was given.
    """

    layers: list[Layer]
    epochs: list[Epoch]
    best: int
    learning_rate: float
    validation: list[int]
    originals: NDArray[np.uint8] | None = None
    rebuilt: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    range_test: list[tuple[float, float]] = field(default_factory=list)

    __repr__ = brief

    @property
    def losses(self) -> pd.DataFrame:
        """One row per epoch: `epoch`, `train`, `validation`, and `error` and `seconds` where they are known.

        Example:
            >>> TrainingRecord([], [Epoch(1, 0.5, 0.6)], 1, 0.001, []).losses.to_dict("records")
            [{'epoch': 1, 'train': 0.5, 'validation': 0.6}]
        """
        return loss_table(self.epochs)

    def to_members(self) -> dict[str, bytes]:
        """The record as files by name: `training.json`, and a PNG of each batch, one image below the other.

        Example:
            >>> record = TrainingRecord([], [Epoch(1, 0.5, 0.6)], 1, 0.001, [4, 7])
            >>> TrainingRecord.from_members(record.to_members()).validation
            [4, 7]
        """
        rebuilt = sorted(self.rebuilt, reverse=True)
        members: dict[str, bytes] = {}
        if self.originals is not None:
            # Of large pictures fewer are kept, always the last.
            rebuilt = rebuilt[:: 1 + len(rebuilt) * self.originals.size // MOST_UNPACKED]
            members[_PICTURES.format("originals")] = write_pictures(self.originals)
            for epoch in reversed(rebuilt):
                members[_PICTURES.format(f"epoch_{epoch:03}")] = write_pictures(self.rebuilt[epoch])
        originals = None if self.originals is None else self.originals.shape[:3]
        content = vars(self) | {"originals": originals, "rebuilt": sorted(rebuilt)}
        return {CONTENT: write_json(content), **members}

    @classmethod
    def from_members(cls, members: Mapping[str, bytes]) -> TrainingRecord:
        """Read a record; ValueError, KeyError or TypeError if it is damaged."""
        values = read_json(members[CONTENT])
        originals, rebuilt = None, {}
        if values["originals"] is not None:
            shape = picture_shape(values["originals"])
            kept = sorted(set(map(int, checked_list(values["rebuilt"], MOST_EPOCHS))))
            if (1 + len(kept)) * math.prod(shape) > MOST_UNPACKED:
                raise ValueError("the training record is damaged: its pictures are too large")
            originals = read_pictures(members[_PICTURES.format("originals")], shape)
            for epoch in kept:
                rebuilt[epoch] = read_pictures(members[_PICTURES.format(f"epoch_{epoch:03}")], shape)
        record = cls(
            layers=[_layer(*layer) for layer in checked_list(values["layers"], MOST_LAYERS)],
            epochs=[Epoch.of(epoch) for epoch in checked_list(values["epochs"], MOST_EPOCHS)],
            best=int(values["best"]),
            learning_rate=float(values["learning_rate"]),
            validation=list(map(int, checked_list(values["validation"], MOST_IMAGES))),
            originals=originals,
            rebuilt=rebuilt,
            range_test=[
                (float(rate), float(loss))
                for rate, loss in checked_list(values.get("range_test", []), MOST_STEPS)
            ],
        )
        figures = [
            figure
            for epoch in record.epochs
            for figure in (*epoch[1:5], *epoch.accuracies, epoch.train_error, *epoch.rates)
            if figure is not None
        ]
        figures += [figure for step in record.range_test for figure in step]
        if (
            record.best not in [epoch.epoch for epoch in record.epochs]
            or not np.isfinite([record.learning_rate, *figures]).all()
            or any(len(epoch.accuracies) > MOST_CLASSES for epoch in record.epochs)
            or any(len(epoch.rates) > MOST_RATES for epoch in record.epochs)
            or min((rate for rate, _ in record.range_test), default=1) <= 0
        ):
            raise ValueError("the training record is damaged: its losses are invalid")
        return record


def loss_table(epochs: Sequence[Epoch]) -> pd.DataFrame:
    """One row per epoch; see `TrainingRecord.losses`."""
    import pandas as pd  # scoring images must not wait for it

    table = pd.DataFrame(epochs, columns=list(Epoch._fields)).drop(columns=["accuracies", "rates"])
    unknown = [name for name in ("error", "seconds", "train_error") if table[name].isna().all()]
    return table.drop(columns=unknown)


def _layer(name: Any, type_: Any, output: Any, parameters: Any) -> Layer:
    """One layer from its values in JSON."""
    name, type_ = checked_texts([name, type_], 2, LONGEST_NAME)
    return Layer(name, type_, tuple(map(int, checked_list(output, _MOST_SIDES))), int(parameters))


def _optional(value: Any) -> float | None:
    """A number that may be missing."""
    return None if value is None else float(value)
