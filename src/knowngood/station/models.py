"""The tables of a station."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

Number = BigInteger().with_variant(Integer, "sqlite")
"""Row numbers: SQLite counts up in a column of this type alone."""

DRAFT, RELEASED, RETIRED = "draft", "released", "retired"
"""The states of a version of an inspector."""

ROLES = ("operator", "engineer", "administrator")
"""The roles of people and tokens; each may do what those before it may."""


class Moment(TypeDecorator[datetime]):
    """A time in UTC, with microseconds; SQLite keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as it is stored."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return a stored time."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """The base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: Moment,
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }


class Product(Base):
    """What a part is; each product has its own inspectors."""

    __tablename__ = "product"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    created: Mapped[datetime] = mapped_column(default=now)
    versions: Mapped[list[InspectorVersion]] = relationship(
        back_populates="product", order_by="InspectorVersion.number"
    )


class InspectorVersion(Base):
    """An uploaded inspector file, which never changes; another threshold makes another version."""

    __tablename__ = "inspector_version"
    __table_args__ = (
        UniqueConstraint("product_id", "number"),
        Index(
            "ix_inspector_version_released",
            "product_id",
            unique=True,
            sqlite_where=text("state = 'released'"),
            postgresql_where=text("state = 'released'"),
        ),
    )
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    number: Mapped[int]
    file_hash: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64))
    method: Mapped[str] = mapped_column(String(64))
    threshold: Mapped[float]
    review: Mapped[float | None]
    state: Mapped[str] = mapped_column(String(10), default=DRAFT)
    created: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[str] = mapped_column(String(100))
    product: Mapped[Product] = relationship(back_populates="versions")


class Verdict(Base):
    """The result of inspecting one picture; nothing in it changes but its label."""

    __tablename__ = "verdict"
    __table_args__ = (
        UniqueConstraint("product_id", "idempotency_key"),
        Index(None, "received", "id"),
        Index(None, "product_id", "received", "id"),
        Index(None, "product_id", "decision", "received", "id"),
        Index(None, "product_id", "label", "received", "id"),
        Index(None, "product_id", "score", "id"),
        Index(None, "picture_hash"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("inspector_version.id"))
    received: Mapped[datetime]
    picture_hash: Mapped[str] = mapped_column(String(64))
    picture_key: Mapped[str] = mapped_column(String(200))
    width: Mapped[int]
    height: Mapped[int]
    score: Mapped[float]
    p_value: Mapped[float]
    decision: Mapped[str] = mapped_column(String(10))
    predicted_class: Mapped[str | None] = mapped_column(String(200))
    threshold: Mapped[float]
    regions: Mapped[list[Any]]
    notes: Mapped[list[Any]]
    milliseconds: Mapped[float]
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    source: Mapped[str] = mapped_column(String(200))
    label: Mapped[str | None] = mapped_column(String(10))
    seal: Mapped[str] = mapped_column(String(64))
    product: Mapped[Product] = relationship(lazy="joined")
    version: Mapped[InspectorVersion] = relationship(lazy="joined")


class Label(Base):
    """What a person says of a verdict; several may."""

    __tablename__ = "label"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    verdict_id: Mapped[int] = mapped_column(ForeignKey("verdict.id"), index=True)
    by: Mapped[str] = mapped_column(String(100))
    decision: Mapped[str] = mapped_column(String(10))
    defect_type: Mapped[str | None] = mapped_column(String(200))
    region: Mapped[dict[str, Any] | None]
    time: Mapped[datetime] = mapped_column(default=now)


class User(Base):
    """A person who logs in."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    role: Mapped[str] = mapped_column(String(20))
    password: Mapped[str | None] = mapped_column(String(200))  # argon2; None until it is set
    failed: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    disabled: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime] = mapped_column(default=now)


class Link(Base):
    """A link of one use, by which a person sets a password."""

    __tablename__ = "link"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    secret: Mapped[str] = mapped_column(String(64), unique=True)  # its SHA-256
    user_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))  # None for the first administrator
    expires: Mapped[datetime]


class Session(Base):
    """A person who is logged in, in one browser."""

    __tablename__ = "session"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    secret: Mapped[str] = mapped_column(String(64), unique=True)  # its SHA-256
    csrf: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    expires: Mapped[datetime]
    user: Mapped[User] = relationship(lazy="joined")


class Token(Base):
    """What a program presents; it may be limited to some products."""

    __tablename__ = "token"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    secret: Mapped[str] = mapped_column(String(64), unique=True)  # its SHA-256
    role: Mapped[str] = mapped_column(String(20))
    products: Mapped[list[Any] | None]  # names; None for all
    created: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[str] = mapped_column(String(100))
    expires: Mapped[datetime | None]


class Job(Base):
    """A long work, such as a fit."""

    __tablename__ = "job"
    id: Mapped[int] = mapped_column(Number, primary_key=True)
    product_id: Mapped[int | None] = mapped_column(ForeignKey("product.id"), index=True)
    task: Mapped[str] = mapped_column(String(50))
    state: Mapped[str] = mapped_column(String(20))
    progress: Mapped[float] = mapped_column(default=0.0)
    message: Mapped[str] = mapped_column(String(1000), default="")
    settings: Mapped[dict[str, Any]]
    created: Mapped[datetime] = mapped_column(default=now)
    created_by: Mapped[str] = mapped_column(String(100))
    finished: Mapped[datetime | None]


class AuditEntry(Base):
    """One change, chained to the one before it; see `knowngood.station.audit`."""

    __tablename__ = "audit_entry"
    sequence: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    time: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(100))
    what: Mapped[str] = mapped_column(String(100))
    why: Mapped[str] = mapped_column(String(1000))
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    previous_hash: Mapped[str] = mapped_column(String(64), unique=True)
    hash: Mapped[str] = mapped_column(String(64))
