"""Heatmaps: where the anomaly map of an image is high, drawn over the image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.inspector.regions import above, hottest
from knowngood.report.pictures import heat, line_weight, outline, overlay

LINE = (255, 255, 255)
"""RGB of the contour at the line, and of the mark at the maximum."""


def draw_heat(
    image: NDArray[np.uint8], patch_map: NDArray[np.float32], scale: tuple[NDArray[np.float64], float]
) -> NDArray[np.uint8]:
    """Draw an anomaly map over its image: a wash, a contour at the line, and four ticks around the maximum.

    None of these hides what is there: the wash is faint, and the contour surrounds what is above the line.

    Args:
        image: RGB `(H, W, 3)`, at any size.
        patch_map: Its anomaly map `(h, w)`, which covers the whole image.
        scale: Largest values of held-out good parts' maps, and the line; see `Manifest.heat_scale`.

    Example:
        >>> spot = np.array([[1, 1, 1], [1, 9, 1], [1, 1, 1]], np.float32)
        >>> draw_heat(np.zeros((90, 90, 3), np.uint8), spot, (np.array([2.0]), 5.0)).shape
        (90, 90, 3)
    """
    height, width = size = image.shape[0], image.shape[1]
    washed = overlay(image, heat(patch_map, *scale))
    drawn = outline(washed, above(patch_map, scale[1], size), LINE)
    _draw_ticks(drawn, hottest(patch_map, size), max(height / patch_map.shape[0], width / patch_map.shape[1]))
    return drawn


def _draw_ticks(image: NDArray[np.uint8], place: tuple[int, int], patch: float) -> None:
    """Draw four ticks around a place, its column and row, that leave room for a patch."""
    weight = line_weight(image)
    begin = max(round(patch), 8 * weight)
    end = begin + max(round(patch / 2), 6 * weight)
    x, y = place
    for right, down in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        near, far = ((x + right * step, y + down * step) for step in (begin, end))
        cv2.line(image, near, far, (0, 0, 0), 3 * weight, cv2.LINE_AA)
        cv2.line(image, near, far, LINE, weight, cv2.LINE_AA)
