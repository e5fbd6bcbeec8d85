r"""Cells of a table that a spreadsheet opens: no text in it is run as a formula, and each can be read back.

A text that begins with `=`, `+`, `-`, `@`, a tabulator or a carriage return gets an apostrophe before it, and
so does one that would look like that result. Bytes of a file name that are no text are written as `\udcff`.
"""

from __future__ import annotations

import os
import re
from typing import TypeVar

T = TypeVar("T")

ENCODING = "utf-8-sig"
"""Of a CSV file: without its mark, a spreadsheet reads another code page."""

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_WRITTEN = re.compile(r"'+[=+\-@\t\r]")
_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")


def to_cell(value: T) -> T | str:
    r"""Write a value as a cell; numbers stay what they are.

    Example:
        >>> to_cell("=1+1"), to_cell("'=1"), to_cell("a=b"), to_cell(-1.5), to_cell("a\udcff")
        ("'=1+1", "''=1", 'a=b', -1.5, 'a\\udcff')
    """
    if not isinstance(value, str):
        return value
    text = spelt(value)
    return f"'{text}" if _FORMULA.match(text) else text


def from_cell(text: str) -> str:
    """Read a text that `to_cell` has written, but for its bytes that are no text.

    Example:
        >>> from_cell("'=1+1"), from_cell("''=1"), from_cell("'a'")
        ('=1+1', "'=1", "'a'")
    """
    return text[1:] if _WRITTEN.match(text) else text


def spelt(name: str) -> str:
    r"""Spell out bytes of a file name that are no text, as `\udcff`."""
    return name.encode("utf-8", "backslashreplace").decode()


def file_of(name: str, folder: str) -> str:
    """Return the file in a folder that a cell names.

    Where there is no file of exactly this name, bytes that were spelt out, and then backslashes between
    folders, are tried.

    Example:
        >>> file_of("a.png", ""), file_of("a.png", "parts")
        ('a.png', 'parts/a.png')
    """
    path = os.path.join(folder, name)  # noqa: PTH118 - a million cells would take seconds with pathlib
    if "\\" in name and not os.path.lexists(path):
        bytes_ = _BYTE.sub(lambda found: chr(0xDC00 + int(found[1], 16)), name)
        for other in (bytes_, name.replace("\\", "/"), bytes_.replace("\\", "/")):
            if os.path.lexists(os.path.join(folder, other)):  # noqa: PTH118
                return os.path.join(folder, other)  # noqa: PTH118
    return path
