"""The audit log: entries are added, never changed, and each is chained to the one before it.

The hash of an entry is an HMAC-SHA256 of its content and of the hash before it, with a key in the data
folder: whoever changes, removes or reorders rows in the database alone is found out by `check_log`. The last
entry is also noted in a file, so that the removal of the newest entries is found too. Verdicts carry such a
seal each.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Row, event, select
from sqlalchemy.orm import Session

from knowngood.errors import StationError
from knowngood.station.models import AuditEntry, Verdict, now

FIRST = "0" * 64
"""What stands for the hash before the first entry."""

SEALED = (
    *("product_id", "version_id", "received", "picture_hash", "picture_key", "width", "height", "score"),
    *("p_value", "decision", "predicted_class", "threshold", "regions", "notes", "milliseconds"),
    *("idempotency_key", "source"),
)
"""The columns of a verdict that never change."""

_CONTENT = ("sequence", "time", "who", "what", "why", "before", "after", "previous_hash")


class Audit:
    """Adds to the log and seals verdicts, with the key of a data folder, which is made at the first start.

    Raises:
        StationError: The key cannot be read or made.
    """

    def __init__(self, folder: Path) -> None:
        self._head = folder / "audit.head"
        self._key = _key(folder / "audit.key")

    def add(
        self,
        session: Session,
        who: str,
        what: str,
        *,
        why: str = "",
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Add an entry; it is committed with the change that it describes, or neither is."""
        last = session.scalar(
            select(AuditEntry).order_by(AuditEntry.sequence.desc()).limit(1).with_for_update()
        )
        entry = AuditEntry(
            sequence=last.sequence + 1 if last else 1,
            time=now(),
            who=who[:100],
            what=what,
            why=why[:1000],
            before=dict(before) if before is not None else None,
            after=dict(after) if after is not None else None,
            previous_hash=last.hash if last else FIRST,
        )
        entry.hash = self.hash_of(entry)
        session.add(entry)
        session.flush()
        head = f"{entry.sequence} {entry.hash}\n"
        event.listen(session, "after_commit", lambda _: self._head.write_text(head), once=True)

    def hash_of(self, entry: AuditEntry) -> str:
        """The hash of an entry."""
        return self._sign([getattr(entry, name) for name in _CONTENT])

    def seal_of(self, verdict: Verdict | Row[Any]) -> str:
        """The seal of a verdict."""
        return self._sign([getattr(verdict, name) for name in SEALED])

    def head(self) -> tuple[int, str]:
        """The number and the hash of the last entry that was noted; 0 for none."""
        try:
            number, digest = self._head.read_text().split()
            return int(number), digest
        except (OSError, ValueError):
            return 0, FIRST

    def _sign(self, content: list[Any]) -> str:
        text = json.dumps(content, ensure_ascii=True, separators=(",", ":"), sort_keys=True, default=_text)
        return hmac.digest(self._key, text.encode(), "sha256").hex()


def check_log(session: Session, audit: Audit) -> Iterator[str]:
    """Yield what is wrong with the log, in words; nothing where it is as it was written.

    Example::

        for problem in check_log(session, audit):
            print(problem)
    """
    before, number = FIRST, 0
    noted, digest = audit.head()
    entries = session.scalars(
        select(AuditEntry).order_by(AuditEntry.sequence).execution_options(yield_per=1000)
    )
    for entry in entries:
        number += 1
        if entry.sequence != number:
            yield f"audit entries {number} to {entry.sequence - 1} were removed"
            number = entry.sequence
        if not hmac.compare_digest(entry.hash, audit.hash_of(entry)):
            yield f"audit entry {number} was altered: {entry.what!r} of {entry.who!r}"
        elif entry.previous_hash != before:
            yield (
                f"audit entry {number} does not follow the one before it: rows were removed, added or "
                "reordered"
            )
        if number == noted and entry.hash != digest:
            yield f"audit entry {number} is not the one that was written"
        before = entry.hash
    if number < noted:
        yield f"audit entries {number + 1} to {noted}, the last ones, were removed"


def _text(value: Any) -> str:
    """A time as a text."""
    return str(value.isoformat())


def _key(path: Path) -> bytes:
    """The key in a file, which is made at the first start."""
    try:
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(file.fileno())
        key = bytes.fromhex(path.read_text())
    except (OSError, ValueError) as error:
        raise StationError(f"the key of the audit log, {str(path)!r}, cannot be read: {error}") from error
    return hashlib.sha256(key).digest()
