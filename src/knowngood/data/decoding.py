"""Decoding of one image, a file or an array, to pixels as they are stored.

A file that cannot be decoded wholly and safely raises an UnreadableImage, an array of another shape or type a
DataError.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from knowngood.data.png import decode_png, pixel_chunks
from knowngood.errors import DataError, UnreadableImage
from knowngood.inputs import LARGEST_IMAGE, open_file, read_file

File = str | Path | bytes
"""An image file: its path, or all its bytes."""

Source = File | NDArray[Any]
"""One image: a file or an array of pixels."""

LISTED = 10  # files that a message names before it only counts them
FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
SMALLEST_SIDE = 8  # pixels; a smaller image shows nothing that could be inspected
LARGEST_REUSED = 20_000_000  # pixels of the largest image whose memory a thread keeps for the next one
TRANSPOSED = (5, 6, 7, 8)  # the EXIF orientations that exchange height and width

_memory = threading.local()


class Header(NamedTuple):
    """Size and pixel type of an image file."""

    height: int  # of the upright image
    width: int
    mode: str  # the pixel type in Pillow's words, such as "L", "RGB", "P" or "CMYK"
    deep: bool  # whether a channel holds 16 bits
    orientation: int  # the EXIF orientation that is still to be applied, 1 to 8


def name_of(source: Source, position: int) -> str:
    """Name an image for people: a file by its path, all else by its position among the images given.

    Example:
        >>> name_of("a.png", 0), name_of(np.zeros((8, 9), np.uint8), 1)
        ('a.png', '[1]')
    """
    return os.fspath(source) if isinstance(source, str | Path) else f"[{position}]"


def listed(items: Sequence[object]) -> list[str]:
    """Write a line per item, and after the first ten only the number of the others.

    Example:
        >>> listed(range(12))[8:]
        ['  8', '  9', '  and 2 more']
    """
    more = [f"  and {len(items) - LISTED} more"] if len(items) > LISTED else []
    return [f"  {item}" for item in items[:LISTED]] + more


def read_header(file: File) -> Header:
    """Read the header of an image file, with the checks of `decode` that need no pixels."""
    with (
        _naming(file),
        io.BytesIO(file) if isinstance(file, bytes) else open_file(file, LARGEST_IMAGE) as opened,
        Image.open(opened, formats=FORMATS) as image,
    ):
        return _header(image)


def decode(source: Source) -> NDArray[Any]:
    """Decode to upright pixels, uint8 or uint16, (H, W), (H, W, 3) or (H, W, 4) in RGB(A) order.

    Example:
        >>> decode(np.zeros((8, 9, 1), np.uint16)).shape
        (8, 9)
    """
    return decode_at_least(source, None)[0]


def decode_at_least(source: Source, shape: tuple[int, int] | None) -> tuple[NDArray[Any], tuple[int, int]]:
    """Decode an image like `decode`, but a JPEG at a reduced size where that saves time.

    Args:
        source: A file or an array.
        shape: Height and width that are enough; None for the full size.

    Returns:
        The pixels, at full size or, from a JPEG, at 1/2, 1/4 or 1/8 of it but no smaller than ``shape``; and
        the full height and width. Given a shape, the memory of the pixels is reused for the next image.
    """
    if isinstance(source, np.ndarray):
        pixels = _checked(source)
        return pixels, pixels.shape[:2]
    with _naming(source):
        data = source if isinstance(source, bytes) else read_file(source, LARGEST_IMAGE)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            header = _header(image)
            if shape and header.orientation in TRANSPOSED:
                shape = shape[::-1]
            pixels = _upright(_decode(data, image, header, shape), header.orientation)
            return pixels, (header.height, header.width)


@contextmanager
def _naming(file: File) -> Iterator[None]:
    """Turn any error while a file is read into one that names the file; bytes are named by their caller."""
    try:
        yield
    except Exception as error:
        path = "bytes" if isinstance(file, bytes) else os.fspath(file)
        raise UnreadableImage(path, _reason(file, error)) from error


def _reason(file: File, error: Exception) -> str:
    """Say in a few words why a file could not be read."""
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case IsADirectoryError():
            return "this is a folder, not an image"
        case PermissionError():
            return "no permission to read it"
        case UnidentifiedImageError():
            empty = not (len(file) if isinstance(file, bytes) else Path(file).stat().st_size)
            known = f"not an image of a known type ({', '.join(FORMATS)})"
            return "the file is empty (0 bytes)" if empty else known
        case Image.DecompressionBombError():
            return "more than 179 million pixels; cut it into smaller images"
        case OSError() | ValueError() | SyntaxError() if str(error):
            return str(error)
        case _:
            return f"the file is damaged ({type(error).__name__}: {error})"


def _header(image: ImageFile.ImageFile) -> Header:
    """Return the header of an opened image; a ValueError says why it is refused."""
    width, height = image.size
    _check_size(height, width)
    if image.mode in ("F", "I"):
        pixels = "floating-point" if image.mode == "F" else "32-bit or signed"
        raise ValueError(f"{pixels} pixels have no fixed white; save the image with 8 or 16 bits")
    # The first tile says how pixels are stored, such as "RGB;16B" or ("I;16", 0, 1).
    deep = image.format in ("PNG", "TIFF") and ";16" in image.mode + str(image.tile[0].args)
    # getexif() on a PNG without this entry would decode all of it; a TIFF is turned by whoever decodes it.
    tagged = "exif" in image.info and image.format != "TIFF"
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1) if tagged else 1
    if orientation in TRANSPOSED:
        height, width = width, height
    return Header(height, width, image.mode, deep, orientation)


def _check_size(height: int, width: int) -> None:
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
        _check_size(*pixels.shape[:2])
    except ValueError as error:
        raise DataError(f"an image array has {error}") from error
    return pixels


def _decode(
    data: bytes, image: ImageFile.ImageFile, header: Header, at_least: tuple[int, int] | None
) -> NDArray[Any]:
    """Decode by what is faster or keeps more bits than Pillow, else by Pillow, strict about broken files."""
    transparent = "transparency" in image.info
    if image.format == "PNG":
        chunks = pixel_chunks(data)
        if header.deep or (header.mode not in ("1", "P") and not transparent):
            small = image.size[0] * image.size[1] <= LARGEST_REUSED
            common = header.mode in ("L", "RGB") and not header.deep and not transparent and small
            return decode_png(chunks, _reused(image) if at_least and common else None)
    if image.format == "JPEG" and header.mode in ("L", "RGB"):
        from knowngood.data.jpeg import decode_jpeg

        pixels = decode_jpeg(data, image.size[::-1], grey=header.mode == "L", at_least=at_least)
        if pixels is not None:
            return pixels
    if header.deep and header.mode in ("RGB", "RGBA"):
        image.load()  # Pillow keeps only 8 bits of deep colour, but it notices when the file is not whole.
        return _opencv(data)
    if transparent or header.mode in ("RGBA", "RGBa", "LA", "La", "PA"):
        return np.array(image.convert("RGBA"))
    if header.mode in ("L", "RGB") or header.mode.startswith("I;16"):
        return np.array(image)
    return np.array(image.convert("RGB"))


def _reused(image: ImageFile.ImageFile) -> NDArray[np.uint8]:
    """Return this thread's own memory for the pixels of an image of mode L or RGB."""
    # New memory for each image would cost a third of the decoding: the system hands it out page by page.
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
