"""The fits of a product, as they go on."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from knowngood.station.access import TheStation
from knowngood.station.context import Station
from knowngood.station.lookup import TheProduct
from knowngood.station.models import Job, Product
from knowngood.station.pages.shown import page_router, show

router = page_router()

SHOWN = 5
"""Jobs that the page of a product lists."""


@router.get("/products/{product}/jobs")
def show_jobs(request: Request, station: TheStation, product: TheProduct) -> HTMLResponse:
    """The last jobs of a product; the page asks again while one goes on."""
    return show(request, "jobs.html.jinja", product=product, jobs=jobs_of(station, product))


def jobs_of(station: Station, product: Product) -> Sequence[Job]:
    """The last jobs of a product, the newest first."""
    with station.database.reading() as session:
        found = select(Job).where(Job.product_id == product.id).order_by(Job.id.desc()).limit(SHOWN)
        return session.scalars(found).all()
