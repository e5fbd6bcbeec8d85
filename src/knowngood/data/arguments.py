"""Images in all the forms in which a program may hold them, made uniform: files, bytes and arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from knowngood.data.decoding import Source, decode
from knowngood.data.files import find_images
from knowngood.errors import DataError, UnreadableImage

CHANNELS = (1, 3, 4)


class Readable(Protocol):
    """An open file."""

    def read(self) -> bytes:
        """All its bytes."""


class Tensor(Protocol):
    """A tensor of torch, which is not imported here."""

    def detach(self) -> Any:
        """The tensor without its gradient."""


ImageLike = Source | bytearray | memoryview | os.PathLike[str] | Image.Image | Readable | Tensor
"""One image: a file by its path, all its bytes or an open file; an image of Pillow's; or pixels as an array
`(H, W)`, `(H, W, 3)` or `(H, W, 4)` of uint8 or uint16 in RGB order, or such a tensor of torch, also with the
channels first. The path of a folder stands for all images below it but masks.
"""

Images = Iterable[ImageLike] | ImageLike
"""Images in any iterable, such as a generator, a column of a table, or a batch as one array; or one."""


def each_source(images: Images) -> Iterator[Source]:
    """Yield each image as a path, the bytes of a file or an array, one at a time.

    An array or a tensor is one image if it has fewer than four dimensions. Of a folder, pictures in formats
    that are not read come last, so that nothing is passed over in silence.

    Raises:
        DataError: One is no image; it is named by its position. Or a folder has none.
        UnreadableImage: A file, or an image of Pillow's, cannot be read.

    Example:
        >>> import pandas as pd
        >>> list(each_source(pd.Series(["b.png", "a.png"], index=[1, 0])))
        ['b.png', 'a.png']
        >>> [image.shape for image in each_source(np.zeros((2, 8, 9, 3), np.uint8))]
        [(8, 9, 3), (8, 9, 3)]
        >>> list(each_source(["a.png", None]))
        Traceback (most recent call last):
        knowngood.errors.DataError: image [1] is None, as cv2.imread returns for a file that it cannot read
    """
    if isinstance(images, Mapping) or hasattr(images, "columns"):
        raise DataError(f"a {type(images).__name__} came for images; give its column of paths")
    pixels = pixels_of(images)
    if pixels is not None:
        images = pixels if pixels.ndim > 3 else [pixels]
    elif _is_one(images) or not isinstance(images, Iterable):
        images = [images]  # type: ignore[list-item]
    position = 0
    for image in images:
        if isinstance(image, str | os.PathLike) and Path(image).is_dir():
            found = find_images([Path(image)])
            below = [*found.images, *(picture.path for picture in found.unread)]
            yield from below
            position += len(below)
        else:
            yield _source(image, position)
            position += 1


def count_of(images: Images) -> int:
    """How many images there are; 0 where only going over them would tell.

    Example:
        >>> count_of(["a.png", "b.png"]), count_of(np.zeros((8, 9, 3), np.uint8))
        (2, 1)
    """
    if isinstance(images, np.ndarray):
        return len(images) if images.ndim > 3 else 1
    return len(images) if isinstance(images, list | tuple) else 0


def _is_one(image: object) -> bool:
    """Whether something that could be iterated over is one image."""
    files = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image)
    return isinstance(image, files) or hasattr(image, "read")


def _source(image: Any, position: int) -> Source:
    """One image as a path, the bytes of a file or an array, or an error that names its position."""
    try:
        if isinstance(image, str | Path | bytes):
            return image
        if isinstance(image, os.PathLike):
            return os.fsdecode(image)
        if isinstance(image, bytearray | memoryview):
            return bytes(image)
        if isinstance(image, Image.Image):
            image = _of_pillow(image)
        pixels = pixels_of(image)
        if pixels is not None:
            decode(pixels)  # this checks its shape and type
            return pixels
        content = _content(image) if hasattr(image, "read") else None
    except (OSError, ValueError, SyntaxError) as error:
        raise UnreadableImage(f"[{position}]", str(error) or type(error).__name__) from error
    except DataError as error:
        raise DataError(f"image [{position}]: {error}") from error
    if content is None:
        raise DataError(f"image [{position}] {_refusal(image)}")
    return content


def _content(file: Any) -> bytes | None:
    """All bytes of an open file, wherever it was read to; None if it gives something else."""
    if hasattr(file, "seek"):
        file.seek(0)
    content = file.read()
    return content if isinstance(content, bytes) else None


def pixels_of(images: Any) -> NDArray[Any] | None:
    """The array of an array or a tensor, channels last; None for all else, as for an array of paths.

    Example:
        >>> pixels_of(np.array(["a.png"])) is None
        True
    """
    if isinstance(images, np.ndarray):
        objects = images.ndim == 1 or images.dtype.type in (np.object_, np.str_, np.bytes_)
        return None if objects else images
    if not hasattr(images, "cpu"):
        return None
    array: NDArray[Any] = images.detach().cpu().numpy()
    # An image has more rows than channels, so that there is no doubt.
    first = array.ndim in (3, 4) and array.shape[-3] in CHANNELS
    return np.moveaxis(array, -3, -1) if first else array


def _of_pillow(image: Image.Image) -> NDArray[Any]:
    """The pixels of an image of Pillow's, upright, as those of its file would be."""
    if image.mode in ("F", "I"):
        raise DataError(f"Pillow's pixels of mode {image.mode} have no fixed white; take 8 or 16 bits")
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        return np.array(upright.convert("RGBA"))
    plain = upright.mode in ("L", "RGB") or upright.mode.startswith("I;16")
    return np.array(upright if plain else upright.convert("RGB"))


def _refusal(image: object) -> str:
    """Say what is wrong with something that is no image."""
    if image is None:
        return "is None, as cv2.imread returns for a file that it cannot read"
    what = "a file opened as text" if hasattr(image, "read") else f"of type {type(image).__name__}"
    return (
        f"is {what}; give a path, the bytes of a file, a file opened as binary, a Pillow image, or an array"
    )
