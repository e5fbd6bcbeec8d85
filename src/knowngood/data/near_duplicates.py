"""Copies of images that are not the same file: saved again, resized, made brighter, or shifted a little.

Parts photographed at one station look almost alike. A copy is therefore an image that differs far less from
its original, once both are aligned, than the images most similar to that one do. The limits were measured:
docs/decisions/0014-copies-of-images.md.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from knowngood.data.threads import in_threads
from knowngood.types import Progress, silent

SIDE = 96
"""Pixels on a side of a thumbnail, whatever shape its image has: 9 kB per image."""

_FEWEST = 8  # among fewer images it is unknown how much different ones differ
_NEAR = 0.06  # the share of the difference to other images below which an image is a copy
_FAINT = 0.3  # grey levels that saving as JPEG may leave
_FAINT_NEAR = 0.25  # the share that suffices for so faint a difference
_BLUR = 1.5  # pixels: a shift by half a pixel changes nothing but the position
_FARTHEST = SIDE / 25
# Every other pixel shows all that the blur leaves; a shift may bring in outermost ones from outside.
_PLACES = np.arange(SIDE // 12, SIDE - SIDE // 12, 2)
_STEPS = 4
_FREQUENCIES = 10
_CANDIDATES = (0, 1, 2, 7, 15, 31)  # ranks of similarity; the last ones join what would be two groups of many
_ALIKE = 0.995  # the similarity of signatures below which images are not compared: no copies are
_OTHERS = 32
_AT_ONCE = 9  # other images to compare with; after that many without a vote there is no copy
_ALL_OVER = 16  # images that stand for all, where copies may be more than the most similar ones
_BLOCK = 2**23  # similarities that are held at once, 32 MB


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make the grey image (96, 96) by which copies are found, from RGB (H, W, 3).

    Example:
        >>> thumbnail(np.zeros((300, 200, 3), np.uint8)).shape
        (96, 96)
    """
    # By area, so that a copy half as large has the same thumbnail; first to grey, which is less to resize.
    method = cv2.INTER_LINEAR if min(image.shape[:2]) < SIDE else cv2.INTER_AREA
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=method).astype(np.uint8, copy=False)


def near_duplicates(thumbnails: NDArray[np.uint8], *, progress: Progress = silent) -> list[tuple[int, ...]]:
    """Find copies by the thumbnails (N, 96, 96) of images that are not the same to the byte.

    Each image is compared with the three most similar by the amplitudes of the lowest spatial frequencies,
    which a shift does not change. An image with a standard deviation of at most one grey level is no copy.

    Returns:
        Groups of positions, each ascending, at least two in a group; none among fewer than eight images.
        Copies of copies are in one group. More than fifteen copies of an image count as usual images, unless
        they differ by no more than the noise of a good camera, as the frames of a video of one part do.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> images = np.stack([cv2.GaussianBlur(rng.uniform(0, 255, (96, 96)), (0, 0), 4) for _ in range(9)])
        >>> images = np.clip(128 + 6 * (images - 127), 0, 255)
        >>> near_duplicates(np.append(images, 1.05 * images[3:4], axis=0).clip(0, 255).astype(np.uint8))
        [(3, 9)]
    """
    shown = np.flatnonzero([image.std() > 1 for image in thumbnails])
    if len(shown) < _FEWEST:
        return []
    small = thumbnails if len(shown) == len(thumbnails) else thumbnails[shown]
    nearest, similarities = _nearest(_signatures(small))
    ranks = [rank for rank in _CANDIDATES if rank < nearest.shape[1]]
    near, rank = np.nonzero(similarities[:, ranks] >= _ALIKE)
    others = nearest[:, ranks][near, rank]
    pairs = sorted({(min(pair), max(pair)) for pair in zip(near.tolist(), others.tolist(), strict=True)})
    all_over = np.random.default_rng(0).permutation(len(small))[:_ALL_OVER]

    groups: dict[int, list[int]] = {}

    def is_copy(pair: tuple[int, int]) -> bool:
        if groups.get(pair[0], 0) is groups.get(pair[1], 1):
            return False  # they are in one group already
        return any(
            _stands_out(small[one], small[other], small[nearest[one]], small[all_over[all_over != one]])
            for one, other in (pair, pair[::-1])
        )

    for done, (pair, copy) in enumerate(zip(pairs, in_threads(is_copy, pairs), strict=True), start=1):
        if copy:
            joined = sorted({member for one in pair for member in groups.get(one, [one])})
            groups.update(dict.fromkeys(joined, joined))
        progress("comparing images", done, len(pairs))
    return sorted({tuple(shown[group].tolist()) for group in groups.values()})


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Measure the difference of two images (96, 96) that remains once the second is aligned with the first.

    The second is shifted by up to 4 % of a side and its grey levels are stretched, by least squares in a few
    steps (Baker and Matthews, "Lucas-Kanade 20 Years On", doi 10.1023/B:VISI.0000011205.11775.fd, section
    3.2). The result is the root mean square in grey levels, without the outermost pixels.

    Example:
        >>> image = np.tile(np.arange(96, dtype=np.uint8), (96, 1))
        >>> round(difference(image, image + 9), 3)
        0.0
    """
    return float(_differences(first, second[None])[0])


def _differences(image: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Measure the differences of an image to others (N, 96, 96), see `difference`."""
    here, pixels = _weights(np.zeros(1))[0], image.astype(np.float32)
    slope = here * (np.arange(SIDE) - _PLACES[:, None]).astype(np.float32) / _BLUR**2
    known = np.stack(
        [(down @ pixels @ across.T).ravel() for down, across in ((here, here), (here, slope), (slope, here))]
    )
    known -= known.mean(axis=1, keepdims=True)  # in place of the offset
    # Where nothing changes along a direction, there is no shift to be found along it.
    solve = np.linalg.inv(known @ known.T + 1e-3 * np.eye(3)).astype(np.float32) @ known
    sources = others.astype(np.float32)
    shifts = np.zeros((len(others), 2))
    smallest = np.full(len(others), np.inf)
    for _ in range(_STEPS):
        across, down = (_weights(one) for one in shifts.T)
        moved = (down @ sources @ across.transpose(0, 2, 1)).reshape(len(others), -1)
        moved -= moved.mean(axis=1, keepdims=True)
        size = np.einsum("ij,ij->i", moved, moved)
        gain = np.maximum(0, moved @ known[0]) / np.maximum(size, 1e-9)  # an inverted image is no copy
        rest = known[0] - gain[:, None] * moved
        smallest = np.minimum(smallest, np.sqrt(np.einsum("ij,ij->i", rest, rest) / rest.shape[1]))
        fit = moved @ solve.T
        shifts = np.clip(shifts + fit[:, 1:] / np.maximum(fit[:, :1], 1e-2), -_FARTHEST, _FARTHEST)
    return smallest


def _weights(shifts: NDArray[np.float64]) -> NDArray[np.float32]:
    """Weigh the pixels (N, n, 96) of a row, blurred and shifted by N numbers of pixels, at n places of it."""
    far = (np.arange(1 - SIDE, SIDE, dtype=np.float32) + shifts.astype(np.float32)[:, None]) / _BLUR
    bell = np.exp(np.maximum(-0.5 * far**2, -14))  # with smaller numbers processors compute slowly
    bell /= bell.sum(axis=1, keepdims=True)
    return sliding_window_view(bell, SIDE, axis=1)[:, SIDE - 1 - _PLACES]


def _stands_out(
    image: NDArray[np.uint8],
    copy: NDArray[np.uint8],
    alike: NDArray[np.uint8],
    all_over: NDArray[np.uint8],
) -> bool:
    """Whether an image differs far less from its copy than from most of those that are most like it, or by
    next to nothing and far less than from most images all over.
    """
    found = difference(image, copy)
    # No other can differ by more than the image varies: most pairs need no closer comparison.
    most = float(image.std())
    return (found < _faint(most) and _below(found, image, all_over, _faint)) or (
        found < _limit(most) and _below(found, image, alike, _limit)
    )


def _limit(usual: float) -> float:
    """The difference below which an image is a copy, from the usual difference of others."""
    return max(_NEAR * usual, _faint(usual))


def _faint(usual: float) -> float:
    """The same, for a difference that is next to nothing."""
    return min(_FAINT, _FAINT_NEAR * usual)


def _below(
    found: float,
    image: NDArray[np.uint8],
    others: NDArray[np.uint8],
    limit: Callable[[float], float],
) -> bool:
    """Whether a difference is below the limits that more than half of the other images set.

    The last ones, which are least like the image, set the highest limits: if these are too low, so are the
    others.
    """
    votes = 0
    for done in range(0, len(others), _AT_ONCE):
        some = others[::-1][done : done + _AT_ONCE]
        votes += sum(found < limit(usual) for usual in _differences(image, some).tolist())
        if not votes or 2 * votes > len(others):
            break
    return 2 * votes > len(others)


def _signatures(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the amplitudes of the lowest frequencies, in unit vectors (N, 190)."""
    window = np.hanning(SIDE + 2)[1:-1].astype(np.float32)
    signatures = []
    for image in thumbnails:
        waves = np.abs(np.fft.rfft2((image - image.mean(dtype=np.float32)) * window[:, None] * window))
        low = np.concatenate([waves[:_FREQUENCIES, :_FREQUENCIES], waves[1 - _FREQUENCIES :, :_FREQUENCIES]])
        root = np.sqrt(low).ravel()  # so that the few strongest do not dominate
        root -= root.mean()
        signatures.append((root / max(float(np.linalg.norm(root)), 1e-9)).astype(np.float32))
    return np.stack(signatures)


def _nearest(signatures: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the positions of the 32 most similar signatures per signature, or of all, and how similar they
    are, most similar first.
    """
    count = min(_OTHERS, len(signatures) - 1)
    rows = max(1, _BLOCK // len(signatures))
    nearest, values = [], []
    for start in range(0, len(signatures), rows):
        similarities = signatures[start : start + rows] @ signatures.T
        own = np.arange(len(similarities))
        similarities[own, start + own] = -np.inf
        largest = np.argpartition(similarities, -count, axis=1)[:, -count:]
        order = np.argsort(-np.take_along_axis(similarities, largest, axis=1), axis=1, kind="stable")
        nearest.append(np.take_along_axis(largest, order, axis=1))
        values.append(np.take_along_axis(similarities, nearest[-1], axis=1))
    return np.concatenate(nearest), np.concatenate(values)
