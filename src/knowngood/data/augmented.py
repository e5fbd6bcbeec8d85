"""Augmented copies of a few images, from which a detector learns what may differ between good parts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FEW = 16
"""Images up to which copies are made."""

PICTURES = 100
"""Images and copies together, at most."""

TILT, SHIFT, BRIGHTER = 3.0, 0.02, 0.07  # at most: degrees, share of the side, share of the brightness
ALIKE = 0.85  # of the difference at the best shift, below which that at the best turn shows that parts turn
_TURNS = 24
_SHIFTS = range(-2, 3)  # pixels
_SIDE, _BLUR = 48, 1.5  # pixels


def copies_of_each(count: int) -> int:
    """How many copies are made of each of some images.

    Example:
        >>> [copies_of_each(count) for count in (1, 4, 16, 17)]
        [99, 24, 5, 0]
    """
    return PICTURES // count - 1 if 0 < count <= FEW else 0


def parts_turn(images: NDArray[np.uint8]) -> bool:
    """Whether parts have any orientation: whether images `(N, H, W, 3)` differ far less once one of two is
    turned than once it is shifted a little.

    Example:
        >>> upright = np.zeros((64, 64, 3), np.uint8)
        >>> upright[8:56, 28:36] = 255
        >>> parts_turn(np.stack([upright, upright.transpose(1, 0, 2)])), parts_turn(np.stack([upright] * 2))
        (True, False)
    """
    grey = [image.mean(axis=2, dtype=np.float32) for image in images]
    # Blurred, since turned images are, which makes noise differ less.
    small = [
        cv2.GaussianBlur(cv2.resize(one, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), (0, 0), _BLUR)
        for one in grey
    ]
    place = np.arange(_SIDE) - (_SIDE - 1) / 2
    circle = np.hypot(*np.meshgrid(place, place)) < _SIDE / 2
    turned = [_in(circle, [_moved(image, 360 * turn / _TURNS) for turn in range(_TURNS)]) for image in small]
    shifted = [
        _in(circle, [_moved(image, 0, shift) for shift in product(_SHIFTS, repeat=2)]) for image in small
    ]
    left = []
    for one, other in permutations(range(len(small)), 2):
        by_turn, by_shift = (
            float(np.abs(turned[one][0] - copies).mean(axis=1).min())
            for copies in (turned[other], shifted[other])
        )
        left.append(by_turn / by_shift if by_shift > 0 else 1.0)
    return len(left) > 0 and bool(np.median(left) < ALIKE)


def _in(place: NDArray[np.bool_], images: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """The pixels of images that are in some place, a row for each image."""
    return np.stack([image[place] for image in images])


def augmented(
    image: NDArray[np.uint8], count: int, *, turning: bool, random: np.random.Generator
) -> list[NDArray[np.uint8]]:
    """Copies of an image `(H, W, 3)`: turned all around, or tilted and shifted a little; all in other light.

    Example:
        >>> grey = np.full((32, 32, 3), 100, np.uint8)
        >>> copies = augmented(grey, 3, turning=True, random=np.random.default_rng(0))
        >>> len(copies), [int(abs(copy.astype(int) - 100).max()) <= 7 for copy in copies]
        (3, [True, True, True])
    """
    reach = SHIFT * np.array(image.shape[1::-1])
    copies = []
    for turn in range(1, count + 1):
        if turning:
            copy = _moved(image, 360 * turn / (count + 1))
        else:
            copy = _moved(image, random.uniform(-TILT, TILT), random.uniform(-reach, reach))
        light = random.uniform(1 - BRIGHTER, 1 + BRIGHTER)
        copies.append(np.clip(np.rint(copy * light), 0, 255).astype(np.uint8))
    return copies


def _moved(
    image: NDArray[Any], degrees: float, shift: Sequence[float] | NDArray[np.float64] = (0, 0)
) -> NDArray[Any]:
    """An image turned about its centre and shifted by pixels to the right and down; its border continues."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    matrix[:, 2] += np.array(shift)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE))
