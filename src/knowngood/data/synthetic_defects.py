"""Synthetic defects: a good image is damaged at a random place, and a mask says which pixels changed.

Each type is a pure function of an image and a source of random numbers, in `TYPES` by its name. Sizes are
shares of the shorter side. Where the background is even, defects are on the part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.paste import part_of
from knowngood.data.perlin import perlin_noise
from knowngood.errors import RecipeError, quoted

VISIBLE = 10
"""Grey levels by which a pixel of the mask differs, in one of its channels at least."""

LEAST_SIDE = 16
"""Pixels of the shorter side of an image that can be damaged."""

SEEN = 0.15  # of the pixels that a type changes, the share that must be visible
_STRONG = 60  # grey levels by which an image changes where what a type does to it cannot be seen
_TRIES = 5  # places that are tried, until it is
_LOW = 0.5  # share of a place where Perlin noise is too low for a texture

Image = NDArray[np.uint8]  # (H, W, C), C of 1 or 3
Mask = NDArray[np.bool_]  # (H, W)
Weights = NDArray[np.float32]  # (H, W), from 0 to 1
Point = NDArray[np.float64]  # x and y
Change = tuple[NDArray[Any], Weights]
"""What is there instead, an image `(H, W, C)`, and how far it is seen in place of the image, `(H, W)`."""


class Damaged(NamedTuple):
    """A damaged image `(H, W, C)`, and the pixels that changed by at least `VISIBLE` grey levels `(H, W)`."""

    image: Image
    mask: Mask


def _seen(
    draw: Callable[[Image, np.random.Generator], Change],
) -> Callable[[Image, np.random.Generator], Damaged]:
    """Damage an image by what a type draws: at another place, where it would hardly be seen."""

    @wraps(draw)
    def damage(image: Image, rng: np.random.Generator) -> Damaged:
        for _ in range(_TRIES):
            other, weights = draw(image, rng)
            damaged = _blend(image, other, weights)
            if damaged.mask.sum() >= max(1, SEEN * (weights > 0.5).sum()):
                return damaged
        levels = -_STRONG if image[weights > 0].mean() > 127 else _STRONG
        return _blend(image, np.clip(image.astype(np.int16) + levels, 0, 255), weights)

    return damage


@_seen
def cut_paste(image: Image, rng: np.random.Generator) -> Change:
    """Copy a rectangle to another place, in slightly other light.

    Li et al., "CutPaste: Self-Supervised Learning for Anomaly Detection and Localization", arXiv:2104.04015;
    theirs is up to 15 % of the image, ours up to 4 %, as defects are.

    Example:
        >>> image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
        >>> damaged = cut_paste(image, np.random.default_rng(0))
        >>> damaged.image.shape, damaged.mask.dtype, bool(damaged.mask.any())
        ((64, 64, 3), dtype('bool'), True)
    """
    area, aspect = rng.uniform(0.05, 0.2) * _side(image), math.sqrt(_between(rng, 0.3, 3.3))
    size = np.maximum(2, np.rint([area / aspect, area * aspect])).astype(int)
    rows, columns = _window(image, size, rng)
    from_rows, from_columns = _window(image, size, rng)
    other = image.copy()
    other[rows, columns] = _in_other_light(image[from_rows, from_columns], rng, 0.1)
    weights = np.zeros(image.shape[:2], np.float32)
    weights[rows, columns] = 1
    return other, weights


@_seen
def scar(image: Image, rng: np.random.Generator) -> Change:
    """Draw a thin bent line, such as a scratch or a hair, brighter or darker than what is below it.

    CutPaste's second type (arXiv:2104.04015, section 2.2) is a thin straight rectangle.

    Example:
        >>> int(scar(np.full((64, 64, 1), 128, np.uint8), np.random.default_rng(0)).mask.sum()) > 5
        True
    """
    length, steps = _between(rng, 0.1, 0.4) * _side(image), 8
    headings = rng.uniform(0, 2 * math.pi) + np.cumsum(rng.normal(0, 0.12, steps))
    path = np.cumsum(np.stack([np.cos(headings), np.sin(headings)], axis=1), axis=0) * length / steps
    points = _place(image, rng) + path - path[steps // 2]
    width = max(1, round(_between(rng, 0.004, 0.012) * _side(image)))
    line = np.zeros(image.shape[:2], np.uint8)
    bits = 4  # of a pixel's fraction
    in_bits = np.rint(points * 2**bits).astype(np.int32)
    cv2.polylines(
        line, [in_bits], isClosed=False, color=255, thickness=width, lineType=cv2.LINE_AA, shift=bits
    )
    levels = rng.choice([-1, 1]) * rng.uniform(_STRONG / 2, 2 * _STRONG)
    return np.clip(image + levels, 0, 255), np.asarray(line / 255, np.float32)


@_seen
def perlin(image: Image, rng: np.random.Generator) -> Change:
    """Blend a texture into the image where Perlin noise is high.

    Zavrtanik, Kristan and Skocaj, "DRAEM: A Discriminatively Trained Reconstruction Embedding for Surface
    Anomaly Detection", arXiv:2108.07610. Their textures are photographs of a data set; ours is another place
    of the image, turned, enlarged, in other light and, where it has colours, in others. Theirs is anywhere in
    the image, ours around one place.

    Example:
        >>> damaged = perlin(np.full((32, 48, 3), 90, np.uint8), np.random.default_rng(0))
        >>> damaged.image.shape == (32, 48, 3) and bool(damaged.mask.any())
        True
    """
    centre = _place(image, rng)
    near = _blob(image, centre, _between(rng, 0.05, 0.15) * _side(image), rng)
    noise = perlin_noise(image.shape[:2], rng, coarsest=8)
    high = np.clip((noise - np.quantile(noise[near > 0.5], _LOW)) / 0.1, 0, 1)
    texture = _in_other_light(_elsewhere(image, centre, rng), rng, 0.5)[..., rng.permutation(image.shape[2])]
    return texture, (high * near * rng.uniform(0.4, 1)).astype(np.float32)


@_seen
def natural(image: Image, rng: np.random.Generator) -> Change:
    """Blend a patch of another place into the image so that no edge shows.

    Schlueter et al., "Natural Synthetic Anomalies for Self-Supervised Anomaly Detection and Localization",
    arXiv:2109.15222, by Poisson image editing (doi 10.1145/882262.882269). Their patches are of a second
    image, ours of the same one, turned and of another size.

    Example:
        >>> image = np.random.default_rng(0).integers(0, 255, (64, 64, 1), np.uint8)
        >>> natural(image, np.random.default_rng(0)).image.shape
        (64, 64, 1)
    """
    centre = _place(image, rng)
    inside = _blob(image, centre, _between(rng, 0.04, 0.12) * _side(image), rng) > 0.5
    inside[[0, -1]] = inside[:, [0, -1]] = False  # there must be pixels around it on all sides
    other = _elsewhere(image, centre, rng)
    marked = np.where(inside, 255, 0).astype(np.uint8)
    left, top, across, down = cv2.boundingRect(marked)
    if min(across, down) > 2:
        middle, colours = (left + across // 2, top + down // 2), 3 // image.shape[2]
        pasted, below = (np.ascontiguousarray(np.repeat(one, colours, axis=2)) for one in (other, image))
        blended = cv2.seamlessClone(pasted, below, marked, middle, cv2.NORMAL_CLONE)
        other = np.asarray(blended, np.uint8)[..., : image.shape[2]]
    return other, inside.astype(np.float32)


@_seen
def blur(image: Image, rng: np.random.Generator) -> Change:
    """Blur a place, as a smear of dirt or oil does.

    Example:
        >>> image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
        >>> damaged = blur(image, np.random.default_rng(0))
        >>> bool(damaged.image[damaged.mask].std() < image[damaged.mask].std())
        True
    """
    deviation = max(1.0, rng.uniform(0.01, 0.03) * _side(image))
    blurred = cv2.GaussianBlur(image, (0, 0), deviation).reshape(image.shape)
    weights = _blob(image, _place(image, rng), _between(rng, 0.05, 0.15) * _side(image), rng)
    return np.asarray(blurred, np.uint8), weights


@_seen
def missing(image: Image, rng: np.random.Generator) -> Change:
    """Take a region away: there is the colour of the image's border, the background of a part.

    Example:
        >>> image = np.zeros((64, 64, 3), np.uint8)
        >>> image[16:48, 16:48] = 200
        >>> damaged = missing(image, np.random.default_rng(0))
        >>> damaged.image[damaged.mask].max() < 200
        np.True_
    """
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    empty = np.broadcast_to(np.median(border, axis=0).astype(np.uint8), image.shape)
    weights = _blob(image, _place(image, rng), _between(rng, 0.04, 0.12) * _side(image), rng)
    return empty, weights


TYPES: Mapping[str, Callable[[Image, np.random.Generator], Damaged]] = MappingProxyType(
    {draw.__name__: draw for draw in (cut_paste, scar, perlin, natural, blur, missing)}
)
"""The types of synthetic defects by name; each takes an image `(H, W, 1 or 3)` with sides of at least
`LEAST_SIDE` and a source of random numbers, and changes neither the image nor more than it has to.
"""


GENERATED = "generated"  # the type of defects that a generative model learns from real ones


def check_types(names: list[str]) -> None:
    """Refuse the name of a type that is not known.

    Raises:
        RecipeError: One is neither in `TYPES` nor `GENERATED`.

    Example:
        >>> check_types(["scar", "perlin", "generated"])
    """
    known = [*TYPES, GENERATED]
    for name in names:
        if name not in known:
            raise RecipeError(
                f"synthetic defect {quoted(name)} is not known; choose one of {', '.join(known)}"
            )


def visible_change(image: Image, other: Image) -> Mask:
    """Return the pixels `(H, W)` by which two images `(H, W, C)` differ visibly, by `VISIBLE` or more.

    Example:
        >>> visible_change(np.zeros((1, 2, 3), np.uint8), np.array([[[0, 9, 0], [0, 0, 10]]], np.uint8))
        array([[False,  True]])
    """
    return np.asarray(cv2.absdiff(other, image).reshape(image.shape).max(axis=2) >= VISIBLE)


def _blend(image: Image, other: NDArray[Any], weights: Weights) -> Damaged:
    """Mix an image with another by weights."""
    mixed = np.rint(image + weights[..., None] * (other.astype(np.float32) - image)).astype(np.uint8)
    return Damaged(mixed, visible_change(image, mixed))


def _blob(image: Image, centre: Point, radius: float, rng: np.random.Generator) -> Weights:
    """A random smooth shape about a centre: 1 inside, falling to 0 over a rim."""
    radius = max(radius, 2.0)
    turn, stretch = rng.uniform(0, math.pi), math.sqrt(_between(rng, 1, 3))
    x, y = np.meshgrid(
        *(np.arange(side) + 0.5 - at for side, at in zip(image.shape[1::-1], centre, strict=True))
    )
    along = (x * math.cos(turn) + y * math.sin(turn)) / stretch
    across = (y * math.cos(turn) - x * math.sin(turn)) * stretch
    angle, outline = np.arctan2(across, along), np.ones(x.shape)
    for waves in (2, 3, 4):
        outline = outline + rng.normal(0, 0.25 / waves) * np.cos(waves * angle + rng.uniform(0, 2 * math.pi))
    rim = max(1.0, 0.15 * radius)
    inwards = outline * radius - np.hypot(along, across)
    return np.asarray(np.clip(inwards / rim, 0, 1), np.float32)


def _elsewhere(image: Image, centre: Point, rng: np.random.Generator) -> Image:
    """The image, turned and of another size, moved so that another place of it is at a centre."""
    source = _place(image, rng)
    matrix = cv2.getRotationMatrix2D(source.tolist(), rng.uniform(0, 360), _between(rng, 0.7, 1.4))
    turned = np.asarray(matrix, np.float64)
    turned[:, 2] += centre - source
    height, width = image.shape[:2]
    moved = cv2.warpAffine(image, turned, (width, height), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8).reshape(image.shape)


def _place(image: Image, rng: np.random.Generator) -> Point:
    """A random pixel's centre: on the part where the background is even, else anywhere."""
    part = part_of(image)
    height, width = image.shape[:2]
    places = np.arange(height * width) if part is None else np.flatnonzero(part)
    row, column = divmod(int(rng.choice(places)), width)
    return np.array([column + 0.5, row + 0.5])


def _window(image: Image, size: NDArray[Any], rng: np.random.Generator) -> tuple[slice, slice]:
    """Rows and columns of a rectangle of some height and width in the image, about a random place."""
    corner = np.rint(_place(image, rng)[::-1] - size / 2).astype(int)
    top, left = np.clip(corner, 0, np.array(image.shape[:2]) - size).tolist()
    return slice(top, top + size[0]), slice(left, left + size[1])


def _in_other_light(pixels: Image, rng: np.random.Generator, most: float) -> Image:
    """Pixels with another contrast and brightness, by a share of at most `most`."""
    contrast, brightness = rng.uniform(1 - most, 1 + most), rng.uniform(-most, most) * 255
    return np.asarray(np.clip(pixels * contrast + brightness, 0, 255), np.uint8)


def _side(image: Image) -> int:
    """The shorter side."""
    return int(min(image.shape[:2]))


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number between two, with equal chances for equal ratios."""
    return low * math.exp(math.log(high / low) * rng.random())
