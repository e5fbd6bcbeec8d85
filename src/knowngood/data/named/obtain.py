"""The archives of a data set: downloaded, or given by the user, and known by their checksums."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from knowngood.data.named.download import compared, download
from knowngood.data.named.entries import Archive, NamedData
from knowngood.data.named.megabytes import size_in_words
from knowngood.data.named.records import FOLDER, record_file
from knowngood.data.named.registry import DATA_SETS
from knowngood.errors import DataError, OutputError
from knowngood.inputs import check_file
from knowngood.output import in_words, make_folder
from knowngood.types import Progress

LARGEST = 1 << 40
"""Bytes of an archive that a user gives; the largest that is known has 33 GB."""


class Found(NamedTuple):
    """An archive that is there."""

    path: Path
    sha256: str
    archive: Archive


def downloaded(
    archive: Archive, data: NamedData, out: Path, recorded: dict[str, str], progress: Progress
) -> Found:
    """Return an archive, once it is there and its checksum agrees.

    Args:
        archive: The archive.
        data: One of the data sets in it.
        out: The folder of data sets.
        recorded: The SHA-256 of archives of the first download.
        progress: Called during long work.

    Raises:
        DataError: It cannot be had; the message says how to get it by hand.
        OutputError: It cannot be written.
    """
    path, expected = out / FOLDER / archive.name, _expected(archive, recorded)
    try:
        if path.exists():  # of another product in the same archive
            sha256, problem = compared(path, expected, progress)
            if not problem:
                return Found(path, sha256, archive)
            path.unlink()
        return Found(path, download(archive, path, expected=expected, progress=progress), archive)
    except DataError as error:
        first = "" if archive.sha256 or not expected else f", by {str(record_file(out, data.name))!r}"
        whole = archive.name if len(data.archives) == 1 else "FOLDER"
        raise DataError(
            f"{data.name} cannot be downloaded: {error}{first}\nor get {archive.name} "
            f"({size_in_words(archive.size)}) by hand, see {data.page}, and give `knowngood data get "
            f"{data.name} --out {out} --from {whole}`"
        ) from error


def given(data: NamedData, path: Path, recorded: dict[str, str], progress: Progress) -> list[Found]:
    """Return archives that the user has, in place of those to download, once their checksums agree.

    Raises:
        DataError: They cannot be read, or are others.
    """
    known = (*data.archives, *data.instead)
    if path.is_dir():
        groups = [group for group in (data.archives, data.instead) if group]
        whole = (group for group in groups if all((path / one.name).exists() for one in group))
        return [_known_as([one], path / one.name, recorded, progress) for one in next(whole, groups[0])]
    if len(data.archives) > 1:
        count = len(data.archives)
        raise DataError(f"{data.name} is {count} files; name the folder that holds them, by --from FOLDER")
    # A file of another name may be any of them; those with a checksum show whether it is.
    named_so = [one for one in known if one.name == path.name]
    candidates = named_so or sorted(known, key=lambda one: not one.sha256)
    return [_known_as(candidates, path, recorded, progress)]


def _known_as(
    candidates: Sequence[Archive], path: Path, recorded: dict[str, str], progress: Progress
) -> Found:
    """Return a file as the first archive that it is by its checksum."""
    try:
        check_file(path, LARGEST)
        for archive in candidates:
            sha256, problem = compared(path, _expected(archive, recorded), progress)
            if not problem:
                return Found(path, sha256, archive)
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
    names = " or ".join(one.name for one in candidates)
    raise DataError(f"{str(path)!r} is not {names} as it was published: {problem}; copy it again")


def _expected(archive: Archive, recorded: dict[str, str]) -> str:
    """The checksum that a file must have: the published one, else that of the first download."""
    return archive.sha256 or recorded.get(archive.name, "")


def check_space(sets: Sequence[NamedData], out: Path, *, is_given: bool) -> None:
    """Check that there is room for archives and data, which are about as large: pictures are compressed.

    Raises:
        OutputError: There is not.
    """
    sharing = Counter(data.archives for data in DATA_SETS.values())
    needed = sum(data.size // sharing[data.archives] for data in sets)
    if not is_given:
        there = sum(path.stat().st_size for path in (out / FOLDER).iterdir() if path.is_file())
        needed += max(0, sets[0].size - there)
    free = shutil.disk_usage(out).free
    if free < needed:
        raise OutputError(
            f"{sets[0].name} needs {size_in_words(needed)} in {str(out)!r}, where {size_in_words(free)} are "
            "free; name a folder on another disk by --out"
        )


@contextmanager
def alone(store: Path) -> Iterator[None]:
    """Keep other processes from getting data to the same folder at the same time.

    Raises:
        DataError: One does.
        OutputError: The folder cannot be made.
    """
    make_folder(store)
    with in_words(store / "lock"):
        lock = (store / "lock").open("w")
    with lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            other = f"another knowngood is getting data to {str(store.parent)!r}"
            raise DataError(f"{other}; wait until it has ended") from error
        except (ImportError, OSError):
            pass  # Windows, or a disk without locks
        yield
