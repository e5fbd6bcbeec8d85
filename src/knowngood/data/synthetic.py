"""Synthetic defects on the good images of a data set."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.arguments import Images
from knowngood.data.decoding import Source, name_of
from knowngood.data.images import read_image, resize, significant_bits, three_channels
from knowngood.data.selection import good_sources
from knowngood.data.synthetic_defects import LEAST_SIDE, TYPES, check_types
from knowngood.errors import DataError


class SyntheticDefect(NamedTuple):
    """A damaged copy of a good image."""

    name: str  # of the good image: its path, or its place among images in memory
    type: str  # a name in `knowngood.data.synthetic_defects.TYPES`
    image: NDArray[np.uint8]  # RGB (H, W, 3)
    mask: NDArray[np.bool_]  # the pixels that changed (H, W)


def synthetic(
    data: pd.DataFrame | Images,
    types: Sequence[str] | None = None,
    *,
    count: int = 8,
    seed: int = 0,
    side: int | None = None,
) -> Iterator[SyntheticDefect]:
    """Draw synthetic defects on good images, one of each type on each of some images.

    Args:
        data: A folder, a table or good images, as `fit` takes them.
        types: Names in `knowngood.data.synthetic_defects.TYPES`; by default all of them.
        count: How many images, drawn at random; of fewer good images, each is used more than once.
        seed: The same seed on the same images gives the same defects, whatever other types are drawn.
        side: Shrink larger images first, to so many pixels on the longer side.

    Returns:
        An iterator over the images, and for each of them over the types.

    Raises:
        DataError: The data cannot be used, or a good image cannot be read or is too small.
        RecipeError: A type is not known.

    Example:
        >>> photographs = np.random.default_rng(0).integers(0, 255, (4, 32, 32), np.uint8)
        >>> defects = list(synthetic(photographs, ["scar", "blur"], count=3))
        >>> len(defects), defects[0].type, defects[0].mask.shape
        (6, 'scar', (32, 32))
    """
    names = list(TYPES) if types is None else list(types)
    check_types(names)
    if count < 1:
        raise DataError(f"count={count} images; draw on at least 1")
    sources = good_sources(data).sources
    drawn = np.resize(np.random.default_rng(seed).permutation(len(sources)), count)
    bits = significant_bits(sources) or 16
    return (
        SyntheticDefect(name_of(sources[row], row), name, *TYPES[name](image, _chance(seed, at, name)))
        for at, row in enumerate(drawn.tolist())
        for image in [_read(sources[row], row, bits, side)]
        for name in names
    )


def _read(source: Source, row: int, bits: int, side: int | None) -> NDArray[np.uint8]:
    """Read an image, and shrink a large one."""
    image = three_channels(read_image(source, bits=bits))
    height, width = image.shape[:2]
    if min(height, width) < LEAST_SIDE:
        raise DataError(
            f"{name_of(source, row)!r} has {width} x {height} pixels, and a synthetic defect needs "
            f"{LEAST_SIDE} a side; take larger images"
        )
    scale = min(1.0, side / max(height, width)) if side else 1.0
    return resize(image, (max(LEAST_SIDE, round(scale * height)), max(LEAST_SIDE, round(scale * width))))


def _chance(seed: int, place: int, name: str) -> np.random.Generator:
    """The random numbers of one defect: they depend on no other one."""
    return np.random.default_rng([seed, place, *os.fsencode(name)])
