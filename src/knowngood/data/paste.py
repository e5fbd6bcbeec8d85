"""New pictures of a defect: a real one is cut out by its mask and blended into an image of a good part.

Dwibedi, Misra and Hebert, "Cut, Paste and Learn: Surprisingly Easy Synthesis for Instance Detection",
arXiv:1708.01642. OpenCV's `seamlessClone` ("Poisson Image Editing", DOI 10.1145/882262.882269) was no better
on screws and transistors: where a lead ends at a hole, the colour of the hole bled into the lead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.errors import DataError

SHIFT = 0.05
"""Share of the shorter side by which a defect is moved, up or down and sideways, where parts lie alike."""

TURNS = 24
"""Random turns to choose among where parts lie in any way: a scratch has to run along the other part too."""

BEST = 0.01
"""Share of the places, best first, from which one is drawn: those whose surroundings are the most alike."""

TRIES = 5
"""Pastes begun for each that is asked for, before fewer are given."""

_LONGEST = 256  # places are looked for in images with sides of up to so many pixels, and then to the pixel
_MOST = 30  # grey levels, root mean square, by which surroundings may differ; beyond, parts meet background
_LESS = 0.1  # by so much may the share of a defect that lies on the part be less than where it was seen
_EVEN = 40  # on an even background, nine tenths of the border differ by fewer grey levels from its colour
_MARGIN = 0.03  # share of the shorter side that the margin around a defect is at most wide
_WIDER = 3  # surroundings are so many margins wide: one does not tell the neck of a screw from its head
_CONTRAST = 1.4  # contrast is raised or lowered at most so many times; more would make another defect

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.float32]


class _Piece(NamedTuple):
    """A defect cut out with its surroundings, perhaps turned.

    Attributes:
        pixels: `(h, w, 3)`.
        inside: Where the defect is `(h, w)`.
        around: Its surroundings `(h, w)`, within reach and within the image that it comes from.
        alpha: What these pixels weigh, `(h, w, 1)`: 1 inside, falling to 0 at the end of the margin.
        home: Row and column of its first pixel in the image, before it is moved.
        reach: How far the surroundings go on each side, in pixels.
    """

    pixels: Image
    inside: Mask
    around: Mask
    alpha: Numbers
    home: NDArray[np.int64]
    reach: int


def paste(
    good: Image, defect: Image, mask: Mask, rng: np.random.Generator, *, turn: bool, mirror: bool
) -> Image | None:
    """Paste a defect into an image of a good part of the same kind.

    Of all places allowed, one is drawn among those whose surroundings look most as they did around the
    defect, so that an edge or a thread goes on. There the defect takes on the mean and the contrast of its
    new surroundings, and fades out over a margin around its mask; beyond it no pixel changes. Where the
    background is even, a defect that was seen on the part is pasted onto the part.

    Args:
        good: The good part, `(H, W, 3)`.
        defect: The image with the defect, of the same size.
        mask: Where the defect is, `(H, W)`.
        rng: Source of chance.
        turn: Parts lie in any way: the defect is turned by any angle and put anywhere. Without it, a defect
            is put where it was seen, moved by up to 5 % of the shorter side; one that the border cuts off is
            not moved away from there.
        mirror: The defect may also be mirrored, left to right.

    Returns:
        A new image `(H, W, 3)`; None where there is no place for it, or the mask is empty.

    Raises:
        DataError: The images and the mask are not of one size.

    Example:
        >>> good, defect = np.full((2, 64, 64, 3), 200, np.uint8)
        >>> defect[30:34, 30:34] = 90
        >>> rng = np.random.default_rng(0)
        >>> made = paste(good, defect, defect[..., 0] < 100, rng, turn=False, mirror=False)
        >>> int((made[..., 0] < 100).sum())
        16
    """
    if good.ndim != 3 or good.shape != defect.shape or good.shape[:2] != mask.shape:
        shapes = f"the good image is {good.shape}, the defect {defect.shape} and its mask {mask.shape}"
        raise DataError(f"{shapes}; all must be of one size, the images (H, W, 3): resize them first")
    if not mask.any():
        return None
    scale = min(1.0, _LONGEST / max(mask.shape))
    small_good, small_defect, small_mask = (_smaller(image, scale) for image in (good, defect, mask))
    parts = part_of(small_good), part_of(small_defect)
    ways = [_way(rng, turn, mirror) for _ in range(TURNS if turn else 1)]
    costs, moves, numbers = [], [], []
    for number, way in enumerate(ways):
        piece = _cut(small_defect, small_mask, way)
        cost = _unlikeness(_padded(small_good, piece.reach), piece)
        allowed = np.ones(cost.shape, np.bool_) if turn else _near(small_mask, piece, cost.shape)
        if parts[0] is not None and parts[1] is not None and cost.size:
            least = parts[1][small_mask].mean() - _LESS
            allowed &= _share(_padded(parts[0].astype(np.uint8), piece.reach), piece) >= least
        allowed &= cost <= _MOST**2
        places = np.argwhere(allowed)
        costs.append(cost[allowed])
        moves.append(places - piece.reach - piece.home)
        numbers.append(np.full(len(places), number))
    order = np.argsort(np.concatenate(costs), kind="stable")
    if not len(order):
        return None
    chosen = order[rng.integers(math.ceil(BEST * len(order)))]
    piece = _cut(defect, mask, ways[np.concatenate(numbers)[chosen]])
    corner = piece.home + np.rint(np.concatenate(moves)[chosen] / scale).astype(np.int64)
    return _blended(good, piece, corner, (math.ceil(1 / scale) - 1) * (_movable(mask) | turn))


def paste_many(
    goods: Sequence[Image],
    defects: Sequence[tuple[Image, Mask]],
    count: int,
    *,
    seed: int,
    turn: bool,
    mirror: bool,
) -> tuple[Image, NDArray[np.int64]]:
    """Paste defects, each about as often as the others, into good images drawn at random.

    Images are asked for one at a time, so that a sequence may read them from files; nothing but the result is
    held.

    Args:
        goods: Images of good parts, each `(H, W, 3)`.
        defects: Images with a defect, each with its mask `(H, W)`, of the same size.
        count: Number of images to make; fewer are made where five times as many tries are not enough.
        seed: Another seed gives other images.
        turn: See `paste`.
        mirror: See `paste`.

    Returns:
        The images `(m, H, W, 3)`, and the index of the defect in each, int64 `(m,)`.

    Raises:
        DataError: There is no good image or no defect, or they are not of one size.

    Example:
        >>> good, defect = np.full((2, 64, 64, 3), 200, np.uint8)
        >>> defect[30:34, 30:34] = 90
        >>> pair = (defect, defect[..., 0] < 100)
        >>> images, which = paste_many([good], [pair], 3, seed=0, turn=False, mirror=False)
        >>> images.shape, which.tolist()
        ((3, 64, 64, 3), [0, 0, 0])
    """
    if not len(goods) or not len(defects):
        raise DataError(
            f"{len(goods)} good image(s) and {len(defects)} defect(s): pasting needs some of both"
        )
    rng = np.random.default_rng(seed)
    images, which = np.empty((count, *goods[0].shape), np.uint8), np.empty(count, np.int64)
    made, order = 0, list[int]()
    for _ in range(TRIES * count):
        order = order or rng.permutation(len(defects)).tolist()
        index = order.pop()
        image = paste(goods[int(rng.integers(len(goods)))], *defects[index], rng, turn=turn, mirror=mirror)
        if image is not None:
            images[made], which[made] = image, index
            made += 1
        if made == count:
            break
    return images[:made], which[:made]


def part_of(image: Image) -> Mask | None:
    """Find the part: what differs from the colour of the border by more than Otsu's threshold, without holes.

    Otsu, "A Threshold Selection Method from Gray-Level Histograms", DOI 10.1109/TSMC.1979.4310076.

    Args:
        image: `(H, W, 3)`.

    Returns:
        Where the part is, `(H, W)`; None where the background is not even, or nothing is on it.

    Example:
        >>> image = np.full((8, 8, 3), 200, np.uint8)
        >>> image[2:6, 2:6] = 50
        >>> int(part_of(image).sum())
        16
    """
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]).astype(np.int16)
    colour = np.median(border, axis=0).astype(np.int16)
    spread = np.quantile(np.abs(border - colour).max(axis=1), 0.9)
    distance = np.abs(image - colour).max(axis=2).astype(np.uint8)
    threshold, differs = cv2.threshold(distance, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    if spread > min(threshold, _EVEN) or not differs.any():
        return None
    outlines, _ = cv2.findContours(differs, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(differs, outlines, -1, 1, cv2.FILLED).astype(np.bool_)


def _way(rng: np.random.Generator, turn: bool, mirror: bool) -> NDArray[np.float64]:
    """A matrix `(2, 2)` that turns and mirrors places (x, y), at random."""
    angle = rng.uniform(0, 2 * math.pi) if turn else 0.0
    flip = -1.0 if mirror and rng.random() < 0.5 else 1.0
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine * flip, -sine], [sine * flip, cosine]])


def _smaller(image: NDArray[Any], scale: float) -> NDArray[Any]:
    """An image or a mask, smaller; a pixel belongs to the mask if any of it did."""
    size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
    is_mask = image.dtype == np.bool_
    small = cv2.resize(image.astype(np.float32) if is_mask else image, size, interpolation=cv2.INTER_AREA)
    return small > 0 if is_mask else small


def _cut(defect: Image, mask: Mask, way: NDArray[np.float64]) -> _Piece:
    """Cut out a defect whose image is turned about its centre."""
    sides = np.array(mask.shape[::-1])
    margin = int(np.clip(math.sqrt(mask.sum()) / 4, 2, max(2, _MARGIN * sides.min())))
    reach = _WIDER * margin
    centre = (sides - 1) / 2
    places = (np.argwhere(mask)[:, ::-1] - centre) @ way.T + centre
    low = np.floor(places.min(axis=0) + 1e-6).astype(np.int64) - reach
    size = (np.ceil(places.max(axis=0) - 1e-6).astype(np.int64) + reach + 1 - low).tolist()
    matrix = np.column_stack([way, centre - way @ centre - low])
    there = cv2.warpAffine(mask.astype(np.float32), matrix, size)
    inside = there >= min(0.5, there.max())  # a single pixel must not be lost between others
    known = cv2.warpAffine(np.ones(mask.shape, np.float32), matrix, size) >= 0.5
    distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    alpha = (1 - distance / (margin + 1)).clip(0, 1)[..., None].astype(np.float32)
    around = known & ~inside & (distance <= reach)
    pixels = cv2.warpAffine(defect, matrix, size, borderMode=cv2.BORDER_REFLECT).astype(np.uint8, copy=False)
    return _Piece(pixels, inside, around, alpha, low[::-1], reach)


def _padded(image: Image, reach: int) -> Image:
    """An image made larger by what a defect at its border reaches beyond it."""
    return np.pad(image, [(reach, reach)] * 2 + [(0, 0)] * (image.ndim - 2), mode="symmetric")


def _unlikeness(padded: Image, piece: _Piece) -> Numbers:
    """How unlike the surroundings are at each place of the piece's first pixel, `(rows, columns)`."""
    grey, seen = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (padded, piece.pixels))
    rows, columns = (max(0, all_ - some + 1) for all_, some in zip(grey.shape, seen.shape, strict=True))
    if not rows * columns or not piece.around.any():
        return np.zeros((rows, columns), np.float32)
    around = piece.around.astype(np.uint8)
    squares: Numbers = cv2.matchTemplate(grey, seen, cv2.TM_SQDIFF, mask=around).astype(np.float32)
    return squares / np.float32(around.sum())


def _share(padded: Image, piece: _Piece) -> Numbers:
    """The share of the defect that lies on the part `(H, W)`, at each place as in `_unlikeness`."""
    inside = piece.inside.astype(np.float32)
    lies: Numbers = cv2.matchTemplate(padded.astype(np.float32), inside, cv2.TM_CCORR).astype(np.float32)
    return lies / np.float32(inside.sum())


def _movable(mask: Mask) -> Mask:
    """Whether a defect may be moved up or down, and sideways: cut off by the border, it would end in air."""
    return np.array([not mask[[0, -1]].any(), not mask[:, [0, -1]].any()])


def _near(mask: Mask, piece: _Piece, shape: tuple[int, ...]) -> Mask:
    """Which places, as in `_unlikeness`, are near to where the defect was seen."""
    away = np.abs(np.indices(shape) - (piece.home + piece.reach)[:, None, None])
    most = _movable(mask) * int(SHIFT * min(mask.shape))
    near: Mask = (away <= most[:, None, None]).all(axis=0)
    return near


def _blended(good: Image, piece: _Piece, corner: NDArray[np.int64], steps: NDArray[np.int64]) -> Image | None:
    """Paste a piece, at most some steps from a place, where its surroundings are most alike."""
    reach, shape = piece.reach, np.array(piece.inside.shape)
    padded = _padded(good, reach)
    last = np.array(padded.shape[:2]) - shape
    if last.min() < 0:
        return None
    low, high = ((corner + reach + step).clip(0, last) for step in (-steps, steps))
    cost = _unlikeness(padded[low[0] : high[0] + shape[0], low[1] : high[1] + shape[1]], piece)
    row, column = low + np.unravel_index(cost.argmin(), cost.shape)
    window = padded[row : row + shape[0], column : column + shape[1]]
    new = piece.pixels.astype(np.float32)
    margin = piece.around & (piece.alpha[..., 0] > 0)
    if margin.any():
        # Alike for all colours: what is grey stays grey, also between a black hole and copper.
        was, is_ = new[margin], window[margin].astype(np.float32)
        gain = np.clip((is_.std() + 1) / (was.std() + 1), 1 / _CONTRAST, _CONTRAST)
        new = (new - was.mean()) * gain + is_.mean()
    mixed = piece.alpha * new + (1 - piece.alpha) * window
    window[:] = np.rint(mixed).clip(0, 255)
    return padded[reach : reach + good.shape[0], reach : reach + good.shape[1]].copy()
