"""People, tokens, the audit log and the room that is left."""

from __future__ import annotations

import shutil
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import func, select

from knowngood.station.access import TheCaller, TheStation
from knowngood.station.audit import check_log
from knowngood.station.context import Station
from knowngood.station.lookup import products_of
from knowngood.station.models import ROLES, AuditEntry, Token, User, Verdict, now
from knowngood.station.pages.shown import page_router, show

router = page_router()

ENTRIES = 30
"""Entries of the audit log on a page."""

PROBLEMS = 20
"""What is wrong with it, at most."""


@router.get("/administration")
def show_administration(
    request: Request,
    station: TheStation,
    caller: TheCaller,
    before: Annotated[int, Query(ge=1, lt=1 << 63)] = (1 << 63) - 1,
) -> HTMLResponse:
    """People, tokens, the audit log and the storage."""
    log = select(AuditEntry).where(AuditEntry.sequence < before).order_by(AuditEntry.sequence.desc())
    with station.database.reading() as session:
        return show(
            request,
            "administration.html.jinja",
            users=session.scalars(select(User).order_by(User.name)).all(),
            tokens=session.scalars(select(Token).order_by(Token.name)).all(),
            products=[one.name for one in products_of(session, caller)],
            roles=ROLES,
            now=now(),
            entries=session.scalars(log.limit(ENTRIES)).all(),
            verdicts=session.scalar(select(func.count()).select_from(Verdict)),
            room=_room(station),
        )


@router.get("/administration/check")
def check_audit(request: Request, station: TheStation) -> HTMLResponse:
    """Whether the audit log is as it was written."""
    with station.database.reading() as session:
        wrong = [one for _, one in zip(range(PROBLEMS), check_log(session, station.audit), strict=False)]
        entries = session.scalar(select(func.count()).select_from(AuditEntry))
    return show(request, "check.html.jinja", wrong=wrong, entries=entries, moment=now())


def _room(station: Station) -> dict[str, float]:
    """Gigabytes of the disk: all, free, and those that stay free; and of the database in the folder."""
    disk = shutil.disk_usage(station.settings.data)
    files = sum(path.stat().st_size for path in station.settings.data.glob("station.db*"))
    found = {"all": disk.total, "free": disk.free, "kept": station.settings.free, "database": files}
    return {name: value / 1e9 for name, value in found.items()}
