"""PBM, PGM and PPM to pixels, each of them binary or as text."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LONGEST_HEADER = 10_000  # bytes, comments included

_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_BLACK_AND_WHITE = re.compile(rb"P([14])%b(\d{1,9})%b(\d{1,9})\s" % (_GAP, _GAP))
_SHADES = re.compile(rb"P([2356])%b(\d{1,9})%b(\d{1,9})%b(\d{1,5})\s" % (_GAP, _GAP, _GAP))


class Netpbm(NamedTuple):
    """The header of such a file."""

    height: int
    width: int
    colour: bool
    text: bool  # whether numbers are written as text
    white: int  # the largest value; 0 where a set bit is black
    start: int  # where pixels start in the file

    @property
    def deep(self) -> bool:
        """Whether pixels have 16 bits."""
        return self.white > 255

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the pixels."""
        return (self.height, self.width, 3)[: 3 if self.colour else 2]


def netpbm_header(data: bytes) -> Netpbm | None:
    """Read the header of a PBM, PGM or PPM; None for another file.

    Example:
        >>> netpbm_header(b"P5 9 8 4095 ").shape
        (8, 9)
    """
    start = data[:LONGEST_HEADER]
    found = _BLACK_AND_WHITE.match(start) or _SHADES.match(start)
    if found is None:
        return None
    number, width, height, white = (int(text) for text in (*found.groups(), 0)[:4])
    if number in (2, 3, 5, 6) and not 0 < white < 65536:
        return None
    return Netpbm(height, width, number in (3, 6), number < 4, white, found.end())


def decode_netpbm(data: bytes, header: Netpbm) -> NDArray[Any]:
    """Decode to uint8, or to uint16 where white is larger than 255; white becomes 255 or 65535.

    Raises:
        ValueError: There are fewer pixels than the header promises, or no numbers.
    """
    count = int(np.prod(header.shape))
    if not header.white:
        return _black_and_white(data, header, count)
    if header.text:
        body = re.sub(rb"#[^\r\n]*", b"", data[header.start :])
        if re.search(rb"[^\d\s]", body):
            raise ValueError("the file is damaged (its pixels are not numbers)")
        pixels = np.fromstring(body.decode(), np.int32, sep=" ")[:count]
    else:
        pixels = np.frombuffer(data, ">u2" if header.deep else "u1", offset=header.start)[:count]
    if len(pixels) < count:
        raise ValueError("the file is truncated")
    return _scaled(pixels, header).reshape(header.shape)


def _scaled(pixels: NDArray[Any], header: Netpbm) -> NDArray[Any]:
    """Bring pixels to 8 or 16 bits with the white of those."""
    kept, white = (np.uint16, 65535) if header.deep else (np.uint8, 255)
    if header.white == white and not header.text:
        return pixels.astype(kept)
    levels = np.rint(np.arange(header.white + 1) * (white / header.white)).astype(kept)
    return np.asarray(levels[np.minimum(pixels, header.white)])


def _black_and_white(data: bytes, header: Netpbm, count: int) -> NDArray[np.uint8]:
    """Decode bits, of which those set are black."""
    height, width = header.height, header.width
    if header.text:
        body = re.sub(rb"#[^\r\n]*|\s", b"", data[header.start :])
        bits = np.frombuffer(body, np.uint8)[:count] - ord("0")
    else:
        packed = np.frombuffer(data, np.uint8, offset=header.start)[: height * (-(-width // 8))]
        if len(packed) < height * (-(-width // 8)):
            raise ValueError("the file is truncated")
        bits = np.unpackbits(packed.reshape(height, -1), axis=1, count=width)
    if bits.size < count or bits.max(initial=0) > 1:
        raise ValueError("the file is damaged (pixels are missing, or not 0 or 1)")
    return np.where(bits.reshape(height, width), 0, 255).astype(np.uint8)
