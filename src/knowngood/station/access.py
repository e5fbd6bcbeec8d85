"""Who may do what: one table of all routes, and the check that every request passes before anything else.

Roles include each other: an engineer may do what an operator may. A token reaches the products that it names
alone. `docs/station.md` shows this table.
"""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from starlette.concurrency import run_in_threadpool

from knowngood.station.accounts import Caller, caller_of_session, caller_of_token
from knowngood.station.context import Station
from knowngood.station.models import ROLES

ANYONE = "anyone"
OPERATOR, ENGINEER, ADMINISTRATOR = ROLES

COOKIE = "knowngood_session"
"""The cookie of a browser that is logged in."""

CSRF = "X-CSRF-Token"
"""The header, and in lower case with `_` the field of a form, of a change that a browser asks for."""

ACCESS = {
    "GET /health": ANYONE,
    "GET /ready": ANYONE,
    "GET /metrics": OPERATOR,
    "GET /openapi.json": ANYONE,
    "POST /api/v1/setup": ANYONE,
    "POST /api/v1/login": ANYONE,
    "POST /api/v1/logout": OPERATOR,
    "GET /api/v1/me": OPERATOR,
    "GET /api/v1/products": OPERATOR,
    "POST /api/v1/products": ENGINEER,
    "GET /api/v1/products/{product}": OPERATOR,
    "GET /api/v1/products/{product}/counts": OPERATOR,
    "GET /api/v1/products/{product}/versions": OPERATOR,
    "POST /api/v1/products/{product}/versions": ENGINEER,
    "GET /api/v1/products/{product}/versions/{number}": OPERATOR,
    "GET /api/v1/products/{product}/versions/{number}/file": ENGINEER,
    "POST /api/v1/products/{product}/versions/{number}/threshold": ENGINEER,
    "POST /api/v1/products/{product}/versions/{number}/release": ENGINEER,
    "POST /api/v1/products/{product}/versions/{number}/retire": ENGINEER,
    "POST /api/v1/products/{product}/inspect": OPERATOR,
    "POST /api/v1/products/{product}/inspect/batch": OPERATOR,
    "GET /api/v1/verdicts": OPERATOR,
    "GET /api/v1/verdicts/{number}": OPERATOR,
    "GET /api/v1/verdicts/{number}/picture": OPERATOR,
    "GET /api/v1/verdicts/{number}/preview": OPERATOR,
    "GET /api/v1/verdicts/{number}/thumbnail": OPERATOR,
    "GET /api/v1/verdicts/{number}/heatmap": OPERATOR,
    "POST /api/v1/verdicts/{number}/replay": ENGINEER,
    "GET /api/v1/verdicts/{number}/labels": OPERATOR,
    "POST /api/v1/verdicts/{number}/labels": OPERATOR,
    "DELETE /api/v1/verdicts/{number}/labels": OPERATOR,
    "GET /api/v1/events": OPERATOR,
    "GET /api/v1/jobs": OPERATOR,
    "POST /api/v1/products/{product}/fits": ENGINEER,
    "POST /api/v1/jobs/{number}/cancel": ENGINEER,
    "GET /api/v1/users": ADMINISTRATOR,
    "POST /api/v1/users": ADMINISTRATOR,
    "PATCH /api/v1/users/{name}": ADMINISTRATOR,
    "POST /api/v1/users/{name}/link": ADMINISTRATOR,
    "GET /api/v1/tokens": ADMINISTRATOR,
    "POST /api/v1/tokens": ADMINISTRATOR,
    "DELETE /api/v1/tokens/{name}": ADMINISTRATOR,
    "GET /api/v1/audit": ADMINISTRATOR,
    "GET /v2": ANYONE,
    "GET /v2/health/live": ANYONE,
    "GET /v2/health/ready": ANYONE,
    "GET /v2/models/{product}": OPERATOR,
    "GET /v2/models/{product}/ready": OPERATOR,
    "POST /v2/models/{product}/infer": OPERATOR,
    "POST /2020-11-20/projects/{product}/models/{version}/detect": OPERATOR,
    "GET /": OPERATOR,
    "GET /setup": ANYONE,
    "POST /setup": ANYONE,
    "GET /login": ANYONE,
    "POST /login": ANYONE,
    "POST /logout": OPERATOR,
    "GET /line/{product}": OPERATOR,
    "GET /line/{product}/current": OPERATOR,
    "GET /line/{product}/events": OPERATOR,
    "GET /history": OPERATOR,
    "GET /history/export": OPERATOR,
    "GET /verdicts/{number}": OPERATOR,
    "GET /review": OPERATOR,
    "GET /products": OPERATOR,
    "GET /products/{product}": OPERATOR,
    "GET /products/{product}/versions/{number}/scores": OPERATOR,
    "GET /products/{product}/jobs": OPERATOR,
    "GET /reports": OPERATOR,
    "GET /administration": ADMINISTRATOR,
    "GET /administration/check": ADMINISTRATOR,
}
"""The least role of each route."""


class NotLoggedIn(HTTPException):
    """A request without a login or a token."""

    def __init__(self) -> None:
        super().__init__(
            401, "log in, or send a token (Authorization: Bearer kg_...)", {"WWW-Authenticate": "Bearer"}
        )


async def check_access(request: Request) -> None:
    """Let a request pass if its caller may take its route; what follows finds the caller in `request.state`.

    Raises:
        HTTPException: 401 without a login, 403 with too low a role or without the CSRF token of the session.
    """
    request.state.caller = None
    least = ACCESS.get(f"{request.method} {request.scope['route'].path}")
    if least is None:  # a route that the table lacks is nobody's
        raise HTTPException(403, "nobody may take this route")
    if request.method not in ("GET", "HEAD"):
        _check_origin(request)
    if least == ANYONE:
        return
    caller = await run_in_threadpool(_caller, request)
    if caller is None:
        raise NotLoggedIn
    if not caller.may(least):
        raise HTTPException(403, f"this needs the role {least}; {caller.name} has the role {caller.role}")
    if caller.session is not None and request.method not in ("GET", "HEAD"):
        given = request.headers.get(CSRF) or await _form_field(request)
        if not secrets.compare_digest(given.encode(), caller.session.csrf.encode()):
            raise HTTPException(
                403, f"the header {CSRF} has not the token of this session; load the page anew"
            )
    request.state.caller = caller


def _caller(request: Request) -> Caller | None:
    """Who asks: by a token where there is one, else by the cookie of a browser."""
    station: Station = request.app.state.station
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        return caller_of_token(station.database, secret.strip()) if scheme.lower() == "bearer" else None
    cookie = request.cookies.get(COOKIE)
    return caller_of_session(station.database, cookie) if cookie else None


def _check_origin(request: Request) -> None:
    """Refuse a change that a page of another site asks for, also where nobody is logged in yet."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("Host"):
        raise HTTPException(403, "a page of another site may not ask for this")


async def _form_field(request: Request) -> str:
    """The CSRF token of a form without scripts."""
    if request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        return str((await request.form()).get("csrf_token", ""))
    return ""


def _station(request: Request) -> Station:
    found: Station = request.app.state.station
    return found


def _caller_of(request: Request) -> Caller:
    found: Caller = request.state.caller
    return found


TheStation = Annotated[Station, Depends(_station)]
"""The station, as a parameter of a route."""

TheCaller = Annotated[Caller, Depends(_caller_of)]
"""Who asks, as a parameter of a route that not anyone may take."""
