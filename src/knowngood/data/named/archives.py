"""Unpacking archives that may be hostile: names that lead outside, links, devices, far too much in them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any, BinaryIO, NamedTuple

from knowngood.data.named.megabytes import in_megabytes
from knowngood.errors import DataError, is_visible, quoted
from knowngood.output import in_words
from knowngood.types import Progress

MOST_FILES = 200_000
"""Files in an archive; the largest data set that is known by name has 20,000."""

INFLATION, SPARE = 10, 64 << 20
"""Bytes that an archive may hold for each of its own, and beside these; pictures shrink by little, masks that
are not compressed by more."""

LONGEST = 255
"""Letters of a name, which file systems allow."""

_BLOCK = 1 << 20
_OPENERS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\xfd7zXZ\0": lzma.open,
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
}
"""What opens compressed tar archives, by their first bytes."""

_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError)


class _Member(NamedTuple):
    """A file in an archive."""

    name: str
    size: int
    open: Callable[[], IO[bytes] | None]


def unpack(
    archive: Path, into: Path, place: Callable[[PurePosixPath], PurePosixPath | None], progress: Progress
) -> dict[str, int]:
    """Write files of a tar archive (also compressed) or a zip archive below a folder.

    Nothing but plain files and their folders is made, with the modes that new files have.

    Args:
        archive: The archive.
        into: The folder; it exists.
        place: Where below it a file of the archive belongs; None for one that is left out.
        progress: Called with megabytes of the archive.

    Returns:
        The bytes of each file, by its path from the folder.

    Raises:
        DataError: It is no archive, is damaged, or holds what could do harm: a name that leads outside, a
            link, a device, an encrypted file, too many files or bytes. What was written before stays.
        OutputError: A file cannot be written.
    """
    written: dict[str, int] = {}
    size = archive.stat().st_size
    report, most = in_megabytes(progress, f"unpacking {archive.name}", size), INFLATION * size + SPARE
    try:
        with archive.open("rb") as file:
            is_zip = not tarfile.is_tarfile(archive) and zipfile.is_zipfile(archive)
            for count, member in enumerate(_zipped(file, most) if is_zip else _tarred(file, most), 1):
                if count > MOST_FILES:
                    raise DataError(f"it holds more than {MOST_FILES:,} files")
                target = place(checked(member.name))
                if target is not None and (source := member.open()) is not None:
                    written[target.as_posix()] = _write(source, into / target, member.size)
                report(min(file.tell(), size))
    except _DAMAGED as error:
        raise DataError(f"{str(archive)!r} is damaged or no archive: {quoted(str(error))}") from error
    except DataError as error:
        raise DataError(f"{str(archive)!r} is not unpacked: {error}") from error
    return written


def checked(name: str) -> PurePosixPath:
    """Return the name of a file in an archive as a path that stays in the folder, on every system.

    Raises:
        DataError: It does not.

    Example:
        >>> checked("./bottle/test/10301 (copy).png")
        PurePosixPath('bottle/test/10301 (copy).png')
        >>> checked("bottle/../../.ssh/config")
        Traceback (most recent call last):
        knowngood.errors.DataError: it holds the name 'bottle/../../.ssh/config', which leads outside
    """
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    if path.is_absolute() or windows.drive or windows.root or ".." in windows.parts or ":" in name:
        raise DataError(f"it holds the name {quoted(name)}, which leads outside")
    if "\\" in name or not all(map(is_visible, name)) or any(len(part) > LONGEST for part in path.parts):
        raise DataError(f"it holds the name {quoted(name)}, which is no plain name of a file")
    return path


def _zipped(file: BinaryIO, most: int) -> Iterator[_Member]:
    """The files of a zip archive."""
    with zipfile.ZipFile(file) as packed:
        if sum(info.file_size for info in packed.infolist()) > most:
            raise _too_much(most)
        for info in packed.infolist():
            if info.is_dir():
                checked(info.filename)
                continue
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                raise DataError(f"it holds {quoted(info.filename)}, a link or no plain file")
            if info.flag_bits & 1:
                raise DataError(f"it holds {quoted(info.filename)}, which is encrypted")
            yield _Member(info.filename, info.file_size, partial(packed.open, info))


def _tarred(file: BinaryIO, most: int) -> Iterator[_Member]:
    """The files of a tar archive, which is read once from its beginning to its end."""
    start = file.read(6)
    file.seek(0)
    opener = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
    stream: Any = _Bounded(opener(file) if opener else file, most)
    with tarfile.open(fileobj=stream, mode="r|") as packed:
        for info in packed:
            if info.isdir():
                checked(info.name)
                continue
            if not info.isreg() or info.issparse():
                raise DataError(f"it holds {quoted(info.name)}, a link or no plain file")
            yield _Member(info.name, info.size, partial(packed.extractfile, info))


class _Bounded:
    """A stream that gives at most so many bytes: an archive of a few can hold any number."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self.stream, self.most, self.done = stream, most, 0

    def read(self, size: int) -> bytes:
        """Read at most so many bytes."""
        try:
            block = self.stream.read(min(size, self.most - self.done + 1))
        except OSError as error:  # of gzip and bz2
            raise tarfile.ReadError(str(error)) from error
        self.done += len(block)
        if self.done > self.most:
            raise _too_much(self.most)
        return block


def _too_much(most: int) -> DataError:
    return DataError(f"it holds more than {most:,} bytes, far more than pictures of its size do")


def _write(source: IO[bytes], target: Path, size: int) -> int:
    """Write a file that has at most so many bytes, and return how many."""
    done = 0
    with source, in_words(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            while done <= size and (block := source.read(_BLOCK)):
                file.write(block)
                done += len(block)
    return done
