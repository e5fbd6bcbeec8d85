"""People and programs: setting up, logging in, users, tokens and the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session as Transaction

from knowngood.station.access import ADMINISTRATOR, COOKIE, TheCaller, TheStation
from knowngood.station.accounts import check_name, log_in, log_out, new_link, new_token, use_link
from knowngood.station.api import schemas
from knowngood.station.context import Station
from knowngood.station.models import AuditEntry, Session, Token, User

router = APIRouter(prefix="/api/v1", tags=["people"])

UserName = Annotated[str, Path(max_length=100)]


def set_cookie(response: Response, station: Station, secret: str) -> None:
    """Let a browser keep its session, which scripts cannot read and other sites cannot send with a change."""
    response.set_cookie(
        COOKIE, secret, httponly=True, samesite="lax", secure=station.settings.secure, path="/"
    )


@router.post("/setup")
def set_password(station: TheStation, body: schemas.NewPassword) -> dict[str, str]:
    """Set a password by a one-time link."""
    return {"name": use_link(station.database, station.audit, body.link, body.password, body.name)}


@router.post("/login")
def login(station: TheStation, body: schemas.Login, response: Response) -> schemas.Me:
    """Log in; the answer sets a cookie, and has the token that changes need beside it."""
    secret, session = log_in(station.database, station.audit, body.name, body.password)
    set_cookie(response, station, secret)
    return schemas.Me(name=session.user.name, role=session.user.role, products=None, csrf=session.csrf)


@router.post("/logout", status_code=204)
def logout(station: TheStation, caller: TheCaller, response: Response) -> None:
    """Log out."""
    if caller.session is not None:
        log_out(station.database, station.audit, caller.session)
    response.delete_cookie(COOKIE)


@router.get("/me")
def show_me(caller: TheCaller) -> schemas.Me:
    """Show who asks."""
    products = sorted(caller.products) if caller.products is not None else None
    csrf = caller.session.csrf if caller.session else None
    return schemas.Me(name=caller.name, role=caller.role, products=products, csrf=csrf)


@router.get("/users")
def list_users(station: TheStation) -> list[schemas.UserAnswer]:
    """List the people."""
    with station.database.reading() as session:
        return [
            schemas.UserAnswer.model_validate(one)
            for one in session.scalars(select(User).order_by(User.name))
        ]


@router.post("/users", status_code=201)
def invite_user(
    station: TheStation, caller: TheCaller, body: schemas.NewUser, request: Request
) -> schemas.LinkAnswer:
    """Make a person; the answer has the link by which they set their password."""
    name = check_name(body.name)
    with station.database.writing() as session:
        if session.scalar(select(User.id).where(User.name == name)) is not None:
            raise HTTPException(409, f"user {name!r} is there already")
        user = User(name=name, role=body.role)
        session.add(user)
        session.flush()
        station.audit.add(session, caller.name, "invite user", after={"user": name, "role": body.role})
        return _link(session, user, request)


@router.patch("/users/{name}")
def change_user(
    station: TheStation, caller: TheCaller, name: UserName, body: schemas.ChangedUser
) -> schemas.UserAnswer:
    """Change the role of a person, or whether they may log in; their sessions end."""
    with station.database.writing() as session:
        user = _user(session, name)
        before = {"user": name, "role": user.role, "disabled": user.disabled}
        user.role = body.role or user.role
        user.disabled = user.disabled if body.disabled is None else body.disabled
        session.flush()
        able = select(func.count()).select_from(User)
        able = able.where(User.role == ADMINISTRATOR, User.disabled.is_(False), User.password.is_not(None))
        if not session.scalar(able):
            raise HTTPException(409, "the last administrator stays one; make another one first")
        session.execute(delete(Session).where(Session.user_id == user.id))
        after = {"user": name, "role": user.role, "disabled": user.disabled}
        station.audit.add(session, caller.name, "change user", why=body.reason, before=before, after=after)
        return schemas.UserAnswer.model_validate(user)


@router.post("/users/{name}/link")
def renew_link(
    station: TheStation, caller: TheCaller, name: UserName, body: schemas.Why, request: Request
) -> schemas.LinkAnswer:
    """Make a new link by which a person sets a password; the one before ends."""
    with station.database.writing() as session:
        user = _user(session, name)
        station.audit.add(session, caller.name, "new link", why=body.reason, after={"user": name})
        return _link(session, user, request)


@router.get("/tokens")
def list_tokens(station: TheStation) -> list[schemas.TokenAnswer]:
    """List the tokens, without their secrets."""
    with station.database.reading() as session:
        return [
            schemas.TokenAnswer.model_validate(one)
            for one in session.scalars(select(Token).order_by(Token.name))
        ]


@router.post("/tokens", status_code=201)
def add_token(station: TheStation, caller: TheCaller, body: schemas.NewToken) -> schemas.NewTokenAnswer:
    """Make a token for a program, such as a camera; its secret is shown this once."""
    name = check_name(body.name)
    if caller.products is not None and not caller.products.issuperset(body.products or ["*"]):
        raise HTTPException(403, "a token cannot make one that reaches further than itself")
    with station.database.writing() as session:
        if session.scalar(select(Token.id).where(Token.name == name)) is not None:
            raise HTTPException(409, f"token {name!r} is there already")
        secret, token = new_token(session, caller.name, name, body.role, body.products, body.expires)
        after = {"token": name, "role": body.role, "products": body.products}
        station.audit.add(session, caller.name, "add token", after=after)
    shown = schemas.TokenAnswer.model_validate(token).model_dump()
    return schemas.NewTokenAnswer(secret=secret, **shown)


@router.delete("/tokens/{name}", status_code=204)
def remove_token(station: TheStation, caller: TheCaller, name: UserName) -> None:
    """Remove a token; it lets nobody in from now on."""
    with station.database.writing() as session:
        token = session.scalar(select(Token).where(Token.name == name))
        if token is None:
            raise HTTPException(404, f"token {name!r} is not known")
        before = {"token": name, "role": token.role, "products": token.products}
        session.delete(token)
        station.audit.add(session, caller.name, "remove token", before=before)


@router.get("/audit")
def list_audit(
    station: TheStation,
    before: Annotated[int, Query(ge=1, lt=1 << 63, description="Entries before this one.")] = (1 << 63) - 1,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> list[schemas.AuditAnswer]:
    """List the audit log, the newest entry first."""
    query = select(AuditEntry).where(AuditEntry.sequence < before)
    with station.database.reading() as session:
        found = session.scalars(query.order_by(AuditEntry.sequence.desc()).limit(limit))
        return [schemas.AuditAnswer.model_validate(one) for one in found]


def _user(session: Transaction, name: str) -> User:
    """A person by name; 404 for an unknown one."""
    user = session.scalar(select(User).where(User.name == name).with_for_update())
    if user is None:
        raise HTTPException(404, f"user {name!r} is not known")
    return user


def _link(session: Transaction, user: User, request: Request) -> schemas.LinkAnswer:
    """A new link of a person."""
    secret = new_link(session, user)
    return schemas.LinkAnswer(name=user.name, link=f"{request.base_url}setup?link={secret}")
