"""What people must look at: the queue of a product, in the order of its importance.

First the parts that the inspector leaves to a person, then labels that contradict a decision or each other,
then a random sample of accepted parts, without which nobody would ever hear of an escape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from knowngood.station.models import Label, Product, Verdict, now

SAMPLE = 0.02
"""The share of accepted parts that a person looks at."""

DAYS = 7
"""Parts are looked at within so many days."""

MOST = 100
"""Parts of a queue, at most."""

TYPES = 9
"""Defect types that have a key."""

LEFT, DISAGREEMENT, SAMPLED = "left to a person", "disagreement", "sample of accepted parts"
"""Why a part is in the queue."""

VOTES = 3
"""People whose labels settle a disagreement."""


class Waiting(NamedTuple):
    """A part that waits for a person, and why."""

    verdict: Verdict
    reason: str


def queue(session: Session, product: Product, person: str, *, until: datetime | None = None) -> list[Waiting]:
    """The parts of a product that a person has to look at, the most important first, then the newest.

    Nobody is asked twice about a part, nor about a disagreement that `VOTES` people have settled.

    Args:
        session: Where verdicts are.
        product: What is inspected.
        person: Who looks.
        until: Parts of before; None for up to now.
    """
    since = (until or now()) - timedelta(days=DAYS)
    recent = select(Verdict).where(Verdict.product_id == product.id, Verdict.received >= since)
    if until is not None:
        recent = recent.where(Verdict.received < until)
    recent = recent.order_by(Verdict.received.desc(), Verdict.id.desc()).limit(MOST)
    left = recent.where(Verdict.decision == "review", Verdict.label.is_(None))
    sampled = recent.where(
        Verdict.decision == "accept", Verdict.label.is_(None), Verdict.picture_hash < _highest(SAMPLE)
    )
    found = [Waiting(one, LEFT) for one in session.scalars(left)]
    found += [Waiting(one, DISAGREEMENT) for one in _disagreements(session, product, person, since)]
    found += [Waiting(one, SAMPLED) for one in session.scalars(sampled)]
    return found[:MOST]


def defect_types(session: Session, product: Product) -> list[str]:
    """The defect types of a product, those first that were named first: each keeps its key."""
    first = func.min(Label.id)
    found = session.scalars(
        select(Label.defect_type)
        .join(Verdict, Verdict.id == Label.verdict_id)
        .where(Verdict.product_id == product.id, Label.defect_type.is_not(None))
        .group_by(Label.defect_type)
        .order_by(first)
        .limit(TYPES)
    )
    return [one for one in found if one]


def is_settled(votes: Iterable[tuple[str, str]], decision: str) -> bool:
    """Whether people agree on a part well enough, by the newest label of each.

    One person who agrees with the inspector is enough, as is one on a part that it left to a person; who
    contradicts it needs a second person, and two who contradict each other a third.

    Args:
        votes: The person and the decision of each label, the oldest first.
        decision: That of the inspector.

    Example:
        >>> is_settled([("ada", "good")], "reject"), is_settled([("ada", "good"), ("bob", "good")], "reject")
        (False, True)
        >>> is_settled([("ada", "good"), ("bob", "defect")], "reject")
        False
        >>> is_settled([("ada", "good")], "review")
        True
    """
    said = list(dict(votes).values())
    if len(said) >= VOTES:
        return True
    agree = len(set(said)) == 1
    contradicts = (decision, said[0]) in (("accept", "defect"), ("reject", "good"))
    return agree and (len(said) > 1 or not contradicts)


def _disagreements(session: Session, product: Product, person: str, since: datetime) -> Iterator[Verdict]:
    """Yield parts whose labels contradict the decision or each other, unless the person has spoken."""
    labelled = (
        select(Verdict)
        .where(Verdict.product_id == product.id, Verdict.label.in_(("good", "defect")))
        .where(Verdict.received >= since)
        .order_by(Verdict.received.desc(), Verdict.id.desc())
    )
    several = (
        select(Label.verdict_id).group_by(Label.verdict_id).having(func.count(func.distinct(Label.by)) > 1)
    )
    contradicted = or_(
        and_(Verdict.decision == "accept", Verdict.label == "defect"),
        and_(Verdict.decision == "reject", Verdict.label == "good"),
        Verdict.id.in_(several),
    )
    verdicts = session.scalars(labelled.where(contradicted).limit(5 * MOST)).all()
    votes: dict[int, list[tuple[str, str]]] = {one.id: [] for one in verdicts}
    labels = select(Label).where(Label.verdict_id.in_(votes)).order_by(Label.id)
    for label in session.scalars(labels):
        votes[label.verdict_id].append((label.by, label.decision))
    for one in verdicts:
        if person not in dict(votes[one.id]) and not is_settled(votes[one.id], one.decision):
            yield one


def _highest(share: float) -> str:
    """The hash below which the hashes of a share of all pictures are.

    Example:
        >>> _highest(0.5)
        '80000000'
    """
    return f"{round(share * (1 << 32)):08x}"
