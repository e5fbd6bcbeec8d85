"""Structural similarity of two images."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

SIGMA = 1.5  # standard deviation of the window, in pixels
RADIUS = 5  # pixels of the window to each side of its centre: it is 11 x 11
C1, C2 = 0.01**2, 0.03**2  # limit the weight of dark and flat places, in images from 0 to 1


def ssim(first: ArrayLike, second: ArrayLike) -> float:
    """Return the structural similarity: means, contrasts and structure are compared around each pixel.

    Reference: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE
    Transactions on Image Processing 2004, doi:10.1109/TIP.2003.819861.

    The window is a Gaussian of 11 x 11 pixels, and only places where it fits count. In an image that is
    smaller along an axis, the window is cut down to the largest odd number of pixels that fits along it; over
    a single pixel only means are compared. Channels count alike.

    Args:
        first: One image from 0 to 1, (H, W) or (H, W, C).
        second: The other, of the same shape; the order does not matter.

    Returns:
        The mean over places and channels, -1 to 1; 1 for equal images.

    Raises:
        ValueError: The shapes differ or are no image's, an image holds integers, or a value is not finite.

    Example:
        >>> stripes = np.tile([0.0, 1.0], (16, 8))
        >>> ssim(stripes, stripes), round(ssim(stripes, 0.8 * stripes), 3)
        (1.0, 0.952)
    """
    x, y = np.asarray(first), np.asarray(second)
    _check(x, y)
    x, y = x.astype(np.float64), y.astype(np.float64)

    mean_x, mean_y = _local_mean(x), _local_mean(y)
    # Rounding can leave a variance below zero, and a covariance above what the variances allow.
    variance_x = np.maximum(_local_mean(x * x) - mean_x * mean_x, 0)
    variance_y = np.maximum(_local_mean(y * y) - mean_y * mean_y, 0)
    most = np.sqrt(variance_x * variance_y)
    covariance = np.clip(_local_mean(x * y) - mean_x * mean_y, -most, most)

    means = (2 * mean_x * mean_y + C1) / (mean_x * mean_x + mean_y * mean_y + C1)
    structure = (2 * covariance + C2) / (variance_x + variance_y + C2)
    return float(np.mean(means * structure))


def _check(x: NDArray[np.generic], y: NDArray[np.generic]) -> None:
    """Raise a ValueError for arrays that cannot be compared."""
    if x.shape != y.shape or x.ndim not in (2, 3) or x.size == 0:
        raise ValueError(f"both images must have one shape, (H, W) or (H, W, C); got {x.shape} and {y.shape}")
    for image in (x, y):
        if np.issubdtype(image.dtype, np.integer):
            raise ValueError(
                f"images must be from 0 to 1; divide those of {image.dtype} by its largest value"
            )
        if not np.isfinite(image).all():
            raise ValueError("an image has a value that is not finite")


def _local_mean(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted mean over the window around each pixel where it fits, (H', W') or (H', W', C)."""
    height, width = image.shape[:2]
    rows, columns = (min(RADIUS, (side - 1) // 2) for side in (height, width))
    mean = gaussian_filter(image, SIGMA, radius=(rows, columns), axes=(0, 1))
    return np.asarray(mean[rows : height - rows, columns : width - columns], np.float64)
