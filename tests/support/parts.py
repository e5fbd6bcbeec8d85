"""Photographs of synthetic parts, good and defective."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

SIDE = 96


def part(rng: np.random.Generator) -> np.ndarray:
    """Photograph one good part: a shaded disc on a dark table with surface noise, uint8 (96, 96, 3)."""
    y, x = np.mgrid[:SIDE, :SIDE]
    centre_y, centre_x = SIDE / 2 + rng.uniform(-2, 2, size=2)
    radius = np.hypot(y - centre_y, x - centre_x)
    disc = 1 / (1 + np.exp(radius - 36))
    shade = 40 + disc * (90 + 0.3 * x + 12 * np.cos(radius / 3))
    colour = shade[..., None] * np.array([1.0, 0.92, 0.8])
    return np.clip(colour + rng.normal(0, 4, size=(SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def scratch(rng: np.random.Generator) -> np.ndarray:
    """Choose where a scratch lies on the disc: bool (96, 96)."""
    y, x = np.mgrid[:SIDE, :SIDE]
    angle = rng.uniform(0, np.pi)
    centre_y, centre_x = SIDE / 2 + rng.uniform(-12, 12, size=2)
    along = (y - centre_y) * np.sin(angle) + (x - centre_x) * np.cos(angle)
    across = (y - centre_y) * np.cos(angle) - (x - centre_x) * np.sin(angle)
    return (np.abs(along) < 14) & (np.abs(across) < 2)


def write_parts(folder: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """Photograph parts into folders; the last part of a folder's name is what they show.

    It may be `scratch` or `hole`; all else shows good parts.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image, kind = part(rng), Path(name).name
            if kind == "scratch":
                image[scratch(rng)] = 235
            elif kind == "hole":
                across, down = 48 + rng.uniform(-14, 14, 2)
                image[np.hypot(y - down, x - across) < 7] = 20
            Image.fromarray(image).save(folder / name / f"{number:03}.png")
    return folder


class Photos(NamedTuple):
    """Good parts, then parts with a bright line, then parts with a dark square.

    Args:
        images: uint8 (N, 96, 96, 3).
        numbers: 0 for good, 1 for a line, 2 for a square: int (N,).
        boxes: Rows and columns of each defect, two slices; None for a good part.
    """

    images: np.ndarray
    numbers: np.ndarray
    boxes: list[tuple[slice, slice] | None]


def photograph(seed: int, good: int, line: int, square: int) -> Photos:
    """Photograph so many parts of each kind."""
    rng = np.random.default_rng(seed)
    numbers = np.repeat([0, 1, 2], [good, line, square])
    images, boxes = np.stack([part(rng) for _ in numbers]), []
    for image, number in zip(images, numbers, strict=True):
        row, column = rng.integers(28, 44, size=2)
        height, width, grey = [(0, 0, 0), (4, 28, 245), (12, 12, 25)][number]
        box = slice(row, row + height), slice(column, column + width)
        image[box] = grey
        boxes.append(box if number else None)
    return Photos(images, numbers, boxes)
