"""What happened in a shift: counts, the rate of rejects, the defect types, and whether the parts changed."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from knowngood.metrics.rates import Rate, rate
from knowngood.station.context import Records
from knowngood.station.inspecting import file_of
from knowngood.station.models import InspectorVersion, Label, Product, Verdict

Within = tuple[ColumnElement[bool], ...]

WATCHED = 5000
"""Parts in which a change is searched for, at most: the last ones."""

LEAST = 10
"""Held-out good parts below the threshold with which parts can be compared, at least."""

UNNAMED = "type not named"


class Drift(NamedTuple):
    """Whether the parts changed since the threshold was set.

    Args:
        version: The number of the inspector's version.
        parts: How many were watched; 0 where it has too few held-out scores for that.
        changes: What changed, in sentences.
    """

    version: int
    parts: int
    changes: list[str]


class Shift(NamedTuple):
    """A report on a shift.

    Args:
        counts: Parts of each decision.
        rejects: The rate of rejects with its 95 % interval; None where nothing was inspected.
        types: Defect types that people or the inspector named, with their counts, the most frequent first.
        labelled: Parts of each decision and label.
        versions: Parts that each version inspected, by its number.
        drift: Whether the parts changed; None where nothing was inspected.
    """

    counts: dict[str, int]
    rejects: Rate | None
    types: list[tuple[str, int]]
    labelled: dict[tuple[str, str], int]
    versions: dict[int, int]
    drift: Drift | None

    @property
    def total(self) -> int:
        """All parts."""
        return sum(self.counts.values())

    @property
    def shares(self) -> list[tuple[str, int, float]]:
        """Each defect type with its count and the share of it and of all before."""
        total, running, found = sum(count for _, count in self.types), 0, []
        for name, count in self.types:
            running += count
            found.append((name, count, running / total))
        return found


def shift_of(records: Records, product: Product, since: datetime, until: datetime) -> Shift:
    """The report on what a product had between two times."""
    within: Within = (Verdict.product_id == product.id, Verdict.received >= since, Verdict.received < until)
    with records.database.reading() as session:
        labels = session.execute(
            select(Verdict.decision, Verdict.label, func.count())
            .where(*within)
            .group_by(Verdict.decision, Verdict.label)
        ).all()
        versions = session.execute(
            select(InspectorVersion.number, func.count())
            .join(Verdict, Verdict.version_id == InspectorVersion.id)
            .where(*within)
            .group_by(InspectorVersion.number)
            .order_by(InspectorVersion.number)
        ).all()
        types = _types(session, within)
        drift = _drift(records, session, within)
    counts: Counter[str] = Counter()
    for decision, _, count in labels:
        counts[decision] += count
    total = counts.total()
    return Shift(
        dict(counts),
        rate(counts["reject"], total) if total else None,
        types,
        {(decision, label): count for decision, label, count in labels if label},
        dict(versions),
        drift,
    )


def _types(session: Session, within: Within) -> list[tuple[str, int]]:
    """The defect types of parts that are defects by their label, or else were rejected without one."""
    newest = (
        select(func.max(Label.id)).where(Label.verdict_id == Verdict.id).correlate(Verdict).scalar_subquery()
    )
    rows = session.execute(
        select(Verdict.predicted_class, Label.defect_type, Verdict.label, func.count())
        .outerjoin(Label, Label.id == newest)
        .where(*within)
        .where((Verdict.label == "defect") | (Verdict.label.is_(None) & (Verdict.decision == "reject")))
        .group_by(Verdict.predicted_class, Label.defect_type, Verdict.label)
    )
    found: Counter[str] = Counter()
    for predicted, named, _, count in rows:
        found[named or predicted or UNNAMED] += count
    return found.most_common()


def _drift(records: Records, session: Session, within: Within) -> Drift | None:
    """Watch the scores of the version that inspected last.

    Whether a rejected part is good is unknown without a label, so that only parts below the threshold are
    compared, with held-out good parts that are below it too; a defect by its label is left out.
    """
    from knowngood.capability.drift import Monitor  # the service starts without them
    from knowngood.inspector.inspector import Inspector

    last = session.scalar(
        select(Verdict).where(*within).order_by(Verdict.received.desc(), Verdict.id.desc()).limit(1)
    )
    if last is None:
        return None
    rows = session.scalars(
        select(Verdict.score)
        .where(*within, Verdict.version_id == last.version_id, Verdict.decision != "reject")
        .where(Verdict.label.is_distinct_from("defect"))
        .order_by(Verdict.received.desc(), Verdict.id.desc())
        .limit(WATCHED)
    ).all()
    inspector = Inspector.load(file_of(records, last.version))
    below = [score for score in inspector.manifest.held_out if score <= inspector.threshold.value]
    if len(below) < LEAST:
        return Drift(last.version.number, 0, [])
    monitor = Monitor(inspector.with_manifest(held_out=below, held_out_names=[]))
    for score in reversed(rows):
        monitor.update(score)
    return Drift(last.version.number, len(rows), [one.words for one in monitor.changes])
