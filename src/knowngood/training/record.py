"""What is worth keeping of a training: layers, losses, and how reconstructions improved. No torch here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from knowngood.training.pictures import picture_shape, read_pictures, write_pictures

if TYPE_CHECKING:
    import pandas as pd

CONTENT = "training.json"
"""The member of an inspector file that holds the record of a training, but for its pictures."""

_PICTURES = "training/{}.png"


class Layer(NamedTuple):
    """One layer of a network.

    Attributes:
        name: Where it stands, such as `encoder.0`.
        type: What it is, such as `Conv2d 3 → 16, kernel 4, stride 2`.
        output: Shape of its output without the batch.
        parameters: Numbers in it that are trained.
    """

    name: str
    type: str
    output: tuple[int, ...]
    parameters: int


class Epoch(NamedTuple):
    """The mean loss in one epoch, on the images learned from and on those held out.

    Attributes:
        epoch: Counted from 1.
        train: On the images learned from.
        validation: On those held out.
        error: Share of the held-out images that are told wrongly; None where nothing is told apart.
        seconds: How long the epoch took; None where that was not written down.
        accuracies: Accuracy on the held-out images of each class, None for a class without
            any; empty for a network that tells nothing apart.
    """

    epoch: int
    train: float
    validation: float
    error: float | None = None
    seconds: float | None = None
    accuracies: tuple[float | None, ...] = ()

    @classmethod
    def of(cls, values: Sequence[Any]) -> Epoch:
        """An epoch from what JSON or a checkpoint has of it.

        Example:
            >>> Epoch.of([1, 0.5, 0.6, None, 2.0, [0.5, None]]).accuracies
            (0.5, None)
        """
        epoch, train, validation, *more = values
        missing: list[Any] = [None, None, ()]
        error, seconds, accuracies = more + missing[len(more) :]
        return cls(
            int(epoch),
            float(train),
            float(validation),
            _share(error),
            _share(seconds),
            tuple(map(_share, accuracies)),
        )


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """How a network was trained.

    Args:
        layers: Its layers, in the order in which an image meets them.
        epochs: The losses of each epoch, the first one counted as 1.
        best: The epoch whose weights were kept: the one with the smallest validation loss.
        learning_rate: The learning rate at the start.
        validation: Positions of the held-out images among the images that could be read.
        originals: A fixed batch of held-out images, uint8 `(n, h, w, 3)`; None if pixels are not rebuilt.
        rebuilt: Their reconstructions, by the epoch after which they were made.
    """

    layers: list[Layer]
    epochs: list[Epoch]
    best: int
    learning_rate: float
    validation: list[int]
    originals: NDArray[np.uint8] | None = None
    rebuilt: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    @property
    def losses(self) -> pd.DataFrame:
        """One row an epoch: `epoch`, `train`, `validation`, and `error` and `seconds` where they are known.

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
        content = asdict(replace(self, originals=None, rebuilt={}))
        content["rebuilt"] = sorted(self.rebuilt)
        members: dict[str, bytes] = {}
        if self.originals is not None:
            content["originals"] = self.originals.shape[:3]
            members[_PICTURES.format("originals")] = write_pictures(self.originals)
            for epoch, images in self.rebuilt.items():
                members[_PICTURES.format(f"epoch_{epoch:03}")] = write_pictures(images)
        return {CONTENT: json.dumps(content, indent=1, allow_nan=False).encode(), **members}

    @classmethod
    def from_members(cls, members: Mapping[str, bytes]) -> TrainingRecord:
        """Read a record that may come from a stranger.

        Raises:
            ValueError: Something in it cannot be; where something is missing, KeyError or TypeError.
        """
        values: dict[str, Any] = json.loads(members[CONTENT])
        originals, rebuilt = None, {}
        if values["originals"] is not None:
            shape = picture_shape(values["originals"])
            originals = read_pictures(members[_PICTURES.format("originals")], shape)
            for epoch in map(int, values["rebuilt"]):
                rebuilt[epoch] = read_pictures(members[_PICTURES.format(f"epoch_{epoch:03}")], shape)
        record = cls(
            layers=[
                Layer(str(name), str(kind), tuple(map(int, output)), int(parameters))
                for name, kind, output, parameters in values["layers"]
            ],
            epochs=[Epoch.of(epoch) for epoch in values["epochs"]],
            best=int(values["best"]),
            learning_rate=float(values["learning_rate"]),
            validation=list(map(int, values["validation"])),
            originals=originals,
            rebuilt=rebuilt,
        )
        losses = np.array([epoch[1:3] for epoch in record.epochs], dtype=np.float64)
        if record.best not in [epoch.epoch for epoch in record.epochs] or not np.isfinite(losses).all():
            raise ValueError("the training record is damaged: its losses are not those of a training")
        return record


def loss_table(epochs: Sequence[Epoch]) -> pd.DataFrame:
    """One row an epoch; see `TrainingRecord.losses`."""
    import pandas as pd  # judging images must not wait for it

    table = pd.DataFrame(epochs, columns=list(Epoch._fields)).drop(columns="accuracies")
    return table.drop(columns=[name for name in ("error", "seconds") if table[name].isna().all()])


def _share(value: Any) -> float | None:
    """A number that may be missing."""
    return None if value is None else float(value)
