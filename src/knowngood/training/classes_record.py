"""The record of a detector that classifies good parts. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from knowngood.brief import brief
from knowngood.metrics.reliability import BINS, Reliability
from knowngood.training.members import (
    MOST_NOTES,
    checked_list,
    checked_temperature,
    class_names,
    picture_shape,
    read_json,
    read_pictures,
    write_json,
    write_pictures,
)

CONTENT = "training/classes.json"
"""The member of an inspector file that holds the record without its pictures."""

PICTURES = "training/odd.png"

_MOST_ANSWERS = 1 << 26


class Odd(NamedTuple):
    """A good image with one of the highest scores: its file, or the position of an array; its class, empty
    where there are none; its score; and whether it was held out from training.
    """

    name: str
    label: str
    score: float
    held_out: bool


@dataclass(frozen=True, eq=False)
class Classes:
    """The classes that a network learned, and its accuracy on held-out images or on their views.

    Args:
        temperature: Logits are divided by it.
        fitted: Whether the temperature was fitted on held-out images.
        before: Confidence and accuracy of the network on held-out images.
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

    __repr__ = brief

    def to_members(self) -> dict[str, bytes]:
        """The record as files by name: `CONTENT`, and one PNG of all pictures."""
        content = vars(self) | {"pictures": self.pictures.shape[:3]}
        return {CONTENT: write_json(content), PICTURES: write_pictures(self.pictures)}

    @classmethod
    def from_members(cls, members: Mapping[str, bytes]) -> Classes:
        """Read a record; ValueError, KeyError or TypeError if it is damaged."""
        values = read_json(members[CONTENT])
        record = cls(
            names=class_names(values["names"]),
            temperature=checked_temperature(values["temperature"]),
            fitted=values["fitted"],
            accuracy=float(values["accuracy"]),
            before=_read_reliability(values["before"]),
            after=_read_reliability(values["after"]),
            odd=[
                Odd(str(name), str(label), float(score), bool(held_out))
                for name, label, score, held_out in checked_list(values["odd"], MOST_NOTES)
            ],
            pictures=read_pictures(members[PICTURES], picture_shape(values["pictures"])),
        )
        if not (
            isinstance(record.fitted, bool)
            and 0 <= record.accuracy <= 1
            and all(isinstance(odd, list) for odd in values["odd"])
            and np.isfinite([odd.score for odd in record.odd]).all()
            and len(record.odd) == len(record.pictures)
        ):
            raise ValueError("the training record is damaged: its class information is invalid")
        return record


def _read_reliability(parts: Any) -> Reliability:
    """Read counts, confidence and accuracy per bin."""
    answers, confidence, accuracy = (np.array(part, dtype=np.float64) for part in parts)
    whole = np.isfinite(answers).all() and (answers == np.clip(np.rint(answers), 0, _MOST_ANSWERS)).all()
    shares = all(((part >= 0) & (part <= 1)).all() for part in (confidence, accuracy))
    if not (answers.shape == confidence.shape == accuracy.shape == (BINS,)) or not whole or not shares:
        raise ValueError("the training record is damaged: its calibration is invalid")
    return Reliability(answers.astype(np.int64), confidence, accuracy)
