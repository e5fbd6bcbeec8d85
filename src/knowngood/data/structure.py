"""Bounds on what a file holds besides its pixels, checked before a decoder reads it.

Decoders spend time or memory on each part of a file: on thousands of scans, comments or chunks, or on tags
that all refer to the same megabytes. Cameras and programs write few of them.
"""

from __future__ import annotations

import re
import struct

MOST_SCANS = 100  # of a progressive JPEG; encoders write about ten
MOST_SEGMENTS = 1000  # before the pixels of a JPEG, and the same of the boxes of a JPEG 2000
MOST_METADATA = 16_000_000  # bytes before the pixels of a JPEG
MOST_CHUNKS = 200_000  # of a PNG; of 4 KB each, more than its pixels need
MOST_BLOCKS = 4000  # before the pixels of a GIF, of at most 255 bytes
MOST_DIRECTORIES = 1000
MOST_NUMBERS = 1_000_000  # of a tag that is no text
BYTES = (1, 2, 6, 7)  # the types of tags that are bytes
SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # of other types
JPEG2000 = b"\xff\x4f\xff\x51"  # how its pixels start
TILE = b"\x90"  # the second letter of the marker behind which its pixels are

_MARKER = re.compile(rb"\xff+([^\x00\xff\x01\xd0-\xd8])")
TIFF = (b"II*\0", b"MM\0*", b"II+\0\x08\0", b"MM\0+\0\x08")  # how one begins: byte order and version


def check_structure(data: bytes) -> None:
    """Check the parts of an image file of any format.

    Raises:
        ValueError: There are more parts, or larger ones, than any image needs.
    """
    if data.startswith(b"\xff\xd8"):
        scans(data)
    elif data.startswith(b"\x89PNG"):
        _check_png(data)
    elif data.startswith(b"GIF8"):
        _check_gif(data)
    elif data[4:8] == b"jP  " or data.startswith(JPEG2000):
        _check_jpeg2000(data)
    elif data[4:8] == b"ftyp":
        check_tags(data)  # wherever its EXIF is
    elif data.startswith(TIFF):
        _check_directory(memoryview(data))


def scans(data: bytes) -> int:
    """Count the scans of a JPEG: more than one where each refines the picture, or where it holds pictures.

    Raises:
        ValueError: There are too many of them, or of the segments before them.
    """
    place = 2
    for _ in range(MOST_SEGMENTS):
        marker = _MARKER.search(data, place)
        if marker is None:
            return 0
        place = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2])
        if marker[1] == b"\xda" or place > MOST_METADATA:
            break
    found = 1 + data.count(b"\xff\xda", place)  # pixels hold no such bytes
    if marker is None or marker[1] != b"\xda" or found > MOST_SCANS:
        raise ValueError(
            f"it has more than {MOST_SCANS} scans, or {MOST_SEGMENTS} segments or "
            f"{MOST_METADATA // 10**6} MB before its pixels; save it again as an ordinary JPEG"
        )
    check_tags(data[:place])
    return found


def _check_png(data: bytes) -> None:
    """Count the chunks."""
    place = 8
    for _ in range(MOST_CHUNKS):
        if place >= len(data) or data[place + 4 : place + 8] == b"IEND":
            return
        place += 12 + int.from_bytes(data[place : place + 4])
    raise ValueError(f"it has more than {MOST_CHUNKS:,} chunks; save it again as an ordinary PNG")


def _check_gif(data: bytes) -> None:
    """Count the blocks before the first picture."""
    place = 13 + (3 << (data[10] & 7) + 1 if len(data) > 10 and data[10] & 128 else 0)
    blocks = 0
    while data[place : place + 1] == b"!":
        place += 2
        while data[place : place + 1] not in (b"", b"\0"):
            place += data[place] + 1
            blocks += 1
            if blocks > MOST_BLOCKS:
                raise ValueError(f"it has more than {MOST_BLOCKS} blocks before its pixels; save it again")
        place += 1


def _check_jpeg2000(data: bytes) -> None:
    """Count the boxes, those inside of the header's, and the segments before the pixels."""
    start = data.find(JPEG2000)
    place = parts = 0
    while start > 0 and place < start:
        size, name = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        parts += 1
        place += 8 if name == b"jp2h" or size < 8 else size
        if parts > MOST_SEGMENTS:
            break
    place = start + 2
    while (
        parts <= MOST_SEGMENTS and data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] != TILE
    ):
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
        parts += 1
    if parts > MOST_SEGMENTS:
        raise ValueError(f"it has more than {MOST_SEGMENTS} parts before its pixels; save it again")


def check_tags(data: bytes) -> None:
    """Check the first directory of tags of each TIFF structure in a file: its own, and those of EXIF."""
    found = 0
    for start in TIFF:
        place = data.find(start)
        while place >= 0:
            found += 1
            if found > MOST_DIRECTORIES:
                raise ValueError(f"it has more than {MOST_DIRECTORIES} directories of tags; save it again")
            _check_directory(memoryview(data)[place:])
            place = data.find(start, place + 4)


def _check_directory(view: memoryview) -> None:
    """Check that tags are no longer than the file together, and that no list of numbers is too long."""
    order = "<" if view[0] == ord("I") else ">"
    big = 43 in view[2:4]
    offset, number, entry = (
        struct.Struct(order + letters) for letters in (("Q", "Q", "HHQ8x") if big else ("I", "H", "HHI4x"))
    )
    try:
        (start,) = offset.unpack_from(view, 8 if big else 4)
        (entries,) = number.unpack_from(view, start)
    except struct.error:
        return
    total = 0
    for place in range(min(entries, MOST_NUMBERS)):
        at = start + number.size + place * entry.size
        if at + entry.size > len(view):
            return
        _, type_, length = entry.unpack_from(view, at)
        total += length * SIZES.get(type_, 1)
        if total > len(view) or (length > MOST_NUMBERS and type_ not in BYTES):
            raise ValueError("its tags are longer than the file, or have a million numbers; save it again")
