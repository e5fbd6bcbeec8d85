"""The images to fit on: good ones of a folder, of a table, or as a program holds them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import pandas as pd

from knowngood.data.arguments import Images
from knowngood.data.decoding import Mask, Source
from knowngood.data.held import list_sources, sources_of
from knowngood.data.image_names import names_of, places
from knowngood.data.product_names import PRODUCT
from knowngood.data.samples import data_name, load_samples
from knowngood.errors import DataError

T = TypeVar("T")


class Selection(NamedTuple):
    """The images to fit on; see `knowngood.data.imageset.ImageSet` for the fields,
    `knowngood.data.image_names.names_of` for the names, and `knowngood.data.samples.data_name` for `data`.
    """

    sources: list[Source]
    classes: list[str] | None = None
    groups: list[Any] | None = None
    masks: list[Mask] | None = None
    names: list[str] | None = None
    left_out: Mapping[str, Source] = MappingProxyType({})
    data: str = ""

    def without(self, wanted: str | Path | Sequence[str | Path]) -> Selection:
        """All images but some, with all that is known of them, and those that are left out by name.

        Raises:
            DataError: A name is that of no image, or of several; or no image is left.
        """
        names = names_of(self.sources)
        rows = places([wanted] if isinstance(wanted, str | Path) else wanted, self.sources, names)
        kept = [row for row in range(len(names)) if row not in rows]
        _check_any(len(kept))

        def of(column: list[T] | None) -> list[T] | None:
            return None if column is None else [column[row] for row in kept]

        return Selection(
            [self.sources[row] for row in kept],
            of(self.classes),
            of(self.groups),
            of(self.masks),
            of(names),
            {names[row]: self.sources[row] for row in sorted(rows)},
            self.data,
        )


def good_train(table: pd.DataFrame) -> pd.DataFrame:
    """Select the good images of the train split; a DataError if there are none.

    Example:
        >>> table = pd.DataFrame({"path": list("abc"), "label": "good", "split": ["train", "test", "train"]})
        >>> good_train(table)["path"].tolist()
        ['a', 'c']
    """
    good = table[(table["split"] == "train") & (table["label"] == "good")]
    _check_any(len(good))
    return good


def good_sources(data: pd.DataFrame | Images, classes: Iterable[Any] | None = None) -> Selection:
    """List the good images to fit on.

    Args:
        data: Input of `load_samples`, for the good images of its train split; or good images alone, in any
            form of `knowngood.data.arguments.Images`, where an array (N, H, W) is a batch.
        classes: The class of each image, where images are given alone.

    Raises:
        DataError: The folder or table cannot be used, there are fewer than two good images, one of them is no
            file or image array, or a file is named twice; or there is not one class per image.

    Example:
        >>> import numpy as np
        >>> good = good_sources(np.zeros((2, 28, 28), np.uint8), classes=[3, 8])
        >>> len(good.sources), good.groups, good.classes
        (2, None, ['3', '8'])
    """
    if isinstance(data, str | os.PathLike | pd.DataFrame):
        if classes is not None:
            raise DataError("classes go with images given alone; a table has them in a column 'class'")
        samples = load_samples(data)
        good = good_train(samples)
        if PRODUCT in good and good[PRODUCT].nunique() > 1:
            raise DataError(
                f"the table names {good[PRODUCT].nunique()} products: `knowngood.fit_products` fits an "
                "inspector to each; without its column 'product', one is fitted to all of them"
            )
        of_class, groups = (good[name].tolist() if name in good else None for name in ("class", "group"))
        return Selection(sources_of(good), of_class, groups, data=data_name(samples))
    sources = list_sources(data)
    files = Counter(source for source in sources if isinstance(source, str))
    twice = [path for path, times in files.items() if times > 1]
    if twice:
        raise DataError(
            f"{len(twice)} good image(s) are named more than once, such as {twice[0]!r}; name each once"
        )
    _check_any(len(sources))
    if classes is None:
        return Selection(sources)
    named = pd.Series(list(classes), dtype=object).fillna("").astype(str).tolist()
    if len(named) != len(sources):
        raise DataError(f"{len(named)} classes came for {len(sources)} good images; give one for each")
    return Selection(sources, named)


def _check_any(number: int) -> None:
    """Refuse a fit without a good image."""
    if number == 0:
        raise DataError("there are no good images to train on; an inspector is fitted on good parts alone")
