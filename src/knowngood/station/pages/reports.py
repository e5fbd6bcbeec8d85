"""The report on a shift, for the screen and for paper."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import HTMLResponse

from knowngood.station.access import TheCaller, TheStation
from knowngood.station.lookup import products_of
from knowngood.station.models import now
from knowngood.station.pages.history import Moment
from knowngood.station.pages.shown import chosen, midnight, page_router, show
from knowngood.station.shift import shift_of

router = page_router()


@router.get("/reports")
def show_report(
    request: Request,
    station: TheStation,
    caller: TheCaller,
    product: Annotated[str | None, Query(max_length=64)] = None,
    since: Annotated[Moment, Query(alias="from")] = None,
    until: Annotated[Moment, Query(alias="to")] = None,
) -> HTMLResponse:
    """The report on a product between two times, which are today's unless named."""
    begin = since or midnight()
    end = until or max(begin, midnight()) + timedelta(days=1)
    with station.database.reading() as session:
        products = products_of(session, caller)
    shown = chosen(products, product)
    return show(
        request,
        "report.html.jinja",
        product=shown,
        products=[one.name for one in products],
        since=begin,
        until=end,
        made=now(),
        shift=shift_of(station, shown, begin.astimezone(UTC), end.astimezone(UTC)) if shown else None,
        ranges=_ranges(),
    )


def _ranges() -> list[tuple[str, datetime, datetime]]:
    """Times that are often asked for, with their names: the last shifts of eight hours, and two days."""
    today, hour = midnight().astimezone(), timedelta(hours=1)
    begins = [today + shift * 8 * hour + 6 * hour for shift in range(-4, 3)]
    shifts = [one for one in begins if one <= now()][-3:]
    found = [(f"{one:%a} {one:%H}–{one + 8 * hour:%H}", one, one + 8 * hour) for one in reversed(shifts)]
    days = [("Today", today, today + 24 * hour), ("Yesterday", today - 24 * hour, today)]
    return [*days, *found]
