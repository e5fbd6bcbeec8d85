"""What several commands do with inspectors and images of several products."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import knowngood
from knowngood.cli import options

if TYPE_CHECKING:
    import pandas as pd


def load_by_product(data: Path, patterns: knowngood.Patterns, *, folders: bool) -> dict[str, pd.DataFrame]:
    """Load the samples of each product by its name, or of one product under an empty name.

    They are of several products where the user says so, or where a table names several.
    """
    if folders:
        return knowngood.load_products(data, patterns)
    from knowngood.data.product_names import PRODUCT
    from knowngood.data.products import by_product

    table = options.load(data, patterns)
    if PRODUCT not in table or table[PRODUCT].nunique() < 2:
        return {"": table}
    return by_product(table)


def load_inspector(
    path: Path, product: str | None, engine: str | None = None
) -> knowngood.Inspector | knowngood.Products:
    """Load an inspector file, of several products the inspector of one where it is named.

    Raises:
        InspectorError: A product is not known, or named though the file is of one product.
    """
    from knowngood.inspector.products import load_inspector

    loaded = load_inspector(path, engine=engine)
    return loaded if product is None else chosen(loaded, product, path)[product]


def chosen(
    loaded: knowngood.Inspector | knowngood.Products, product: str | None, path: Path
) -> dict[str, knowngood.Inspector]:
    """The inspector of the product that is named, or of each by its name; of one product without a name.

    Raises:
        InspectorError: A product is not known, or named though the file is of one product.
    """
    if isinstance(loaded, knowngood.Products):
        return loaded.inspectors if product is None else {product: loaded[product]}
    if product is not None:
        from knowngood.errors import InspectorError

        raise InspectorError(f"{str(path)!r} is of one product; leave out --product")
    return {"": loaded}
