"""What people say of verdicts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

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
