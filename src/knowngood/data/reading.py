"""Geometry: from an image to the input of a network, and from its map back to the image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import Source
from knowngood.data.images import Picture, read_picture, resize, three_channels
from knowngood.data.tiling import Tile, Tiling


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


def map_on_image(map_: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize a map `(h, w)` to the height and width of its image, float32 `(H, W)`.

    Example:
        >>> map_on_image(np.ones((2, 3), np.float32), (8, 9)).shape
        (8, 9)
    """
    upscaled = cv2.resize(map_, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(upscaled, dtype=np.float32)
