"""The day on which pictures were taken, as their files know it."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from PIL import ExifTags, Image

from knowngood.data.decoding import Source
from knowngood.data.structure import check_tags
from knowngood.data.threads import in_threads
from knowngood.inputs import LARGEST_IMAGE, open_file

_HEAD = 1 << 16  # bytes in which a camera writes its tags
_EXIF = b"Exif\0\0"
_DAY = re.compile(r"\s*(\d{4}):(\d\d):(\d\d)\b")


def days_of(sources: Sequence[Source]) -> list[str]:
    """Return the day of each picture, as `2026-01-31`, empty where it is not known.

    It is the camera's own (EXIF, `DateTimeOriginal`) where any picture has it; else that of the last change
    of the files, which copying may have set.

    Example:
        >>> days_of(["no such file.jpg", b""])
        ['', '']
    """
    taken = list(in_threads(_taken, sources))
    return taken if any(taken) else list(in_threads(_changed, sources))


def _taken(source: Source) -> str:
    """The day that the camera wrote, in the local time of the camera."""
    if not isinstance(source, str | Path):
        return ""
    # Pillow raises any of these where tags are damaged; there is no day then.
    with suppress(OSError, ValueError, LookupError, TypeError, SyntaxError, OverflowError, struct.error):
        with open_file(source, LARGEST_IMAGE) as file:
            head = file.read(_HEAD)
        tags = head[head.index(_EXIF) :]
        check_tags(tags)
        exif = Image.Exif()
        exif.load(tags)
        written = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
        if found := _DAY.match(str(written)):
            return "-".join(found.groups())
    return ""


def _changed(source: Source) -> str:
    """The day on which a file was last changed, in local time."""
    if not isinstance(source, str | Path):
        return ""
    with suppress(OSError, ValueError, OverflowError):
        return f"{datetime.fromtimestamp(Path(source).stat().st_mtime):%Y-%m-%d}"
    return ""
