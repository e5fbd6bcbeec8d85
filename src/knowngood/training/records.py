"""All records of how an inspector learned. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2

from knowngood.brief import brief
from knowngood.errors import shortened
from knowngood.inputs import LONGEST_NAME, is_plain

if TYPE_CHECKING:
    from knowngood.training.classes_record import Classes
    from knowngood.training.classifier_record import ClassifierRecord
    from knowngood.training.record import TrainingRecord

EXAMPLE = "example"
"""The names of the pictures' files begin with it."""


@dataclass(frozen=True, eq=False)
class Records:
    """The records of how an inspector learned: how a network was trained, which classes of good parts a
    detector tells apart, and what a classifier of good parts and defects learned; None where there is no such
    thing. And the files of the pictures whose scores the manifest has.
    """

    training: TrainingRecord | None = None
    classes: Classes | None = None
    classifier: ClassifierRecord | None = None
    examples: Sequence[bytes] = ()

    __repr__ = brief

    def to_members(self) -> dict[str, bytes]:
        """The records as files by name."""
        members: dict[str, bytes] = {}
        for part in (self.training, self.classes, self.classifier):
            members |= part.to_members() if part is not None else {}
        return members | {f"{EXAMPLE}{place}.png": png for place, png in enumerate(self.examples, 1)}

    @classmethod
    def from_members(cls, members: Mapping[str, bytes]) -> Records:
        """Read records; a ValueError if they are damaged."""
        if not is_plain(list(members), LONGEST_NAME):
            raise ValueError("the training record is damaged: it has a part with an impossible name")
        examples = tuple(members[name] for name in sorted(members) if name.startswith(EXAMPLE))
        members = {name: content for name, content in members.items() if not name.startswith(EXAMPLE)}
        if not members:
            return cls(examples=examples)
        # Imported here: loading an inspector without records does not need them.
        from knowngood.training import classes_record, classifier_record, record

        parts: dict[str, tuple[str, Callable[[Mapping[str, bytes]], Any]]] = {
            "training": (record.CONTENT, record.TrainingRecord.from_members),
            "classes": (classes_record.CONTENT, classes_record.Classes.from_members),
            "classifier": (classifier_record.CONTENT, classifier_record.ClassifierRecord.from_members),
        }
        present = {name: read for name, (content, read) in parts.items() if content in members}
        if not present:
            raise ValueError("the training record is damaged: it has no content")
        try:
            return cls(examples=examples, **{name: read(members) for name, read in present.items()})
        except (KeyError, TypeError, OverflowError, RecursionError, cv2.error) as error:
            raise ValueError(f"the training record is damaged: {shortened(repr(error))}") from error
