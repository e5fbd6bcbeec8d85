"""Products, and the versions of an inspector: upload, release, and a threshold on the scores."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy import select

from knowngood.station.access import TheCaller, TheStation
from knowngood.station.lookup import TheProduct, TheVersion, products_of
from knowngood.station.models import RELEASED, InspectorVersion
from knowngood.station.pages.fits import jobs_of
from knowngood.station.pages.shown import page_router, show
from knowngood.station.scores import scores_of

router = page_router()


@router.get("/products")
def show_products(request: Request, station: TheStation, caller: TheCaller) -> HTMLResponse:
    """The products, and where to make another one."""
    with station.database.reading() as session:
        products = products_of(session, caller)
        versions = {
            one.product_id: one
            for one in session.scalars(select(InspectorVersion).where(InspectorVersion.state == RELEASED))
        }
    return show(request, "products.html.jinja", products=products, versions=versions)


@router.get("/products/{product}")
def show_product(request: Request, station: TheStation, product: TheProduct) -> HTMLResponse:
    """A product and its inspectors."""
    with station.database.reading() as session:
        versions = session.scalars(
            select(InspectorVersion)
            .where(InspectorVersion.product_id == product.id)
            .order_by(InspectorVersion.number.desc())
        ).all()
    released = next((one for one in versions if one.state == RELEASED), None)
    return show(
        request,
        "product.html.jinja",
        product=product,
        versions=versions,
        released=released,
        chosen=released or (versions[0] if versions else None),
        jobs=jobs_of(station, product),
    )


@router.get("/products/{product}/versions/{number}/scores", response_class=JSONResponse)
def show_scores(station: TheStation, product: TheProduct, version: TheVersion) -> JSONResponse:
    """The scores on which a threshold is chosen."""
    return JSONResponse(scores_of(station, product, version)._asdict())
