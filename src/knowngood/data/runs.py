"""Masks written into a cell of a table as run lengths, where label files have outlines and no picture of one.

Such a cell is `rle:480x640:dent:` and COCO's compressed run lengths: height, width, the class with letters
that would disturb as in an address, and letters from `0` to `o`. Docs/decisions/0025 says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from knowngood.errors import DataError

PREFIX = "rle:"
"""How the cell of such a mask begins; no file is looked for under this name."""

MOST_PIXELS = 178_956_970
"""Pixels of an image; Pillow's guard against decompression bombs has the same number."""

MOST_LETTERS = 20_000_000
"""Letters of one mask; an outline of a million pixels takes about two million."""


class Runs(NamedTuple):
    """A mask as run lengths."""

    height: int
    width: int
    name: str  # the class of what is marked, empty where it is not known
    packed: str  # COCO's compressed run lengths


def is_runs(mask: str) -> bool:
    """Whether the name of a mask is no file but the mask itself."""
    return mask.startswith(PREFIX)


def runs_cell(marked: NDArray[np.bool_], name: str = "") -> str:
    """Write a mask, bool (H, W), with the class of what it marks.

    Example:
        >>> runs_cell(np.eye(2, dtype=bool), "cut lead")
        'rle:2x2:cut lead:0120'
    """
    return cell_of(Runs(marked.shape[0], marked.shape[1], name, pack(run_lengths(marked))))


def cell_of(runs: Runs) -> str:
    """Write run lengths as a cell."""
    return f"{PREFIX}{runs.height}x{runs.width}:{quoted_name(runs.name)}:{runs.packed}"


def quoted_name(name: str) -> str:
    """Write the name of a class without letters that divide a cell.

    Example:
        >>> quoted_name("a|b: c")
        'a%7Cb%3A c'
    """
    return quote(name, safe=" ", errors="surrogatepass")


def read_runs(cell: str) -> Runs:
    """Read the cell of a mask but its pixels.

    Raises:
        DataError: It is no such cell.
    """
    try:
        size, name, packed = cell.removeprefix(PREFIX).split(":", 2)
        height, width = map(int, size.split("x"))
        if min(height, width) < 1 or height * width > MOST_PIXELS:
            raise ValueError(f"{height} x {width} pixels are no image")
    except ValueError as error:
        raise DataError(
            f"mask {shown_mask(cell)!r}: {error}; it is {PREFIX}HEIGHTxWIDTH:CLASS:RUNS"
        ) from error
    return Runs(height, width, unquote(name, errors="surrogatepass"), packed)


def runs_mask(cell: str) -> NDArray[np.bool_]:
    """Return the mask of a cell, bool (H, W).

    Raises:
        DataError: It is no such cell, or its runs do not fill the mask.

    Example:
        >>> runs_mask("rle:2x2::0120").tolist()
        [[True, False], [False, True]]
    """
    runs = read_runs(cell)
    try:
        return mask_of(unpack(runs.packed), runs.height, runs.width)
    except ValueError as error:
        raise DataError(f"mask {shown_mask(cell)!r}: {error}") from error


def mask_of(lengths: Sequence[int] | NDArray[np.int64], height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask (H, W) of run lengths down its columns; a ValueError where they do not fill it."""
    counts = np.asarray(lengths)
    right_type = counts.ndim == 1 and np.issubdtype(counts.dtype, np.integer)
    if not right_type or (counts < 0).any() or sum(counts.tolist()) != height * width:
        raise ValueError(f"its run lengths do not fill {height} x {width} pixels (height x width)")
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return np.ascontiguousarray(flat.reshape(width, height).T)


def run_lengths(marked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the lengths of runs down the columns of a mask (H, W); the first is of pixels not marked."""
    flat = marked.T.ravel()
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(ends, prepend=0, append=flat.size)
    return np.append(0, lengths) if flat.size and flat[0] else lengths


def pack(lengths: Sequence[int] | NDArray[np.int64]) -> str:
    """Compress run lengths as COCO does (cocodataset/cocoapi, `rleToString` in common/maskApi.c): from the
    fourth on the difference to the run before the last, five bits a letter, the lowest first.
    """
    letters, values = [], [int(one) for one in lengths]
    for at, length in enumerate(values):
        value = length - values[at - 2] if at > 2 else length
        while True:
            bits, value = value & 31, value >> 5
            ends = value == (-1 if bits & 16 else 0)
            letters.append(chr(48 + bits + (0 if ends else 32)))
            if ends:
                break
    return "".join(letters)


def unpack(packed: str) -> NDArray[np.int64]:
    """Return the run lengths of a compressed text; a ValueError where it is damaged."""
    if len(packed) > MOST_LETTERS:
        raise ValueError(f"it has {len(packed):,} letters; at most {MOST_LETTERS:,} are read")
    lengths: list[int] = []
    value = shift = 0
    for letter in packed:
        code = ord(letter) - 48
        if not 0 <= code < 64 or shift > 40:
            raise ValueError("it holds a letter that is not of run lengths, or is damaged")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
        if not 0 <= lengths[-1] <= MOST_PIXELS:
            raise ValueError("it holds a run that no image has")
        value = shift = 0
    if shift:
        raise ValueError("its run lengths end too early")
    return np.array(lengths, np.int64)


def values_of(cell: str) -> NDArray[Any]:
    """Return the mask of a cell as the values of a mask file: 1 where it marks, (H, W)."""
    return runs_mask(cell).astype(np.uint8)


def shown_mask(cell: str) -> str:
    """Name a mask in a message: its file, or the beginning of its run lengths."""
    return f"{cell[:40]}..." if is_runs(cell) and len(cell) > 40 else cell
