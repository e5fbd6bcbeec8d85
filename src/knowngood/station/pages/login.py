"""Setting up, logging in and out, and the first page."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from knowngood.errors import DataError
from knowngood.station.access import COOKIE, TheCaller, TheStation
from knowngood.station.accounts import LEAST_LETTERS, is_first, log_in, log_out, use_link
from knowngood.station.api.people import set_cookie
from knowngood.station.context import Station
from knowngood.station.history import counts
from knowngood.station.lookup import products_of
from knowngood.station.pages.shown import midnight, page_router, show

router = page_router()


@router.get("/")
def start(request: Request, station: TheStation, caller: TheCaller) -> HTMLResponse:
    """The products, each with its line."""
    with station.database.reading() as session:
        today = {one.name: counts(session, one.id, midnight()) for one in products_of(session, caller)}
    return show(request, "start.html.jinja", today=today)


@router.get("/setup")
def show_setup(
    request: Request, station: TheStation, link: Annotated[str, Query(max_length=200)] = ""
) -> HTMLResponse:
    """Where a person sets a password by a link."""
    return _setup(request, station, link)


@router.post("/setup")
def set_up(
    request: Request,
    station: TheStation,
    link: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=1000)],
    name: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Set a password, and log in."""
    try:
        name = use_link(station.database, station.audit, link, password, name)
    except DataError as error:
        return _setup(request, station, link, str(error), 422)
    return _logged_in(station, name, password)


@router.get("/login")
def show_login(request: Request) -> HTMLResponse:
    """Where a person logs in."""
    return show(request, "login.html.jinja", message="")


@router.post("/login")
def login(
    request: Request,
    station: TheStation,
    name: Annotated[str, Form(max_length=100)],
    password: Annotated[str, Form(max_length=1000)],
) -> Response:
    """Log in."""
    try:
        return _logged_in(station, name, password)
    except DataError as error:
        return show(request, "login.html.jinja", 401, message=str(error))


@router.post("/logout")
def logout(station: TheStation, caller: TheCaller) -> RedirectResponse:
    """Log out."""
    if caller.session is not None:
        log_out(station.database, station.audit, caller.session)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response


def _setup(
    request: Request, station: Station, link: str, message: str = "", status: int = 200
) -> HTMLResponse:
    """The page of a link; the first administrator also chooses a name."""
    first = is_first(station.database, link)
    return show(
        request, "setup.html.jinja", status, link=link, first=first, message=message, least=LEAST_LETTERS
    )


def _logged_in(station: Station, name: str, password: str) -> RedirectResponse:
    """Log in and lead to the first page."""
    secret, _ = log_in(station.database, station.audit, name, password)
    response = RedirectResponse("/", 303)
    set_cookie(response, station, secret)
    return response
