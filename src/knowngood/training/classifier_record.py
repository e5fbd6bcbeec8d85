"""What is kept of a classifier of good parts and defects: classes, held-out logits, choices. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowngood.training.pictures import picture_shape, read_pictures, write_pictures

CONTENT = "training/classifier.json"
"""The member of an inspector file that holds the record, but for its pictures and files."""

SHEET = "training/sheet.png"
FILES = "training/files/"

_LARGEST = 1e6
"""Logits beyond are no answer."""


@dataclass(frozen=True, eq=False)
class ClassifierRecord:
    """What a classifier learned from labelled images, and its logits for those that were held out.

    Args:
        names: The classes: `good`, then the types of defect.
        counts: Images per class, held-out ones included.
        logits: Logits of held-out images `(M, C)`, each by a classifier that did not learn from that image.
        truth: The true class of each, int64 `(M,)`.
        temperature: Logits are divided by it; it was fitted on these.
        train_loss: Cross-entropy on the training images.
        train_accuracy: Accuracy on the training images.
        notes: What was chosen automatically and why, one sentence each.
        sheet: Samples, the original and augmented ones in a row, uint8 `(rows, columns, h, w, 3)`; None where
            nothing is augmented.
        rows: What each row of the sheet shows.
        files: What a library wrote in its own format, by file name.
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

    def to_members(self) -> dict[str, bytes]:
        """The record as files by name: `CONTENT`, its pictures, and the files of libraries."""
        content = {
            name: getattr(self, name)
            for name in ("names", "counts", "temperature", "train_loss", "train_accuracy", "notes", "rows")
        }
        content |= {"logits": self.logits.tolist(), "truth": self.truth.tolist(), "sheet": None}
        members = {FILES + name: file for name, file in self.files.items()}
        if self.sheet is not None:
            content["sheet"] = self.sheet.shape[:4]
            members[SHEET] = write_pictures(self.sheet.reshape(-1, *self.sheet.shape[2:]))
        return {CONTENT: json.dumps(content, indent=1, allow_nan=False).encode(), **members}

    @classmethod
    def from_members(cls, members: Mapping[str, bytes]) -> ClassifierRecord:
        """Read a record that may come from a stranger.

        Raises:
            ValueError: Something in it cannot be; where something is missing, KeyError or TypeError.
        """
        values = json.loads(members[CONTENT])
        sheet = None
        if values["sheet"] is not None:
            down, across, height, width = map(int, values["sheet"])
            flat = read_pictures(members[SHEET], picture_shape((down * across, height, width)))
            sheet = flat.reshape(down, across, height, width, 3)
        found = cls(
            names=_texts(values["names"]),
            counts=list(map(int, values["counts"])),
            logits=np.array(values["logits"], dtype=np.float32),
            truth=np.array(values["truth"], dtype=np.int64),
            temperature=float(values["temperature"]),
            train_loss=float(values["train_loss"]),
            train_accuracy=float(values["train_accuracy"]),
            notes=_texts(values["notes"]),
            sheet=sheet,
            rows=_texts(values["rows"]),
            files={
                name.removeprefix(FILES): file for name, file in members.items() if name.startswith(FILES)
            },
        )
        classes, answers = len(found.names), len(found.truth)
        if not (
            len(set(found.names)) == classes >= 2
            and len(found.counts) == classes
            and 0 <= min(found.counts) <= max(found.counts) < 1 << 31
            and found.logits.shape == (answers, classes)
            and bool((np.abs(found.logits) <= _LARGEST).all())
            and bool(((found.truth >= 0) & (found.truth < classes)).all())
            and 0 < found.temperature < np.inf
            and 0 <= found.train_loss < np.inf
            and 0 <= found.train_accuracy <= 1
            and len(found.rows) == (0 if sheet is None else len(sheet))
        ):
            raise ValueError("the training record is damaged: its class information is invalid")
        return found


def _texts(values: Any) -> list[str]:
    """A list of texts, and nothing else."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{values!r} is no list of texts")
    return values
