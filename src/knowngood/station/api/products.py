"""Products, and the versions of their inspectors: upload, another threshold, release, retire."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse
from pydantic import AwareDatetime
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from knowngood.station.access import TheCaller, TheStation
from knowngood.station.api.schemas import NewProduct, NewThreshold, ProductAnswer, VersionAnswer, Why
from knowngood.station.api.uploads import INSPECTOR_BODY, blocks_of
from knowngood.station.history import counts
from knowngood.station.inspecting import file_of
from knowngood.station.lookup import TheProduct, TheVersion, products_of, reaches
from knowngood.station.models import RELEASED, InspectorVersion, Product
from knowngood.station.settings import INSPECTOR_BYTES
from knowngood.station.versions import add_version, release, retire, with_threshold

router = APIRouter(prefix="/api/v1/products", tags=["products"])


@router.get("")
def list_products(station: TheStation, caller: TheCaller) -> list[ProductAnswer]:
    """List the products."""
    with station.database.reading() as session:
        numbers = dict(
            session.execute(
                select(InspectorVersion.product_id, InspectorVersion.number).where(
                    InspectorVersion.state == RELEASED
                )
            ).all()
        )
        return [
            ProductAnswer(name=one.name, created=one.created, released=numbers.get(one.id))
            for one in products_of(session, caller)
        ]


@router.post("", status_code=201)
def add_product(station: TheStation, caller: TheCaller, body: NewProduct) -> ProductAnswer:
    """Make a product."""
    if not reaches(caller, body.name):
        raise HTTPException(403, f"this token does not reach product {body.name!r}")
    with station.database.writing() as session:
        if session.scalar(select(Product.id).where(Product.name == body.name)) is not None:
            raise HTTPException(409, f"product {body.name!r} is there already")
        product = Product(name=body.name)
        session.add(product)
        station.audit.add(session, caller.name, "add product", after={"product": body.name})
    return ProductAnswer(name=product.name, created=product.created, released=None)


@router.get("/{product}")
def show_product(station: TheStation, product: TheProduct) -> ProductAnswer:
    """Show a product."""
    with station.database.reading() as session:
        number = session.scalar(
            select(InspectorVersion.number).where(
                InspectorVersion.product_id == product.id, InspectorVersion.state == RELEASED
            )
        )
    return ProductAnswer(name=product.name, created=product.created, released=number)


@router.get("/{product}/counts")
def count_verdicts(
    station: TheStation, product: TheProduct, since: Annotated[AwareDatetime, Query()]
) -> dict[str, int]:
    """Count the verdicts of each decision since a time."""
    with station.database.reading() as session:
        return counts(session, product.id, since)


@router.get("/{product}/versions")
def list_versions(station: TheStation, product: TheProduct) -> list[VersionAnswer]:
    """List the versions of a product's inspector."""
    with station.database.reading() as session:
        found = session.scalars(
            select(InspectorVersion)
            .where(InspectorVersion.product_id == product.id)
            .order_by(InspectorVersion.number)
        )
        return [VersionAnswer.of(one, product.name) for one in found]


@router.post(
    "/{product}/versions", status_code=201, openapi_extra=INSPECTOR_BODY, max_body_size=INSPECTOR_BYTES
)
async def upload_version(
    station: TheStation, caller: TheCaller, product: TheProduct, request: Request
) -> VersionAnswer:
    """Upload an inspector file, as the body or a form's file; it is a draft until it is released."""
    received = await station.storage.receive(blocks_of(request))
    try:
        about = await asyncio.wrap_future(station.workers.describe(received.path))
        version = await run_in_threadpool(add_version, station, caller.name, product, received.path, about)
    finally:
        received.path.unlink(missing_ok=True)
    return VersionAnswer.of(version, product.name)


@router.get("/{product}/versions/{number}")
def show_version(product: TheProduct, version: TheVersion) -> VersionAnswer:
    """Show a version."""
    return VersionAnswer.of(version, product.name)


@router.get("/{product}/versions/{number}/file", response_class=FileResponse)
def download_version(station: TheStation, product: TheProduct, version: TheVersion) -> FileResponse:
    """Download the inspector file of a version."""
    name = f"{product.name}-{version.number}.inspector"
    return FileResponse(file_of(station, version), media_type="application/octet-stream", filename=name)


@router.post("/{product}/versions/{number}/threshold", status_code=201)
async def set_threshold(
    station: TheStation, caller: TheCaller, product: TheProduct, version: TheVersion, body: NewThreshold
) -> VersionAnswer:
    """Make another version with another threshold, a draft."""
    path = await run_in_threadpool(with_threshold, station, version, body.value)
    try:
        about = await asyncio.wrap_future(station.workers.describe(path))
        made = await run_in_threadpool(add_version, station, caller.name, product, path, about, body.reason)
    finally:
        path.unlink(missing_ok=True)
    return VersionAnswer.of(made, product.name)


@router.post("/{product}/versions/{number}/release")
async def release_version(
    station: TheStation, caller: TheCaller, product: TheProduct, version: TheVersion, body: Why
) -> VersionAnswer:
    """Release a version: it inspects from now on, and the one before is retired."""
    compiled = station.workers.describe(file_of(station, version))
    await asyncio.wrap_future(compiled)
    made = await run_in_threadpool(release, station, caller.name, product, version, body.reason)
    return VersionAnswer.of(made, product.name)


@router.post("/{product}/versions/{number}/retire")
def retire_version(
    station: TheStation, caller: TheCaller, product: TheProduct, version: TheVersion, body: Why
) -> VersionAnswer:
    """Retire a version: it inspects no more."""
    return VersionAnswer.of(retire(station, caller.name, product, version, body.reason), product.name)
