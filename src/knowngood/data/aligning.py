"""How an alignment is learned from good pictures, and when it is refused."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.alignment import TEMPLATE, Alignment, cut_out, pose_frame
from knowngood.data.foreground import Part, find_part

LEAST_FOUND = 0.9
"""Share of the pictures in which a part must be found."""

LARGEST_SHARE = 0.8
"""By alignment, the variance between good pictures must fall below this share of what it was."""

STILL_SHIFT, STILL_TURN = 0.02, 2.0
"""Parts that shift by less than this share of their size, and turn by fewer degrees, are in one place."""

ROUNDS = 3
MARGIN = 1.04
"""Times the reach of good parts that is cut out."""


class Learned(NamedTuple):
    """An alignment, or None, and in a sentence why."""

    alignment: Alignment | None
    note: str


def learn_alignment(pictures: Sequence[NDArray[np.float32]], size: tuple[int, int]) -> Learned:
    """Learn how parts are aligned from good pictures alone, and whether that makes them more alike.

    Args:
        pictures: Good pictures `(h, w, 3)` as `knowngood.data.foreground.shrunk` gives them.
        size: Height and width of the pictures before.
    """
    parts = [find_part(picture) for picture in pictures]
    found = [(picture, part) for picture, part in zip(pictures, parts, strict=True) if part is not None]
    if len(found) < max(2, LEAST_FOUND * len(pictures)):
        return _refused(
            f"in {len(pictures) - len(found)} of {len(pictures)} images no part stands out from the "
            "background"
        )
    scales = [size[1] / picture.shape[1] for picture, _ in found]
    alignment = _first(found, scales, size)
    for _ in range(ROUNDS):
        poses = [alignment.pose(picture, part) for picture, part in found]
        alignment = dataclasses.replace(alignment, template=_mean(found, poses, scales, alignment.side))
    alignment = dataclasses.replace(alignment, reach=_reach(found, poses, scales))
    centres = np.array([pose[:2] * scale for pose, scale in zip(poses, scales, strict=True)])
    shift = float(np.linalg.norm(centres.std(axis=0)) / alignment.side)
    turn = _deviation(np.array([pose[2] for pose in poses]))
    if shift < STILL_SHIFT and turn < STILL_TURN:
        return _refused(
            f"the parts are in one place already: they shift by {shift:.1%} and turn by {turn:.1f}°"
        )
    before = _between([_grey(picture, None) for picture, _ in found])
    frames = [alignment.frame(pose, scale) for pose, scale in zip(poses, scales, strict=True)]
    after = _between([_grey(picture, frame) for (picture, _), frame in zip(found, frames, strict=True)])
    differ = f"good images differ in {after:.0%} of their variance, and in {before:.0%} as they are"
    if after > LARGEST_SHARE * before:
        return _refused(f"aligned, {differ}")
    return Learned(alignment, f"parts are found and turned to one position: aligned, {differ}")


def _refused(reason: str) -> Learned:
    return Learned(None, f"refused: {reason}")


def _first(
    found: list[tuple[NDArray[np.float32], Part]], scales: list[float], size: tuple[int, int]
) -> Alignment:
    """An alignment with one part of usual size, its longer side across, as the mean part."""
    reaches = [np.linalg.norm(part.points - part.centre, axis=1).max() for _, part in found]
    side = math.ceil(2 * MARGIN * float(np.quantile(np.multiply(reaches, scales), 0.95)))
    usual = int(np.argsort(reaches)[len(reaches) // 2])
    picture, part = found[usual]
    _, (across, down), degrees = cv2.minAreaRect(part.points.astype(np.float32))
    turn = math.radians(degrees + 90 * (down > across))
    turn -= math.pi * round(turn / math.pi)  # the least that gets it there
    pose = np.array([*part.centre, turn])
    return Alignment(size, side, (1, 1, 1, 1), _mean([(picture, part)], [pose], [scales[usual]], side))


def _mean(
    found: list[tuple[NDArray[np.float32], Part]],
    poses: list[NDArray[np.float64]],
    scales: list[float],
    side: int,
) -> NDArray[np.uint8]:
    """The mean of aligned parts in grey."""
    total = np.zeros((TEMPLATE, TEMPLATE))
    for (picture, _), pose, scale in zip(found, poses, scales, strict=True):
        half = side / scale / 2
        total += _grey(picture, pose_frame(pose, (-half, -half, half, half)))
    return np.rint(total / len(found)).astype(np.uint8)


def _reach(
    found: list[tuple[NDArray[np.float32], Part]], poses: list[NDArray[np.float64]], scales: list[float]
) -> tuple[int, int, int, int]:
    """How far aligned parts reach from their centres to the left, up, right and down."""
    reaches = []
    for (_, part), (x, y, turn), scale in zip(found, poses, scales, strict=True):
        cos, sin = math.cos(turn), math.sin(turn)
        upright = (part.points - (x, y)) @ np.array([[cos, -sin], [sin, cos]])
        reaches.append(scale * np.concatenate([-upright.min(axis=0), upright.max(axis=0)]))
    left, up, right, down = np.ceil(MARGIN * np.quantile(reaches, 0.95, axis=0)).astype(int).tolist()
    return left, up, right, down


def _grey(picture: NDArray[np.float32], frame: NDArray[np.float64] | None) -> NDArray[np.float32]:
    """A frame of a picture, or all of it, in grey `(64, 64)`."""
    if frame is None:
        frame = np.array([[picture.shape[1], 0, 0], [0, picture.shape[0], 0]], np.float64)
    return cut_out(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), frame, (TEMPLATE, TEMPLATE))


def _between(greys: list[NDArray[np.float32]]) -> float:
    """The share of the variance of pixels that is between pictures, not between places."""
    values = np.stack(greys)
    return float(values.var(axis=0).mean() / max(float(values.var()), 1e-6))


def _deviation(turns: NDArray[np.float64]) -> float:
    """The standard deviation of angles in radians, in degrees, on the circle."""
    length = abs(np.exp(1j * turns).mean())
    return math.degrees(math.sqrt(-2 * math.log(max(length, 1e-9))))
