"""Samples of several products: a folder of folders, or a table with a column that names the product."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from knowngood.data.files import SYSTEM_NAMES, search
from knowngood.data.meanings import BAD_WORDS, GOOD_WORDS, MASK_FOLDERS, SPLIT_OF
from knowngood.data.patterns import Patterns
from knowngood.data.product_names import PRODUCT, check_name
from knowngood.data.samples import DATA, Samples, data_path, load_samples
from knowngood.errors import DataError, escaped, quoted

Products = Mapping[str, Samples] | str | os.PathLike[str] | pd.DataFrame
"""Samples of several products: those of each by its name, a folder of folders, or a table with a column."""


def load_products(data: Products, patterns: Patterns | None = None) -> dict[str, pd.DataFrame]:
    """List the samples of each of several products.

    Args:
        data: A folder, of which each folder in it is that of a product and has a layout of its own, as
            `load_samples` knows it; a CSV or Parquet table, or the table itself, with a column `product`; or
            what `load_samples` takes for each product, by its name.
        patterns: Which files of the folder of a product are good, defects, masks, or to be ignored.

    Returns:
        A table as of `load_samples` for each product, by its name, in alphabetical order.

    Raises:
        DataError: The folder has no folder in it, or the table no column `product` or no name in a row; a
            name is too long, or `stranger`; or the samples of a product cannot be used.

    Example:
        >>> table = pd.DataFrame({"path": ["1.png", "2.png"], "label": "good", "product": ["nut", "bolt"]})
        >>> {name: list(samples["path"]) for name, samples in load_products(table).items()}
        {'bolt': ['2.png'], 'nut': ['1.png']}
    """
    if isinstance(data, str | os.PathLike) and Path(data).is_dir():
        data = _folders(Path(data))
    if isinstance(data, Mapping):
        given = data
        tables = {}
        for name, samples in given.items():
            with_patterns = patterns if isinstance(samples, str | os.PathLike) else None
            with in_product(name):
                tables[name] = load_samples(samples, with_patterns)
    else:
        table = load_samples(data, patterns)
        if PRODUCT not in table:
            raise DataError(
                f"the table {data_path(table)!r} has no column 'product'; add it, or name a folder with a "
                "folder for each product"
            )
        tables = by_product(table)
    for name, table in tables.items():
        check_name(name)
        table.attrs[DATA] = escaped(name)
    return dict(sorted(tables.items()))


def by_product(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Divide a table of samples by its column `product`.

    Raises:
        DataError: A row has no name in it.
    """
    if (unnamed := table[PRODUCT] == "").any():
        raise DataError(f"{quoted(table['path'][unnamed].iloc[0])} has no product; name it in the table")
    return {str(name): rows.reset_index(drop=True) for name, rows in table.groupby(PRODUCT)}


@contextmanager
def in_product(name: object) -> Iterator[None]:
    """Let what is wrong with the data of a product name that product."""
    try:
        yield
    except DataError as error:
        raise DataError(f"product {quoted(name)}: {error}", path=error.path) from error


def _folders(folder: Path) -> dict[str, Path]:
    """The folder of each product by its name; what a system makes or hides is passed over."""
    try:
        inside = [child for child in sorted(folder.iterdir()) if child.is_dir()]
    except OSError as error:
        raise DataError(f"folder {str(folder)!r} cannot be listed ({error.strerror})", path=folder) from error
    named = [one for one in inside if one.name[0] != "." and one.name.lower() not in SYSTEM_NAMES]
    for one in named:
        if one.name.lower() in (*SPLIT_OF, *GOOD_WORDS, *BAD_WORDS, *MASK_FOLDERS):
            raise DataError(
                f"{str(one)!r} is the folder of a class or a split, not of a product; name a folder "
                "that holds a folder for each product",
                path=one,
            )
    products = {escaped(one.name): one for one in named if search(one).images}
    if not products:
        raise DataError(
            f"folder {str(folder)!r} has no folder with images in it; of several products each has its own",
            path=folder,
        )
    return products
