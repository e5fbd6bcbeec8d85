"""Searching verdicts a page at a time: each page begins where the one before ended."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from knowngood.errors import DataError
from knowngood.station.models import Verdict

PAGE = 50
"""Verdicts of a page, unless more are asked for."""

MOST = 500
"""Verdicts of a page, at most."""

UNLABELLED = "none"
"""The filter for verdicts that nobody has labelled."""


class Search(NamedTuple):
    """What is searched for; None for all.

    Args:
        since: Verdicts received then or later.
        until: Verdicts received before.
        decision: `accept`, `reject` or `review`.
        label: `good` or `defect`, what people said; `none` for no label.
        score: Scores of at least this; the verdicts then come with the highest score first, else the newest.
        after: The place behind which the page begins, as the page before gave it.
        limit: Verdicts of the page.
    """

    since: datetime | None = None
    until: datetime | None = None
    decision: str | None = None
    label: str | None = None
    score: float | None = None
    after: str | None = None
    limit: int = PAGE


class Page(NamedTuple):
    """A page of verdicts, and the place behind its last one; None where it is the last page."""

    verdicts: list[Verdict]
    next: str | None


def find_verdicts(session: Session, products: Iterable[int], search: Search) -> Page:
    """Find a page of the verdicts of some products, by their row numbers.

    Each product is searched by an index of its own columns, and the results are merged.

    Raises:
        DataError: The place behind which the page begins is not one that a page gave.
    """
    by_score = search.score is not None
    found = [session.scalars(_query(product, search)).all() for product in products]
    merged = heapq.merge(*found, key=lambda one: _place(one, by_score), reverse=True)
    verdicts = [one for _, one in zip(range(search.limit + 1), merged, strict=False)]
    more, verdicts = len(verdicts) > search.limit, verdicts[: search.limit]
    return Page(verdicts, _as_text(verdicts[-1], by_score) if more else None)


def counts(session: Session, product: int, since: datetime) -> dict[str, int]:
    """How many verdicts of each decision a product has since a time."""
    rows = session.execute(
        select(Verdict.decision, func.count())
        .where(Verdict.product_id == product, Verdict.received >= since)
        .group_by(Verdict.decision)
    )
    return dict(rows.all())


def _query(product: int, search: Search) -> Select[Verdict]:
    """The query of one product."""
    first: Any = Verdict.received if search.score is None else Verdict.score
    query = select(Verdict).where(Verdict.product_id == product)
    if search.since is not None:
        query = query.where(Verdict.received >= search.since)
    if search.until is not None:
        query = query.where(Verdict.received < search.until)
    if search.decision is not None:
        query = query.where(Verdict.decision == search.decision)
    if search.label is not None:
        wanted = None if search.label == UNLABELLED else search.label
        query = query.where(Verdict.label.is_(None) if wanted is None else Verdict.label == wanted)
    if search.score is not None:
        query = query.where(Verdict.score >= search.score)
    if search.after is not None:
        query = query.where(_behind(first, search))
    return query.order_by(first.desc(), Verdict.id.desc()).limit(search.limit + 1)


def _behind(first: Any, search: Search) -> ColumnElement[bool]:
    """The condition that a row comes after a place."""
    try:
        value, _, number = str(search.after).rpartition("_")
        place: Any = datetime.fromisoformat(value) if search.score is None else float.fromhex(value)
        row = int(number)
        if not 0 < row < 1 << 63 or (search.score is None and place.tzinfo is None):
            raise ValueError
    except (ValueError, OverflowError):
        raise DataError(f"after={str(search.after)[:80]!r} is not what a page gave as next") from None
    return and_(first <= place, or_(first < place, Verdict.id < row))


def _place(verdict: Verdict, by_score: bool) -> tuple[Any, int]:
    """The place of a verdict in the order of a search."""
    return (verdict.score if by_score else verdict.received), verdict.id


def _as_text(verdict: Verdict, by_score: bool) -> str:
    """The place of a verdict as a text."""
    value = verdict.score.hex() if by_score else verdict.received.isoformat()
    return f"{value}_{verdict.id}"
