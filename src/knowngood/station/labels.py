"""What people say of verdicts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from knowngood.errors import StationError
from knowngood.station.context import Station
from knowngood.station.models import Label, Verdict


def add_label(
    station: Station,
    by: str,
    verdict: Verdict,
    decision: str,
    defect_type: str | None,
    region: dict[str, Any] | None,
) -> Label:
    """Add a label; that of the verdict is the newest, and the audit log has who said what before."""
    with station.database.writing() as session:
        row = session.get_one(Verdict, verdict.id)
        before = session.scalar(
            select(Label).where(Label.verdict_id == verdict.id).order_by(Label.id.desc()).limit(1)
        )
        label = Label(verdict_id=row.id, by=by, decision=decision, defect_type=defect_type, region=region)
        row.label = decision
        session.add(label)
        session.flush()
        station.audit.add(
            session,
            by,
            "label",
            before={"by": before.by, "decision": before.decision} if before else None,
            after={"verdict": row.id, "decision": decision, "defect_type": defect_type},
        )
    return label


def take_back(station: Station, by: str, verdict: Verdict) -> None:
    """Take back the newest label that a person gave; the verdict then has the one before, if any.

    Raises:
        StationError: The person gave no label.
    """
    with station.database.writing() as session:
        labels = session.scalars(
            select(Label).where(Label.verdict_id == verdict.id).order_by(Label.id.desc())
        ).all()
        own = next((one for one in labels if one.by == by), None)
        if own is None:
            raise StationError(f"verdict {verdict.id} has no label of yours that could be taken back")
        left = [one for one in labels if one is not own]
        session.get_one(Verdict, verdict.id).label = left[0].decision if left else None
        before = {"verdict": verdict.id, "decision": own.decision, "defect_type": own.defect_type}
        session.delete(own)
        station.audit.add(session, by, "take label back", before=before)
