"""One judged part in pictures: the image, where the inspector saw an anomaly, where the defect really is."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.images import read_image, read_mask, resize
from knowngood.errors import DataError, UnreadableImage

SIDE = 320
HEAT = np.array([[255, 221, 51], [240, 96, 16], [200, 0, 48]])  # RGB from noticeable to far beyond good
OUTLINE = (0, 200, 255)

_JPEG_QUALITY = 85
_HEAT_OPACITY = 0.8


class Picture(NamedTuple):
    """One picture of a panel, or the reason why there is none.

    Args:
        caption: What it shows.
        uri: The picture as a data URI; empty when there is none.
        text: What stands in for the picture: its alternative text, or why it is missing.
    """

    caption: str
    uri: str
    text: str


def heat(maps: NDArray[np.float32], defect: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Bring anomaly maps to one colour scale, so that panels can be compared and a good part looks calm.

    Heat begins at the peak of a typical good part's map and is full at the peak of a typical defect's; where
    defects are few or faint, only at twice the way to the highest good peaks, so that noise does not glare.
    Without good parts it begins at the typical value of all maps.

    Args:
        maps: Anomaly maps of all judged parts, unbounded (N, h, w).
        defect: Whether each part is a defect, bool (N,).

    Returns:
        The same maps as float32 in [0, 1].

    Example:
        >>> maps = np.array([[[1.0, 0.0]], [[2.0, 0.0]], [[9.0, 1.5]]])
        >>> heat(maps, np.array([False, False, True]))[2].tolist()
        [[1.0, 0.0]]
    """
    if not len(maps):
        return maps.astype(np.float32)
    peaks = maps.max(axis=(1, 2))
    if defect.all():
        low, high = np.median(maps), np.median(peaks)
    else:
        low, highest_good = np.quantile(peaks[~defect], [0.5, 0.95])
        high = 2 * highest_good - low
        if defect.any():
            high = max(high, np.median(peaks[defect]))
    span = high - low if high > low else 1.0
    return np.clip((maps - low) / span, 0, 1).astype(np.float32)


def overlay(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Lay a heat map over a pale grey copy of its image.

    Args:
        image: RGB, uint8 (H, W, 3).
        heat: Heat in [0, 1], float32 (h, w), covering the whole image at any resolution.

    Returns:
        RGB, uint8 (H, W, 3); grey where there is no heat.

    Example:
        >>> image = np.full((4, 4, 3), 100, np.uint8)
        >>> calm = overlay(image, np.zeros((2, 2), np.float32))
        >>> bool((calm == calm[0, 0, 0]).all())
        True
    """
    height, width = image.shape[:2]
    warm = cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    stops = np.linspace(0, 1, len(HEAT))
    colour = np.concatenate([np.interp(warm, stops, channel) for channel in HEAT.T], axis=-1)
    grey = 55 + 0.75 * cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    opacity = _HEAT_OPACITY * np.sqrt(warm)
    blended: NDArray[np.uint8] = np.rint((1 - opacity) * grey + opacity * colour).astype(np.uint8)
    return blended


def outline(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Draw the outline of a mask on its image.

    Args:
        image: RGB, uint8 (H, W, 3).
        mask: True on the defect, bool (h, w), covering the whole image at any resolution.

    Returns:
        A new RGB image, uint8 (H, W, 3).

    Example:
        >>> mask = np.zeros((8, 8), bool)
        >>> mask[3:5, 3:5] = True
        >>> drawn = outline(np.zeros((64, 64, 3), np.uint8), mask)
        >>> bool(drawn.any()), bool(drawn[32, 32].any())
        (True, False)
    """
    height, width = image.shape[:2]
    # by area, so that a hair-thin defect survives the shrinking
    covered = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0
    contours, _ = cv2.findContours(covered.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    drawn = image.copy()
    cv2.drawContours(drawn, contours, -1, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.drawContours(drawn, contours, -1, OUTLINE, 2, cv2.LINE_AA)
    return drawn


def data_uri(image: NDArray[np.uint8]) -> str:
    """Encode an image so that it can stand inside an HTML page.

    Args:
        image: RGB, uint8 (H, W, 3).

    Returns:
        A JPEG data URI.

    Example:
        >>> data_uri(np.zeros((8, 8, 3), np.uint8))[:23]
        'data:image/jpeg;base64,'
    """
    _, jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return "data:image/jpeg;base64," + b64encode(jpeg.tobytes()).decode("ascii")


def panel(path: str, heat: NDArray[np.float32] | None, mask: str, *, bits: int = 16) -> list[Picture]:
    """Make the pictures of one judged part; one that cannot be made says why.

    Args:
        path: The image file.
        heat: Heat in [0, 1], float32 (h, w), or None for a detector without maps.
        mask: The mask file, or empty when there is none.
        bits: Bits that 16-bit pixels really use.

    Returns:
        The image, then the heatmap and the mask outline where there are any, each at most 320 pixels a side.

    Example:
        >>> panel("no such file.png", None, "")[0].uri
        ''
    """
    try:
        image = read_image(path, bits=bits)
    except UnreadableImage as error:
        return [Picture("image", "", f"The image could not be read: {error.reason}")]
    height, width = image.shape[:2]
    shrink = min(1.0, SIDE / max(height, width))
    small = resize(image, (max(1, round(height * shrink)), max(1, round(width * shrink))))
    name = Path(path).name
    pictures = [Picture("image", data_uri(small), f"image of {name}")]
    if heat is not None:
        pictures.append(Picture("heatmap", data_uri(overlay(small, heat)), f"heatmap over {name}"))
    if mask:
        try:
            outlined = outline(small, read_mask(mask, (height, width)))
            pictures.append(
                Picture("true defect", data_uri(outlined), f"outline of the true defect in {name}")
            )
        except DataError as error:
            pictures.append(Picture("true defect", "", f"The mask could not be used: {error}"))
    return pictures
