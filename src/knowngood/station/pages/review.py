"""The page of what a person must look at."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import HTMLResponse

from knowngood.station.access import TheCaller, TheStation
from knowngood.station.lookup import products_of
from knowngood.station.pages.shown import chosen, page_router, show
from knowngood.station.review import DAYS, SAMPLE, defect_types, queue

router = page_router()


@router.get("/review")
def show_review(
    request: Request,
    station: TheStation,
    caller: TheCaller,
    product: Annotated[str | None, Query(max_length=64)] = None,
) -> HTMLResponse:
    """The queue of a product, the first one unless named."""
    with station.database.reading() as session:
        products = products_of(session, caller)
        shown = chosen(products, product)
        waiting = queue(session, shown, caller.name) if shown else []
        types = defect_types(session, shown) if shown else []
    return show(
        request,
        "review.html.jinja",
        product=shown,
        products=[one.name for one in products],
        waiting=waiting,
        types=types,
        sample=SAMPLE,
        days=DAYS,
    )
