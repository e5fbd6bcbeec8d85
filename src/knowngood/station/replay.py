"""Inspecting a kept picture again, and comparing with what was answered then."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from knowngood.errors import KnowngoodError, StationError
from knowngood.station.context import Records
from knowngood.station.found import Found
from knowngood.station.inspecting import file_of
from knowngood.station.models import Verdict

TOLERANCE = 1e-4
"""Relative difference of scores that counts as equal: another processor or engine rounds otherwise."""


@dataclass(frozen=True)
class Replay:
    """A verdict, and what the same picture and inspector give now.

    Args:
        agrees: Whether picture, score and decision are as they were, and the row was not altered.
        problems: What is not, in words.
        score: The score of then.
        score_now: The score of now.
        decision: The decision of then.
        decision_now: The decision of now.
    """

    agrees: bool
    problems: list[str]
    score: float
    score_now: float
    decision: str
    decision_now: str


def replay(records: Records, verdict: Verdict, content: bytes, found: Found) -> Replay:
    """Compare a verdict with what its picture gives now."""
    problems = []
    if records.audit.seal_of(verdict) != verdict.seal:
        problems.append("the row of the verdict was altered")
    if hashlib.sha256(content).hexdigest() != verdict.picture_hash:
        problems.append("the picture is not the one that was inspected")
    if not math.isclose(found.score, verdict.score, rel_tol=TOLERANCE):
        problems.append(f"the score was {verdict.score:.6g} and is {found.score:.6g}")
    if found.decision != verdict.decision:
        problems.append(f"the decision was {verdict.decision} and is {found.decision}")
    return Replay(not problems, problems, verdict.score, found.score, verdict.decision, found.decision)


def replay_number(records: Records, number: int) -> Replay:
    """Inspect the kept picture of a verdict again, in this process.

    Raises:
        StationError: There is no such verdict, or its picture is missing.
        KnowngoodError: The picture or the inspector cannot be read.
    """
    from knowngood.station.inspection import inspect

    with records.database.reading() as session:
        verdict = session.get(Verdict, number)
    if verdict is None:
        raise StationError(f"there is no verdict {number}")
    try:
        content = records.storage.read(verdict.picture_key)
    except FileNotFoundError:
        raise StationError(f"the picture of verdict {number} is missing") from None
    (found,) = inspect(file_of(records, verdict.version), [content])
    if isinstance(found, KnowngoodError):
        raise found
    return replay(records, verdict, content, found)
