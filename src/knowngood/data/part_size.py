"""How large the parts are that pictures show on a plain background."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import Source
from knowngood.data.images import resize, three_channels
from knowngood.data.reading import read_whole
from knowngood.data.roi import Roi
from knowngood.errors import UnreadableImage

_PICTURES = 8  # that are read
_SIDE = 512  # pixels that are enough to find a part
_LARGEST = 0.25  # share of a picture that is part, not background
_SEPARATED = 0.75  # least share of the variance that is between the two; for noise it is 0.64
_ROOM = 1.1  # around a part


def part_side(sources: Sequence[Source], roi: Roi | None = None) -> float | None:
    """The side in pixels of a square around a part, the median of some pictures, or of a region of them.

    None where most show no small part on a plain background, or cannot be read.
    """
    sides = []
    for source in sources[:: max(1, len(sources) // _PICTURES)][:_PICTURES]:
        try:
            sides.append(part_extent(read_whole(source, 16, roi).pixels))
        except UnreadableImage:
            continue
    found = [side for side in sides if side is not None]
    return _ROOM * float(np.median(found)) if 2 * len(found) > len(sides) else None


def part_extent(image: NDArray[np.uint8]) -> float | None:
    """The longer side of the largest part in a picture `(H, W)` or `(H, W, 3)`, in its pixels.

    The background is what is near the median grey: Otsu's threshold of the difference separates the two.

    Example:
        >>> picture = np.full((800, 800), 200, np.uint8)
        >>> picture[100:300, 500:580] = 40
        >>> part_extent(picture)
        206.25
        >>> part_extent(np.random.default_rng(0).integers(0, 256, (800, 800), np.uint8)) is None
        True
    """
    scale = max(1.0, max(image.shape[:2]) / _SIDE)
    small = resize(image, (round(image.shape[0] / scale), round(image.shape[1] / scale)))
    grey = cv2.cvtColor(three_channels(small), cv2.COLOR_RGB2GRAY).astype(np.float32)
    difference = np.abs(grey - np.median(grey)).astype(np.uint8)
    threshold, marked = cv2.threshold(difference, 0, 1, cv2.THRESH_OTSU)
    part = difference > threshold
    share = float(part.mean())
    if not 0 < share <= _LARGEST:
        return None
    apart = float(difference[part].mean() - difference[~part].mean())
    if share * (1 - share) * apart**2 < _SEPARATED * float(difference.var()):
        return None
    joined = cv2.dilate(marked, np.ones((5, 5), np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    return float(scale * boxes[1:, 2:4].max())
