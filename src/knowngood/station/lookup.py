"""Finding what a route names, for those alone who may reach it: products, versions and verdicts."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, HTTPException, Path
from sqlalchemy import select
from sqlalchemy.orm import Session

from knowngood.station.access import TheCaller, TheStation
from knowngood.station.accounts import Caller
from knowngood.station.models import InspectorVersion, Product, Verdict

PRODUCT = r"^[\w][\w .-]{0,63}$"
"""What a product is named: letters, digits, and between them spaces, dots and dashes."""


def find_product(
    station: TheStation, caller: TheCaller, product: Annotated[str, Path(max_length=64)]
) -> Product:
    """The product of a route; 404 unless the caller may reach one."""
    with station.database.reading() as session:
        found = session.scalar(select(Product).where(Product.name == product))
    if found is None or not reaches(caller, found.name):
        raise HTTPException(404, f"product {product!r} is not known")
    return found


TheProduct = Annotated[Product, Depends(find_product)]
"""The product of a route, as its parameter."""


def find_version(
    station: TheStation, product: TheProduct, number: Annotated[int, Path(ge=1, lt=1 << 31)]
) -> InspectorVersion:
    """The version of a route; 404 for an unknown one."""
    with station.database.reading() as session:
        found = session.scalar(
            select(InspectorVersion).where(
                InspectorVersion.product_id == product.id, InspectorVersion.number == number
            )
        )
    if found is None:
        raise HTTPException(404, f"product {product.name!r} has no version {number}")
    return found


TheVersion = Annotated[InspectorVersion, Depends(find_version)]
"""The version of a route, as its parameter."""


def find_verdict(
    station: TheStation, caller: TheCaller, number: Annotated[int, Path(ge=1, lt=1 << 63)]
) -> Verdict:
    """The verdict of a route; 404 unless the caller may reach one."""
    with station.database.reading() as session:
        found = session.get(Verdict, number)
    if found is None or not reaches(caller, found.product.name):
        raise HTTPException(404, f"there is no verdict {number}")
    return found


TheVerdict = Annotated[Verdict, Depends(find_verdict)]
"""The verdict of a route, as its parameter."""


def products_of(session: Session, caller: Caller) -> list[Product]:
    """The products that a caller may reach, by name."""
    found = session.scalars(select(Product).order_by(Product.name))
    return [one for one in found if reaches(caller, one.name)]


def reaches(caller: Caller, product: str) -> bool:
    """Whether a caller may reach a product."""
    return caller.products is None or product in caller.products
