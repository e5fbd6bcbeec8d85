"""Getting a public data set by its name: from its publisher, or from a file that the user carried over."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path, PurePosixPath

from knowngood.data.named.archives import unpack
from knowngood.data.named.entries import Archive, NamedData
from knowngood.data.named.obtain import alone, check_space, downloaded, given
from knowngood.data.named.records import FOLDER, Record, read_record, write_record
from knowngood.data.named.registry import DATA_SETS
from knowngood.errors import DataError
from knowngood.notebook import followed
from knowngood.output import in_words, make_folder
from knowngood.types import Progress


def data_sets() -> tuple[NamedData, ...]:
    """List the public data sets that are known by name, each with its licence, its size and its publisher.

    Example:
        >>> [data.name for data in data_sets()][:4]
        ['mnist', 'elpv', 'mvtec-ad/bottle', 'mvtec-ad/cable']
    """
    return tuple(DATA_SETS.values())


def get_data(
    name: str,
    out: str | os.PathLike[str],
    *,
    accept_licence: bool = False,
    from_file: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Get a public data set: download it, compare its checksum, and unpack it. What is there stays.

    A download that was interrupted goes on where it stopped. Where no checksum is known, that of the first
    download is recorded beside the data, in `.downloads`, and later ones must agree with it.

    Args:
        name: Of a data set, such as `mvtec-ad/bottle`, or of several, such as `visa`; see `data_sets`.
        out: The folder of data sets, which is made where it is not there; the data are in `out/name`.
        accept_licence: Whether you accept the licence of the data set.
        from_file: The archive, or the folder that holds it, where it is not to be downloaded.
        progress: Called during long work.

    Returns:
        The folder of the data set, or its table.

    Raises:
        DataError: No data set has this name, its licence is not accepted, or it cannot be had.
        OutputError: It cannot be written, or there is too little room.

    Example::

        widget = knowngood.get_data("mvtec-ad/bottle", "data/", accept_licence=True)
        knowngood.describe(widget)
    """
    folder, progress = Path(out), followed(progress)
    source = None if from_file is None else Path(from_file)
    found = lacking(name, folder)
    if found and not accept_licence:
        raise DataError(
            f"{name} has a licence ({found[0].licence}); accept it by --accept-licence (in Python "
            "accept_licence=True)"
        )

    def archives(data: NamedData) -> tuple[Archive, ...]:
        is_whole = source is not None and source.name in [one.name for one in data.instead]
        return data.instead if is_whole else data.archives

    for _, group in groupby(found, key=archives):
        sets = list(group)
        if sets[0].package:
            _write_elpv(folder)
        else:
            with alone(folder / FOLDER):
                _get(sets, folder, source, progress)
    return path_of(name, folder)


def path_of(name: str, out: Path) -> Path:
    """Return where the data of a name are: a folder, or a table."""
    data = DATA_SETS.get(name)
    return out / (f"{name}.csv" if data is not None and data.package else name)


def named(name: str) -> list[NamedData]:
    """Return the data sets of a name: one, or all products of one.

    Raises:
        DataError: No data set has this name.

    Example:
        >>> len(named("visa")), named("visa/pcb1")[0].into
        (12, PurePosixPath('visa'))
    """
    found = [data for data in DATA_SETS.values() if data.name == name or data.name.startswith(f"{name}/")]
    if not found:
        names = {part for known in DATA_SETS for part in (known, known.partition("/")[0])}
        near = get_close_matches(name, sorted(names), n=3)
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        raise DataError(f"no data set is called {name!r}{meant}; `knowngood data list` has their names")
    return found


def lacking(name: str, out: Path) -> list[NamedData]:
    """Return those data sets of a name that are not there yet.

    Raises:
        DataError: None has this name, or what is there is not whole or not of this origin.
    """
    return [data for data in named(name) if not _is_there(data, out)]


def _is_there(data: NamedData, out: Path) -> bool:
    """Whether a data set is there and whole, each file with its size."""
    path, record = path_of(data.name, out), read_record(out, data.name)
    if not path.exists() or data.package:
        return path.exists()
    if not record.files:
        raise DataError(
            f"{str(path)!r} is there, and `knowngood data get` did not make it; name another folder by "
            "--out, or move it away"
        )
    if absent := record.absent(out):
        raise DataError(
            f"{str(path)!r} is not whole: {absent[0]!r} is missing or has another size ({len(absent)} such "
            "in all); move the folder away and give the command again"
        )
    return True


def _get(sets: Sequence[NamedData], out: Path, from_file: Path | None, progress: Progress) -> None:
    """Get data sets that are in the same archives."""
    first, store, fresh = sets[0], out / FOLDER, out / FOLDER / "unpacking"
    recorded = read_record(out, first.name).archives
    check_space(sets, out, is_given=from_file is not None)
    if from_file is None:
        found = [downloaded(archive, first, out, recorded, progress) for archive in first.archives]
    else:
        found = given(first, from_file, recorded, progress)
    shutil.rmtree(fresh, ignore_errors=True)  # of a run that was killed
    make_folder(fresh)
    written: dict[str, int] = {}
    try:
        for path, _, archive in found:
            if archive.is_packed:
                written |= unpack(path, fresh, lambda file: _placed(file, sets), progress)
            else:
                written |= _copied(path, fresh, f"{first.name}/{archive.name}")
        hashes = {archive.name: sha256 for _, sha256, archive in found}
        for data in sets:
            _lay(data, fresh, out, Record(hashes, {file: written[file] for file in _own(data, written)}))
    except DataError:
        for archive in first.archives:  # what no checksum vouches for is of no more use
            if not archive.sha256:
                (store / archive.name).unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    if all((out / data.name).exists() for data in DATA_SETS.values() if data.archives == first.archives):
        for archive in first.archives:
            (store / archive.name).unlink(missing_ok=True)


def _placed(file: PurePosixPath, sets: Sequence[NamedData]) -> PurePosixPath | None:
    """Return where a file of an archive belongs, below the folder of data sets; None if it is left out."""
    if any(part.startswith(".") or part == "__MACOSX" for part in file.parts):
        return None
    for data in sets:
        for parts in (file.parts, file.parts[1:]):
            if len(parts) > 1 and any(fnmatchcase(parts[0], pattern) for pattern in data.take):
                left = any(fnmatchcase(file.name, pattern) for pattern in data.leave)
                return None if left else data.into.joinpath(*parts)
    return None


def _own(data: NamedData, written: Iterable[str]) -> list[str]:
    """Return the files of one data set, with those that all products need."""
    patterns = [f"{data.into}/{pattern}/*" for pattern in data.take] or [f"{data.name}/*"]
    return [file for file in written if any(fnmatchcase(file, pattern) for pattern in patterns)]


def _copied(path: Path, fresh: Path, name: str) -> dict[str, int]:
    """Copy a file that is no archive."""
    with in_words(fresh / name):
        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, fresh / name)
    return {name: path.stat().st_size}


def _lay(data: NamedData, fresh: Path, out: Path, record: Record) -> None:
    """Move a data set to its place, whole."""
    if not any(file.startswith(f"{data.name}/") for file in record.files):
        wanted = ", ".join(data.take)
        raise DataError(f"{', '.join(record.archives)} holds no folder {wanted}; it is another archive")
    write_record(out, data.name, record)
    own = PurePosixPath(data.name)
    beside = [data.into / folder for folder in data.take] if data.into != own else []
    for folder in (*(folder for folder in beside if folder != own), own):
        with in_words(out / folder):
            (out / folder).parent.mkdir(parents=True, exist_ok=True)
            if not (out / folder).exists():
                (fresh / folder).rename(out / folder)


def _write_elpv(out: Path) -> None:
    """Write the table of the solar cells, which are a Python package."""
    from knowngood.data.elpv import load_elpv
    from knowngood.data.written import write_samples

    make_folder(out)
    write_samples(load_elpv(), path_of("elpv", out))
