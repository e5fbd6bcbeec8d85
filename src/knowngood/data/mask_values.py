"""The values of the pixels of one mask file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from knowngood.data.decoding import decode
from knowngood.data.runs import is_runs, values_of

LEAST_OF_LOSSY = 16
"""The least value of a marked pixel of a mask in a format that loses detail, if nothing in it is brighter."""

_FIRST_BYTES = 64  # of a file that tell its format


def mask_values(file: str | Path) -> NDArray[Any]:
    """Return the values of the pixels that one mask file marks, (H, W), 0 for all others.

    A mask that is written in its cell as run lengths is not looked for as a file; see `knowngood.data.runs`.
    """
    if isinstance(file, str) and is_runs(file):
        return values_of(file)
    pixels = decode(file)
    values = pixels if pixels.ndim == 2 else pixels[..., :3].max(axis=-1)
    if loses_detail(file):
        values[values < max(LEAST_OF_LOSSY, int(values.max()) / 2)] = 0
    return values


def loses_detail(file: str | Path) -> bool:
    """Whether a file is of a format that does not keep each pixel, by its first bytes."""
    with Path(file).open("rb") as opened:
        first = opened.read(_FIRST_BYTES)
    return (
        first.startswith((b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "))  # JPEG, JPEG 2000
        or (first[:4] == b"RIFF" and b"VP8 " in first)  # WebP; VP8L keeps all
        or first[4:12] == b"ftypavif"
    )
