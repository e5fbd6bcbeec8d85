"""Perlin noise: where synthetic defects are, and of which shape."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FINEST = 6
"""Pixels of a cell along an axis, at least, in an image."""


def perlin_noise(
    shape: tuple[int, ...], rng: np.random.Generator, *, coarsest: int = 1, finest: int = FINEST
) -> NDArray[np.float32]:
    """Smooth random numbers `(H, W)`, about between -1 and 1, of a fineness that is drawn for each axis.

    Perlin, "An image synthesizer", doi 10.1145/325334.325247, with the smoother blending of his "Improving
    noise", doi 10.1145/566570.566636. `coarsest` is the least number of cells along an axis,
    a power of two; `finest` the least number of pixels of a cell.

    Example:
        >>> perlin_noise((32, 48), np.random.default_rng(0)).shape
        (32, 48)
    """
    largest = (max(coarsest, side // finest) for side in shape)
    cells = [1 << int(rng.integers(coarsest.bit_length() - 1, most.bit_length())) for most in largest]
    angles = rng.uniform(0, 2 * math.pi, (cells[0] + 1, cells[1] + 1))
    gradients = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    places = [(np.arange(side) + 0.5) * count / side for side, count in zip(shape, cells, strict=True)]
    (rows, columns) = (place.astype(int) for place in places)
    down, across = (places[0] - rows)[:, None], (places[1] - columns)[None, :]

    def corner(below: int, right: int) -> NDArray[np.float64]:
        """The products of the gradients at one corner of the cells with the ways to it."""
        gradient = gradients[rows + below][:, columns + right]
        return np.asarray(gradient[..., 0] * (down - below) + gradient[..., 1] * (across - right))

    shares = [way**3 * (way * (6 * way - 15) + 10) for way in (down, across)]
    above = corner(0, 0) + shares[1] * (corner(0, 1) - corner(0, 0))
    beneath = corner(1, 0) + shares[1] * (corner(1, 1) - corner(1, 0))
    return np.asarray(math.sqrt(2) * (above + shares[0] * (beneath - above)), np.float32)
