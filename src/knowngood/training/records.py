"""The records of how an inspector learned, together. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    from knowngood.training.classes_record import Classes
    from knowngood.training.classifier_record import ClassifierRecord
    from knowngood.training.record import TrainingRecord


@dataclass(frozen=True, eq=False)
class Records:
    """What is kept of how an inspector learned.

    Args:
        training: How a network was trained; None where none was.
        classes: Which classes of good parts a detector tells apart; None for other methods.
        classifier: What a classifier of good parts and defects learned; None for an anomaly detector.
    """

    training: TrainingRecord | None = None
    classes: Classes | None = None
    classifier: ClassifierRecord | None = None

    def to_members(self) -> dict[str, bytes]:
        """The records as files by name."""
        members: dict[str, bytes] = {}
        for one in (self.training, self.classes, self.classifier):
            members |= one.to_members() if one is not None else {}
        return members

    @classmethod
    def from_members(cls, members: Mapping[str, bytes]) -> Records:
        """Read records that may come from a stranger.

        Raises:
            ValueError: Something in them is missing or not as it must be.
        """
        if not members:
            return cls()
        from knowngood.training import classes_record, classifier_record, record

        has_training, has_classes, has_classifier = (
            part.CONTENT in members for part in (record, classes_record, classifier_record)
        )
        if not (has_training or has_classes or has_classifier):
            raise ValueError("the training record is damaged: it has no content")
        try:
            return cls(
                training=record.TrainingRecord.from_members(members) if has_training else None,
                classes=classes_record.Classes.from_members(members) if has_classes else None,
                classifier=classifier_record.ClassifierRecord.from_members(members)
                if has_classifier
                else None,
            )
        except (KeyError, TypeError, OverflowError, RecursionError, cv2.error) as error:
            raise ValueError(f"the training record is damaged: {error!r}") from error
