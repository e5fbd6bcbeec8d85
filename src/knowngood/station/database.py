"""The database, SQLite in a folder or a PostgreSQL server, whose tables are brought forward at the start."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from knowngood.errors import StationError, shortened
from knowngood.extras import needs_extra

BUSY_SECONDS = 10
"""How long a writer waits for another program, such as a back-up."""

_PRAGMAS = (
    "journal_mode=WAL",  # readers and the writer do not wait for each other
    "synchronous=FULL",  # a commit is on the disk: no acknowledged verdict is lost by a power cut
    "foreign_keys=ON",
    f"busy_timeout={BUSY_SECONDS * 1000}",
    "cache_size=-16384",  # of each connection; the system keeps the rest
)


class Database:
    """The database at an address.

    Raises:
        StationError: It cannot be reached, or a newer program has changed its tables.
    """

    def __init__(self, url: str) -> None:
        try:
            address = make_url(url)
            with needs_extra():
                self.engine = create_engine(address, pool_pre_ping=True, pool_size=8, max_overflow=40)
        except (ArgumentError, NoSuchModuleError, ValueError) as error:
            raise StationError(
                f"database {url!r} is no address of one; write such as postgresql+psycopg://user@host/name"
            ) from error
        self.name = address.render_as_string(hide_password=True)
        self.is_sqlite = address.get_backend_name() == "sqlite"
        if self.is_sqlite:
            event.listen(self.engine, "connect", _set_up)
            event.listen(self.engine, "begin", _begin)
        # SQLite has one writer, and the audit log one order; writers wait for each other here.
        self._turn = threading.Lock()
        self._writer = self.engine.execution_options(begin="BEGIN IMMEDIATE")

    def migrate(self) -> None:
        """Bring the tables forward to those of this program.

        Raises:
            StationError: It cannot be reached, or a newer program has changed its tables.
        """
        try:
            with self._writer.begin() as connection:
                _migrate(connection, self.name)
        except SQLAlchemyError as error:
            raise StationError(f"database {self.name!r} cannot be used: {reason(error)}") from error

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session that reads."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Give a session that writes: all of it is committed at the end, or nothing.

        When the block is left, what it wrote is on the disk.
        """
        with self._turn, Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def reason(error: SQLAlchemyError) -> str:
    """What the database itself said, in one line."""
    said = getattr(error, "orig", None) or error
    return shortened(" ".join(str(said).split()))


def is_full(error: BaseException) -> bool:
    """Whether a disk has no room left."""
    if isinstance(error, OperationalError):
        return any(words in str(error.orig) for words in ("disk is full", "No space left", "disk I/O error"))
    return isinstance(error, OSError) and error.errno in (28, 122)  # ENOSPC, EDQUOT


def migrations() -> Config:
    """The configuration of Alembic, whose scripts are in this package."""
    config = Config()
    config.set_main_option("script_location", "knowngood.station:migrations")
    return config


def _migrate(connection: Connection, name: str) -> None:
    """Run the scripts that the tables lack."""
    config = migrations()
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise StationError(
            f"database {name!r} was written by a newer knowngood (its tables are of revision {current}); "
            "start that version, or restore a back-up"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _set_up(connection: Any, _: object) -> None:
    """Set up a new connection to SQLite."""
    connection.isolation_level = None  # Python's own would begin transactions where it likes
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """Begin a transaction: that of a writer at once, so that it never has to give up half-way."""
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))
