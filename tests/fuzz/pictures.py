"""Pictures of every format with something changed, among good ones whose scores must stay the same."""

from __future__ import annotations

import io
import struct
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from knowngood.engines.engine import DEFAULT_ENGINE
from knowngood.errors import UnreadableImage
from knowngood.inspector.inspector import Inspector

from ..support.parts import part
from .case import Random, altered_bytes, check, one_of

FORMATS = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"),
    "BMP": ("1", "L", "P", "RGB"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("L", "P"),
    "JPEG2000": ("L", "RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
    "PPM": ("1", "L", "RGB", "I;16"),
}
ENDINGS = {"JPEG": "jpg", "TIFF": "tif", "JPEG2000": "jp2", "PPM": "ppm"}
SIDES = [0, 1, 7, 8, 12_000, 13_377, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1]


def pictures(random: Random, folder: Path, base: Path) -> None:
    """Score a changed picture between two good ones."""
    inspector, good, alone = _inspector(base)
    crafted = folder / f"crafted.{one_of(random, 'png', 'jpg', 'tif', 'bmp')}"
    content, right = crafted_picture(random)
    crafted.write_bytes(content)
    failed: list[UnreadableImage] = []
    verdicts = list(inspector.stream([good[0], crafted, good[1]], on_unreadable=failed.append))
    scores = {str(verdict.source): verdict.score for verdict in verdicts}
    check([scores[str(path)] for path in good] == alone, "the scores of the good pictures are others")
    check(len(verdicts) + len(failed) == 3, f"{len(verdicts)} verdicts and {len(failed)} failures")
    check(np.isfinite(list(scores.values())).all(), "a score that is not finite")
    check(right is None or str(crafted) in scores, f"refused, though nothing was changed: {right} {failed}")
    for one in failed:
        check(
            str(one).isprintable() and len(str(one)) < 1000,
            f"an error that cannot be shown: {str(one)!r:.300}",
        )


@lru_cache
def _inspector(base: Path) -> tuple[Inspector, list[Path], list[float]]:
    """An inspector, two good pictures, and the scores that these have when each is inspected alone."""
    inspector = Inspector.load(base / "patchcore.inspector", engine=DEFAULT_ENGINE)
    good = [base / "widget/test/good/000.png", base / "widget/test/good/001.png"]
    return inspector, good, [inspector.inspect(path)[0].score for path in good]


def crafted_picture(random: Random) -> tuple[bytes, str | None]:
    """A picture's bytes; and if nothing was changed, its format and mode."""
    name = one_of(random, *FORMATS)
    mode = one_of(random, *FORMATS[name])
    whole = _written(name, mode, random)
    draw = random.random()
    if draw < 0.02:
        return whole, None if mode == "I;16" else f"{name} {mode}"
    if draw < 0.03:
        return _bomb(random), None
    if name == "PNG" and draw < 0.7:
        return _changed_chunks(whole, random), None
    if name == "JPEG" and draw < 0.5:
        return _changed_segments(whole, random), None
    if draw < 0.85:
        return altered_bytes(whole, random, within=one_of(random, 40, 200, None)), None
    cut = whole[: int(random.integers(len(whole)))]
    return one_of(random, cut, whole + random.bytes(1000), whole + whole, cut + bytes(100_000)), None


def _written(name: str, mode: str, random: Random) -> bytes:
    """A whole picture of a format and mode, with the options that the format has."""
    pixels = part(np.random.default_rng(int(random.integers(3))))
    image = Image.fromarray(pixels)
    image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    options: dict[str, object] = {
        "JPEG": {
            "progressive": one_of(random, True, False),
            "subsampling": one_of(random, 0, 1, 2),
            "restart_marker_rows": one_of(random, 0, 1),
        },
        "TIFF": {"compression": one_of(random, None, "tiff_lzw", "tiff_adobe_deflate", "packbits")},
        "WEBP": {"lossless": one_of(random, True, False)},
    }.get(name, {})
    if name in ("JPEG", "PNG", "WEBP") and random.random() < 0.3:
        exif = Image.Exif()
        exif[0x0112] = int(random.integers(0, 10))
        options["exif"] = exif
    if name in ("GIF", "TIFF", "WEBP", "PNG") and random.random() < 0.2:
        options |= {"save_all": True, "append_images": [image] * int(random.integers(1, 40))}
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _changed_chunks(png: bytes, random: Random) -> bytes:
    """A PNG with chunks changed, doubled, moved, dropped or added, each with a right sum."""
    chunks, place = [], 8
    while place < len(png):
        size = int.from_bytes(png[place : place + 4], "big")
        chunks.append((png[place + 4 : place + 8], png[place + 8 : place + 8 + size]))
        place += size + 12
    for _ in range(int(random.integers(1, 4))):
        at = int(random.integers(len(chunks)))
        name, content = chunks[at]
        match int(random.integers(7)):
            case 0:
                chunks[at] = name, altered_bytes(content, random)
            case 1:
                head = bytearray(chunks[0][1].ljust(13, b"\0"))
                struct.pack_into(">I", head, one_of(random, 0, 4), one_of(random, *SIDES))
                chunks[0] = b"IHDR", bytes(head)
            case 2:
                head = bytearray(chunks[0][1].ljust(13, b"\0"))
                head[int(random.integers(8, 13))] = one_of(random, 0, 1, 2, 3, 4, 6, 8, 16, 255)
                chunks[0] = b"IHDR", bytes(head)
            case 3:
                chunks[at:at] = [chunks[at]] * one_of(random, 1, 2, 500)
            case 4:
                chunks[at], chunks[-1] = chunks[-1], chunks[at]
            case 5:
                added = one_of(
                    random,
                    b"tRNS",
                    b"PLTE",
                    b"zTXt",
                    b"iCCP",
                    b"acTL",
                    b"fcTL",
                    b"fdAT",
                    b"IDAT",
                    b"eXIf",
                    b"ABCD",
                )
                packed = b"name\0\0" + zlib.compress(bytes(one_of(random, 100, 10**7)))
                chunks.insert(
                    at, (added, one_of(random, b"", random.bytes(int(random.integers(800))), packed))
                )
            case _ if len(chunks) > 1:
                del chunks[at]
    return png[:8] + b"".join(_chunk(name, content) for name, content in chunks)


def _changed_segments(jpeg: bytes, random: Random) -> bytes:
    """A JPEG with one of its segments changed, doubled many times, dropped or given other sides."""
    places, place = [], 2
    while place + 4 < len(jpeg) and jpeg[place] == 0xFF and jpeg[place + 1] not in (0, 0xD9):
        size = 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
        places.append((place, size))
        place += size
        if jpeg[places[-1][0] + 1] == 0xDA:
            break
    begin, size = one_of(random, *places)
    segment, rest = jpeg[begin : begin + size], jpeg[begin + size :]
    match int(random.integers(5)):
        case 0:
            segment = altered_bytes(segment, random)
        case 1:
            segment = segment[:4] + altered_bytes(segment[4:], random)
        case 2:
            segment = segment * one_of(random, 2, 100, 20_000)
        case 3:
            segment = b""
        case _:
            found = next((at for at, _ in places if jpeg[at + 1] in (0xC0, 0xC2)), 2)
            side = struct.pack(">H", one_of(random, 0, 1, 12_000, 13_377, 65_535))
            return jpeg[: found + 5] + side + jpeg[found + 7 :]
    return jpeg[:begin] + segment + rest


def _bomb(random: Random) -> bytes:
    """A PNG of few bytes and of nearly as many pixels as are read, or more."""
    side = one_of(random, 5000, 13_300, 14_000)
    colour, each = one_of(random, (0, 1), (2, 3), (6, 4), (3, 1))
    packer = zlib.compressobj(1)
    row = bytes(1 + each * side)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, colour, 0, 0, 0)
    palette = _chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + palette
        + _chunk(b"IDAT", packed)
        + _chunk(b"IEND", b"")
    )
