"""Writing results: a file is written whole or not at all, and in the place of nothing that is not our own."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from knowngood.errors import OutputError
from knowngood.inputs import LARGEST_IMAGE, open_file

MARK = "written by knowngood"
"""What stands in each report, picture, set of slides and Parquet file of ours."""

SCORES, EXPERIMENTS = ("p_value", "decision"), ("experiment", "change")
"""Neighbouring columns by which a table of scores, and one of experiments, is known."""

UNFINISHED = ".knowngood-"
"""How the names of files begin that are being written."""

TEMPORARY = "knowngood-"
"""How the names of temporary folders begin."""

_LOCK = ".lock"
_MARKED = 1 << 16  # bytes at both ends of a file that are searched for a mark
_BEFORE_PIXELS = 512  # bytes of a PNG or a TIFF that hold its header and the mark
_MINUTE = 60.0  # an unfinished file younger than this may not have its lock yet


@contextmanager
def replacing(
    path: str | os.PathLike[str], mark: str | None = None, *, overwrite: bool | None = None
) -> Iterator[Path]:
    """Give a temporary file to write to; when the block ends well it takes the place of `path`.

    Whatever goes wrong in between, a full disk or Ctrl-C, a file that was there before stays as it was and
    nothing half-written is left. A file that is replaced keeps its mode and, where permitted, its owner. A
    symbolic link stays, and the file that it points to is replaced. Into a device or a pipe the result is
    copied when it is whole.

    Args:
        path: The file to write or replace.
        mark: What every file of this type holds at its beginning or end. A file without it is not replaced.
            None where the folder is our own.
        overwrite: Replace it all the same; None where the user has no such choice.

    Yields:
        A path with the same suffix; two writers never have the same one.

    Raises:
        OutputError: The file cannot be written, or is not ours to replace.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replacing(f"{folder}/scores.csv") as unfinished:
        ...         _ = unfinished.write_text("score")
        ...     Path(f"{folder}/scores.csv").read_text()
        'score'
    """
    target = Path(path)
    unfinished, lock = None, -1
    with in_words(target):
        try:
            before = _before(target, mark, overwrite=overwrite)
            stream = before is not None and not stat.S_ISREG(before.st_mode)
            real = target.resolve() if target.is_symlink() and not stream else target
            folder = Path(tempfile.gettempdir()) if stream else real.parent
            _sweep(folder)
            unfinished, lock = _claim(folder, real.suffix, before.st_mode & 0o777 if before else 0o666)
            yield unfinished
            if stream:
                _copy(unfinished, target)
                return
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            if before is not None:
                _restore(unfinished, before)
            unfinished.replace(real)
        finally:
            if unfinished is not None:
                unfinished.unlink(missing_ok=True)
                os.close(lock)


def check_target(
    path: str | os.PathLike[str],
    mark: str | None = None,
    *,
    overwrite: bool | None = None,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Find out before a long work whether its result can be written.

    Args:
        path: The file to write or replace.
        mark: See `replacing`.
        overwrite: See `replacing`.
        inputs: Files that the work reads; none of them is replaced, even with `overwrite`.

    Raises:
        OutputError: It cannot.
    """
    target, name = Path(path), repr(str(Path(path)))
    with in_words(target):
        if target.is_dir():
            raise OutputError(f"{name} is a folder{_remedy(target)}")
        if not target.parent.is_dir():
            raise OutputError(f"{name} cannot be written{_remedy(target)}")
        if not os.access(target.parent, os.W_OK):
            raise OutputError(f"{name} cannot be written: no permission in its folder; name another")
        for one in inputs:
            with suppress(OSError, ValueError):  # what cannot be read is not replaced either
                if target.samefile(one):
                    raise OutputError(f"{name} is read by this command; name another file to write")
        _before(target, mark, overwrite=overwrite)


def is_marked(path: str | os.PathLike[str], mark: str) -> bool:
    """Whether a file holds a mark at its beginning or end; False where it cannot be read."""
    wanted = mark.encode()
    try:
        with Path(path).open("rb") as file:
            if wanted in file.read(_MARKED):
                return True
            file.seek(max(file.tell(), os.fstat(file.fileno()).st_size - _MARKED))
            return wanted in file.read(_MARKED)
    except OSError:
        return False


def is_heatmap(path: Path) -> bool:
    """Whether a picture is a heatmap or mask of ours, which says so before its pixels; no more is read."""
    try:
        with open_file(path, LARGEST_IMAGE) as file:
            return MARK.encode() in file.read(_BEFORE_PIXELS)
    except OSError:
        return False


def table_mark(path: Path, columns: tuple[str, str] = SCORES) -> str:
    """Return what a table of ours holds at its beginning or end, according to its suffix.

    Example:
        >>> table_mark(Path("scores.csv")), table_mark(Path("scores.jsonl"))
        ('p_value,decision', '"p_value": ')
    """
    return {".csv": ",".join(columns), ".jsonl": f'"{columns[0]}": '}.get(path.suffix.lower(), MARK)


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder and those above it, unless it is there.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"folder {os.fspath(path)!r} cannot be made: {error.strerror or error}") from error


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder for as long as the context lasts, and remove those that killed runs have left.

    Yields:
        A folder in the system's folder for temporary files.

    Example:
        >>> with temporary_folder() as folder:
        ...     _ = (folder / "samples").write_bytes(bytes(3))
        >>> folder.exists()
        False
    """
    for left in Path(tempfile.gettempdir()).glob(f"{TEMPORARY}*"):
        with suppress(OSError):  # another user's is not ours to remove
            if _is_orphan(left / _LOCK):
                shutil.rmtree(left)
            elif not (left / _LOCK).exists() and time.time() - left.stat().st_mtime > _MINUTE:
                left.rmdir()  # empty, of a run that was killed before it made the lock
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        lock = os.open(Path(folder) / _LOCK, os.O_CREAT | os.O_RDWR)
        _lock(lock)
        try:
            yield Path(folder)
        finally:
            os.close(lock)


@contextmanager
def in_words(target: Path) -> Iterator[None]:
    """Raise what goes wrong with a file to write as an OutputError that names it."""
    failed = f"{str(target)!r} cannot be written: "
    if "\0" in str(target):
        raise OutputError(f"{failed}its name holds a NUL character")
    try:
        yield
    except OSError as error:
        raise OutputError(f"{failed}{error.strerror or error}{_remedy(target)}") from error


def _before(target: Path, mark: str | None, *, overwrite: bool | None) -> os.stat_result | None:
    """Return the state of the file that will be replaced, if there is one; an error if it must stay."""
    name = repr(str(target))
    try:
        before = target.stat()
    except FileNotFoundError:
        if target.is_symlink():
            raise OutputError(f"{name} is a link to nothing; name another file, or remove the link") from None
        return None
    if stat.S_ISFIFO(before.st_mode) or stat.S_ISCHR(before.st_mode) or stat.S_ISDIR(before.st_mode):
        return before
    if not stat.S_ISREG(before.st_mode):
        raise OutputError(f"{name} is neither a file nor a pipe; name another")
    if before.st_nlink > 1:
        raise OutputError(
            f"{name} has a second name (a hard link), which would keep the old content; name another"
        )
    if not before.st_mode & 0o222:
        raise OutputError(f"{name} is read-only; name another file, or allow writing to it")
    if before.st_size and mark is not None and not overwrite and not is_marked(target, mark):
        offered = "replace it with --overwrite (in Python overwrite=True)"
        choice = "move it away" if overwrite is None else offered
        raise OutputError(f"{name} exists and is not a result of this type; name another file, or {choice}")
    return before


def _claim(folder: Path, suffix: str, mode: int) -> tuple[Path, int]:
    """Make an empty file that nobody else has, and lock it for as long as this process lives."""
    path = folder / f"{UNFINISHED}{secrets.token_hex(8)}{suffix[:20]}"
    lock = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode)
    _lock(lock)
    return path, lock


def _lock(file: int) -> bool:
    """Lock an open file; False where another process has locked it."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


@lru_cache(maxsize=64)
def _sweep(folder: Path) -> None:
    """Remove, once for each folder, what killed runs have left unfinished in it."""
    with suppress(OSError):
        for path in folder.glob(f"{UNFINISHED}*"):
            with suppress(OSError):
                if _is_orphan(path):
                    path.unlink()


def _is_orphan(path: Path) -> bool:
    """Whether no running process has locked a file that is older than a minute."""
    if not path.is_file() or path.is_symlink() or time.time() - path.stat().st_mtime < _MINUTE:
        return False
    file = os.open(path, os.O_RDWR)
    try:
        return _lock(file)
    finally:
        os.close(file)


def _restore(path: Path, before: os.stat_result) -> None:
    """Give a file the mode, and where permitted the owner, of the one that it replaces."""
    with suppress(AttributeError, PermissionError):
        os.chown(path, before.st_uid, before.st_gid)
    path.chmod(stat.S_IMODE(before.st_mode))


def _copy(source: Path, stream: Path) -> None:
    """Copy a file into a device or a pipe; a pipe that nobody reads is an error, not a wait."""
    file = os.open(stream, os.O_WRONLY | os.O_NONBLOCK)
    os.set_blocking(file, True)
    with source.open("rb") as whole, os.fdopen(file, "wb") as into:
        shutil.copyfileobj(whole, into)


def _remedy(target: Path) -> str:
    """Say what to do about it, where the target shows that."""
    with suppress(OSError):  # a folder that may not be entered shows nothing
        if target.is_dir():
            return "; name a file in it"
        if not target.parent.is_dir():
            return f"; make the folder {str(target.parent)!r} first"
        if target.exists():
            return "; what was there before is unchanged"
    return ""
