"""Writing results: a file is replaced whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from knowngood.errors import OutputError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary file to write to; when the block ends well it takes the place of `path`.

    Whatever goes wrong in between, a full disk or Ctrl-C, a file that was there before stays as it was and
    nothing half-written is left.

    Args:
        path: The file to write or replace.

    Yields:
        A path in the same folder, with the same suffix.

    Raises:
        OutputError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replacing(f"{folder}/scores.csv") as unfinished:
        ...         _ = unfinished.write_text("score")
        ...     Path(f"{folder}/scores.csv").read_text()
        'score'
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
        raise OutputError(
            f"{str(target)!r} cannot be written: {error.strerror or error}{_remedy(target)}"
        ) from error


def check_target(path: str | os.PathLike[str]) -> None:
    """Find out before a long work whether its result can be written.

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
    """Make a folder and those above it, unless it is there.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"the folder {os.fspath(path)!r} cannot be made: {reason}") from error


def _remedy(target: Path) -> str:
    """What to do about it, where that can be told from here."""
    with suppress(OSError):  # nothing can be told of a folder that may not be entered
        if target.is_dir():
            return "; name a file in it"
        if not target.parent.is_dir():
            return f"; make the folder {str(target.parent)!r} first"
    return "; what was there before is unchanged"
