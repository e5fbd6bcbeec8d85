"""Reading what a user names: files alone, none larger than it can be, and texts that a terminal can show.

A pipe would be waited for, a device has no end, and a sparse file of a terabyte takes no room on a disk.
"""

from __future__ import annotations

import errno
import io
import math
import os
import stat
from pathlib import Path
from typing import Any

from knowngood.errors import escaped, is_visible

LARGEST_RECIPE = 1 << 16
"""Bytes of a recipe or a grid; ours have a few hundred, and more would take long to read."""

LARGEST_TABLE = 256 << 20
"""Bytes of a table of samples; a million rows take about 100 MB as CSV."""

TABLE_SUFFIXES = (".csv", ".parquet")
"""How the name of a table ends."""

LARGEST_IMAGE = 2 << 30
"""Bytes of an image; 179 megapixels of 16 bits with alpha take 1.4 GB uncompressed."""

LARGEST_CHECKPOINT = 16 << 30
"""Bytes of a checkpoint of a training, or of the weights of a network."""

LONGEST_TEXT = 4000
"""Letters of a text in an inspector file; ours have a few hundred."""

LONGEST_NAME = 200
"""Letters of the name of a class or a layer, which reports draw."""

LONGEST_PATH = 1000
"""Letters of a file's name that are kept in an inspector."""


class UnsuitableFile(OSError):
    """A path that is no file to read: its `strerror`, and its text, say why."""

    def __str__(self) -> str:
        return self.strerror or ""


def check_file(path: str | os.PathLike[str], most: int) -> int:
    """Check, without opening it, that a path is a file of at most so many bytes, and return how many.

    Raises:
        OSError: It is not there, or cannot be reached.
        UnsuitableFile: It is a pipe, a device, a socket or too large, or its name is no name.

    Example:
        >>> check_file(os.devnull, LARGEST_TABLE)
        Traceback (most recent call last):
        knowngood.inputs.UnsuitableFile: it is a pipe or a device, not a file
    """
    if "\0" in os.fspath(path):
        raise UnsuitableFile(errno.EINVAL, "its name holds a NUL character")
    state = Path(path).stat()
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(state.st_mode):
        raise UnsuitableFile(errno.EINVAL, "it is a pipe or a device, not a file")
    if state.st_size > most:
        raise UnsuitableFile(
            errno.EFBIG, f"it is too large ({state.st_size:,} bytes); at most {most:,} are read"
        )
    return state.st_size


def open_file(path: str | os.PathLike[str], most: int) -> io.BufferedReader | io.BytesIO:
    """Open a file of at most so many bytes; one of `/proc`, which says that it is empty, is empty.

    Raises:
        OSError: It is not there, or cannot be read; `check_file` has the other reasons.

    Example:
        >>> open_file("/proc/kmsg", LARGEST_TABLE).read() if Path("/proc/kmsg").exists() else b""
        b''
    """
    if not check_file(path, most):
        return io.BytesIO()
    # What takes its place in the meantime is not waited for either.
    file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    return os.fdopen(file, "rb")


def read_file(path: str | os.PathLike[str], most: int) -> bytes:
    """Read a file of at most so many bytes; see `open_file`."""
    with open_file(path, most) as file:
        return file.read(most)


def is_plain(value: Any, longest: int = LONGEST_TEXT) -> bool:
    """Check that texts in a value from JSON are short and printable, that whole numbers have 64 bits, and no
    other one is infinite.

    Example:
        >>> is_plain({"name": ["dent", 3]}), is_plain(chr(27) + "[2J"), is_plain([1 << 64])
        (True, False, False)
    """
    if isinstance(value, dict):
        return all(is_plain(key, longest) and is_plain(item, longest) for key, item in value.items())
    if isinstance(value, list):
        return all(is_plain(item, longest) for item in value)
    if isinstance(value, str):
        return len(value) <= longest and all(map(is_visible, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) < 1 << 63


def printable(text: str, longest: int = LONGEST_PATH) -> str:
    r"""Return a text as `is_plain` wants it: other letters as escapes, and its end alone where it is long.

    Example:
        >>> printable("a\nb"), printable("abcdef", 4)
        ('a\\nb', 'cdef')
    """
    return escaped(text[-longest:])[-longest:]
