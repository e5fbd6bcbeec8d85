"""JPEG to pixels, at a fraction of the size where that is enough."""

from __future__ import annotations

import math
from typing import Any

import simplejpeg
from numpy.typing import NDArray

FRACTIONS = (8, 4, 2)  # of a side: the decoder then omits the high frequencies of each 8 x 8 block


def decode_jpeg(
    data: bytes, size: tuple[int, int], *, grey: bool, at_least: tuple[int, int] | None
) -> NDArray[Any] | None:
    """Decode a JPEG of a size (height, width) and one or three channels, at the size that `reduced` chooses.

    Returns:
        Pixels, uint8 (H, W) or (H, W, 3) in RGB order. None for a file that breaks a rule without its pixels
        being plainly damaged (bytes too many before a marker, an unknown revision, an end that comes too
        early): whether to accept it is left to Pillow.

    Raises:
        ValueError: The pixels are damaged.
    """
    height, width = reduced(size, at_least) if at_least else size
    try:
        pixels: NDArray[Any] = simplejpeg.decode_jpeg(
            data, colorspace="GRAY" if grey else "RGB", min_height=height, min_width=width, strict=True
        )
    except ValueError as error:
        complaint = str(error)
        if complaint.startswith("Corrupt") and "extraneous" not in complaint:
            raise ValueError("the file is damaged (pixels are missing or wrong in its middle)") from error
        return None
    return pixels[..., 0] if grey else pixels


def reduced(size: tuple[int, int], at_least: tuple[int, int]) -> tuple[int, int]:
    """Choose the smallest height and width to decode at that are still large enough.

    They are the image's own, or an eighth, a quarter or half of them, rounded up.

    Example:
        >>> reduced((1024, 1500), (512, 512)), reduced((1024, 1023), (512, 513))
        ((512, 750), (1024, 1023))
    """
    for fraction in FRACTIONS:
        height, width = (math.ceil(side / fraction) for side in size)
        if height >= at_least[0] and width >= at_least[1]:
            return height, width
    return size
