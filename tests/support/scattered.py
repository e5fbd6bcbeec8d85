"""Photographs of synthetic parts that shift and turn on a plain table."""

from __future__ import annotations

import cv2
import numpy as np

SIZE = (200, 260)
PART = (36, 64)


def bracket(rng: np.random.Generator) -> np.ndarray:
    """A part that is the same at no other turn, `(36, 64, 3)`: a plate with a dark hole at one end."""
    plate = np.full((*PART, 3), (190, 170, 140), np.float32)
    cv2.circle(plate, (48, 14), 8, (60, 50, 40), -1, cv2.LINE_AA)
    cv2.rectangle(plate, (4, 24), (30, 30), (230, 220, 200), -1)
    return plate + rng.normal(0, 3, plate.shape).astype(np.float32)


def scattered(
    part: np.ndarray, pose: tuple[float, float, float], rng: np.random.Generator, size: tuple[int, int] = SIZE
) -> np.ndarray:
    """Put a part at x and y, turned by radians clockwise, on a table that is brighter on one side."""
    height, width = part.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -np.degrees(pose[2]), 1)
    matrix[:, 2] += pose[0] - width / 2, pose[1] - height / 2
    moved, alpha = (
        cv2.warpAffine(one, matrix, size[::-1]) for one in (part, np.ones(part.shape[:2], np.float32))
    )
    table = np.linspace(50, 70, size[1])[None, :, None] + rng.normal(0, 2, (*size, 3))
    return np.clip(table * (1 - alpha[..., None]) + moved, 0, 255).astype(np.uint8)


def anywhere(rng: np.random.Generator, size: tuple[int, int] = SIZE) -> tuple[float, float, float]:
    """A random pose at which the whole part is in the picture."""
    x, y = (rng.uniform(45, side - 45) for side in (size[1], size[0]))
    return x, y, rng.uniform(-np.pi, np.pi)
