"""Decoding of PNG, with every chunk checked."""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pixel_chunks(data: bytes) -> bytes:
    """Check that every chunk of a PNG file is whole, and return a PNG of IHDR, IDAT and IEND alone.

    The others only make the decoder complain (of a colour profile it dislikes) or add an alpha channel. A
    file that is truncated or damaged raises a ValueError.
    """
    view = memoryview(data)
    kept = [view[:8]]
    start = 8
    while True:
        length = int.from_bytes(view[start : start + 4])
        chunk = data[start + 4 : start + 8]
        end = start + 12 + length
        if end > len(data):
            raise ValueError("the file is truncated")
        if zlib.crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise ValueError("the file is damaged (a checksum is wrong)")
        if chunk in (b"IHDR", b"IDAT", b"IEND"):
            kept.append(view[start:end])
        if chunk == b"IEND":
            return data if sum(map(len, kept)) == len(data) else b"".join(kept)
        start = end


def decode_png(chunks: bytes, into: NDArray[np.uint8] | None = None) -> NDArray[Any]:
    """Decode a PNG that has no palette, keeping the bit depth.

    Args:
        chunks: The result of `pixel_chunks`, of a file whose size was checked.
        into: An array of the pixels' own shape and type to write them to; None for a new one.

    Raises:
        ValueError: The pixels are damaged, or fewer than the header promises.
    """
    try:
        pixels: NDArray[Any] = _codec().decode(chunks, out=into)
    except RuntimeError as error:
        raise ValueError("the file is damaged") from error
    if pixels.ndim == 3 and pixels.shape[2] == 2:
        return np.ascontiguousarray(pixels[..., [0, 0, 0, 1]])
    return pixels


@cache
def _codec() -> Any:
    """The decoder, imported when the first PNG comes: that takes a tenth of a second."""
    import opencodecs

    return opencodecs.get_codec("png")
