"""Pixels of the pictures in a report: heatmaps, outlines, sizes, and images as text for HTML."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.images import resize
from knowngood.data.reading import strips
from knowngood.output import MARK

SIDE = 320
SLIDE_WEIGHT = 3  # pixels: of a line on a picture that is small on a slide
HEAT = (255, 0, 160)  # RGB of heat up to the line; a hue that parts rarely have
HOTTEST = (255, 240, 0)  # RGB of full heat: brighter, so that the worst place within a defect is seen
OUTLINE = (0, 200, 255)

_AFTER_HEADER = 33  # bytes of a PNG's signature and header, behind which texts may stand
_JPEG_QUALITY = 85
_OPACITY, _HOTTEST_OPACITY = 0.3, 0.48  # at the line, and where heat is full: what is below stays visible
_FULL = 8  # times as far above the typical value as the line is, and heat is full
_SMALL = 64  # pixels per side up to which JPEG would blur more than it saves


def heat(maps: NDArray[np.float32], typical: float, line: float) -> NDArray[np.float32]:
    """Bring anomaly maps of any shape to an inspector's own colour scale, from 0 to 1.

    All heatmaps of an inspector can be compared: heat grows evenly from 0 at the typical value to 0.5 at the
    line, then with the logarithm of the distance from the typical value, to 1 at `full_heat`. See
    `Manifest.heat_scale`.

    Example:
        >>> heat(np.array([[1.0, 1.5, 2.0, 9.0, 99.0]], np.float32), 1.0, 2.0).tolist()
        [[0.0, 0.25, 0.5, 1.0, 1.0]]
    """
    distance = np.maximum(maps - typical, 0) / max(line - typical, 1e-6)
    beyond = 1 + np.log(np.maximum(distance, 1)) / np.log(_FULL)
    return np.asarray(np.minimum(np.minimum(distance, 1) * beyond / 2, 1), dtype=np.float32)


def full_heat(typical: float, line: float) -> float:
    """The value of an anomaly map from which on heat is full.

    Example:
        >>> full_heat(1.0, 2.0)
        9.0
    """
    return typical + _FULL * (line - typical)


def marked_png(image: NDArray[np.uint8]) -> bytes:
    """Encode an RGB or grey image as PNG that says that we wrote it, so that it is never inspected as a part.

    Example:
        >>> b"written by knowngood" in marked_png(np.zeros((4, 4, 3), np.uint8))[:100]
        True
    """
    content = bytes(cv2.imencode(".png", image if image.ndim == 2 else image[..., ::-1])[1])
    text = b"tEXtSoftware\0" + MARK.encode()
    chunk = (len(text) - 4).to_bytes(4, "big") + text + crc32(text).to_bytes(4, "big")
    return content[:_AFTER_HEADER] + chunk + content[_AFTER_HEADER:]


def overlay(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Lay a wash over an RGB image `(H, W, 3)`, by heat in [0, 1], `(h, w)` at any resolution.

    Up to a heat of 0.5 it has the colour `HEAT` and grows denser; then the colour also turns to `HOTTEST`.

    Example:
        >>> overlay(np.full((4, 4, 3), 100, np.uint8), np.full((2, 2), 0.5, np.float32))[0, 0]
        array([146,  70, 118], dtype=uint8)
    """
    height, width = image.shape[:2]
    level = cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR)
    turned = np.maximum(2 * level - 1, 0)[..., None]
    colour = np.asarray(HEAT, np.float32) * (1 - turned) + np.asarray(HOTTEST, np.float32) * turned
    opacity = _OPACITY * np.minimum(2 * level, 1) + (_HOTTEST_OPACITY - _OPACITY) * turned[..., 0]
    drawn = cv2.blendLinear(np.ascontiguousarray(image), colour.astype(np.uint8), 1 - opacity, opacity)
    return np.asarray(drawn, dtype=np.uint8)


def outline(
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    colour: tuple[int, int, int] = OUTLINE,
    *,
    weight: int | None = None,
) -> NDArray[np.uint8]:
    """Draw a line around a mask `(h, w)` at any resolution on a copy of its RGB image `(H, W, 3)`.

    The line hides no pixel of the mask. Its width in pixels is `weight`, by default `line_weight`.

    Example:
        >>> bool(outline(np.zeros((64, 64, 3), np.uint8), np.eye(8, dtype=bool)).any())
        True
    """
    height, width = image.shape[:2]
    covered = mask
    if mask.shape != (height, width):  # by area, so that a hair-thin defect survives the shrinking
        covered = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0
    weight = weight or line_weight(image)
    drawn = image.copy()
    rim = max(1, weight // 3)  # black, so that the line is seen on bright parts too
    reach = weight + 2 * rim
    for begin, end in strips((height, width)):
        first = max(0, begin - reach - 1)
        near = (~covered[first : end + reach + 1]).astype(np.uint8)
        distance = cv2.distanceTransform(near, cv2.DIST_L2, cv2.DIST_MASK_5)[begin - first :][: end - begin]
        drawn[begin:end][(distance > 0) & (distance <= reach)] = 0
        drawn[begin:end][(distance > rim) & (distance <= weight + rim)] = colour
    return drawn


def line_weight(image: NDArray[np.uint8]) -> int:
    """The width in pixels of lines that are seen where the whole image `(H, W, 3)` is, and do not fill it.

    Example:
        >>> line_weight(np.zeros((80, 60, 3), np.uint8)), line_weight(np.zeros((3000, 4000, 3), np.uint8))
        (1, 9)
    """
    sides = image.shape[:2]
    weight: float = min(max(sides) / 450, min(sides) / 60)
    return max(1, round(weight))


def pixels(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert an image, uint8 or from 0 to 1, `(H, W)` or `(H, W, 1 or 3)`, to a grey or RGB uint8 image.

    Example:
        >>> pixels(np.full((4, 4, 1), 0.5)).shape, pixels(np.full((4, 4, 1), 0.5)).max()
        ((4, 4), np.uint8(128))
    """
    if image.dtype != np.uint8:
        image = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    return image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image


def shrink(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Shrink an image to `side` pixels on the longer side; a smaller one stays as it is.

    Example:
        >>> shrink(np.zeros((640, 1280, 3), np.uint8), 320).shape
        (160, 320, 3)
    """
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    return resize(image, (max(1, round(height * scale)), max(1, round(width * scale))))


def data_uri(image: NDArray[np.uint8]) -> str:
    """Encode an RGB or grey image for an HTML page: as JPEG, up to 64 pixels per side as PNG.

    Example:
        >>> data_uri(np.zeros((80, 80, 3), np.uint8))[:23]
        'data:image/jpeg;base64,'
    """
    coding = "png" if max(image.shape[:2]) <= _SMALL else "jpeg"
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if coding == "jpeg" else []
    _, encoded = cv2.imencode(f".{coding}", image if image.ndim == 2 else image[..., ::-1], options)
    return f"data:image/{coding};base64," + b64encode(encoded.tobytes()).decode("ascii")
