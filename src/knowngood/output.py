"""Writing results: a file is replaced whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from knowngood.errors import OutputError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary file beside `path`, with its suffix, that replaces it when the block succeeds.

    After any failure in the block, such as a full disk or Ctrl-C, the previous file is unchanged and nothing
    half-written is left.

    Raises:
        OutputError: The file cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, replacing(f"{folder}/scores.csv") as unfinished:
        ...     unfinished.write_text("score")
        5
    """
    target = Path(path)
    unfinished = target.parent / f".{os.getpid()}.{target.name}"
    try:
        try:
            yield unfinished
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{str(target)!r} cannot be written: {reason}{_remedy(target)}") from error


def check_target(path: str | os.PathLike[str]) -> None:
    """Check before a long work that its result can be written.

    Raises:
        OutputError: It cannot.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"{str(target)!r} is a folder{_remedy(target)}")
    if not target.parent.is_dir():
        raise OutputError(f"{str(target)!r} cannot be written{_remedy(target)}")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"{str(target)!r} cannot be written: no permission in its folder; name another")


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder and those above it, unless it exists.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"the folder {os.fspath(path)!r} cannot be made: {reason}") from error


def _remedy(target: Path) -> str:
    """Say what to do about a file that cannot be written."""
    with suppress(OSError):  # the folder may not be entered
        if target.is_dir():
            return "; name a file in it"
        if not target.parent.is_dir():
            return f"; make the folder {str(target.parent)!r} first"
    return "; what was there before is unchanged"
