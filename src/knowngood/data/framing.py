"""Which part of good images is read, before it is known at which size: bits, region and alignment."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from knowngood.data.aligning import learn_alignment
from knowngood.data.alignment import Alignment
from knowngood.data.decoding import Source
from knowngood.data.foreground import shrunk
from knowngood.data.geometry import Geometry
from knowngood.data.images import image_size, sample, significant_bits
from knowngood.data.reading import Reading, read_whole
from knowngood.data.roi import Roi
from knowngood.errors import DataError, UnreadableImage

_SAMPLED = 100


class Framing(NamedTuple):
    """What is read of images.

    Args:
        bits: See `Reading`.
        roi: See `Reading`.
        alignment: See `Reading`.
        note: Why parts are aligned or not, in words; empty where that was not asked for.
        sizes: Heights and widths of what is read `(n, 2)`.
    """

    bits: int | None
    roi: Roi | None
    alignment: Alignment | None
    note: str
    sizes: NDArray[np.int64]

    def reading(self, shape: tuple[int, int], *, pairs: bool = False) -> Reading:
        """The reading at a height and width; with `pairs`, of two such images, one below the other.

        Raises:
            DataError: The region is too narrow for it: nothing is left inside.
        """
        whole = (2 * shape[0], shape[1]) if pairs else shape
        reading = Reading(whole, self.bits, self.roi, self.alignment, pairs)
        if reading.outside.all():
            raise DataError(
                f"of the region to inspect nothing is left at {shape[0]} x {shape[1]} pixels; draw it wider, "
                "or take a larger input_size"
            )
        return reading


def image_sizes(sources: Sequence[Source]) -> NDArray[np.int64]:
    """Read the heights and widths of some images, evenly spread over the list, `(n, 2)`.

    Example:
        >>> image_sizes([np.zeros((8, 9), np.uint8), "no such file.png"]).tolist()
        [[8, 9]]
    """
    found = []
    for source in sources[:: max(1, len(sources) // _SAMPLED)]:
        with suppress(UnreadableImage):
            found.append(image_size(source))
    return np.array(found, np.int64).reshape(-1, 2)


def learn_framing(geometry: Geometry, sources: Sequence[Source], sizes: NDArray[np.int64]) -> Framing:
    """Learn from good images, with some of their heights and widths `(n, 2)`, what is to be read of them.

    Raises:
        DataError: A region does not fit the images.
    """
    bits, roi, alignment, note = significant_bits(sources), geometry.region(sizes), None, ""
    if roi is not None:
        roi, sizes = _filled(roi, sources, bits), np.array([roi.box[2:]])
    if geometry.align == "auto":
        some = []
        for source in sample(sources):
            with suppress(UnreadableImage):
                some.append(shrunk(read_whole(source, bits, roi).pixels))
        height, width = sizes.max(axis=0).tolist() if len(sizes) else (1, 1)
        alignment, note = learn_alignment(some, (height, width))
    return Framing(bits, roi, alignment, note, sizes if alignment is None else np.array([alignment.cut_size]))


def _filled(roi: Roi, sources: Sequence[Source], bits: int | None) -> Roi:
    """A region with the mean colour of some images inside it as its fill.

    So the edge of the region stands out as little as one colour for all images can. A colour for each image
    would follow what is inside, a defect too.
    """
    if roi.drawn.all():
        return roi
    means = []
    for source in sample(sources):
        with suppress(UnreadableImage):
            picture = read_whole(source, bits, roi)
            top, left, bottom, right = roi.cut(picture.size)
            inside = roi.inside(picture.size)[top:bottom, left:right]
            means.append(picture.pixels[inside].mean(axis=0))
    colour = np.rint(np.mean(means, axis=0)).astype(int).tolist() if means else roi.fill
    return dataclasses.replace(roi, fill=tuple(colour))
