"""Image files of every format, each by the decoder that reads it correctly and fast.

All here raises a ValueError, or what Pillow raises, for a file that cannot be decoded wholly and safely.
"""

from __future__ import annotations

import io
import math
import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from knowngood.data import jpeg2000
from knowngood.data.netpbm import Netpbm, decode_netpbm, netpbm_header
from knowngood.data.png import decode_png, pixel_chunks
from knowngood.data.structure import TIFF, check_structure, check_tags, scans
from knowngood.data.tiff import (
    check_tiff,
    declared_white,
    deep_colour,
    has_16_bits,
    is_multiplied,
    strip_pixels,
)

FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP", "GIF", "DIB", "JPEG2000", "AVIF")  # that Pillow decodes
SMALLEST_SIDE = 8  # pixels; a smaller image shows nothing that could be inspected
LARGEST_REUSED = 20_000_000  # pixels of the largest image whose memory a thread keeps for the next one
LARGEST_RUNS = 20_000_000  # bytes of a run-length coded BMP, which is decoded slowly
COPIES = {"WEBP": 6, "AVIF": 5, "JPEG2000": 6}  # of its pixels that a decoder holds; for others 2
OPTIONAL = {"AVIF": b"ftypavi", "JPEG 2000": b"jP  \r\n\x87\n", "WebP": b"WEBP"}  # how these start
MOST_SCANNED = 4_000_000_000  # pixels of all scans of a JPEG, 6 seconds
STRIP = 1_000_000  # pixels that are converted at one time
TRANSPOSED = (5, 6, 7, 8)  # the EXIF orientations that exchange height and width
ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")  # modes

_memory = threading.local()


class Header(NamedTuple):
    """Size and pixel type of an image file."""

    height: int  # of the upright image
    width: int
    mode: str  # the pixel type in Pillow's words, such as "L", "RGB", "P" or "CMYK"
    deep: bool  # whether a channel holds 16 bits
    orientation: int  # the EXIF orientation that is still to be applied, 1 to 8


def open_image(data: bytes) -> NetpbmFile | PillowFile:
    """Read the header of an image file, given all its bytes, and check it."""
    check_structure(data)
    netpbm = netpbm_header(data)
    return NetpbmFile(data, netpbm) if netpbm else PillowFile(data)


class NetpbmFile:
    """A PBM, PGM or PPM."""

    def __init__(self, data: bytes, netpbm: Netpbm) -> None:
        self._data, self._netpbm = data, netpbm
        height, width = netpbm.shape[:2]
        check_size(height, width)
        self.header = Header(height, width, "RGB" if netpbm.colour else "L", netpbm.deep, 1)

    @property
    def bytes_needed(self) -> int:
        """The memory that decoding and the conversion to 8 bits take at most."""
        slow = self._netpbm.text or not self._netpbm.white
        text = 5 * len(self._data) if self._netpbm.text else 0
        return text + (12 if slow else 5) * math.prod(self._netpbm.shape)

    def decode(self, _at_least: tuple[int, int] | None) -> NDArray[Any]:
        """Decode to pixels of the full size."""
        return decode_netpbm(self._data, self._netpbm)


class PillowFile:
    """A file of any other format: Pillow reads its header, and its pixels where nothing is better."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        try:
            self._image = Image.open(io.BytesIO(data), formats=FORMATS)
        except (UnidentifiedImageError, KeyError) as error:  # Pillow may lack the decoder of a format by name
            raise ValueError(_unidentified(data[:64])) from error
        self._bits = jpeg2000.bits_of(data) if self._image.format == "JPEG2000" else 8
        self.header = _header(self._image, self._bits)
        self._scans = scans(data) if self._image.format in ("JPEG", "MPO") else 1
        if self._scans * self.header.height * self.header.width > MOST_SCANNED:
            raise ValueError(
                f"its {self._scans} scans take too long at this size; save it as a baseline JPEG"
            )
        if self._image.tile and self._image.tile[0][0] == "bmp_rle" and len(data) > LARGEST_RUNS:
            raise ValueError("a run-length coded BMP of more than 20 MB takes too long; save it as PNG")

    @property
    def bytes_needed(self) -> int:
        """The memory that decoding and the conversion to 8 bits take at most, as it was measured."""
        image, mode, name = self._image, self.header.mode, str(self._image.format)
        alpha = mode in (*ALPHA, "CMYK") or "transparency" in image.info
        grey = mode in ("1", "L", "LA") or mode.startswith("I;16")
        each = 4 if alpha else 1 if grey else 3
        each *= 2 if self.header.deep else 1
        copies = COPIES.get(name, 2)
        if self._scans > 1:
            copies += 2  # all coefficients are kept, since several scans give their digits
        if self.header.orientation != 1:
            copies += 1
        strip = strip_pixels(image) * each if isinstance(image, TiffImageFile) else 0
        return image.size[0] * image.size[1] * (copies * each + (5 if grey else 2)) + strip

    def decode(self, at_least: tuple[int, int] | None) -> NDArray[Any]:
        """Decode to upright pixels; a JPEG at a reduced size of at least so many pixels."""
        orientation = self.header.orientation
        if at_least and orientation in TRANSPOSED:
            at_least = at_least[::-1]
        return _upright(self._decode(at_least), orientation)

    def _decode(self, at_least: tuple[int, int] | None) -> NDArray[Any]:
        """Decode by what is faster or keeps more bits than Pillow, else by it, strict about broken files."""
        image, header = self._image, self.header
        transparent = "transparency" in image.info
        if image.format == "PNG":
            chunks = pixel_chunks(self._data)
            if header.deep or (header.mode not in ("1", "P") and not transparent):
                small = image.size[0] * image.size[1] <= LARGEST_REUSED
                common = header.mode in ("L", "RGB") and not header.deep and not transparent and small
                return decode_png(chunks, _reused(image) if at_least and common else None)
        if image.format == "JPEG" and header.mode in ("L", "RGB"):
            from knowngood.data.jpeg import decode_jpeg

            grey = header.mode == "L"
            pixels = decode_jpeg(self._data, image.size[::-1], grey=grey, at_least=at_least)
            if pixels is not None:
                return pixels
        image.load()
        if header.deep and header.mode in ("RGB", "RGBA"):
            image.close()  # Pillow keeps only 8 bits of deep colour, but it noticed whether the file is whole
            if isinstance(image, TiffImageFile):
                alpha = header.mode == "RGBA" and not is_multiplied(image)
                return deep_colour(self._data, "RGBA" if alpha else "RGB")
            return jpeg2000.deep_colour(self._data, self._bits)
        pixels = _converted(image, _mode_kept(image.mode, transparent=transparent))
        if image.format == "JPEG2000":
            return jpeg2000.declared_white(pixels, self._bits, shift=(16 if header.deep else 8) - self._bits)
        return declared_white(pixels, image) if isinstance(image, TiffImageFile) else pixels


def _mode_kept(mode: str, *, transparent: bool) -> str:
    """Return the mode to which Pillow converts pixels of a mode."""
    if transparent or mode in ALPHA:
        return "RGBA"
    if mode in ("1", "L"):
        return "L"
    return mode if mode.startswith("I;16") else "RGB"


def _converted(image: Image.Image, mode: str) -> NDArray[Any]:
    """Convert a loaded image to a mode, strip by strip, which takes no memory but that of the result."""
    width, height = image.size
    shape = (height, width, len(mode)) if mode in ("RGB", "RGBA") else (height, width)
    pixels = np.empty(shape, np.uint16 if mode.startswith("I;16") else np.uint8)
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        pixels[top : top + rows] = np.asarray(strip if strip.mode == mode else strip.convert(mode))
    return pixels


def _header(image: ImageFile.ImageFile, bits: int) -> Header:
    """Return the header of an opened image, given the bits of a JPEG 2000.

    Raises:
        ValueError: Why it is refused.
    """
    width, height = image.size
    check_size(height, width)
    if image.mode in ("F", "I"):
        pixels = "floating-point" if image.mode == "F" else "32-bit or signed"
        raise ValueError(f"{pixels} pixels have no fixed white; save the image with 8 or 16 bits")
    # The first tile of a PNG says how pixels are stored, such as "RGB;16B" or ("I;16", 0, 1).
    deep = ";16" in image.mode + (str(image.tile[0].args) if image.format == "PNG" else "")
    if isinstance(image, TiffImageFile):
        deep = deep or has_16_bits(image)
        check_tiff(image, deep=deep)
    if image.format == "JPEG2000":
        deep = bits > 8
        jpeg2000.check_mode(image.mode, bits)
    # getexif() on a PNG without this entry would decode all of it; a TIFF is turned by whoever decodes it.
    tagged = "exif" in image.info and image.format != "TIFF"
    if tagged:
        check_tags(image.info["exif"])
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1) if tagged else 1
    if orientation in TRANSPOSED:
        height, width = width, height
    return Header(height, width, image.mode, deep, orientation)


def _unidentified(start: bytes) -> str:
    """Say why Pillow knows no decoder for a file that starts with some bytes."""
    if not start:
        return "the file is empty (0 bytes)"
    if start.startswith(TIFF):
        return "a TIFF with pixels of this type is not supported; save it with 8 or 16 bits, grey or RGB"
    missing = next((name for name, letters in OPTIONAL.items() if letters in start[:16]), None)
    if missing:
        return f"a damaged {missing}, or one that this Pillow cannot decode; a newer Pillow might"
    return f"not an image of a known type ({', '.join(FORMATS)}, PBM, PGM, PPM)"


def _reused(image: ImageFile.ImageFile) -> NDArray[np.uint8]:
    """Return this thread's own memory for the pixels of an image of mode L or RGB."""
    # New memory for each image would cost a third of the decoding: the system hands it out page by page.
    shape = (*image.size[::-1], 3)[: 3 if image.mode == "RGB" else 2]
    if getattr(_memory, "pixels", None) is None or _memory.pixels.shape != shape:
        _memory.pixels = np.empty(shape, np.uint8)
    pixels: NDArray[np.uint8] = _memory.pixels
    return pixels


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo the camera's rotation that an EXIF orientation (1 to 8) states."""
    if orientation in TRANSPOSED:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def check_size(height: int, width: int) -> None:
    """Raise a ValueError for an image too small to be inspected."""
    if min(height, width) < SMALLEST_SIDE:
        raise ValueError(f"only {height} x {width} pixels; at least {SMALLEST_SIDE} a side are needed")
