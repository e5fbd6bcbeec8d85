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
    """The records of how an inspector learned.

    Args:
        training: How a network was trained; None where none was.
        classes: The classes of good parts that a detector tells apart; None for other methods.
        classifier: The record of a classifier of good parts and defects; None for an anomaly detector.
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
        """Read records of unknown origin.

        Raises:
            ValueError: A value is missing or impossible.
        """
        present = {name: part for name, (content, part) in _PARTS.items() if content in members}
        if members and not present:
            raise ValueError("the training record is damaged: it has no content")
        try:
            return cls(**{name: part.from_members(members) for name, part in present.items()})
        except (KeyError, TypeError, OverflowError, RecursionError, cv2.error) as error:
            raise ValueError(f"the training record is damaged: {error!r}") from error
