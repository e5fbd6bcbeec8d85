"""Geometry: from an image to the input of a network, and from its map back to the image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import Source
from knowngood.data.images import Picture, read_picture, resize, three_channels
from knowngood.data.tiling import Tile, Tiling

STRIP = 1 << 24
"""Pixels of an image that are computed with at one time."""


@dataclass(frozen=True)
class Reading:
    """How images are read.

    Args:
        shape: Height and width that images are resized to, in pixels.
        bits: Bits that 16-bit pixels really use, larger values saturate; None to refuse such images.
        tiling: How pictures are cut into tiles, which then are the images; None to read whole pictures.

    Example:
        >>> picture = Reading((8, 8)).read(np.zeros((16, 24), np.uint8))
        >>> picture.pixels.shape, picture.size
        ((8, 8, 3), (16, 24))
    """

    shape: tuple[int, int]
    bits: int | None = 16
    tiling: Tiling | None = None

    def read(self, source: Source) -> Picture:
        """Read an image at `shape`, see `knowngood.data.images.read_image`; of tiles, at its own size."""
        return read_picture(source, None if self.tiling else self.shape, bits=self.bits)

    def tile(self, picture: Picture, tile: Tile) -> NDArray[np.uint8]:
        """Cut a tile out of a picture that was read, uint8 `(*shape, 3)`."""
        assert self.tiling is not None
        return three_channels(resize(self.tiling.cut(picture.pixels, tile), self.shape))


def strips(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Divide an image by its rows into strips, each from a row to before another; a usual image is one strip.

    Whoever computes with floating-point numbers for each pixel, strip by strip, needs little memory for an
    image of 100 megapixels.

    Example:
        >>> strips((480, 640)), strips((5000, 8192))
        ([(0, 480)], [(0, 2048), (2048, 4096), (4096, 5000)])
    """
    height, width = size
    step = max(1, STRIP // width)
    return [(begin, min(begin + step, height)) for begin in range(0, height, step)]


def map_rows(map_: NDArray[np.float32], size: tuple[int, int], begin: int, end: int) -> NDArray[np.float32]:
    """Some rows of `map_on_image`, float32 `(end - begin, W)`.

    Example:
        >>> ramp = np.arange(6, dtype=np.float32).reshape(3, 2)
        >>> bool(np.allclose(map_rows(ramp, (8, 9), 2, 5), map_on_image(ramp, (8, 9))[2:5]))
        True
    """
    if end - begin == size[0]:
        return map_on_image(map_, size)
    last = len(map_) - 1
    places = np.clip((np.arange(begin, end) + 0.5) * len(map_) / size[0] - 0.5, 0, last)
    above = places.astype(np.int64)
    share = (places - above).astype(np.float32)[:, None]
    rows = (1 - share) * map_[above] + share * map_[np.minimum(above + 1, last)]
    return map_on_image(rows, (end - begin, size[1]))


def map_on_image(map_: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize a map `(h, w)` to the height and width of its image, float32 `(H, W)`.

    Example:
        >>> map_on_image(np.ones((2, 3), np.float32), (8, 9)).shape
        (8, 9)
    """
    upscaled = cv2.resize(map_, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(upscaled, dtype=np.float32)
