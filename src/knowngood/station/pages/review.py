"""The page of what a person must look at."""

from __future__ import annotations

from typing import Annotated

from fastapi import HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from knowngood.station.access import TheCaller, TheStation
from knowngood.station.pages.shown import page_router, products_of, show
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
        chosen = next((one for one in products if product in (None, "", one.name)), None)
        if chosen is None and product:
            raise HTTPException(404, f"product {product!r} is not known")
        waiting = queue(session, chosen, caller.name) if chosen else []
        types = defect_types(session, chosen) if chosen else []
    return show(
        request,
        "review.html.jinja",
        product=chosen,
        products=[one.name for one in products],
        waiting=waiting,
        types=types,
        sample=SAMPLE,
        days=DAYS,
    )
