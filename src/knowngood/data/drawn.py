"""Regions as users draw them: rectangles and polygons in JSON, or mask images."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.images import marked_pixels
from knowngood.errors import DataError, quoted
from knowngood.inputs import LARGEST_TABLE, read_file

Drawn = str | Path | Mapping[str, Any] | NDArray[Any]
"""A region: a file, which is JSON or a mask image; what such JSON holds; or a mask `(H, W)`, not 0 inside."""

SAME_ASPECT = 0.01
"""How far, relative, the aspect ratio of a picture may be from that which a region was drawn on."""

MOST_CORNERS = 2000

_FORMAT = (
    'write {"size": [height, width], "shapes": [{"rectangle": [x, y, width, height]}, '
    '{"polygon": [[x, y], [x, y], [x, y]]}]}'
)


def marked_by(drawn: Drawn, sizes: NDArray[np.int64], name: str) -> NDArray[np.bool_]:
    """Return which pixels a region marks, bool `(H, W)`, on a picture of the largest size.

    Args:
        drawn: The region. Its coordinates are pixels of the upright picture, `x` from the left and `y` from
            the top. `size` may be left out where all pictures have one size. Files of labelme are understood.
        sizes: Heights and widths of the pictures `(n, 2)`, which must have one aspect ratio.
        name: What the region is called in messages, such as `--roi`.

    Raises:
        DataError: The file cannot be read, or the region does not fit the pictures, crosses itself, or is
            empty.

    Example:
        >>> shapes = {"size": [4, 6], "shapes": [{"rectangle": [1, 2, 3, 1]}]}
        >>> marked_by(shapes, np.array([[8, 12]]), "--roi").sum()
        np.int64(12)
    """
    _check_pictures(sizes, name)
    size = (int(sizes[:, 0].max()), int(sizes[:, 1].max()))
    if isinstance(drawn, str | Path):
        name = f"{name} {str(drawn)!r}"
        drawn = _read(drawn, name)
    if isinstance(drawn, np.ndarray):
        marked = _of_mask(drawn, sizes, size, name)
    else:
        marked = _of_shapes(drawn, sizes, size, name)
    if not marked.any():
        raise DataError(f"{name}: it marks no pixel of the pictures")
    return marked


def _check_pictures(sizes: NDArray[np.int64], name: str) -> None:
    """Refuse pictures on which no one region can be drawn."""
    if not len(sizes):
        raise DataError(f"{name}: no picture can be read that it could be compared with")
    ratios = sizes[:, 0] / sizes[:, 1]
    if ratios.max() > ratios.min() * (1 + 2 * SAME_ASPECT):
        first, last = (f"{sizes[at][0]} x {sizes[at][1]}" for at in (ratios.argmin(), ratios.argmax()))
        raise DataError(
            f"{name}: the pictures have several aspect ratios, from {first} to {last} (height x width), and "
            "a region is drawn on one; fit an inspector to each"
        )


def _read(file: str | Path, name: str) -> Mapping[str, Any] | NDArray[np.bool_]:
    """The shapes of a JSON file, or the marked pixels of a mask image."""
    try:
        content = read_file(file, LARGEST_TABLE)
    except OSError as error:
        raise DataError(f"{name}: it cannot be read: {error.strerror}", path=file) from error
    if Path(file).suffix.lower() != ".json" and not content.lstrip().startswith((b"{", b"[")):
        return marked_pixels(file)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: it is not JSON ({error}); {_FORMAT}", path=file) from error
    return found if isinstance(found, dict) else {"shapes": found}


def _of_mask(
    mask: NDArray[Any], sizes: NDArray[np.int64], size: tuple[int, int], name: str
) -> NDArray[np.bool_]:
    """The marked pixels of a mask, at a size."""
    if mask.ndim != 2 or not (sizes == mask.shape).all(axis=1).any():
        shape = " x ".join(map(str, mask.shape))
        raise DataError(
            f"{name}: the mask is {shape}, but the pictures are {size[0]} x {size[1]} (height x width); "
            "save it at the size of the pictures"
        )
    resized = cv2.resize((mask != 0).astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized > 0)


def _of_shapes(
    drawn: Mapping[str, Any], sizes: NDArray[np.int64], size: tuple[int, int], name: str
) -> NDArray[np.bool_]:
    """The pixels in rectangles and polygons, at a size."""
    height, width = _size_of(drawn, sizes, name)
    if abs(height / width * size[1] / size[0] - 1) > SAME_ASPECT:
        raise DataError(
            f"{name}: it was drawn on a picture of {height} x {width}, but the pictures are {size[0]} x "
            f"{size[1]} (height x width), which is another aspect ratio; draw it on one of them"
        )
    shapes = drawn.get("shapes")
    if not isinstance(shapes, list) or not shapes:
        raise DataError(f"{name}: it has no list of shapes; {_FORMAT}")
    marked = np.zeros(size, np.bool_)
    for number, shape in enumerate(shapes, 1):
        corners = _corners(shape, f"{name}, shape {number}")
        if (corners < 0).any() or (corners > (width, height)).any():
            raise DataError(
                f"{name}, shape {number}: it reaches beyond the picture, which is {height} x {width} "
                "(height x width)"
            )
        marked |= _filled(corners * np.array(size[::-1]) / (width, height), size)
    return marked


def _filled(corners: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels of a picture whose middle is in a polygon."""
    # OpenCV and Pillow also fill the pixels that an edge only touches: a rectangle would be too large.
    toggled = np.zeros((size[0], size[1] + 1), np.bool_)
    for (x, y), (next_x, next_y) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        first, behind = sorted(math.ceil(end - 0.5) for end in (y, next_y))
        rows = np.arange(first, behind)
        crossings = x + (rows + 0.5 - y) * (next_x - x) / ((next_y - y) or 1)
        toggled[rows, np.clip(np.ceil(crossings - 0.5), 0, size[1]).astype(np.int64)] ^= True
    return np.logical_xor.accumulate(toggled, axis=1)[:, :-1]


def _size_of(drawn: Mapping[str, Any], sizes: NDArray[np.int64], name: str) -> tuple[int, int]:
    """The height and width of the picture on which shapes were drawn."""
    known = {"size", "shapes"} if "imageHeight" not in drawn else drawn.keys()  # labelme's files have more
    if unknown := [key for key in drawn if key not in known]:
        raise DataError(f"{name}: it has an unknown key {quoted(unknown[0])}; {_FORMAT}")
    size = drawn.get("size", [drawn.get("imageHeight"), drawn.get("imageWidth")])
    if size == [None, None]:
        if (sizes != sizes[0]).any():
            raise DataError(f"{name}: the pictures have several sizes; say on which it was drawn; {_FORMAT}")
        return int(sizes[0, 0]), int(sizes[0, 1])
    if not isinstance(size, list | tuple) or len(size) != 2 or not all(_is_count(side) for side in size):
        raise DataError(f"{name}: its size is {quoted(size)}, not a height and a width; {_FORMAT}")
    return size[0], size[1]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _corners(shape: Any, name: str) -> NDArray[np.float64]:
    """The corners of a rectangle or a polygon, x and y of each `(n, 2)`."""
    rectangle = polygon = None
    if isinstance(shape, dict) and len(shape) == 1:
        rectangle, polygon = shape.get("rectangle"), shape.get("polygon")
    elif isinstance(shape, dict) and shape.get("shape_type") == "polygon":  # as labelme writes them
        polygon = shape.get("points")
    elif isinstance(shape, dict) and shape.get("shape_type") == "rectangle":
        ends = _numbers(shape.get("points"), (2, 2), name)
        rectangle = [*ends.min(axis=0), *np.ptp(ends, axis=0)]
    if rectangle is not None:
        x, y, width, height = _numbers(rectangle, (4,), name)
        if width < 1 or height < 1:
            raise DataError(f"{name}: the rectangle {quoted(rectangle)} is empty; {_FORMAT}")
        return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
    if polygon is None:
        raise DataError(f"{name}: {quoted(shape)} is no rectangle and no polygon; {_FORMAT}")
    corners = _numbers(polygon, (-1, 2), name)
    if not 3 <= len(corners) <= MOST_CORNERS:
        raise DataError(f"{name}: a polygon has 3 to {MOST_CORNERS} corners, this one {len(corners)}")
    if _crosses_itself(corners):
        raise DataError(f"{name}: the polygon crosses itself; list its corners in order around it")
    return corners


def _numbers(value: Any, shape: Sequence[int], name: str) -> NDArray[np.float64]:
    """Finite numbers from JSON in an array of a shape, where -1 is any length."""
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    fits = array.ndim == len(shape) and all(
        of in (-1, side) for side, of in zip(array.shape, shape, strict=True)
    )
    if not fits or not np.isfinite(array).all():
        raise DataError(f"{name}: {quoted(value)} are not the numbers of a shape; {_FORMAT}")
    return array


def _crosses_itself(corners: NDArray[np.float64]) -> bool:
    """Whether two sides of a polygon that do not follow each other cross."""
    ends = np.roll(corners, -1, axis=0)

    def side(points: NDArray[np.float64]) -> NDArray[np.float64]:
        """On which side of each edge `(n, 1)` each point `(1, n)` is."""
        (x, y), (dx, dy) = corners.T[:, :, None], (ends - corners).T[:, :, None]
        across: NDArray[np.float64] = np.sign(dx * (points[None, :, 1] - y) - dy * (points[None, :, 0] - x))
        return across

    parted = side(corners) * side(ends) < 0  # the ends of an edge are on both sides of another
    return bool((parted & parted.T).any())
