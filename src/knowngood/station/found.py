"""What processes that inspect hand back."""

from __future__ import annotations

from typing import Any, NamedTuple


class Found(NamedTuple):
    """The result of inspecting a picture, without its map; see `knowngood.Verdict`."""

    score: float
    p_value: float
    decision: str
    predicted_class: str | None
    size: tuple[int, int]
    regions: list[dict[str, Any]]
    notes: list[str]
    milliseconds: float


class About(NamedTuple):
    """What an inspector is."""

    fingerprint: str
    method: str
    threshold: float
    review: float | None
    learned_from: str
