"""Geometry: from an image to the input of a network, and from its map back to the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.alignment import Alignment, cut_out, to_pixels
from knowngood.data.decoding import Source
from knowngood.data.images import Frame, Picture, read_picture, resize, sample, three_channels
from knowngood.data.pairs import read_pair
from knowngood.data.roi import Roi
from knowngood.data.tiling import Tile, Tiling
from knowngood.errors import DataError, UnreadableImage

LEAST_CONTRAST = 0.5
"""Grey levels, the standard deviation within an image."""

STRIP = 1 << 24
"""Pixels of an image that are computed with at one time."""


@dataclass(frozen=True)
class Reading:
    """How images are read.

    Args:
        shape: Height and width that images are resized to, in pixels.
        bits: Bits that 16-bit pixels really use, larger values saturate; None to refuse such images.
        roi: The region that images are cut to; None for all of them.
        alignment: How the part is found, cut out and turned; None to leave it where it is.
        pairs: Whether each image is read with its reference, which is registered and put below it; the shape
            is that of both, and the images are neither cut nor aligned.
        tiling: How pictures, or their regions, are cut into tiles, which then are the images; None to read
            whole ones. They are not aligned and have no reference.

    Example:
        >>> picture = Reading((8, 8)).read(np.zeros((16, 24), np.uint8))
        >>> picture.pixels.shape, picture.size
        ((8, 8, 3), (16, 24))
    """

    shape: tuple[int, int]
    bits: int | None = 16
    roi: Roi | None = None
    alignment: Alignment | None = None
    pairs: bool = False
    tiling: Tiling | None = None

    def __post_init__(self) -> None:
        if self.pairs and (self.roi is not None or self.alignment is not None):
            raise ValueError("images that are compared with a reference are neither cut nor aligned")
        if self.tiling is not None and (self.pairs or self.alignment is not None):
            raise ValueError("images of which tiles are cut have no alignment and no reference")

    def read(self, source: Source) -> Picture:
        """Read an image at `shape`, see `knowngood.data.images.read_image`; of tiles, at its own size."""
        if self.tiling is not None:
            return self._of_tiles(source)
        if self.pairs:
            return read_pair(source, self.shape, bits=self.bits)
        if self.alignment is not None:
            return self._aligned(source, self.alignment)
        if self.roi is None:
            return read_picture(source, self.shape, bits=self.bits)
        picture = read_picture(source, self.shape, bits=self.bits, cut=self.roi.cut)
        picture.pixels[self.outside] = self.roi.fill
        return picture._replace(frame=frame_of(self.roi.cut(picture.size)))

    def tile(self, picture: Picture, tile: Tile) -> NDArray[np.uint8]:
        """Cut a tile out of a picture that was read, uint8 `(*shape, 3)`."""
        assert self.tiling is not None
        return three_channels(resize(self.tiling.cut(picture.pixels, tile), self.shape))

    def tiles(self, size: tuple[int, int], picture: int = 0) -> list[Tile]:
        """The tiles of a picture by its height and width, with their places in what is cut into them."""
        assert self.tiling is not None
        return self.tiling.tiles(self.extent(size), picture)

    def extent(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the region of a picture of some height and width; of all without a region."""
        if self.roi is None:
            return size
        top, left, bottom, right = self.roi.cut(size)
        return bottom - top, right - left

    def marked(self, source: Source, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The mask `(H, W)` of an image as it is of the image that was read, bool of `shape`."""
        frame = None if self.alignment is None else self.read(source).frame
        if frame is None:
            size = mask.shape[0], mask.shape[1]
            frame = frame_of((0, 0, *size) if self.roi is None else self.roi.cut(size))
        nearest = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        inverse = to_pixels(frame, self.shape)
        warped = cv2.warpAffine(mask.astype(np.uint8), inverse, self.shape[::-1], flags=nearest)
        return np.asarray((warped > 0) & ~self.outside)

    @property
    def cut_size(self) -> tuple[int, int] | None:
        """Height and width, in an image of a usual size, of what is cut out; None if that is all of it."""
        if self.alignment is not None:
            return self.alignment.cut_size
        return None if self.roi is None else self.roi.box[2:]

    @property
    def of_graph(self) -> Reading:
        """The reading that a shipped graph does by itself: it takes pictures of parts that were aligned,
        tiles, or pictures with their registered references below them.
        """
        return Reading(self.shape, self.bits, None if self.alignment or self.tiling else self.roi)

    @cached_property
    def outside(self) -> NDArray[np.bool_]:
        """Which pixels of an image that was read show something outside the region, of `shape`."""
        if self.roi is None or self.alignment is not None:
            return np.zeros(self.shape, np.bool_)
        return ~self.roi.kept(self.shape)

    def _of_tiles(self, source: Source) -> Picture:
        """Read an image, cut to its region, at its own size."""
        if self.roi is None:
            return read_picture(source, None, bits=self.bits)
        picture = read_whole(source, self.bits, self.roi)
        return picture._replace(frame=frame_of(self.roi.cut(picture.size)))

    def _aligned(self, source: Source, alignment: Alignment) -> Picture:
        """Read an image and cut out its part; without one, what is in the middle."""
        picture = read_whole(source, self.bits, self.roi)
        found = alignment.find(picture.pixels)
        size = picture.pixels.shape[0], picture.pixels.shape[1]
        frame = alignment.centred(size) if found is None else found
        pixels = np.rint(cut_out(picture.pixels, frame, self.shape)).astype(np.uint8)
        if self.roi is not None:
            top, left, _, _ = self.roi.cut(picture.size)
            frame = frame + np.array([[0, 0, left], [0, 0, top]])
        return picture._replace(pixels=pixels, frame=frame, lost=found is None)


def read_whole(source: Source, bits: int | None, roi: Roi | None) -> Picture:
    """Read an image at its own size, cut to the box of a region, with its fill outside the region.

    Example:
        >>> read_whole(np.zeros((16, 24), np.uint8), None, None).pixels.shape
        (16, 24, 3)
    """
    picture = read_picture(source, None, bits=bits, cut=roi.cut if roi else None)
    pixels = three_channels(picture.pixels)
    if roi is not None:
        top, left, bottom, right = roi.cut(picture.size)
        pixels[~roi.inside(picture.size)[top:bottom, left:right]] = roi.fill
    return picture._replace(pixels=pixels)


def check_contrast(sources: Sequence[Source], reading: Reading) -> None:
    """Raise a DataError where images are all constant or almost so, as they are read.

    Of many images 32 are read, until one has contrast; those that cannot be read are passed over.

    Example:
        >>> check_contrast([np.eye(8, dtype=np.uint8) * 255], Reading((8, 8)))
    """
    most = -1.0
    for source in sample(sources):
        try:
            deviation = reading.read(source).pixels.std(axis=(0, 1)).max()
        except UnreadableImage:
            continue
        most = max(most, float(deviation))
        if most >= LEAST_CONTRAST:
            return
    if most >= 0:
        raise DataError(
            "the images to learn from show nothing: pixels of an image differ by at most "
            f"{most:.2g} grey levels (standard deviation); check the exposure and the program that saved them"
        )


def frame_of(cut: tuple[int, int, int, int]) -> Frame:
    """The frame of a part of an image from some row and column up to others.

    Example:
        >>> frame_of((10, 20, 30, 60)).tolist()
        [[40.0, 0.0, 20.0], [0.0, 20.0, 10.0]]
    """
    top, left, bottom, right = cut
    return np.array([[right - left, 0, left], [0, bottom - top, top]], np.float64)


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
