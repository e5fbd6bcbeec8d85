"""Backing a station up while it runs, and restoring it: database, inspectors and pictures in one file.

The database is copied first, by SQLite's own online back-up, and the pictures after it: each verdict of the
copy has its picture. A PostgreSQL server is backed up by its own tools.
"""

from __future__ import annotations

import io
import sqlite3
import tarfile
import tempfile
from pathlib import Path

from sqlalchemy.engine import make_url

from knowngood.errors import StationError
from knowngood.output import replacing
from knowngood.station.context import Records
from knowngood.station.settings import StationSettings
from knowngood.types import Progress

MARK = "station.db"
"""The first member, by which an older back-up is known."""

_KEPT = ("audit.head", "audit.key")


def back_up(records: Records, path: Path, progress: Progress, *, overwrite: bool = False) -> None:
    """Write the back-up of a station, which may run meanwhile, to a file, whole or not at all.

    Raises:
        StationError: Its database is on a server.
        OutputError: The file cannot be written, or is not a back-up.
    """
    settings = records.settings
    if not records.database.is_sqlite:
        raise StationError(
            "back the database of a server up by its own tools, such as pg_dump, and the storage by its"
        )
    with replacing(path, MARK, overwrite=overwrite) as unfinished, tempfile.TemporaryDirectory() as folder:
        # The log grows meanwhile: what was noted before is in the copy.
        heads = {
            name: (settings.data / name).read_bytes() for name in _KEPT if (settings.data / name).exists()
        }
        copy = Path(folder) / MARK
        _copy_database(Path(str(make_url(settings.database_url).database)), copy)
        with tarfile.open(unfinished, "w") as archive:
            archive.add(copy, MARK)
            for name, content in heads.items():
                _add(archive, name, content)
            for inspector in sorted(settings.inspectors.glob("*.inspector")):
                archive.add(inspector, f"inspectors/{inspector.name}")
            keys = list(records.storage.names())
            for done, key in enumerate(keys, 1):
                _add(archive, f"pictures/{key}", records.storage.read(key))
                progress("backing pictures up", done, len(keys))


def restore(path: Path, settings: StationSettings) -> None:
    """Unpack a back-up into a data folder that is empty or not there.

    Raises:
        StationError: It is not a back-up, or the folder holds something.
    """
    if settings.data.exists() and any(settings.data.iterdir()):
        raise StationError(
            f"data folder {str(settings.data)!r} is not empty; restore into a new one (--data)"
        )
    try:
        with tarfile.open(path) as archive:
            if archive.getnames()[:1] != [MARK]:
                raise StationError(f"{str(path)!r} is not the back-up of a station")
            settings.data.mkdir(parents=True, exist_ok=True)
            archive.extractall(settings.data, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise StationError(f"back-up {str(path)!r} cannot be restored: {error}") from error
    (settings.data / "audit.key").chmod(0o600)


def _copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite database that is in use."""
    read, written = sqlite3.connect(source), sqlite3.connect(target)
    try:
        read.backup(written)
    finally:
        read.close()
        written.close()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a member."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    archive.addfile(member, io.BytesIO(content))
