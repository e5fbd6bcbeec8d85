"""What is worth keeping of a training: layers, losses, and how reconstructions improved. No torch here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.metrics.reliability import BINS, Reliability
from knowngood.training.lesson import Lesson
from knowngood.training.pictures import picture_shape, read_pictures, write_pictures

if TYPE_CHECKING:
    import pandas as pd

CONTENT = "training.json"
"""The member of an inspector file that holds the record, but for its pictures."""

_MOST_ANSWERS = 1 << 26
_PICTURES = "training/{}.png"


class Layer(NamedTuple):
    """One layer of a network.

    Attributes:
        name: Where it stands, such as `encoder.0`.
        kind: What it is, such as `Conv2d 3 → 16, kernel 4, stride 2`.
        output: Shape of its output without the batch.
        parameters: Numbers in it that are trained.
    """

    name: str
    kind: str
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
        accuracies: Share of the held-out images of each class that are told rightly, None for a class without
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


class Odd(NamedTuple):
    """A good image that the detector itself finds odd.

    Attributes:
        name: The file, as it was given, or the position of an array.
        label: Its class; empty where there are none.
        score: Its image score.
        held_out: Whether it was held out; if not, the detector has learned from it, and still finds it odd.
    """

    name: str
    label: str
    score: float
    held_out: bool


@dataclass(frozen=True, eq=False)
class Classes:
    """What a network learned to tell apart, and how well it does that on held-out images.

    Args:
        names: The classes.
        temperature: What logits are divided by; fitted on held-out images, or given.
        fitted: Whether it was fitted.
        accuracy: Share of held-out images, or of their views, that are told rightly.
        before: How sure the network is of held-out images, against how right.
        after: The same with the temperature.
        odd: Good images with the highest scores, the highest first.
        pictures: These at the input shape, uint8 `(n, h, w, 3)`.
    """

    names: list[str]
    temperature: float
    fitted: bool
    accuracy: float
    before: Reliability
    after: Reliability
    odd: list[Odd]
    pictures: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """How a network was trained.

    Args:
        layers: Its layers, in the order in which an image meets them.
        epochs: The losses of each epoch, the first one counted as 1.
        best: The epoch whose weights were kept: the one with the smallest validation loss; 0 where no network
            was trained, and epochs and layers are empty.
        learning_rate: The learning rate at the start.
        validation: Positions of the held-out images among the images that could be read.
        originals: A fixed batch of held-out images, uint8 `(n, h, w, 3)`; None if pixels are not rebuilt.
        rebuilt: Their reconstructions, by the epoch after which they were made.
        classes: What the network tells apart; None where it does not classify good images.
        lesson: What a classifier of good parts and defects learned; None for an anomaly detector.
    """

    layers: list[Layer]
    epochs: list[Epoch]
    best: int
    learning_rate: float
    validation: list[int]
    originals: NDArray[np.uint8] | None = None
    rebuilt: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    classes: Classes | None = None
    lesson: Lesson | None = None

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
        content = asdict(replace(self, originals=None, rebuilt={}, classes=None, lesson=None))
        content["rebuilt"] = sorted(self.rebuilt)
        members: dict[str, bytes] = {}
        if self.lesson is not None:
            content["lesson"], members = self.lesson.to_members()
        if self.classes is not None:
            content["classes"] = _plain(self.classes)
            members[_PICTURES.format("odd")] = write_pictures(self.classes.pictures)
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
            ValueError: Something in it is missing or not as it must be.
        """
        try:
            return _read(members)
        except (KeyError, TypeError, OverflowError, RecursionError, cv2.error) as error:
            raise ValueError(f"the training record is damaged: {error!r}") from error


def loss_table(epochs: Sequence[Epoch]) -> pd.DataFrame:
    """One row an epoch; see `TrainingRecord.losses`."""
    import pandas as pd  # judging images must not wait for it

    table = pd.DataFrame(epochs, columns=list(Epoch._fields)).drop(columns="accuracies")
    return table.drop(columns=[name for name in ("error", "seconds") if table[name].isna().all()])


def _read(members: Mapping[str, bytes]) -> TrainingRecord:
    """Read a record; whatever is wrong with it raises."""
    values: dict[str, Any] = json.loads(members[CONTENT])
    originals, rebuilt = None, {}
    if values["originals"] is not None:
        shape = picture_shape(values["originals"])
        originals = read_pictures(members[_PICTURES.format("originals")], shape)
        for epoch in map(int, values["rebuilt"]):
            rebuilt[epoch] = read_pictures(members[_PICTURES.format(f"epoch_{epoch:03}")], shape)
    record = TrainingRecord(
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
        classes=_read_classes(values["classes"], members) if values.get("classes") is not None else None,
        lesson=Lesson.from_members(values["lesson"], members) if values.get("lesson") is not None else None,
    )
    losses = np.array([epoch[1:3] for epoch in record.epochs], dtype=np.float64)
    kept = [epoch.epoch for epoch in record.epochs] or [0]  # a classifier may train no network
    if record.best not in kept or not np.isfinite(losses).all():
        raise ValueError("the training record is damaged: its losses are not those of a training")
    return record


def _share(value: Any) -> float | None:
    """A number that may be missing."""
    return None if value is None else float(value)


def _plain(classes: Classes) -> dict[str, Any]:
    """What JSON can hold of classes."""
    content = {name: getattr(classes, name) for name in ("names", "temperature", "fitted", "accuracy", "odd")}
    for name in ("before", "after"):
        content[name] = [part.tolist() for part in getattr(classes, name)]
    return content | {"pictures": classes.pictures.shape[:3]}


def _read_classes(values: dict[str, Any], members: Mapping[str, bytes]) -> Classes:
    """Read classes; whatever is wrong with them raises."""
    found = Classes(
        names=list(values["names"]),
        temperature=float(values["temperature"]),
        fitted=values["fitted"],
        accuracy=float(values["accuracy"]),
        before=_read_reliability(values["before"]),
        after=_read_reliability(values["after"]),
        odd=[
            Odd(str(name), str(label), float(score), bool(held_out))
            for name, label, score, held_out in map(list, values["odd"])
        ],
        pictures=read_pictures(members[_PICTURES.format("odd")], picture_shape(values["pictures"])),
    )
    if not (
        isinstance(values["names"], list)
        and found.names
        and all(isinstance(name, str) for name in found.names)
        and isinstance(found.fitted, bool)
        and 0 < found.temperature < np.inf
        and 0 <= found.accuracy <= 1
        and all(isinstance(odd, list) for odd in values["odd"])
        and np.isfinite([odd.score for odd in found.odd]).all()
        and len(found.odd) == len(found.pictures)
    ):
        raise ValueError("the training record is damaged: what it says of classes cannot be")
    return found


def _read_reliability(parts: Any) -> Reliability:
    """Read how sure a classifier was against how right."""
    answers, confidence, accuracy = (np.array(part, dtype=np.float64) for part in parts)
    whole = np.isfinite(answers).all() and (answers == np.clip(np.rint(answers), 0, _MOST_ANSWERS)).all()
    shares = all(((part >= 0) & (part <= 1)).all() for part in (confidence, accuracy))
    if not (answers.shape == confidence.shape == accuracy.shape == (BINS,)) or not whole or not shares:
        raise ValueError("the training record is damaged: its calibration cannot be")
    return Reliability(answers.astype(np.int64), confidence, accuracy)
