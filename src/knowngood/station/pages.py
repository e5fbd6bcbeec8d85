"""The pages: server-rendered, with htmx for what changes while they are open."""

from __future__ import annotations

from collections.abc import AsyncIterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import select

from knowngood.errors import DataError
from knowngood.station.access import COOKIE, TheCaller, TheStation
from knowngood.station.accounts import LEAST_LETTERS, is_first, log_in, log_out, use_link
from knowngood.station.api.operation import problems
from knowngood.station.api.people import set_cookie
from knowngood.station.api.verdicts import Filters
from knowngood.station.context import Station
from knowngood.station.history import Page, Search, counts, find_verdicts
from knowngood.station.lookup import TheProduct, TheVerdict, reaches
from knowngood.station.models import Label, Product

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

SHOWN = 20
"""Verdicts that the page of a line lists."""

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


def show(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Fill a template; every one knows who is logged in (`caller`) and what is wrong (`problems`)."""
    caller = getattr(request.state, "caller", None)
    found = problems(request.app.state.station) if caller else []
    text = _TEMPLATES.get_template(template).render(
        caller=caller, problems=found, path=request.url.path, **values
    )
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


def show_error(request: Request, status: int, message: str) -> HTMLResponse:
    """A page that says what went wrong."""
    return show(request, "error.html.jinja", status, message=message)


@router.get("/")
def start(request: Request, station: TheStation, caller: TheCaller) -> HTMLResponse:
    """The products, each with its line."""
    with station.database.reading() as session:
        found = [
            one
            for one in session.scalars(select(Product).order_by(Product.name))
            if reaches(caller, one.name)
        ]
        today = {one.name: counts(session, one.id, _midnight()) for one in found}
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


@router.get("/line/{product}")
def show_line(request: Request, station: TheStation, product: TheProduct) -> HTMLResponse:
    """The current part of a product, live."""
    return show(request, "line.html.jinja", **_current(station, product))


@router.get("/line/{product}/current")
def show_current(request: Request, station: TheStation, product: TheProduct) -> HTMLResponse:
    """What changes on that page."""
    return show(request, "current.html.jinja", **_current(station, product))


@router.get("/line/{product}/events", response_class=EventSourceResponse)
async def listen(station: TheStation, product: TheProduct) -> AsyncIterable[ServerSentEvent]:
    """Hear of each verdict of a product, and at least every ten seconds that the service is there."""
    async for event in station.events.listen():
        if event is None:
            yield ServerSentEvent(event="beat", data={})
        elif event["product"] == product.name:
            yield ServerSentEvent(event="verdict", data=event)


@router.get("/history")
def show_history(
    request: Request, station: TheStation, caller: TheCaller, filters: Annotated[Filters, Query()]
) -> HTMLResponse:
    """Verdicts, searched."""
    given = filters.model_dump()
    name = given.pop("product")
    with station.database.reading() as session:
        products = [one for one in session.scalars(select(Product)) if reaches(caller, one.name)]
        chosen = [one.id for one in products if name in (None, one.name)]
        page = find_verdicts(session, chosen, Search(**given)) if chosen else Page([], None)
    return show(
        request, "history.html.jinja", page=page, filters=filters, products=[one.name for one in products]
    )


@router.get("/verdicts/{number}")
def show_verdict(request: Request, station: TheStation, verdict: TheVerdict) -> HTMLResponse:
    """One verdict with all that is known of it."""
    with station.database.reading() as session:
        labels = session.scalars(select(Label).where(Label.verdict_id == verdict.id).order_by(Label.id)).all()
    return show(request, "verdict.html.jinja", verdict=verdict, labels=labels)


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


def _current(station: Station, product: Product) -> dict[str, Any]:
    """What the page of a line shows."""
    with station.database.reading() as session:
        last = find_verdicts(session, [product.id], Search(limit=SHOWN)).verdicts
        today = counts(session, product.id, _midnight())
    return {"product": product, "verdict": last[0] if last else None, "last": last, "today": today}


def _midnight() -> datetime:
    """The begin of today, in UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
