"""Filling the templates of pages, with times in the time zone of the station's machine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from knowngood.station.api.operation import problems
from knowngood.station.models import Product

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["clock"] = lambda moment: moment.astimezone().strftime("%H:%M:%S")
_TEMPLATES.filters["moment"] = lambda moment: moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
_TEMPLATES.filters["number"] = lambda value: f"{value:.4g}"
_TEMPLATES.filters["percent"] = lambda value: f"{100 * value:.2g} %"


def page_router() -> APIRouter:
    """A router of pages, which the interface's file does not list."""
    return APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def show(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Fill a template; every one knows who is logged in (`caller`) and what is wrong (`problems`)."""
    caller = getattr(request.state, "caller", None)
    found = problems(request.app.state.station) if caller else []
    text = _TEMPLATES.get_template(template).render(
        caller=caller,
        problems=found,
        path=request.url.path,
        zone=datetime.now().astimezone().tzname(),
        may=lambda role: caller is not None and caller.may(role),
        **values,
    )
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


def show_error(request: Request, status: int, message: str) -> HTMLResponse:
    """A page that says what went wrong."""
    return show(request, "error.html.jinja", status, message=message)


def chosen(products: Sequence[Product], name: str | None) -> Product | None:
    """The product of a name, the first one unless named; None without any product.

    Raises:
        HTTPException: 404 for a name that is not among them.
    """
    found = next((one for one in products if name in (None, "", one.name)), None)
    if found is None and name:
        raise HTTPException(404, f"product {name!r} is not known")
    return found


def midnight(day: date | None = None) -> datetime:
    """The begin of a day, today unless named, where the station stands.

    Example:
        >>> midnight(date(2026, 11, 30)).astimezone().hour
        0
    """
    return datetime.combine(day or datetime.now().astimezone().date(), time()).astimezone().astimezone(UTC)


def next_midnight(day: date) -> datetime:
    """The end of a day where the station stands."""
    return midnight(day + timedelta(days=1))
