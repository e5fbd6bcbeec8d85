"""The names of products."""

from __future__ import annotations

import re
from collections.abc import Sequence

from knowngood.errors import DataError, escaped, quoted
from knowngood.inputs import LONGEST_NAME

PRODUCT = "product"
"""The column of a table that names the product of each image."""

STRANGER = "stranger"
"""In the place of a product's name: the image shows none of the products."""


def check_name(name: object) -> None:
    """Refuse a name that no verdict can have.

    Raises:
        DataError: It is no text, empty, too long, holds what would control a terminal, or is `STRANGER`.
    """
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or name != escaped(name):
        raise DataError(f"{quoted(name)} is no name of a product; take a text of 1 to {LONGEST_NAME} letters")
    if name == STRANGER:
        raise DataError(f"{name!r} stands for an image of no known product; give the product another name")


def folder_names(names: Sequence[str]) -> list[str]:
    """Names of folders for products: letters, digits, points, underscores and hyphens, no two alike.

    Example:
        >>> folder_names(["nut", "nut M4/zinc", "Nut"])
        ['nut', 'nut-M4-zinc', 'Nut-2']
    """
    found: list[str] = []
    for name in names:
        safe = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or PRODUCT
        taken = [one.casefold() for one in found]  # some systems make no difference between nut and Nut
        others = (f"{safe}-{number}" if number > 1 else safe for number in range(1, len(names) + 1))
        found.append(next(one for one in others if one.casefold() not in taken))
    return found
