"""Geometry: from an image to the input of a network, and from its map back to the image."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import Source
from knowngood.data.images import Frame, Picture, read_picture, sample
from knowngood.data.roi import Roi
from knowngood.errors import DataError, UnreadableImage

LEAST_CONTRAST = 0.5
"""Grey levels, the standard deviation within an image."""


@dataclass(frozen=True)
class Reading:
    """How images are read.

    Args:
        shape: Height and width that images are resized to, in pixels.
        bits: Bits that 16-bit pixels really use, larger values saturate; None to refuse such images.
        roi: The region that images are cut to; None for all of them.

    Example:
        >>> picture = Reading((8, 8)).read(np.zeros((16, 24), np.uint8))
        >>> picture.pixels.shape, picture.size
        ((8, 8, 3), (16, 24))
    """

    shape: tuple[int, int]
    bits: int | None = 16
    roi: Roi | None = None

    def read(self, source: Source) -> Picture:
        """Read an image at `shape`, see `knowngood.data.images.read_image`."""
        if self.roi is None:
            return read_picture(source, self.shape, bits=self.bits)
        picture = read_picture(source, self.shape, bits=self.bits, cut=self.roi.cut)
        picture.pixels[self._outside] = self.roi.fill
        return picture._replace(frame=frame_of(self.roi.cut(picture.size)))

    def marked(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The mask `(H, W)` of an image as it is of the image that was read, bool of `shape`."""
        if self.roi is not None:
            top, left, bottom, right = self.roi.cut((mask.shape[0], mask.shape[1]))
            mask = mask[top:bottom, left:right]
        resized = cv2.resize(mask.astype(np.uint8), self.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
        return np.asarray(resized if self.roi is None else resized & ~self._outside)

    def filled(self, sources: Sequence[Source]) -> Reading:
        """The same, with the mean colour of some of these images inside the region as its fill.

        So the edge of the region stands out as little as one colour for all images can. A colour for each
        image would follow what is inside, a defect too.

        Raises:
            DataError: The region is too narrow for `shape`: nothing is left inside.
        """
        if self.roi is None:
            return self
        if self._outside.all():
            raise DataError(
                f"of the region to inspect nothing is left at {self.shape[0]} x {self.shape[1]} pixels; "
                "draw it wider, or take a larger input_size"
            )
        means = []
        for source in sample(sources):
            with suppress(UnreadableImage):
                means.append(self.read(source).pixels[~self._outside].mean(axis=0))
        colour = np.rint(np.mean(means, axis=0)).astype(int).tolist() if means else self.roi.fill
        return replace(self, roi=replace(self.roi, fill=tuple(colour)))

    @cached_property
    def _outside(self) -> NDArray[np.bool_]:
        """Which pixels of an image that was read show something outside the region."""
        return np.zeros(self.shape, np.bool_) if self.roi is None else ~self.roi.kept(self.shape)


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


def map_on_image(map_: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize a map `(h, w)` to the height and width of its image, float32 `(H, W)`.

    Example:
        >>> map_on_image(np.ones((2, 3), np.float32), (8, 9)).shape
        (8, 9)
    """
    upscaled = cv2.resize(map_, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(upscaled, dtype=np.float32)
