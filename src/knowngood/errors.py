"""Every error that a user can meet.

::

    KnowngoodError
    ├── DataError              a folder, a table or a mask that cannot be used
    │   └── UnreadableImage    one image file that cannot be read
    ├── RecipeError            a hyper-parameter that is unknown or out of range
    ├── WeightsError           backbone weights that are not on this machine
    ├── TrainingError          a training that went wrong or cannot go on
    ├── InspectorError         an inspector file that is broken, altered or from another version
    └── OutputError            a result that could not be written

A message says in one or two lines which file or parameter, what is wrong with it, and what to do.
The command line prints the message alone; a traceback means a defect in knowngood.
"""

from __future__ import annotations

import os


class KnowngoodError(Exception):
    """Base of all errors that knowngood raises on purpose."""


class DataError(KnowngoodError):
    """A folder, a table or a mask that cannot be used."""


class UnreadableImage(DataError):
    """One image file that cannot be read.

    Args:
        path: The file as the user named it.
        reason: What is wrong with it, in a few words.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{os.fspath(path)!r}: {reason}")
        self.path = os.fspath(path)
        self.reason = reason


class RecipeError(KnowngoodError):
    """A hyper-parameter that is unknown or out of range."""


class WeightsError(KnowngoodError):
    """Backbone weights that are not on this machine."""


class TrainingError(KnowngoodError):
    """A training that went wrong or cannot go on."""


class InspectorError(KnowngoodError):
    """An inspector file that is broken, altered or from another version."""


class OutputError(KnowngoodError):
    """A result that could not be written."""
