"""What is kept of a detector that tells classes of good parts apart. No torch here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from knowngood.metrics.reliability import BINS, Reliability
from knowngood.training.pictures import picture_shape, read_pictures, write_pictures

CONTENT = "training/classes.json"
"""The member of an inspector file that holds the record, but for its pictures."""

PICTURES = "training/odd.png"

_MOST_ANSWERS = 1 << 26


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
        accuracy: Share of held-out images, or of their views, that are classified correctly.
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

    def to_members(self) -> dict[str, bytes]:
        """What is known of classes as files by name: `CONTENT`, and one PNG of all pictures."""
        content = {
            name: getattr(self, name) for name in ("names", "temperature", "fitted", "accuracy", "odd")
        }
        for name in ("before", "after"):
            content[name] = [part.tolist() for part in getattr(self, name)]
        content["pictures"] = self.pictures.shape[:3]
        return {
            CONTENT: json.dumps(content, indent=1, allow_nan=False).encode(),
            PICTURES: write_pictures(self.pictures),
        }

    @classmethod
    def from_members(cls, members: Mapping[str, bytes]) -> Classes:
        """Read what may come from a stranger.

        Raises:
            ValueError: Something in it cannot be; where something is missing, KeyError or TypeError.
        """
        values: dict[str, Any] = json.loads(members[CONTENT])
        found = cls(
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
            pictures=read_pictures(members[PICTURES], picture_shape(values["pictures"])),
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
            raise ValueError("the training record is damaged: its class information is invalid")
        return found


def _read_reliability(parts: Any) -> Reliability:
    """Read the confidence and accuracy of a classifier."""
    answers, confidence, accuracy = (np.array(part, dtype=np.float64) for part in parts)
    whole = np.isfinite(answers).all() and (answers == np.clip(np.rint(answers), 0, _MOST_ANSWERS)).all()
    shares = all(((part >= 0) & (part <= 1)).all() for part in (confidence, accuracy))
    if not (answers.shape == confidence.shape == accuracy.shape == (BINS,)) or not whole or not shares:
        raise ValueError("the training record is damaged: its calibration cannot be")
    return Reliability(answers.astype(np.int64), confidence, accuracy)
