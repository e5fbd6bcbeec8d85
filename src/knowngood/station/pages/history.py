"""Verdicts, searched, exported, and one with all that is known of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, BeforeValidator, FiniteFloat, StringConstraints
from sqlalchemy import select

from knowngood.station.access import TheCaller, TheStation
from knowngood.station.accounts import Caller
from knowngood.station.context import Station
from knowngood.station.export import MEDIA_TYPES, exported
from knowngood.station.history import MOST, PAGE, Page, Search, find_verdicts
from knowngood.station.lookup import TheVerdict, products_of
from knowngood.station.models import Label, Product, Verdict
from knowngood.station.pages.shown import page_router, show

router = page_router()


def _local(value: Any) -> Any:
    """A time as a form gives it, where the station stands; None for an empty field."""
    if isinstance(value, str) and value:
        try:
            return datetime.fromisoformat(value).astimezone()
        except (ValueError, OverflowError):
            return value
    return value or None


Empty = BeforeValidator(lambda value: None if value == "" else value)
Name = Annotated[str, StringConstraints(max_length=64)]
Place = Annotated[str, StringConstraints(max_length=100)]
Moment = Annotated[datetime | None, BeforeValidator(_local)]


class Fields(BaseModel):
    """What the form of the page asks for; an empty field asks for all."""

    product: Annotated[Name | None, Empty] = None
    since: Moment = None
    until: Moment = None
    decision: Annotated[Literal["accept", "reject", "review"] | None, Empty] = None
    label: Annotated[Literal["good", "defect", "none"] | None, Empty] = None
    score: Annotated[FiniteFloat | None, Empty] = None
    after: Annotated[Place | None, Empty] = None
    limit: Annotated[int, Query(ge=1, le=MOST)] = PAGE

    def search(self) -> Search:
        """What is searched for."""
        return Search(**self.model_dump(exclude={"product"}))

    def query(self, **more: str) -> str:
        """The query of another page of the same search."""
        given = self.model_dump(exclude={"after"}, exclude_defaults=True)
        for name in given.keys() & {"since", "until"}:
            given[name] = given[name].isoformat(timespec="minutes")
        return urlencode(given | more)


@router.get("/history")
def show_history(
    request: Request, station: TheStation, caller: TheCaller, fields: Annotated[Fields, Query()]
) -> HTMLResponse:
    """Verdicts, searched."""
    names, chosen = _chosen(station, caller, fields)
    with station.database.reading() as session:
        page = find_verdicts(session, chosen, fields.search()) if chosen else Page([], None)
    return show(request, "history.html.jinja", page=page, fields=fields, products=names)


@router.get("/history/export")
def export(
    station: TheStation,
    caller: TheCaller,
    fields: Annotated[Fields, Query()],
    form: Annotated[Literal["csv", "parquet"], Query(alias="as")] = "csv",
) -> Response:
    """The verdicts of a search as a table."""
    _, chosen = _chosen(station, caller, fields)
    headers = {"Content-Disposition": f'attachment; filename="verdicts.{form}"'}
    content = exported(station, chosen, fields.search(), form)
    return Response(content, media_type=MEDIA_TYPES[form], headers=headers)


@router.get("/verdicts/{number}")
def show_verdict(request: Request, station: TheStation, verdict: TheVerdict) -> HTMLResponse:
    """One verdict with all that is known of it."""
    ids = select(Verdict.id).where(Verdict.product_id == verdict.product_id)
    here, of = Verdict.received, verdict.received
    with station.database.reading() as session:
        labels = session.scalars(select(Label).where(Label.verdict_id == verdict.id).order_by(Label.id)).all()
        before = session.scalar(ids.where(here < of).order_by(here.desc()).limit(1))
        after = session.scalar(ids.where(here > of).order_by(here).limit(1))
    return show(request, "verdict.html.jinja", verdict=verdict, labels=labels, before=before, after=after)


def _chosen(station: Station, caller: Caller, fields: Fields) -> tuple[list[str], list[int]]:
    """The names of the products that may be searched, and the row numbers of those that are."""
    with station.database.reading() as session:
        products: list[Product] = products_of(session, caller)
    return [one.name for one in products], [one.id for one in products if fields.product in (None, one.name)]
