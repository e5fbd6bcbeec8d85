"""All records of how an inspector learned. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2

from knowngood.training import classes_record, classifier_record, record
from knowngood.training.classes_record import Classes
from knowngood.training.classifier_record import ClassifierRecord
from knowngood.training.record import TrainingRecord

_PARTS: dict[str, tuple[str, Any]] = {
    "training": (record.CONTENT, TrainingRecord),
    "classes": (classes_record.CONTENT, Classes),
    "classifier": (classifier_record.CONTENT, ClassifierRecord),
}
"""For each field of `Records` the member of an inspector file by which it is recognised, and its type."""


@dataclass(frozen=True, eq=False)
class Records:
    """The records of how an inspector learned: how a network was trained, which classes of good parts a
    detector tells apart, and what a classifier of good parts and defects learned; None where there is no such
    thing.
    """

    training: TrainingRecord | None = None
    classes: Classes | None = None
    classifier: ClassifierRecord | None = None

    def to_members(self) -> dict[str, bytes]:
        """The records as files by name."""
        members: dict[str, bytes] = {}
        for part in (self.training, self.classes, self.classifier):
            members |= part.to_members() if part is not None else {}
        return members

    @classmethod
    def from_members(cls, members: Mapping[str, bytes]) -> Records:
        """Read records; a ValueError if they are damaged."""
        present = {name: part for name, (content, part) in _PARTS.items() if content in members}
        if members and not present:
            raise ValueError("the training record is damaged: it has no content")
        try:
            return cls(**{name: part.from_members(members) for name, part in present.items()})
        except (KeyError, TypeError, OverflowError, RecursionError, cv2.error) as error:
            raise ValueError(f"the training record is damaged: {error!r}") from error
