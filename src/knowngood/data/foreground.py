"""Where the part is in a picture: what differs from the background, as the border of the picture shows it."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.images import resize

LONGEST = 512
"""Pixels of the longer side at which parts are searched."""

_BORDER = 0.03  # share of the side on which the border shows the background
_FAR = 6.0  # standard deviations of the background that a part differs by
_WIDER = 1.5  # times the most that all but a two-hundredth of the border differs by
_LEAST_NOISE = 2.0  # grey levels
_LEAST_AREA, _LARGEST_AREA = 0.002, 0.8  # shares of the picture


class Part(NamedTuple):
    """A part in a picture."""

    centre: NDArray[np.float64]  # x and y of its centroid, in pixels from the corner of the picture
    points: NDArray[np.float64]  # x and y of its outline (n, 2)


def shrunk(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shrink a picture `(H, W, 3)` to `LONGEST` pixels on its longer side; a smaller one stays as it is."""
    height, width = picture.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    shape = max(1, round(height * scale)), max(1, round(width * scale))
    return resize(picture, shape).astype(np.float32)


def find_part(picture: NDArray[np.float32]) -> Part | None:
    """Find the largest part in a picture `(h, w, 3)` of 0 to 255, on a smooth background; None without one.

    The background is a plane for each channel, fitted to the border, with the noise that there is around it.

    Example:
        >>> picture = np.full((60, 90, 3), 80, np.float32)
        >>> picture[20:40, 50:70] = 200
        >>> find_part(picture).centre.round(1).tolist(), find_part(picture * 0) is None
        ([60.0, 30.0], True)
    """
    height, width = picture.shape[:2]
    distance = _from_background(picture)
    border = _border(height, width)
    line = max(_FAR, _WIDER * float(np.quantile(distance[border], 0.995)))
    # A stripe or a bright edge splits a part, and a speck is no part.
    near = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(3, round(0.02 * max(height, width))),) * 2)
    marked = cv2.morphologyEx((distance > line).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    marked = cv2.morphologyEx(marked, cv2.MORPH_CLOSE, near)
    outlines, _ = cv2.findContours(marked, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    outline = max(outlines, key=cv2.contourArea)
    moments = cv2.moments(outline)
    if not _LEAST_AREA < moments["m00"] / (height * width) < _LARGEST_AREA:
        return None
    x, y = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
    return Part(np.array([x + 0.5, y + 0.5]), outline.reshape(-1, 2).astype(np.float64) + 0.5)


def _from_background(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far each pixel is from the background, in standard deviations of its noise."""
    smooth = cv2.GaussianBlur(picture, (0, 0), 1)
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    plane = np.stack([np.ones_like(rows), rows / height, columns / width], axis=-1)
    border = _border(height, width)
    known, values = plane[border], smooth[border]
    kept = np.ones(len(values), np.bool_)
    for _ in range(3):  # without what is no background: a part may reach into the border
        weights = np.linalg.lstsq(known[kept], values[kept], rcond=None)[0]
        rest = np.abs(values - known @ weights)
        noise = np.maximum(1.4826 * np.median(rest[kept], axis=0), _LEAST_NOISE)
        kept = (rest < 3 * noise).all(axis=1)
        if kept.sum() < len(kept) / 4:
            break
    return np.asarray(np.linalg.norm((smooth - plane @ weights) / noise, axis=-1), np.float32)


def _border(height: int, width: int) -> NDArray[np.bool_]:
    """Which pixels are at the border."""
    wide = max(2, round(_BORDER * max(height, width)))
    border = np.ones((height, width), np.bool_)
    border[wide:-wide, wide:-wide] = False
    return border
