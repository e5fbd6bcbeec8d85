"""Who logs in: passwords (argon2), one-time links to set them, sessions of browsers and tokens of programs.

Secrets of links, sessions and tokens are random, and only their SHA-256 is stored. No account has a password
that its owner did not choose.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from datetime import datetime, timedelta
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session as Transaction

from knowngood.errors import DataError
from knowngood.station.audit import Audit
from knowngood.station.database import Database
from knowngood.station.models import ROLES, Link, Session, Token, User, now

LEAST_LETTERS = 12
"""Letters of a password, at least."""

MOST_LETTERS = 1000
"""Letters of a password, at most."""

ATTEMPTS = 5
"""Wrong passwords in a row after which an account is locked."""

LOCKED = timedelta(minutes=5)
"""How long an account is locked."""

LINK_LIFE = timedelta(hours=24)
"""How long a link can be used."""

SESSION_LIFE = timedelta(hours=12)
"""How long a browser stays logged in: a shift and its handover."""

_HASHER = PasswordHasher()
_NO_PASSWORD = _HASHER.hash(secrets.token_hex(16))  # checked where there is no such user: it takes as long
_AT_ONCE = threading.BoundedSemaphore(4)  # each takes 64 MiB of memory


class Caller(NamedTuple):
    """Who makes a request: a person or the token of a program.

    Args:
        name: The name of the person, or `token` and that of the token.
        role: One of `knowngood.station.models.ROLES`.
        products: The names of the products that may be reached; None for all.
        session: The session of a person; None for tokens.
    """

    name: str
    role: str
    products: frozenset[str] | None = None
    session: Session | None = None

    def may(self, role: str) -> bool:
        """Whether it has at least a role."""
        return ROLES.index(self.role) >= ROLES.index(role)


class LoginRefused(DataError):
    """A name and a password that do not let in."""


def digest_of(secret: str) -> str:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_link(session: Transaction, user: User | None) -> str:
    """Make a link of one use for a person, or for the first administrator; return its secret.

    Links that the same person had before end.
    """
    user_id = user.id if user else None
    session.execute(delete(Link).where(Link.user_id == user_id if user else Link.user_id.is_(None)))
    secret = secrets.token_urlsafe(32)
    session.add(Link(secret=digest_of(secret), user_id=user_id, expires=now() + LINK_LIFE))
    return secret


def first_link(database: Database) -> str | None:
    """The secret of a link for the first administrator; None where there is a person with a password."""
    with database.writing() as session:
        if session.scalar(select(func.count()).select_from(User).where(User.password.is_not(None))):
            return None
        return new_link(session, None)


def is_first(database: Database, secret: str) -> bool:
    """Whether a link is that of the first administrator, who also chooses a name."""
    with database.reading() as session:
        link = session.scalar(select(Link).where(Link.secret == digest_of(secret)))
    return link is not None and link.user_id is None


def use_link(database: Database, audit: Audit, secret: str, password: str, name: str | None) -> str:
    """Set a password by a link, which ends; return the name of its person.

    Args:
        database: Where people are.
        audit: Where it is noted.
        secret: That of the link.
        password: What the person chose.
        name: That of the first administrator, where the link is theirs.

    Raises:
        LoginRefused: There is no such link, or it has expired.
        DataError: The password is too short, or the name is missing.
    """
    check_password(password)
    with _AT_ONCE:
        hashed = _HASHER.hash(password)
    with database.writing() as session:
        link = session.scalar(select(Link).where(Link.secret == digest_of(secret)))
        if link is None or link.expires < now():
            raise LoginRefused("this link was used, replaced or has expired; ask for a new one")
        if link.user_id is None:
            user = User(name=check_name(name or ""), role="administrator")
            if session.scalar(select(User.id).where(User.name == user.name)) is not None:
                raise DataError(f"user {user.name!r} is there already; choose another name")
            session.add(user)
        else:
            user = session.get_one(User, link.user_id)
        user.password, user.failed, user.locked_until = hashed, 0, None
        session.delete(link)
        session.flush()
        session.execute(delete(Session).where(Session.user_id == user.id))
        audit.add(session, user.name, "set password", after={"role": user.role})
        return user.name


def log_in(database: Database, audit: Audit, name: str, password: str) -> tuple[str, Session]:
    """Check a name and a password; return the secret of a new session, and the session.

    Raises:
        LoginRefused: They do not fit, or the account is locked. Who asks is not shown which.
    """
    refused = LoginRefused(
        f"this name and password do not fit; after {ATTEMPTS} wrong ones an account is locked for "
        f"{LOCKED.seconds // 60} minutes"
    )
    with database.reading() as session:
        user = session.scalar(select(User).where(User.name == name))
    stored = user.password if user and user.password and not user.disabled else None
    fits = _fits(stored or _NO_PASSWORD, password[:MOST_LETTERS]) and stored is not None
    with database.writing() as session:
        user = session.scalar(select(User).where(User.name == name).with_for_update())
        locked = user is not None and user.locked_until is not None and user.locked_until > now()
        if user is not None and fits and not locked:
            user.failed, user.locked_until = 0, None
            audit.add(session, user.name, "log in")
            return _new_session(session, user)
        if user is not None and not locked:
            user.failed += 1
            if user.failed >= ATTEMPTS:
                user.failed, user.locked_until = 0, now() + LOCKED
        audit.add(session, name if user else "unknown", "refused login")
    raise refused


def log_out(database: Database, audit: Audit, session: Session) -> None:
    """End a session."""
    with database.writing() as transaction:
        transaction.execute(delete(Session).where(Session.id == session.id))
        audit.add(transaction, session.user.name, "log out")


def new_token(
    session: Transaction, by: str, name: str, role: str, products: list[str] | None, expires: datetime | None
) -> tuple[str, Token]:
    """Make a token; return its secret, which is shown this once, and the token."""
    secret = f"kg_{secrets.token_urlsafe(32)}"
    token = Token(
        name=name, secret=digest_of(secret), role=role, products=products, created_by=by, expires=expires
    )
    session.add(token)
    session.flush()
    return secret, token


def caller_of_token(database: Database, secret: str) -> Caller | None:
    """Who presents a token; None where it is not known."""
    with database.reading() as session:
        token = session.scalar(select(Token).where(Token.secret == digest_of(secret)))
    if token is None or (token.expires is not None and token.expires < now()):
        return None
    products = None if token.products is None else frozenset(token.products)
    return Caller(f"token {token.name}", token.role, products)


def caller_of_session(database: Database, secret: str) -> Caller | None:
    """Who a browser was logged in for; None where it is not."""
    with database.reading() as session:
        found = session.scalar(select(Session).where(Session.secret == digest_of(secret)))
    if found is None or found.expires < now() or found.user.disabled:
        return None
    return Caller(found.user.name, found.user.role, session=found)


def check_password(password: str) -> None:
    """Check a password that somebody chose.

    Raises:
        DataError: It is too short or too long.
    """
    if not LEAST_LETTERS <= len(password) <= MOST_LETTERS:
        raise DataError(f"a password has {LEAST_LETTERS} to {MOST_LETTERS} letters; three words do well")


def check_name(name: str) -> str:
    """Check the name of a person or a token.

    Raises:
        DataError: It is empty, too long or cannot be printed.
    """
    if not name.strip() or len(name) > 80 or not name.isprintable():
        raise DataError("a name has 1 to 80 letters that can be printed")
    return name.strip()


def _new_session(session: Transaction, user: User) -> tuple[str, Session]:
    """Make a session; those that have expired end."""
    session.execute(delete(Session).where(Session.expires < now()))
    secret = secrets.token_urlsafe(32)
    made = Session(
        secret=digest_of(secret), csrf=secrets.token_urlsafe(32), user=user, expires=now() + SESSION_LIFE
    )
    session.add(made)
    session.flush()
    return secret, made


def _fits(stored: str, password: str) -> bool:
    """Whether a password has a hash."""
    with _AT_ONCE:
        try:
            return _HASHER.verify(stored, password)
        except (VerifyMismatchError, InvalidHashError):
            return False
