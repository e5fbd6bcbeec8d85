"""The page of a line: the current part, large enough to read from five metres, live."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from knowngood.station.access import TheStation
from knowngood.station.context import Station
from knowngood.station.history import Search, counts, find_verdicts
from knowngood.station.lookup import TheProduct
from knowngood.station.models import Product, now
from knowngood.station.pages.shown import midnight, page_router, show

router = page_router()

SHOWN = 20
"""Verdicts that the page lists."""

LEAST_PATIENCE, MOST_PATIENCE = 10.0, 600.0
"""Seconds without a picture that the page remarks upon, at least and at most."""

_GAPS = 5  # a line that waits so many times as long as usual has stopped


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


def patience(times: Sequence[datetime]) -> float:
    """After how many seconds without a picture a line has stopped, by when its last pictures came.

    Example:
        >>> from datetime import timedelta
        >>> [patience([now() - timedelta(seconds=gap * at) for at in range(9)]) for gap in (1, 30)]
        [10.0, 150.0]
    """
    gaps = [(later - earlier).total_seconds() for later, earlier in pairwise(times)]
    usual = median(gaps) if gaps else 0.0
    return float(round(min(max(_GAPS * usual, LEAST_PATIENCE), MOST_PATIENCE)))


def _current(station: Station, product: Product) -> dict[str, Any]:
    """What the page shows."""
    with station.database.reading() as session:
        last = find_verdicts(session, [product.id], Search(limit=SHOWN)).verdicts
        today = counts(session, product.id, midnight())
    return {
        "product": product,
        "verdict": last[0] if last else None,
        "last": last,
        "today": today,
        "patience": patience([one.received for one in last]),
        "age": (now() - last[0].received).total_seconds() if last else 0.0,
    }
