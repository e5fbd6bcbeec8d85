"""Synthetic defects on the good images of a data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.arguments import Images
from knowngood.data.decoding import Source, name_of
from knowngood.data.images import read_image, resize, significant_bits, three_channels
from knowngood.data.selection import good_sources
from knowngood.data.synthetic_defects import LEAST_SIDE, Damaged
from knowngood.errors import DataError


class Variant(NamedTuple):
    """A damaged image, and the real defect that what is on it varies."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    defect: str  # the type of that real defect
    like: str  # the image of that real defect
    rejected: str  # why other samples were not taken, with how often


Make = Callable[[NDArray[np.uint8], np.random.Generator], Damaged | Variant | None]
"""Damages an image `(H, W, 3)` by random numbers; None where that fails."""


class SyntheticDefect(NamedTuple):
    """A damaged copy of a good image."""

    name: str  # of the good image: its path, or its place among images in memory
    type: str  # a name in `knowngood.data.synthetic_defects.TYPES`, or `GENERATED`
    image: NDArray[np.uint8]  # RGB (H, W, 3)
    mask: NDArray[np.bool_]  # the pixels that changed (H, W)
    defect: str = ""  # the type of the real defect that it varies; empty where it varies none
    like: str = ""  # the image of that real defect
    rejected: str = ""  # why other samples were not taken, with how often


def on_good_images(
    data: pd.DataFrame | Images, makes: Mapping[str, Make], *, count: int, seed: int, side: int | None
) -> Iterator[SyntheticDefect]:
    """Damage some good images in each of several ways, by name; see `knowngood.inspector.synthetic`.

    Raises:
        DataError: The data cannot be used, or a good image cannot be read or is too small.

    Example:
        >>> from knowngood.data.synthetic_defects import TYPES
        >>> photographs = np.random.default_rng(0).integers(0, 255, (4, 32, 32), np.uint8)
        >>> [one] = on_good_images(photographs, {"scar": TYPES["scar"]}, count=1, seed=0, side=None)
        >>> one.type, one.mask.shape
        ('scar', (32, 32))
    """
    if count < 1:
        raise DataError(f"count={count} images; draw on at least 1")
    sources = good_sources(data).sources
    drawn = np.resize(np.random.default_rng(seed).permutation(len(sources)), count)
    bits = significant_bits(sources) or 16
    return (
        SyntheticDefect(name_of(sources[row], row), name, *made)
        for at, row in enumerate(drawn.tolist())
        for image in [_read(sources[row], row, bits, side)]
        for name, make in makes.items()
        if (made := make(image, _chance(seed, at, name))) is not None
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
    return shrunk(image, side)


def shrunk(image: NDArray[np.uint8], side: int | None) -> NDArray[np.uint8]:
    """Shrink an image to so many pixels on the longer side; None, or a larger number, leaves it as it is.

    Example:
        >>> shrunk(np.zeros((64, 128, 3), np.uint8), 32).shape
        (16, 32, 3)
    """
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width)) if side else 1.0
    return resize(image, (max(LEAST_SIDE, round(scale * height)), max(LEAST_SIDE, round(scale * width))))


def _chance(seed: int, place: int, name: str) -> np.random.Generator:
    """The random numbers of one defect: they depend on no other one."""
    return np.random.default_rng([seed, place, *os.fsencode(name)])
