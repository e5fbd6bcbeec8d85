"""Alignment: the part of each picture is found and cut out, turned to one position, at one scale.

The place is the centroid of what differs from the background. The turn is the one at which the part has the
highest correlation with the mean of aligned good parts; both are refined by maximising the enhanced
correlation coefficient (Evangelidis and Psarakis, DOI 10.1109/TPAMI.2008.113). Scale is not estimated: a
smaller part is a defect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.foreground import Part, find_part, shrunk
from knowngood.data.images import Frame
from knowngood.data.roi import check_fields

TEMPLATE = 64
"""Pixels of a side of the mean part, by which the turn of others is found."""

DEGREES = 5
"""Between the turns that are tried."""

CANDIDATES = 4
"""Turns that are refined, those of the highest correlation among their neighbours."""

_WIDE = 1.5  # what is cut out once and then turned, as a multiple of the template: its diagonal is inside
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-5)
_SMOOTHED = 5  # pixels of the template
_FARTHEST = 0.1  # share of the template by which the place is refined at most
_FIELDS = {"size": 2, "side": 1, "reach": 4, "template": TEMPLATE**2}


@dataclass(frozen=True, eq=False)
class Alignment:
    """How parts are found and turned to one position.

    Args:
        size: Height and width of the pictures that it was learned from.
        side: Pixels of these that the mean part extends over, a square around the centroid.
        reach: Pixels of these from the centroid that are cut out, to the left, up, right and down.
        template: The mean part in grey, uint8 `(64, 64)`.
    """

    size: tuple[int, int]
    side: int
    reach: tuple[int, int, int, int]
    template: NDArray[np.uint8]

    @property
    def cut_size(self) -> tuple[int, int]:
        """Height and width of what is cut out, in pixels of the pictures that it was learned from."""
        left, up, right, down = self.reach
        return up + down, left + right

    def find(self, picture: NDArray[np.uint8]) -> Frame | None:
        """Find the part in a picture `(H, W, 3)`: the frame that is to be cut out; None without a part."""
        small = shrunk(picture)
        part = find_part(small)
        if part is None:
            return None
        times = picture.shape[1] / small.shape[1]
        return np.asarray(self.frame(self.pose(small, part), self.size[1] / small.shape[1]) * times)

    def centred(self, size: tuple[int, int]) -> Frame:
        """The frame in the middle of a picture of a height and width, for one without a part."""
        scale = self.size[1] / size[1]
        left, up, right, down = self.reach
        middle = np.array([size[1] + (left - right) / scale, size[0] + (up - down) / scale]) / 2
        return self.frame(np.array([*middle, 0.0]), scale)

    def frame(self, pose: NDArray[np.float64], scale: float) -> Frame:
        """The frame of a part at some x, y and turn; `scale` is pixels of `size` for one of the picture."""
        left, up, right, down = (length / scale for length in self.reach)
        return pose_frame(pose, (-left, -up, right, down))

    def pose(self, small: NDArray[np.float32], part: Part) -> NDArray[np.float64]:
        """Find x and y of a part's centre in a shrunk picture, and by how much it is turned, in radians."""
        half = self.side * small.shape[1] / self.size[1] / 2
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32, copy=False)
        wide = cut_out(grey, _square([*part.centre, 0], _WIDE * half), (round(_WIDE * TEMPLATE),) * 2)
        similar = np.array([self._similarity(_turned(wide, turn)) for turn in range(0, 360, DEGREES)])
        # A turn alone finds a place between two, where the centroid is not that of the mean part.
        best = np.flatnonzero(similar >= np.maximum(np.roll(similar, 1), np.roll(similar, -1)))
        best = best[np.argsort(-similar[best], kind="stable")][:CANDIDATES]
        poses = [
            self._refined(grey, np.array([*part.centre, math.radians(place * DEGREES)]), half)
            for place in best.tolist()
        ]
        found = [self._similarity(cut_out(grey, _square(pose, half), self.template.shape)) for pose in poses]
        return poses[int(np.argmax(found))]

    def _similarity(self, patch: NDArray[np.float32]) -> float:
        """The correlation of the mean part with a picture of its size."""
        values = patch[self._disc]
        values = values - values.mean()
        return float(values @ self._centred_template) / (float(np.linalg.norm(values)) + 1e-6)

    def _refined(
        self, grey: NDArray[np.float32], pose: NDArray[np.float64], half: float
    ) -> NDArray[np.float64]:
        """A pose after small corrections; as it was, where they do not converge or are not small."""
        patch = cut_out(grey, _square(pose, half), self.template.shape)
        start, disc = np.eye(2, 3, dtype=np.float32), self._disc.astype(np.uint8)
        template = self.template.astype(np.float32)
        try:
            _, moved = cv2.findTransformECC(
                template, patch, start, cv2.MOTION_EUCLIDEAN, _STEPS, disc, _SMOOTHED
            )
        except cv2.error:  # it raises where it does not converge
            return pose
        middle = (TEMPLATE - 1) / 2
        shift = moved @ np.array([middle, middle, 1]) - middle
        turn = math.atan2(moved[1, 0], moved[0, 0])
        if np.abs(shift).max() > _FARTHEST * TEMPLATE or abs(turn) > math.radians(3 * DEGREES):
            return pose
        right, down = shift * 2 * half / TEMPLATE
        cos, sin = math.cos(pose[2]), math.sin(pose[2])
        return np.asarray(pose + np.array([cos * right - sin * down, sin * right + cos * down, turn]))

    @cached_property
    def _disc(self) -> NDArray[np.bool_]:
        """Which pixels of the template are in it at every turn."""
        place = np.arange(TEMPLATE) - (TEMPLATE - 1) / 2
        return np.asarray(np.hypot.outer(place, place) <= TEMPLATE / 2)

    @cached_property
    def _centred_template(self) -> NDArray[np.float32]:
        """The template in the disc, with a mean of 0 and a length of 1."""
        values = self.template[self._disc].astype(np.float32)
        values = values - values.mean()
        return np.asarray(values / (np.linalg.norm(values) + 1e-6), np.float32)

    def to_numbers(self) -> dict[str, list[int]]:
        """The alignment as JSON can hold it."""
        template = self.template.ravel().tolist()
        return {"size": [*self.size], "side": [self.side], "reach": [*self.reach], "template": template}

    @classmethod
    def of_numbers(cls, numbers: dict[str, list[int]]) -> Alignment:
        """The alignment of `to_numbers`.

        Raises:
            ValueError: The numbers are those of no alignment.
        """
        check_fields(numbers, _FIELDS, "an alignment")
        (height, width), [side] = numbers["size"], numbers["side"]
        left, up, right, down = numbers["reach"]
        longest = 4 * max(height, width)
        positive = min(height, width, side, left + right, up + down) > 0
        if not positive or max(side, left, up, right, down) > longest or max(numbers["template"]) > 255:
            raise ValueError("its alignment does not fit into a picture")
        template = np.array(numbers["template"], np.uint8).reshape(TEMPLATE, TEMPLATE)
        return cls((height, width), side, (left, up, right, down), template)


def pose_frame(pose: NDArray[np.float64], edges: tuple[float, float, float, float]) -> Frame:
    """The frame from some left and upper edge to the right and lower one, around a centre that is turned."""
    (x, y, turn), (left, top, right, bottom) = pose, edges
    cos, sin = math.cos(turn), math.sin(turn)
    turned = np.array([[cos, -sin], [sin, cos]])
    corner = turned @ [left, top] + (x, y)
    return np.column_stack([turned * (right - left, bottom - top), corner])


def cut_out(image: NDArray[Any], frame: Frame, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Cut a frame out of an image `(H, W)` or `(H, W, 3)` at a height and width, by linear interpolation.

    Where the image is much larger it is averaged over areas first. Beyond its border it is continued.

    Example:
        >>> frame = np.array([[0, -4.0, 4], [4.0, 0, 0]])  # turned by a quarter
        >>> cut_out(np.eye(4, dtype=np.float32), frame, (4, 4)).argmax(axis=1).tolist()
        [3, 2, 1, 0]
    """
    corners = frame @ np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]])
    times = min(np.linalg.norm(frame[:, 0]) / shape[1], np.linalg.norm(frame[:, 1]) / shape[0])
    size = np.array([image.shape[1], image.shape[0]])
    margin = math.ceil(times) + 2
    left, top = np.clip(np.floor(corners.min(axis=1)).astype(int) - margin, 0, size - 1)
    right, bottom = np.clip(np.ceil(corners.max(axis=1)).astype(int) + margin, (left + 1, top + 1), size)
    part = image[top:bottom, left:right].astype(np.float32)
    frame = frame - [[0, 0, left], [0, 0, top]]
    if times >= 2:
        smaller = [max(1, round(side / int(times))) for side in (right - left, bottom - top)]
        frame = frame * (np.array(smaller) / (right - left, bottom - top))[:, None]
        part = cv2.resize(part, smaller, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
    linear = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(
        part, to_pixels(frame, shape), shape[::-1], flags=linear, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.float32)


def to_pixels(frame: Frame, shape: tuple[int, int]) -> NDArray[np.float64]:
    """From columns and rows of a cut-out to those of its picture, where the middle of the first is at 0."""
    height, width = shape
    scaled = frame @ np.array([[1 / width, 0, 0.5 / width], [0, 1 / height, 0.5 / height], [0, 0, 1]])
    scaled[:, 2] -= 0.5
    return np.asarray(scaled)


def _turned(wide: NDArray[np.float32], degrees: float) -> NDArray[np.float32]:
    """The middle of a picture `(n, n)` that is turned, at the size of the template."""
    middle, corner = (wide.shape[0] - 1) / 2, (wide.shape[0] - TEMPLATE) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), degrees, 1)
    matrix[:, 2] -= corner
    return np.asarray(cv2.warpAffine(wide, matrix, (TEMPLATE, TEMPLATE)), np.float32)


def _square(pose: Any, half: float) -> Frame:
    """The frame of a square around a centre."""
    return pose_frame(np.asarray(pose, np.float64), (-half, -half, half, half))
