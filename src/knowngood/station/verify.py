"""Checking the records of a station: nothing was altered, and every picture is there."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

from sqlalchemy import func, select

from knowngood.station.audit import SEALED, check_log
from knowngood.station.context import Records
from knowngood.station.inspecting import file_of
from knowngood.station.models import InspectorVersion, Verdict
from knowngood.station.storage import key_of
from knowngood.types import Progress

_AT_ONCE = 1000
_COLUMNS = [getattr(Verdict, name) for name in ("id", "seal", *SEALED)]


def verify(records: Records, progress: Progress) -> list[str]:
    """Check the audit log, verdicts, pictures and inspectors; return what is wrong, in words.

    It may run beside the station: what arrives meanwhile is not checked.

    Example::

        verify(Records(settings, alone=False), progress)
    """
    with records.database.reading() as session:
        found = list(check_log(session, records.audit))
    return found + list(_inspectors(records)) + list(_verdicts(records, progress)) + list(_pictures(records))


def _inspectors(records: Records) -> Iterator[str]:
    """Yield which inspector files are missing or were altered."""
    with records.database.reading() as session:
        versions = session.scalars(select(InspectorVersion)).all()
    for version in versions:
        path = file_of(records, version)
        if not path.exists():
            yield f"inspector {path.name} is missing"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != version.file_hash:
            yield f"inspector {path.name} was altered"


def _verdicts(records: Records, progress: Progress) -> Iterator[str]:
    """Yield which verdicts were altered, and which have not the picture that was inspected."""
    with records.database.reading() as session:
        last = session.scalar(select(func.max(Verdict.id))) or 0
    begin = done = 0
    while begin < last:
        with records.database.reading() as session:
            rows = session.execute(
                select(*_COLUMNS)
                .where(Verdict.id > begin, Verdict.id <= last)
                .order_by(Verdict.id)
                .limit(_AT_ONCE)
            ).all()
        if not rows:
            return
        for row in rows:
            if not hmac.compare_digest(row.seal, records.audit.seal_of(row)):
                yield f"verdict {row.id} was altered"
            try:
                content = records.storage.read(row.picture_key)
            except FileNotFoundError:
                yield f"verdict {row.id}: its picture is missing"
            else:
                if hashlib.sha256(content).hexdigest() != row.picture_hash:
                    yield f"verdict {row.id}: its picture was altered"
            done += 1
            progress("checking verdicts", done, max(last, done))
        begin = rows[-1].id


def _pictures(records: Records) -> Iterator[str]:
    """Yield which pictures have no verdict, those apart that are being inspected."""
    for key in records.storage.names():
        digest = key.rpartition("/")[2]
        if key_of(digest) != key:
            yield f"{key} is not a picture of this station"
        elif not records.is_known(digest) and not any(records.settings.incoming.iterdir()):
            yield f"picture {key} has no verdict"
