"""What the pixels of a file look like: a photograph, a mask, or nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import decode, read_header
from knowngood.data.images import marked_pixels
from knowngood.data.mask_values import loses_detail
from knowngood.data.masks import Look, Looks
from knowngood.data.threads import in_threads
from knowngood.errors import UnreadableImage

MOST_BYTES = 0.15
"""Bytes per pixel that a compressed file of two levels has at most, and a third of it in a lossy format; a
photograph mostly has more."""

_HEADER_BYTES = 2000  # of any file, beside its pixels
_UNCOMPRESSED = {".bmp", ".pbm", ".pgm", ".pnm", ".ppm", ".tif", ".tiff"}  # whose size says nothing
_SHARE = 0.9  # of the pixels that have one of the two commonest values of a mask


def looks_below(folder: Path) -> Looks:
    """Return a function that looks at files below a folder, each once."""
    seen: dict[PurePosixPath, Look] = {}

    def looks(files: Sequence[PurePosixPath]) -> list[Look]:
        new = [file for file in dict.fromkeys(files) if file not in seen]
        if new:
            seen.update(zip(new, in_threads(lambda file: look(folder / file), new), strict=True))
        return [seen[file] for file in files]

    return looks


def look(file: Path) -> Look:
    """Look at an image file; one that cannot be read looks like any photograph.

    A file with many bytes for its size is a photograph and is not decoded, which for most takes no time.

    Example:
        >>> look(Path("no such file.png"))
        Look(levels=3, flat=False, black=False)
    """
    try:
        header = read_header(file)
        lossy = loses_detail(file)
        most = _HEADER_BYTES + (MOST_BYTES / 3 if lossy else MOST_BYTES) * header.height * header.width
        if file.suffix.lower() not in _UNCOMPRESSED and file.stat().st_size > most:
            return Look()
        found = look_of(decode(file), lossy=lossy)
        return found._replace(black=not marked_pixels(file).any()) if found.flat else found
    except (OSError, UnreadableImage):
        return Look()


def look_of(pixels: NDArray[Any], *, lossy: bool = False) -> Look:
    """Look at decoded pixels, `(H, W)` or `(H, W, C)`; `black` is left open.

    Args:
        pixels: Of uint8 or uint16.
        lossy: Whether their format has changed them: two values that nearly all pixels have, and that are far
            apart, are then two levels whatever the others are.

    Example:
        >>> look_of(np.zeros((9, 9), np.uint8)), look_of(np.arange(256, dtype=np.uint8).reshape(16, 16))
        (Look(levels=1, flat=True, black=False), Look(levels=3, flat=False, black=False))
    """
    grey = pixels if pixels.ndim == 2 else pixels[..., :3].max(axis=-1)
    counts = np.bincount(grey.ravel(), minlength=2)
    second, first = np.argsort(counts, kind="stable")[-2:].tolist()
    levels = min(3, int(np.count_nonzero(counts)))
    if levels <= 2 and pixels.ndim == 3:  # colours may be equally bright
        levels = min(3, len(np.unique(pixels[..., :3].reshape(-1, 3), axis=0)))
    flat = levels <= 2 or bool(counts[first] + counts[second] >= _SHARE * grey.size)
    apart = counts[second] and 2 * abs(first - second) >= int(grey.max()) - int(grey.min())
    return Look(2 if levels == 3 and lossy and flat and apart else levels, flat)


def doubts(files: Sequence[PurePosixPath], looks: Looks, called: str = "good images") -> list[str]:
    """Say in sentences which images look like no photograph of a part."""
    levels = [look.levels for look in looks(files)]
    notes = []
    for level, words in (
        (1, "one colour all over"),
        (2, "two grey levels, as masks have: if they are masks, leave them out"),
    ):
        found = [file for file, its_level in zip(files, levels, strict=True) if its_level == level]
        if found:
            notes.append(f"{len(found)} {called} have {words}; the first is {str(found[0])!r}")
    return notes
