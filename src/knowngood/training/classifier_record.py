"""The record of a classifier of good parts and defects. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from knowngood.brief import brief
from knowngood.inputs import LONGEST_NAME
from knowngood.training.members import (
    MOST_CLASSES,
    MOST_NOTES,
    checked_temperature,
    checked_texts,
    class_names,
    picture_shape,
    read_json,
    read_pictures,
    write_json,
    write_pictures,
)

CONTENT = "training/classifier.json"
"""The member of an inspector file that holds the record without its pictures and files."""

SHEET = "training/sheet.png"
FILES = "training/files/"

_LARGEST = 1e6
"""The largest logit that is accepted."""


@dataclass(frozen=True, eq=False)
class ClassifierRecord:
    """Classes, held-out logits and automatic choices of a classifier.

    Args:
        names: The classes: `good`, then the types of defect.
        counts: Images per class, held-out ones included.
        logits: Logits of held-out images `(M, C)`, each by a classifier that did not learn from that image.
        truth: The true class of each, int64 `(M,)`.
        temperature: Logits are divided by it; it was fitted on these.
        train_loss: Cross-entropy on the training images, as `train_accuracy` is their accuracy.
        notes: One sentence per automatic choice, with its reason.
        sheet: Original and augmented samples, uint8 `(rows, columns, h, w, 3)`; None if there are none.
        rows: The caption of each row of the sheet.
        files: Files in the format of another library, by name.
    """

    names: list[str]
    counts: list[int]
    logits: NDArray[np.float32]
    truth: NDArray[np.int64]
    temperature: float
    train_loss: float
    train_accuracy: float
    notes: list[str]
    sheet: NDArray[np.uint8] | None = None
    rows: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    __repr__ = brief

    @property
    def held_out_accuracy(self) -> float:
        """The share of held-out images whose most probable class is the true one."""
        return float((self.logits.argmax(axis=1) == self.truth).mean())

    def predict(self, logits: NDArray[np.float32], *, rejected: bool) -> tuple[str, dict[str, float]]:
        """The class that logits `(C,)` predict, a type of defect if rejected, and all probabilities."""
        scaled = logits / self.temperature
        likely = np.exp(scaled - scaled.max())
        number = 1 + int(scaled[1:].argmax()) if rejected else 0
        return self.names[number], dict(zip(self.names, (likely / likely.sum()).tolist(), strict=True))

    def to_members(self) -> dict[str, bytes]:
        """The record as files by name: `CONTENT`, its pictures, and the files of libraries."""
        content = {name: value for name, value in vars(self).items() if name != "files"}
        members = {FILES + name: file for name, file in self.files.items()}
        if self.sheet is not None:
            content["sheet"] = self.sheet.shape[:4]
            members[SHEET] = write_pictures(self.sheet.reshape(-1, *self.sheet.shape[2:]))
        return {CONTENT: write_json(content), **members}

    @classmethod
    def from_members(cls, members: Mapping[str, bytes]) -> ClassifierRecord:
        """Read a record; ValueError, KeyError or TypeError if it is damaged."""
        values = read_json(members[CONTENT])
        sheet = None
        if values["sheet"] is not None:
            down, across, height, width = map(int, values["sheet"])
            flat = read_pictures(members[SHEET], picture_shape((down * across, height, width)))
            sheet = flat.reshape(down, across, height, width, 3)
        record = cls(
            names=class_names(values["names"]),
            counts=list(map(int, values["counts"])),
            logits=np.array(values["logits"], dtype=np.float32),
            truth=np.array(values["truth"], dtype=np.int64),
            temperature=checked_temperature(values["temperature"]),
            train_loss=float(values["train_loss"]),
            train_accuracy=float(values["train_accuracy"]),
            notes=checked_texts(values["notes"], MOST_NOTES),
            sheet=sheet,
            rows=checked_texts(values["rows"], MOST_CLASSES, LONGEST_NAME),
            files={name.removeprefix(FILES): members[name] for name in members if name.startswith(FILES)},
        )
        classes, images = len(record.names), len(record.truth)
        if not (
            classes >= 2
            and len(record.counts) == classes
            and 0 <= min(record.counts) <= max(record.counts) < 1 << 31
            and record.logits.shape == (images, classes)
            and bool((np.abs(record.logits) <= _LARGEST).all())
            and bool(((record.truth >= 0) & (record.truth < classes)).all())
            and 0 <= record.train_loss < np.inf
            and 0 <= record.train_accuracy <= 1
            and len(record.rows) == (0 if sheet is None else len(sheet))
        ):
            raise ValueError("the training record is damaged: its class information is invalid")
        return record


def held_out_scores(record: ClassifierRecord) -> NDArray[np.float64]:
    """Return the score of each held-out image `(M,)`: the log odds of a defect.

    Example:
        >>> logits, truth = np.array([[0, 2], [3, 0]], np.float32), np.array([1, 0])
        >>> record = ClassifierRecord(["good", "cut"], [1, 1], logits, truth, 2.0, 0.1, 1.0, [])
        >>> held_out_scores(record).tolist()
        [1.0, -1.5]
    """
    from scipy.special import logsumexp  # scoring images must not wait for it

    scaled = record.logits.astype(np.float64) / record.temperature
    return np.asarray(logsumexp(scaled[:, 1:], axis=1) - scaled[:, 0])
