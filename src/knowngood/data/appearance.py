"""How bright and how sharp images are, and where defects are on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.class_names import class_of_each
from knowngood.data.decoding import Mask, Source
from knowngood.data.held import masks_of, sources_of
from knowngood.data.images import read_image, read_mask
from knowngood.data.threads import in_threads
from knowngood.errors import DataError, UnreadableImage
from knowngood.types import Progress, silent

GRID = 64
"""Places of a map of defects on a side, whatever shape the images have."""

FAR = 3.0
"""Interquartile ranges from the middle half from which on a value stands out (Tukey 1977, "far out")."""

_SIDE = 512  # pixels on the longer side at which sharpness is measured, so that sizes compare


class Appearance(NamedTuple):
    """What was measured of one image."""

    brightness: float = np.nan  # mean grey level, 0 to 255
    sharpness: float = np.nan  # standard deviation of the Laplacian, in grey levels
    area: float = np.nan  # share of the image that masks mark; not a number without a mask


@dataclass
class Appearances:
    """What was measured of the images of a table.

    Args:
        rows: The columns `path`, `name` (the class) and those of `Appearance`; images that cannot be read are
            left out.
        places: Share of the masks of defects that mark a place, `(GRID, GRID)`.
    """

    rows: pd.DataFrame
    places: NDArray[np.float64] = field(default_factory=lambda: np.zeros((GRID, GRID)))


def appearances(table: pd.DataFrame, *, bits: int | None = 16, progress: Progress = silent) -> Appearances:
    """Measure all images of a table of samples.

    Sharpness is the root of the variance of the Laplacian (Pech-Pacheco et al. 2000,
    doi:10.1109/ICPR.2000.903548), of images of at most 512 pixels a side.

    Args:
        table: Samples, as `knowngood.load_samples` returns them.
        bits: Number of bits used in 16-bit pixels.
        progress: Called during long work.
    """
    columns = (sources_of(table), masks_of(table), table["path"], class_of_each(table))
    files = list(zip(*columns, strict=True))
    rows, places, masks = [], np.zeros((GRID, GRID)), 0

    def measure(one: tuple[Source, Mask, str, str]) -> tuple[Appearance, NDArray[np.float64] | None] | None:
        try:
            image = read_image(one[0], bits=bits)
        except UnreadableImage:
            return None
        return _measured(image, one[1])

    for done, (found, (_, _, path, name)) in enumerate(
        zip(in_threads(measure, files), files, strict=True), start=1
    ):
        progress("measuring images", done, len(files))
        if found is not None:
            rows.append((path, name, *found[0]))
            if found[1] is not None:
                places += found[1]
                masks += 1
    return Appearances(
        pd.DataFrame(rows, columns=["path", "name", *Appearance._fields]), places / max(masks, 1)
    )


def standing_out(values: pd.Series[float]) -> NDArray[np.bool_]:
    """Return which values are far outside, on either side: beyond the quartiles by `FAR` of their distance.

    Example:
        >>> standing_out(pd.Series([1.0, 2, 3, 4, 5, 99])).tolist()
        [False, False, False, False, False, True]
    """
    low, high = values.quantile(0.25), values.quantile(0.75)
    return np.asarray((values < low - FAR * (high - low)) | (values > high + FAR * (high - low)))


def _measured(image: NDArray[np.uint8], mask: Mask) -> tuple[Appearance, NDArray[np.float64] | None]:
    """Measure one image (H, W, 3) and its mask; a mask that cannot be used counts as none."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, _SIDE / max(grey.shape))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
    found = Appearance(float(grey.mean()), float(cv2.Laplacian(small, cv2.CV_32F).std()))
    if not len(mask):
        return found, None
    try:
        marked = read_mask(mask, (image.shape[0], image.shape[1]))
    except DataError:
        return found, None
    share = cv2.resize(marked.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
    return found._replace(area=float(marked.mean())), (share > 0).astype(np.float64)
