"""Images that a program holds, with their labels, as a table of samples.

Such a table has the images in the column `HELD`, and masks in `HELD_MASK`; all else reads both through
`sources_of` and `masks_of`, whether a table holds images or names files.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from knowngood.data.arguments import CHANNELS, Images, each_source, pixels_of
from knowngood.data.decoding import Mask, Source, name_of
from knowngood.data.meanings import BAD_WORDS, GOOD_WORDS
from knowngood.data.pairs import REFERENCE, Pair
from knowngood.errors import DataError, quoted

HELD, HELD_MASK = "image in memory", "mask in memory"
"""Columns that no table of a user has."""

Labels = Iterable[Any]
"""The label of each image: `good` or a word for it, `defect` or a word for it, or a type of defect; or False
and True, or 0 and 1, for good parts and defects.
"""

Masks = Iterable[Any]
"""The mask of each image: a file, an array `(H, W)`, or None for an image without one."""


def sources_of(table: pd.DataFrame) -> list[Source]:
    """The images of a table of samples, from memory or as the paths of their files, with their references.

    Example:
        >>> sources_of(pd.DataFrame({"path": ["a.png"]}))
        ['a.png']
    """
    sources: list[Source] = table[HELD if HELD in table else "path"].tolist()
    if REFERENCE in table:
        pairs = zip(sources, table[REFERENCE], strict=True)
        return [Pair(one, own) if own and isinstance(one, str) else one for one, own in pairs]
    return sources


def masks_of(table: pd.DataFrame) -> list[Mask]:
    """The masks of a table of samples, empty for an image without one."""
    masks: list[Mask] = table[HELD_MASK if HELD_MASK in table else "mask"].tolist()
    return masks


def list_sources(images: Images) -> list[Source]:
    """List images of a program as files by their name, bytes and arrays; an array `(N, H, W)` is a batch.

    Raises:
        DataError: One is no image.

    Example:
        >>> [image.shape for image in list_sources(np.zeros((2, 28, 28), np.uint8))]
        [(28, 28), (28, 28)]
    """
    batch = pixels_of(images)
    # Three or four columns are no image: such an array is one image in colour.
    if batch is not None and not (batch.ndim == 4 or (batch.ndim == 3 and batch.shape[2] > max(CHANNELS))):
        raise DataError(
            f"an array of shape {batch.shape} came; expected images as (N, H, W) or (N, H, W, 3), or a list "
            "of them"
        )
    return [
        str(source) if isinstance(source, Path) else source
        for source in each_source(images if batch is None else list(batch))
    ]


def held_samples(images: Images, labels: Labels, masks: Masks | None = None) -> pd.DataFrame:
    """Make a table for `knowngood.data.tables.check_samples` of images and their labels.

    Args:
        images: In any form of `knowngood.data.arguments.Images`, where an array (N, H, W) is a batch.
        labels: One for each image; see `Labels`.
        masks: One for each image; see `Masks`.

    Raises:
        DataError: One is no image, no label or no mask, or there are more or fewer labels than images.

    Example:
        >>> table = held_samples(np.zeros((2, 28, 28), np.uint8), ["ok", "dent"])
        >>> table[["path", "label", "defect"]].to_numpy().tolist()
        [['[0]', 'good', ''], ['[1]', 'defect', 'dent']]
    """
    sources = list_sources(images)
    if not sources:
        raise DataError("there are no images")
    named = [_label(value, position) for position, value in enumerate(_listed(labels))]
    given = [None] * len(sources) if masks is None else _listed(masks)
    for noun, number in (("labels", len(named)), ("masks", len(given))):
        if number != len(sources):
            raise DataError(f"{number} {noun} came for {len(sources)} images; give one for each")
    held = [_mask(value, position) for position, value in enumerate(given)]
    names = [name_of(source, position) for position, source in enumerate(sources)]
    columns: dict[str, list[Any]] = {
        "path": names,
        "label": [label for label, _ in named],
        "defect": [defect for _, defect in named],
        "mask": [name_of(mask, row) if len(mask) else "" for row, mask in enumerate(held)],
        HELD: sources,
        HELD_MASK: held,
    }
    return pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in columns.items()})


def _listed(values: Iterable[Any]) -> list[Any]:
    """All values, those of arrays and tensors as Python's own."""
    if hasattr(values, "tolist") and getattr(values, "ndim", 0) == 1:
        return list(values.tolist())
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise DataError(f"{quoted(values)} came for labels or masks; give a list of one for each image")
    return list(values)


def _label(value: Any, position: int) -> tuple[str, str]:
    """The label and the type of defect that one label of a user means."""
    if isinstance(value, str) and value.strip():
        word = value.strip().lower()
        return ("good", "") if word in GOOD_WORDS else ("defect", "" if word in BAD_WORDS else value)
    if isinstance(value, bool | int | np.bool_ | np.integer) and value in (0, 1):
        return ("defect" if value else "good"), ""
    raise DataError(
        f"label [{position}] is {quoted(value)}; give 'good', 'defect' or a type of defect, or 0 for good "
        "parts and 1 for defects"
    )


def _mask(value: Any, position: int) -> Mask:
    """One mask of a user as the column `HELD_MASK` has it."""
    if value is None:
        return ""
    if isinstance(value, str | Path):
        return str(value)
    pixels = np.asarray(value.detach().cpu() if hasattr(value, "cpu") else value)
    if pixels.ndim == 3 and 1 in pixels.shape:  # one channel, first or last
        pixels = pixels.squeeze(0 if pixels.shape[0] == 1 else -1)
    if pixels.ndim != 2 or not np.can_cast(pixels.dtype, np.float64):
        raise DataError(f"mask [{position}] has shape {pixels.shape}; give a file, an array (H, W) or None")
    return pixels
