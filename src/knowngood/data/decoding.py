"""One image file, or array, to pixels as they are stored: every type understood, every bad file named."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from knowngood.data.png import decode_png, pixel_chunks
from knowngood.errors import DataError, UnreadableImage

File = str | Path | bytes
"""An image file: its path, or all its bytes."""

Source = File | NDArray[Any]
"""One image: a file or an array of pixels."""

SMALLEST_SIDE = 8
"""An image with fewer pixels on a side shows nothing that could be inspected."""

THREADS = min(8, os.cpu_count() or 1)
"""Files that are read at once."""

LARGEST_REUSED = 20_000_000
"""Pixels of the largest image whose memory a thread keeps for the next one."""

FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")

TRANSPOSED = (5, 6, 7, 8)
"""The EXIF orientations that exchange height and width."""


_memory = threading.local()


class Header(NamedTuple):
    """What an image file says of itself before it is decoded.

    Args:
        height: Rows, once the image is turned upright.
        width: Columns, once the image is turned upright.
        mode: The pixel type in Pillow's words, such as ``L``, ``RGB``, ``P`` or ``CMYK``.
        deep: Whether a channel holds 16 bits.
        orientation: The EXIF orientation that is still to be applied, 1 to 8.
    """

    height: int
    width: int
    mode: str
    deep: bool
    orientation: int


def name_of(source: Source, position: int) -> str:
    """Name an image for people: a file by its path, all else by its position among the images given.

    Example:
        >>> name_of("a.png", 0), name_of(np.zeros((8, 9), np.uint8), 1)
        ('a.png', '[1]')
    """
    return os.fspath(source) if isinstance(source, str | Path) else f"[{position}]"


def read_header(file: File) -> Header:
    """Read the header of an image file, without decoding its pixels.

    Args:
        file: The image file.

    Returns:
        Its size once upright, and its pixel type.

    Raises:
        UnreadableImage: The file is missing or is no image that `read_image` would accept.
    """
    opened = io.BytesIO(file) if isinstance(file, bytes) else file
    with _naming(file), Image.open(opened, formats=FORMATS) as image:
        return _header(image)


def decode(source: Source) -> NDArray[Any]:
    """Decode an image to upright pixels, as deep as it stores them.

    Args:
        source: A file or an array.

    Returns:
        Pixels, uint8 or uint16, (H, W), (H, W, 3) or (H, W, 4) in RGB(A) order.

    Raises:
        UnreadableImage: The file cannot be decoded, wholly and safely.
        DataError: The array has another shape or type.

    Example:
        >>> decode(np.zeros((8, 9, 1), np.uint16)).shape
        (8, 9)
    """
    return decode_at_least(source, None)[0]


def decode_at_least(source: Source, shape: tuple[int, int] | None) -> tuple[NDArray[Any], tuple[int, int]]:
    """Decode an image like `decode`, a JPEG smaller than it is where that saves time.

    Args:
        source: A file or an array.
        shape: Height and width that are enough; None for the full size.

    Returns:
        The pixels, at full size or, from a JPEG, at 1/2, 1/4 or 1/8 of it but no smaller than ``shape``;
        and the full height and width, once upright. Given a shape, the pixels last until this thread decodes
        the next image: they lie in memory that is used again.

    Raises:
        UnreadableImage: The file cannot be decoded, wholly and safely.
        DataError: The array has another shape or type.
    """
    if isinstance(source, np.ndarray):
        pixels = _checked(source)
        return pixels, pixels.shape[:2]
    with _naming(source):
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            header = _header(image)
            if shape and header.orientation in TRANSPOSED:
                shape = shape[::-1]
            pixels = _upright(_decode(data, image, header, shape), header.orientation)
            return pixels, (header.height, header.width)


@contextmanager
def _naming(file: File) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into an error that names the file."""
    try:
        yield
    except Exception as error:
        raise UnreadableImage(_path(file), _reason(file, error)) from error


def _path(file: File) -> str:
    """A file's path; bytes have none, and whoever knows their position names them by it."""
    return "bytes" if isinstance(file, bytes) else os.fspath(file)


def _reason(file: File, error: Exception) -> str:
    """Say in a few words why a file could not be read."""
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case IsADirectoryError():
            return "this is a folder, not an image"
        case PermissionError():
            return "no permission to read it"
        case UnidentifiedImageError() if not (
            len(file) if isinstance(file, bytes) else Path(file).stat().st_size
        ):
            return "the file is empty (0 bytes)"
        case UnidentifiedImageError():
            return f"not an image of a known type ({', '.join(FORMATS)})"
        case Image.DecompressionBombError():
            return "more than 179 million pixels; cut it into smaller images"
        case OSError() | ValueError() | SyntaxError() if str(error):
            return str(error)
        case _:
            return f"the file is damaged ({type(error).__name__}: {error})"


def _header(image: ImageFile.ImageFile) -> Header:
    """Judge an opened image by its header; a ValueError says why it is refused."""
    width, height = image.size
    _check_side(height, width)
    if image.mode in ("F", "I"):
        kind = "floating-point" if image.mode == "F" else "32-bit or signed"
        raise ValueError(f"{kind} pixels have no fixed white; save the image with 8 or 16 bits")
    # The first tile says how pixels are stored, such as "RGB;16B" or ("I;16", 0, 1).
    deep = image.format in ("PNG", "TIFF") and ";16" in image.mode + str(image.tile[0].args)
    # getexif() on a PNG without this entry would decode all of it; a TIFF is turned by whoever decodes it.
    tagged = "exif" in image.info and image.format != "TIFF"
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1) if tagged else 1
    if orientation in TRANSPOSED:
        height, width = width, height
    return Header(height, width, image.mode, deep, orientation)


def _check_side(height: int, width: int) -> None:
    """Raise a ValueError for an image too small to be inspected."""
    if min(height, width) < SMALLEST_SIDE:
        raise ValueError(f"only {height} x {width} pixels; at least {SMALLEST_SIDE} a side are needed")


def _checked(pixels: NDArray[Any]) -> NDArray[Any]:
    """Check an array given in place of a file."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    channels_fit = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    if not channels_fit or pixels.dtype not in (np.uint8, np.uint16):
        raise DataError(
            f"an image array of shape {pixels.shape} and type {pixels.dtype} came; "
            "expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of uint8 or uint16"
        )
    try:
        _check_side(*pixels.shape[:2])
    except ValueError as error:
        raise DataError(f"an image array has {error}") from error
    return pixels


def _decode(
    data: bytes, image: ImageFile.ImageFile, header: Header, at_least: tuple[int, int] | None
) -> NDArray[Any]:
    """Decode by what is faster or keeps more bits than Pillow, else by Pillow, strict about broken files."""
    see_through = "transparency" in image.info
    if image.format == "PNG":
        chunks = pixel_chunks(data)
        if header.deep or (header.mode not in ("1", "P") and not see_through):
            small = image.size[0] * image.size[1] <= LARGEST_REUSED
            common = header.mode in ("L", "RGB") and not header.deep and not see_through and small
            return decode_png(chunks, _reused(image) if at_least and common else None)
    if image.format == "JPEG" and header.mode in ("L", "RGB"):
        from knowngood.data.jpeg import decode_jpeg

        pixels = decode_jpeg(data, image.size[::-1], grey=header.mode == "L", at_least=at_least)
        if pixels is not None:
            return pixels
    if header.deep and header.mode in ("RGB", "RGBA"):
        image.load()  # Pillow keeps only 8 bits of deep colour, but it notices when the file is not whole.
        return _opencv(data)
    if see_through or header.mode in ("RGBA", "RGBa", "LA", "La", "PA"):
        return np.array(image.convert("RGBA"))
    if header.mode in ("L", "RGB") or header.mode.startswith("I;16"):
        return np.array(image)
    return np.array(image.convert("RGB"))


def _reused(image: ImageFile.ImageFile) -> NDArray[np.uint8]:
    """Memory for the pixels of an image of mode L or RGB, this thread's own.

    New memory for each image would cost a third of the decoding: the system hands it out page by page.
    """
    shape = (*image.size[::-1], 3)[: 3 if image.mode == "RGB" else 2]
    if getattr(_memory, "pixels", None) is None or _memory.pixels.shape != shape:
        _memory.pixels = np.empty(shape, np.uint8)
    pixels: NDArray[np.uint8] = _memory.pixels
    return pixels


def _opencv(data: bytes) -> NDArray[Any]:
    """Decode by OpenCV, keeping the bit depth, with the channels in RGB(A) order."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("the file is damaged")
    if pixels.ndim == 2:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo the camera's rotation that an EXIF orientation (1 to 8) states."""
    if orientation in TRANSPOSED:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
