"""Copies of images that are not the same file: saved again, made smaller or brighter, or shifted a little.

Parts photographed at one station look almost alike, so how alike two images are says little by itself. What
tells a copy is that it differs far less from its original than the images most like that one do. Thumbnails
are laid over each other as well as a shift, a gain and an offset allow, and what is left is measured
(`difference`).

As a share of the median difference to the 32 images most alike, what is left was at most, on MVTec AD
transistor (313 images of 384²) and screw (480 of 512²) and on all 2,624 solar cells of ELPV (300²), for
copies of some forty images each:

============================== ========== ===== =====
copies                         transistor screw ELPV
============================== ========== ===== =====
JPEG of quality 60             0.035      0.021 0.096
half as large                  0.015      0.010 0.046
5 % brighter                   0.035      0.021 0.065
shifted by a pixel each way    0.038      0.013 0.041
shifted by two pixels each way 0.059      0.020 0.042
------------------------------ ---------- ----- -----
nearest different photographs  0.142      0.105 0.069
============================== ========== ===== =====

- The line is drawn at 0.06. Saving as JPEG leaves up to 0.24 grey levels, which is much for cells that hardly
  differ from each other; below 0.25 grey levels the line is therefore at 0.25. Different photographs of these
  data sets differ by 0.36 grey levels or more. Where nothing but noise tells parts apart, JPEG takes away
  what a copy could be told by, and only copies of high quality are found.
- Of the cells made 5 % brighter, two of 41 run into white (0.11 and 0.30) and are not found.
- The nearest different photographs show two empty places on the board, two screws that lie alike, and
  neighbouring cells of a module, which look as if cut from one block of silicon.
- In screw, ``train/good/053.png`` and ``173.png`` (0.039) are one screw in one place, exposed differently; no
  other pair of these data sets, and none among the 10,000 test digits of MNIST, is below the line.
- Copies that are cut out, turned or mirrored are mostly not found, and of those that were shifted, made
  smaller, brighter and saved as JPEG at once only some.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import THREADS
from knowngood.types import Progress, silent

SIDE = 96
"""Pixels on a side of a thumbnail, whatever shape its image has: 9 kB an image."""

FEWEST = 8
"""Among fewer images nobody can tell how much different ones differ."""

NEAR = 0.06
"""The share of the difference to other images below which an image is a copy."""

FAINT, FAINT_NEAR = 0.25, 0.25
"""A difference of so few grey levels is what saving as JPEG leaves; then this share is enough."""

_BLUR = 1.5  # pixels: a shift by half a pixel changes nothing but the place
_MARGIN = SIDE // 16  # what a shift brings in from outside does not count
_FARTHEST = SIDE / 25
_STEPS = 4
_FREQUENCIES = 10
_CANDIDATES = 3
_OTHERS = 32
_BLOCK = 2**23  # similarities that are held at once, 32 MB


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make the small grey image by which copies are found.

    Args:
        image: RGB, uint8 (H, W, 3), as `knowngood.data.images.read_image` gives it.

    Returns:
        Grey levels, uint8 (96, 96).

    Example:
        >>> thumbnail(np.zeros((300, 200, 3), np.uint8)).shape
        (96, 96)
    """
    # Areas of broken size too, so that a copy half as large has the same thumbnail.
    method = cv2.INTER_LINEAR if min(image.shape[:2]) < SIDE else cv2.INTER_AREA
    small = cv2.resize(image, (SIDE, SIDE), interpolation=method)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def near_duplicates(thumbnails: NDArray[np.uint8], *, progress: Progress = silent) -> list[tuple[int, ...]]:
    """Find images that are copies of each other.

    For each image the three that resemble it most are looked at. They are found by the amplitudes of the
    lowest spatial frequencies, which a shift leaves as they are, block after block of a matrix product. An
    image that shows nothing (a standard deviation of at most one grey level) is no copy of anything.

    Args:
        thumbnails: As `thumbnail` makes them, uint8 (N, 96, 96), of images that are not the same to the byte.
        progress: Called during long work.

    Returns:
        Groups of positions, each ascending, at least two in a group; none among fewer than eight images.
        Copies of copies are in one group. Where an image has more than fifteen copies, these pass for what
        images of its kind look like, and are not found.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> images = np.stack([cv2.GaussianBlur(rng.uniform(0, 255, (96, 96)), (0, 0), 4) for _ in range(9)])
        >>> images = np.clip(128 + 6 * (images - 127), 0, 255)
        >>> near_duplicates(np.append(images, 1.05 * images[3:4], axis=0).clip(0, 255).astype(np.uint8))
        [(3, 9)]
    """
    shown = np.flatnonzero(_spreads(thumbnails) > 1)
    if len(shown) < FEWEST:
        return []
    small = thumbnails[shown]
    nearest = _nearest(_signatures(small))
    candidates = nearest[:, :_CANDIDATES]
    pairs = sorted({(min(i, j), max(i, j)) for i, row in enumerate(candidates.tolist()) for j in row})

    def is_copy(pair: tuple[int, int]) -> bool:
        return any(
            _stands_out(small[one], small[other], small[nearest[one]]) for one, other in (pair, pair[::-1])
        )

    copies = []
    with ThreadPoolExecutor(THREADS) as pool:
        for done, (pair, copy) in enumerate(zip(pairs, pool.map(is_copy, pairs), strict=True), start=1):
            if copy:
                copies.append((int(shown[pair[0]]), int(shown[pair[1]])))
            progress("comparing images", done, len(pairs))
    return _groups(copies)


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Measure how much is left between two images when the second is laid over the first as well as it goes.

    It is shifted by up to 4 % of a side and its grey levels are stretched, by least squares in a few steps
    (Lucas and Kanade, "An Iterative Image Registration Technique with an Application to Stereo Vision", IJCAI
    1981). The outermost pixels are left out.

    Args:
        first: Grey levels, uint8 (96, 96).
        second: Grey levels, uint8 (96, 96).

    Returns:
        The root mean square of what is left, in grey levels of the first; at most their standard deviation.

    Example:
        >>> image = np.tile(np.arange(96, dtype=np.uint8), (96, 1))
        >>> round(difference(image, image + 9), 3)
        0.0
    """
    inside = slice(_MARGIN, -_MARGIN)
    wanted = _blurred(first)[inside, inside].ravel()
    wanted -= wanted.mean()
    source = _blurred(second)
    shift = np.zeros(2)
    left = np.inf
    for _ in range(_STEPS):
        move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
        laid = cv2.warpAffine(
            source, move, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        down, across = np.gradient(laid)
        known = np.stack([part[inside, inside].ravel() for part in (laid, across, down)])
        known -= known.mean(axis=1, keepdims=True)  # takes the place of the offset
        products, towards = known @ known.T, known @ wanted
        gain = max(0.0, towards[0] / max(products[0, 0], 1e-9))  # an inverted image is no copy
        left = min(left, float(np.sqrt(np.mean((wanted - gain * known[0]) ** 2))))
        # Where nothing changes along a direction, there is no shift to be found along it.
        fit = np.linalg.solve(products + 1e-3 * np.eye(3), towards)
        shift = np.clip(shift - fit[1:] / max(fit[0], 1e-2), -_FARTHEST, _FARTHEST)
    return left


def _limit(usual: float) -> float:
    """The difference below which an image is a copy, where others usually differ by so much."""
    return max(NEAR * usual, min(FAINT, FAINT_NEAR * usual))


def _stands_out(image: NDArray[np.uint8], copy: NDArray[np.uint8], others: NDArray[np.uint8]) -> bool:
    """Say whether an image differs far less from its copy than from most others; its copies are outvoted."""
    found = difference(image, copy)
    # No other can differ by more than the image varies: most pairs need no closer look.
    if found >= _limit(float(image.std())):
        return False
    against = 0
    for other in others:
        against += found >= _limit(difference(image, other))
        if 2 * against >= len(others):
            return False
    return True


def _spreads(thumbnails: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The standard deviation of each thumbnail, in grey levels."""
    return np.array([image.std() for image in thumbnails], np.float64)


def _blurred(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Leave out details so small that pixels do not carry them whole."""
    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), _BLUR).astype(np.float32, copy=False)


def _signatures(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Amplitudes of the lowest frequencies, in unit vectors (N, 190)."""
    window = np.hanning(SIDE + 2)[1:-1].astype(np.float32)
    signatures = []
    for image in thumbnails:
        waves = np.abs(np.fft.rfft2((image - image.mean(dtype=np.float32)) * window[:, None] * window))
        low = np.concatenate([waves[:_FREQUENCIES, :_FREQUENCIES], waves[1 - _FREQUENCIES :, :_FREQUENCIES]])
        root = np.sqrt(low).ravel()  # lest the few strongest say everything
        root -= root.mean()
        signatures.append((root / max(float(np.linalg.norm(root)), 1e-9)).astype(np.float32))
    return np.stack(signatures)


def _nearest(signatures: NDArray[np.float32]) -> NDArray[np.int64]:
    """The positions of the 32 signatures most like each, or of all others, the most alike first."""
    count = min(_OTHERS, len(signatures) - 1)
    return np.concatenate([_most_alike(block, start, count) for start, block in _blocks(signatures)])


def _blocks(signatures: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The position of a first signature, and the similarities of it and those after it to all others."""
    rows = max(1, _BLOCK // len(signatures))
    for start in range(0, len(signatures), rows):
        yield start, signatures[start : start + rows] @ signatures.T


def _most_alike(similarities: NDArray[np.float32], start: int, count: int) -> NDArray[np.int64]:
    """The positions of the largest similarities in each row, the largest first, without the row's own."""
    rows = np.arange(len(similarities))
    similarities[rows, start + rows] = -np.inf
    last = similarities.shape[1] - count
    largest = np.argpartition(similarities, last, axis=1)[:, last:]
    order = np.argsort(-np.take_along_axis(similarities, largest, axis=1), axis=1, kind="stable")
    return np.take_along_axis(largest, order, axis=1)


def _groups(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Join pairs that share a member."""
    group_of: dict[int, list[int]] = {}
    for pair in pairs:
        merged = sorted({member for one in pair for member in group_of.get(one, [one])})
        group_of.update(dict.fromkeys(merged, merged))
    return sorted({tuple(group) for group in group_of.values()})
