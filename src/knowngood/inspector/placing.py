"""From the anomaly map of what was cut out of an image to a map that covers the whole image."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.images import Frame
from knowngood.data.reading import Reading
from knowngood.data.roi import Roi
from knowngood.inspector.regions import HeatScale

FINER = 2
"""Cells of the whole map along a patch, so that placing blurs little."""

MOST_CELLS = 256
"""Cells of the whole map along a side, so that the map of a small part of a large image has a bound."""


class Placing:
    """Puts anomaly maps where they belong in images, at one shape for all images of an inspector.

    Args:
        shape: Height and width of the maps, in patches.
        share: Height and width of what the maps cover, as shares of those of an image.
        roi: The region that is inspected; None for all of an image.
        scale: See `Manifest.heat_scale`.
    """

    def __init__(
        self, shape: tuple[int, int], share: tuple[float, float], roi: Roi | None, scale: HeatScale
    ) -> None:
        rows, columns = (
            min(round(FINER * patches / part), max(MOST_CELLS, patches))
            for patches, part in zip(shape, share, strict=True)
        )
        self.grid = rows, columns
        self.roi = roi
        self.scale = scale

    def whole(
        self, patch_map: NDArray[np.float32], frame: Frame, size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """The map of a whole image, float32 `(h, w)`, with the maximum of a map of a part of it.

        What is outside the region or the part has a value that good parts have, or less. Where the middle of
        a patch is outside the region, what it has seen counts for the nearest place inside.

        Args:
            patch_map: The map of the part.
            frame: Where the part is; see `knowngood.data.images.Frame`.
            size: Height and width of the image.
        """
        rows, columns = self.grid
        height, width = patch_map.shape
        # From cells to shares of the part, and from those to patches; the middle of the first is at 0.
        to_cells = np.diag([columns / size[1], rows / size[0], 1]) @ np.vstack([frame, [0, 0, 1]])
        to_patches = np.array([[width, 0, -0.5], [0, height, -0.5]]) @ np.linalg.inv(to_cells)
        to_patches[:, 2] += to_patches[:, :2].sum(axis=1) / 2
        linear = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        placed = cv2.warpAffine(
            patch_map, to_patches, (columns, rows), flags=linear, borderMode=cv2.BORDER_REPLICATE
        )
        x, y = (
            np.add.outer(down * np.arange(rows), right * np.arange(columns)) + start
            for right, down, start in to_patches
        )
        outside = (x < -0.5) | (x >= width - 0.5) | (y < -0.5) | (y >= height - 0.5) | ~self._inside
        placed[outside] = min(float(patch_map.min()), *self.scale)
        # Nothing that was found is lost between the cells.
        middles = np.stack(np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height))
        right, down = np.tensordot(to_cells[:2, :2], middles, axes=1) + to_cells[:2, 2, None, None]
        at = (
            np.clip(down.astype(np.int64), 0, rows - 1),
            np.clip(right.astype(np.int64), 0, columns - 1),
        )
        np.maximum.at(placed.reshape(-1), self._nearest[at], patch_map)
        return np.asarray(placed, np.float32)

    @classmethod
    def of(cls, reading: Reading, shape: tuple[int, int], scale: HeatScale) -> Placing | None:
        """The placing of maps of images that were read; None where they are maps of the whole images."""
        roi, alignment, cut = reading.roi, reading.alignment, reading.cut_size
        if cut is None:
            return None
        patches = [side / count for side, count in zip(cut, shape, strict=True)]
        if alignment is not None:  # a part may be turned by any angle
            patches = [min(patches)] * 2
        size = roi.size if roi else alignment.size if alignment else cut
        height, width = (
            patch * count / side for patch, count, side in zip(patches, shape, size, strict=True)
        )
        return cls(shape, (height, width), roi, scale)

    @cached_property
    def _inside(self) -> NDArray[np.bool_]:
        """Which cells are inside the region."""
        if self.roi is None:
            return np.ones(self.grid, np.bool_)
        inside = self.roi.inside(self.grid)
        return inside if inside.any() else self.roi.touched(self.grid)

    @cached_property
    def _nearest(self) -> NDArray[np.int64]:
        """The number of the cell inside the region that is nearest to each, `(h, w)`."""
        outside, labels = (~self._inside).astype(np.uint8), cv2.DIST_LABEL_PIXEL
        _, label = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=labels)
        number_of = np.zeros(label.max() + 1, np.int64)
        number_of[label[self._inside]] = np.flatnonzero(self._inside)
        return np.asarray(number_of[label])
