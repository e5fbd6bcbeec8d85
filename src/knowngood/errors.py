"""Every error that a user can meet.

::

    KnowngoodError
    ├── DataError              a folder, a table or a mask that cannot be used
    │   └── UnreadableImage    one image file that cannot be read
    ├── RecipeError            a setting that is unknown or out of range
    ├── WeightsError           backbone weights that are not on this machine
    ├── TrainingError          a training that went wrong or cannot go on
    ├── InspectorError         an inspector file that is broken, altered or from another version
    ├── MissingExtra           an optional library that is not installed
    ├── StationError           an inspection station that cannot do what is asked
    └── OutputError            a result that could not be written

A message says in one or two lines which file or parameter, what is wrong with it, and what to do. Errors also
have what they name as attributes, such as the path or the setting, for programs that react to them. The
command line prints the message alone; a traceback is a defect in knowngood.
"""

from __future__ import annotations

import os
import reprlib
import unicodedata
from typing import Any

_LONGEST = 300
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxlong, _SHORT.maxother = 2, 100, 40, 100


def quoted(value: Any) -> str:
    """Quote a value in a message: its representation, shortened where it is long or deep.

    Example:
        >>> quoted("dent"), quoted([[[[1]]]]), len(quoted("x" * 10**6))
        ("'dent'", '[[[...]]]', 100)
    """
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python refuses to spell out a number of thousands of digits
        return "a number of thousands of digits"


def shortened(text: str) -> str:
    """Cut a text in a message to a length that can be read, without what would control a terminal."""
    return escaped(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def escaped(text: str) -> str:
    r"""Show letters that would control a terminal as escapes.

    Example:
        >>> escaped("bad\tline\x1b[2J")
        'bad\\tline\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(letter if is_visible(letter) else ascii(letter)[1:-1] for letter in text)


def is_visible(letter: str) -> bool:
    """Check that a letter neither controls a terminal nor is half of one; all spaces are allowed."""
    return letter.isprintable() or unicodedata.category(letter) == "Zs"


class KnowngoodError(Exception):
    """Base of all errors that knowngood raises on purpose."""


class DataError(KnowngoodError):
    """A folder, a table or a mask that cannot be used."""

    def __init__(self, message: str, *, path: str | os.PathLike[str] | None = None) -> None:
        super().__init__(message)
        # None where the error is not about one file.
        self.path: str | None = None if path is None else os.fspath(path)


class UnreadableImage(DataError):
    """One image file that cannot be read."""

    path: str  # as the user named it

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{os.fspath(path)!r}: {reason}", path=path)
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies, also in other processes, are made of the same two arguments."""
        return UnreadableImage, (self.path, self.reason)


class RecipeError(KnowngoodError):
    """A setting that is unknown or out of range."""

    def __init__(self, message: str, *, setting: str | None = None, value: object = None) -> None:
        super().__init__(message)
        # None where the error is not about one setting.
        self.setting = setting
        self.value = value


class WeightsError(KnowngoodError):
    """Backbone weights that are not on this machine."""


class TrainingError(KnowngoodError):
    """A training that went wrong or cannot go on."""


class InspectorError(KnowngoodError):
    """An inspector file that is broken, altered or from another version."""


class MissingExtra(KnowngoodError):
    """An optional library that is not installed."""


class StationError(KnowngoodError):
    """An inspection station that cannot do what is asked."""


class OutputError(KnowngoodError):
    """A result that could not be written."""
