"""How fine to look: the network's input size and the tiles, from the pictures and the smallest defect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from timeit import repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import Source
from knowngood.data.part_size import part_side
from knowngood.data.roi import Roi
from knowngood.data.tiling import LEAST_SIDE, Tiling
from knowngood.errors import RecipeError, quoted
from knowngood.recipe import settings_of

if TYPE_CHECKING:
    from knowngood.classifiers.base import Classifier
    from knowngood.detectors.base import Detector
    from knowngood.inspector.inspector import Inspector
    from knowngood.inspector.manifest import Manifest

DETAILS = ("fast", "normal", "fine")

SPAN = 24
"""Pixels of the network's input that a defect must span: one and a half patches of PatchCore. Screws whose
defects spanned so many in the median had an image AUROC of 0.99, at 17 pixels 0.95, at 13 pixels 0.85."""

FAST = 0.6
"""The side of a fast input, as a share of the usual one."""

MOST = 2.5
"""The side of the largest input, as a multiple of the usual one: beyond that, tiles take less memory."""

ENLARGED = 2.0
"""How far a picture is enlarged at most because of a small defect or tiles, as a factor of its side."""

RIM = 7
"""The rim of a tile is one part in so many of its side: four of PatchCore's patches."""

FAR_LARGER = 1.5
"""Tiles are of use if a picture has a side that many times as long as theirs."""

_CALLS = 5


@dataclass(frozen=True)
class Looking:
    """What a user asks for.

    Args:
        tiles: `auto`, `none`, or the side of a tile in pixels of the picture; None to leave it to the detail.
        detail: One of `DETAILS`.
        smallest_defect: Its side in pixels, as `12px`, or as a share of the picture's side, as `3%`; None to
            leave it to the detail.

    Raises:
        RecipeError: A value is another one, or both a detail and a smallest defect are asked for.

    Example:
        >>> Looking(smallest_defect="3%").pixels(400.0)
        12.0
    """

    tiles: str | int | None = None
    detail: str = "normal"
    smallest_defect: str | float | None = None

    def __post_init__(self) -> None:
        tiles = str(self.tiles)
        if self.tiles is not None and tiles not in ("auto", "none"):
            if not (tiles.isdecimal() and len(tiles) < 6) or int(tiles) < LEAST_SIDE:
                raise RecipeError(
                    f"tiles={quoted(self.tiles)} must be auto, none, or a side of at least {LEAST_SIDE} "
                    "pixels",
                    setting="tiles",
                    value=self.tiles,
                )
            object.__setattr__(self, "tiles", int(tiles))
        if self.detail not in DETAILS:
            raise RecipeError(
                f"detail={quoted(self.detail)} must be one of {', '.join(DETAILS)}",
                setting="detail",
                value=self.detail,
            )
        if self.smallest_defect is not None:
            self.pixels(1.0)
            if self.detail != "normal":
                raise RecipeError(
                    f"detail={self.detail} and smallest_defect={self.smallest_defect} contradict each other; "
                    "give one of them"
                )

    def pixels(self, side: float) -> float:
        """The smallest defect in pixels of a picture whose side has so many; 0 where none is given."""
        if self.smallest_defect is None:
            return 0.0
        text = str(self.smallest_defect).strip().lower()
        number, unit = (text[:-1], side / 100) if text.endswith("%") else (text.removesuffix("px"), 1.0)
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not (value > 0 and math.isfinite(value)) or (text.endswith("%") and value > 100):
            raise RecipeError(
                f"smallest_defect={quoted(self.smallest_defect)} must be in pixels, such as 12px, or a share "
                "of the picture's side, such as 3%",
                setting="smallest_defect",
                value=self.smallest_defect,
            )
        return value * unit

    def __str__(self) -> str:
        return f"smallest defect {self.smallest_defect}" if self.smallest_defect else f"detail {self.detail}"


class View(NamedTuple):
    """How pictures are looked at: the side of the network's input, and that of tiles, 0 for none."""

    input_size: float
    side: int = 0


def view(native: float, usual: int, detail: str = "normal", defect: float = 0.0) -> View:
    """The rule for pictures that have as many pixels as a square of the side `native`.

    Without a smallest defect, `normal` is the detector's `usual` input size, whatever the picture: a network
    compares patches of its input, so that small pictures are better enlarged. `fast` has at most half of its
    pixels. `fine` is the picture's own size, if that is larger. A smallest defect must span `SPAN` pixels of
    the input; the picture is enlarged twice at most. Where the input would be `MOST` times the usual, tiles
    of the usual input size take its place.

    Example:
        >>> view(512, 448), view(512, 448, "fast"), view(1024, 448, "fine")
        (View(input_size=448, side=0), View(input_size=268.8, side=0), View(input_size=1024, side=0))
        >>> view(512, 448, defect=12.0), view(2048, 448, defect=12.0)
        (View(input_size=1024.0, side=0), View(input_size=448, side=224))
    """
    size: float = usual
    if defect:
        size = native * max(min(SPAN / defect, ENLARGED), usual / native / 2)
    elif detail == "fast":
        size = FAST * usual
    elif detail == "fine":
        size = max(usual, native)
    if size <= MOST * usual:
        return View(size)
    return View(usual, round(usual * native / size))


def choose(
    looking: Looking,
    recipe: Detector | Classifier,
    sizes: NDArray[np.int64],
    sources: Sequence[Source],
    roi: Roi | None = None,
) -> tuple[int, Tiling | None]:
    """The input size of a recipe and the tiles, for pictures, or regions of them, of some heights and widths
    `(n, 2)`.

    Raises:
        RecipeError: An input size is given beside a detail, or tiles are larger than every picture.
    """
    declared = settings_of(type(recipe)).get("input_size")  # a detector of one's own may fix it
    rule = looking.detail != "normal" or looking.smallest_defect is not None
    if rule and (declared is None or recipe.input_size != declared.default):
        raise RecipeError(
            f"{looking} and input_size={recipe.input_size} contradict each other; give one of them"
        )
    usual = recipe.input_size
    native = float(np.median(np.sqrt(sizes.prod(axis=1)))) if len(sizes) else float(usual)
    longest = int(sizes.max()) if len(sizes) else usual
    defect = looking.pixels(native)
    side = 0
    if isinstance(looking.tiles, int):
        side = looking.tiles
        if side > longest:
            raise RecipeError(
                f"tiles of {side} pixels are larger than the largest image, {longest} pixels; take smaller "
                "ones, or leave tiles out",
                setting="tiles",
                value=side,
            )
    elif looking.tiles == "auto":
        side = _side(usual, defect, sources, roi)
    found = view(side or native, usual, looking.detail, defect)
    if not side and looking.tiles is None:
        side = found.side
    if longest < FAR_LARGER * side and not isinstance(looking.tiles, int):
        side = 0
        found = view(native, usual, looking.detail, defect)
    size = MOST * usual if found.side and not side else found.input_size
    low, high = (declared.low or size, declared.high or size) if declared else (size, size)
    return round(min(max(size, low), high)), Tiling(side, -(-side // RIM)) if side else None


def _side(usual: int, defect: float, sources: Sequence[Source], roi: Roi | None) -> int:
    """The side of tiles: that at which the smallest defect is found; else that of parts on a plain
    background; else the input's, so that nothing is resized.
    """
    wanted = usual * defect / SPAN if defect else part_side(sources, roi) or usual
    return max(LEAST_SIDE, round(min(max(wanted, usual / ENLARGED), usual)))


def milliseconds(inspector: Inspector) -> float:
    """The time of the largest of the images that were learned from, once decoded, one after another."""
    manifest = inspector.manifest
    tiles = 1
    if manifest.tiles and manifest.sizes:
        tiles = len(manifest.reading.tiles((manifest.sizes[2], manifest.sizes[3])))
    engine, blank = inspector.compiled, np.zeros((1, *manifest.input_shape, 3), np.uint8)
    seconds = repeat(lambda: engine(blank), number=1, repeat=1 + _CALLS)
    return 1e3 * tiles * median(seconds[1:])  # the first one may compile


def detail_in_words(manifest: Manifest) -> str:
    """Say how an inspector looks at its pictures, and the size of the defects that span enough pixels."""
    height, width = manifest.input_shape
    height //= 1 + manifest.pairs  # which are read one below the other
    asked = f" ({manifest.detail})" if manifest.detail else ""
    if not manifest.sizes:
        return f"{height} x {width} pixels{asked}"
    cut = manifest.reading.cut_size
    seen = np.reshape(manifest.sizes if cut is None else cut * 2, (2, 2))
    least, most = seen
    what = "images" if cut is None else "parts" if manifest.alignment else "regions"
    images = " to ".join(dict.fromkeys(f"{rows} x {columns}" for rows, columns in (least, most)))
    words = f"{what} of {images} as {height} x {width}{asked}"
    if manifest.tiles:
        side, rim = manifest.tiles
        counts = " to ".join(dict.fromkeys(str(len(Tiling(side, rim).tiles((*size,)))) for size in seen))
        words = f"{what} of {images} in {counts} tiles of {side} x {side}, each as {height} x {width}{asked}"
        seen = np.array([[side, side]])
    defects = [SPAN * math.sqrt(math.prod(map(int, size)) / (height * width)) for size in seen]
    pixels = " to ".join(dict.fromkeys(f"{defect:.0f}" for defect in defects))
    return f"{words}, for defects of about {pixels} pixels or more"
