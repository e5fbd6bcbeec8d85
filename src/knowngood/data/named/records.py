"""What was got: the files of each data set and the checksums of its archives, kept beside the data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from knowngood.inputs import LARGEST_TABLE, read_file
from knowngood.output import make_folder, replacing

FOLDER = ".downloads"
"""The folder of records, and of archives while they are needed, in that of the data sets."""


@dataclass(frozen=True)
class Record:
    """What is known of a data set that was got.

    Attributes:
        archives: The SHA-256 of each archive, by its name.
        files: The bytes of each file, by its path from the folder of the data sets.
    """

    archives: dict[str, str] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)

    def absent(self, out: Path) -> list[str]:
        """List the files that are not there, or not whole."""
        return [file for file, size in self.files.items() if not _has_size(out / file, size)]


def record_file(out: Path, name: str) -> Path:
    """Return the path of a data set's record."""
    return out / FOLDER / f"{name.replace('/', '--')}.json"


def read_record(out: Path, name: str) -> Record:
    """Read what is known of a data set; nothing where it was never got, or the record is damaged."""
    try:
        content = json.loads(read_file(record_file(out, name), LARGEST_TABLE))
        archives = {str(key): str(value) for key, value in content["archives"].items()}
        return Record(archives, {str(key): int(value) for key, value in content["files"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Record()


def write_record(out: Path, name: str, record: Record) -> None:
    """Write what is known of a data set.

    Raises:
        OutputError: It cannot be written.
    """
    make_folder(out / FOLDER)
    with replacing(record_file(out, name)) as unfinished:
        unfinished.write_text(json.dumps(asdict(record), indent=1, ensure_ascii=False), encoding="utf-8")


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except (OSError, ValueError):
        return False
