"""New images of a defect: a real one is cut out by its mask and blended into an image of a good part.

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

SHIFT = 0.05  # share of the shorter side by which a defect is moved, where parts are aligned
TURNS = 24  # random angles to choose among where they are not: a scratch has to follow the other part, too
BEST = 0.01  # share of the places, those with the most similar surroundings, from which one is drawn
TRIES = 5  # pastes tried for each that is asked for, before fewer are returned

_LONGEST = 256  # places are searched in images with sides of up to so many pixels, and then to the pixel
_MOST = 30  # grey levels, root mean square, by which surroundings may differ; beyond, parts meet background
_LESS = 0.1  # by so much may the share of a defect that is on the part be smaller than in its own image
_EVEN = 40  # on an even background, nine tenths of the border differ by fewer grey levels from its colour
_MARGIN = 0.03  # share of the shorter side that the margin around a defect is at most wide
_WIDER = 3  # surroundings are so many margins wide: one does not tell the neck of a screw from its head
_CONTRAST = 1.4  # contrast is raised or lowered at most so many times; more would make another defect

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.float32]


class _Piece(NamedTuple):
    """A defect cut out with its surroundings, perhaps turned."""

    pixels: Image  # (h, w, 3)
    inside: Mask  # the defect (h, w)
    around: Mask  # its surroundings (h, w), within reach and within the image that it comes from
    alpha: Numbers  # the weight of these pixels (h, w, 1): 1 inside, falling to 0 at the end of the margin
    home: NDArray[np.int64]  # row and column of its first pixel in the image, before it is moved
    reach: int  # width of the surroundings on each side, in pixels


def paste(
    good: Image, defect: Image, mask: Mask, rng: np.random.Generator, *, turn: bool, mirror: bool
) -> Image | None:
    """Paste a defect into an image of a good part of the same product.

    The place is drawn among those with the most similar surroundings, so that an edge or a thread goes on.
    There the defect takes on the mean and the contrast of its new surroundings, and fades out over a margin
    around its mask. Where the background is even, a defect on the part is pasted onto the part.

    Args:
        good: The good part, `(H, W, 3)`.
        defect: The image with the defect, of the same size.
        mask: The defect, `(H, W)`.
        rng: Source of random numbers.
        turn: Whether the defect is turned by any angle and put anywhere; if not, it is moved by up to 5 % of
            the shorter side, and one that the border cuts off stays at the border.
        mirror: Whether the defect may be mirrored, left to right.

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
    turns = [_turn(rng, turn, mirror) for _ in range(TURNS if turn else 1)]
    costs, moves, numbers = [], [], []
    for number, matrix in enumerate(turns):
        piece = _cut(small_defect, small_mask, matrix)
        cost = _dissimilarity(_padded(small_good, piece.reach), piece)
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
    piece = _cut(defect, mask, turns[np.concatenate(numbers)[chosen]])
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
    """Paste defects, each about as often as the others, into good images drawn at random; see `paste`.

    Images are asked for one at a time, so that a sequence may read them from files. Fewer than `count` are
    made where five times as many tries are not enough.

    Returns:
        The images `(m, H, W, 3)`, and the index of the defect in each `(m,)`.

    Example:
        >>> good, defect = np.full((2, 64, 64, 3), 200, np.uint8)
        >>> defect[30:34, 30:34] = 90
        >>> pair = (defect, defect[..., 0] < 100)
        >>> paste_many([good], [pair], 3, seed=0, turn=False, mirror=False)[1].tolist()
        [0, 0, 0]
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
    """Segment the part: pixels beyond Otsu's threshold from the colour of the border, with holes filled.

    Otsu, "A Threshold Selection Method from Gray-Level Histograms", DOI 10.1109/TSMC.1979.4310076.

    Returns:
        The part, `(H, W)`; None where the background is not even, or nothing is on it.

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


def _turn(rng: np.random.Generator, turn: bool, mirror: bool) -> NDArray[np.float64]:
    """Draw a matrix `(2, 2)` that turns and mirrors places (x, y)."""
    angle = rng.uniform(0, 2 * math.pi) if turn else 0.0
    flip = -1.0 if mirror and rng.random() < 0.5 else 1.0
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine * flip, -sine], [sine * flip, cosine]])


def _smaller(image: NDArray[Any], scale: float) -> NDArray[Any]:
    """Shrink an image or a mask; a pixel belongs to the mask if any of it did."""
    size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
    is_mask = image.dtype == np.bool_
    small = cv2.resize(image.astype(np.float32) if is_mask else image, size, interpolation=cv2.INTER_AREA)
    return small > 0 if is_mask else small


def _cut(defect: Image, mask: Mask, matrix: NDArray[np.float64]) -> _Piece:
    """Cut out a defect whose image is turned about its centre."""
    sides = np.array(mask.shape[::-1])
    margin = int(np.clip(math.sqrt(mask.sum()) / 4, 2, max(2, _MARGIN * sides.min())))
    reach = _WIDER * margin
    centre = (sides - 1) / 2
    places = (np.argwhere(mask)[:, ::-1] - centre) @ matrix.T + centre
    low = np.floor(places.min(axis=0) + 1e-6).astype(np.int64) - reach
    size = (np.ceil(places.max(axis=0) - 1e-6).astype(np.int64) + reach + 1 - low).tolist()
    move = np.column_stack([matrix, centre - matrix @ centre - low])
    there = cv2.warpAffine(mask.astype(np.float32), move, size)
    inside = there >= min(0.5, there.max())  # a single pixel must not be lost between others
    known = cv2.warpAffine(np.ones(mask.shape, np.float32), move, size) >= 0.5
    distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    alpha = (1 - distance / (margin + 1)).clip(0, 1)[..., None].astype(np.float32)
    around = known & ~inside & (distance <= reach)
    pixels = cv2.warpAffine(defect, move, size, borderMode=cv2.BORDER_REFLECT).astype(np.uint8, copy=False)
    return _Piece(pixels, inside, around, alpha, low[::-1], reach)


def _padded(image: Image, reach: int) -> Image:
    """Extend an image by the reach of a defect beyond its border."""
    return np.pad(image, [(reach, reach)] * 2 + [(0, 0)] * (image.ndim - 2), mode="symmetric")


def _dissimilarity(padded: Image, piece: _Piece) -> Numbers:
    """Return the mean squared difference of surroundings per place of the first pixel, `(rows, columns)`."""
    grey, own = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (padded, piece.pixels))
    rows, columns = (max(0, all_ - some + 1) for all_, some in zip(grey.shape, own.shape, strict=True))
    if not rows * columns or not piece.around.any():
        return np.zeros((rows, columns), np.float32)
    around = piece.around.astype(np.uint8)
    squares = cv2.matchTemplate(grey, own, cv2.TM_SQDIFF, mask=around)
    return np.asarray(squares / np.float32(around.sum()), np.float32)


def _share(padded: Image, piece: _Piece) -> Numbers:
    """Return the share of the defect that is on the part `(H, W)`, per place as in `_dissimilarity`."""
    inside = piece.inside.astype(np.float32)
    covered = cv2.matchTemplate(padded.astype(np.float32), inside, cv2.TM_CCORR)
    return np.asarray(covered / np.float32(inside.sum()), np.float32)


def _movable(mask: Mask) -> Mask:
    """Whether a defect may be moved up or down, and sideways: cut off by the border, it would end in air."""
    return np.array([not mask[[0, -1]].any(), not mask[:, [0, -1]].any()])


def _near(mask: Mask, piece: _Piece, shape: tuple[int, ...]) -> Mask:
    """Return which places, as in `_dissimilarity`, are near to that of the defect in its own image."""
    away = np.abs(np.indices(shape) - (piece.home + piece.reach)[:, None, None])
    most = _movable(mask) * int(SHIFT * min(mask.shape))
    return np.asarray((away <= most[:, None, None]).all(axis=0), np.bool_)


def _blended(good: Image, piece: _Piece, corner: NDArray[np.int64], steps: NDArray[np.int64]) -> Image | None:
    """Paste a piece, at most some steps from a corner, where its surroundings are the most similar."""
    reach, shape = piece.reach, np.array(piece.inside.shape)
    padded = _padded(good, reach)
    last = np.array(padded.shape[:2]) - shape
    if last.min() < 0:
        return None
    low, high = ((corner + reach + step).clip(0, last) for step in (-steps, steps))
    cost = _dissimilarity(padded[low[0] : high[0] + shape[0], low[1] : high[1] + shape[1]], piece)
    row, column = low + np.unravel_index(cost.argmin(), cost.shape)
    window = padded[row : row + shape[0], column : column + shape[1]]
    new = piece.pixels.astype(np.float32)
    margin = piece.around & (piece.alpha[..., 0] > 0)
    if margin.any():
        # Alike for all colours: what is grey stays grey, also between a black hole and copper.
        was, is_ = new[margin], window[margin].astype(np.float32)
        gain = np.clip((is_.std() + 1) / (was.std() + 1), 1 / _CONTRAST, _CONTRAST)
        new = (new - was.mean()) * gain + is_.mean()
    window[:] = np.rint(piece.alpha * new + (1 - piece.alpha) * window).clip(0, 255)
    return padded[reach : reach + good.shape[0], reach : reach + good.shape[1]].copy()
