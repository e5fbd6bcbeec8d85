"""A running station: what its routes share."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import select

from knowngood.errors import StationError
from knowngood.station.audit import Audit
from knowngood.station.database import Database
from knowngood.station.events import Events
from knowngood.station.metrics import Metrics
from knowngood.station.models import RELEASED, InspectorVersion, Verdict
from knowngood.station.settings import StationSettings
from knowngood.station.storage import Storage
from knowngood.station.workers import Workers


class Records:
    """The data of a station, without what runs: enough to check, replay and back it up.

    Raises:
        StationError: The folder cannot be written, the database cannot be used, or another station runs.
    """

    def __init__(self, settings: StationSettings, *, alone: bool = True) -> None:
        self.settings = settings
        self._lock: Any = None
        try:
            for folder in (settings.data, settings.inspectors):
                folder.mkdir(parents=True, exist_ok=True)
            if alone:
                self._lock = _locked(settings.data / ".lock")
        except OSError as error:
            raise StationError(
                f"data folder {str(settings.data)!r} cannot be written: {error.strerror}; name another one "
                "(--data), or change who may write to it"
            ) from error
        try:
            self.audit = Audit(settings.data)
            self.storage = Storage(settings.storage_url, settings.incoming)
            self.database = Database(settings.database_url)
            self.database.migrate()
        except StationError:
            self._unlock()
            raise

    def is_known(self, digest: str) -> bool:
        """Whether a verdict names a picture."""
        with self.database.reading() as session:
            named = select(Verdict.id).where(Verdict.picture_hash == digest).limit(1)
            return session.scalar(named) is not None

    def close(self) -> None:
        """Let go of the database and the folder."""
        self.database.close()
        self._unlock()

    def _unlock(self) -> None:
        """Let another station have the folder."""
        if self._lock is not None:
            self._lock.close()


class Station(Records):
    """A station that runs: its data, its processes, and who listens."""

    def __init__(self, settings: StationSettings) -> None:
        super().__init__(settings)
        from knowngood.station.jobs import Jobs  # which itself needs `Records`

        self.storage.settle(self.is_known)
        self.events = Events()
        self.metrics = Metrics()
        self.workers = Workers(
            settings.workers, settings.batch, settings.patience, settings.waiting, self.metrics.restarts.inc
        )
        self.jobs = Jobs(self, self.workers)

        with self.database.reading() as session:
            hashes = session.scalars(
                select(InspectorVersion.file_hash).where(InspectorVersion.state == RELEASED)
            ).all()
        for digest in hashes[: settings.waiting // 2]:  # compiled before the first picture comes
            self.workers.describe(settings.inspector(digest))

    def close(self) -> None:
        """Finish what is under way, and stop."""
        self.jobs.close()
        self.workers.close()
        super().close()


def _locked(path: Path) -> Any:
    """An open file that no other station has locked."""
    file = path.open("a+")
    with suppress(ImportError):
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            running = file.read().strip()
            file.close()
            raise StationError(
                f"a station runs on {str(path.parent)!r} already (process {running}); stop it, or name "
                "another folder (--data)"
            ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
