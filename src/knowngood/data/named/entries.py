"""What is declared of a public data set, and of the archives that it is in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Archive:
    """A file that a publisher offers.

    Attributes:
        name: Of the file.
        size: In bytes; rounded where the publisher states megabytes.
        addresses: Where it is, the first that answers is taken; none for a file that is only got by hand.
        sha256: Its checksum; empty where none is known.
    """

    name: str
    size: int
    addresses: tuple[str, ...]
    sha256: str = ""

    @property
    def is_packed(self) -> bool:
        """Whether it holds other files; else it is itself a file of the data set."""
        return not self.name.endswith("ubyte.gz")


@dataclass(frozen=True)
class NamedData:
    """A data set, or one product of it.

    Attributes:
        name: By which it is known, and its folder.
        about: What it shows, in a line.
        licence: Its name and its text's address.
        page: Of the publisher.
        archives: The files that are needed, all of them.
        take: Folders in the archives that belong to it, as patterns; one may stand above them.
        leave: Files in them that are left out, as patterns of names.
        instead: Other archives that hold it too, for users who have one of them.
        package: Its Python package, where it has one instead of archives.
    """

    name: str
    about: str
    licence: str
    page: str
    archives: tuple[Archive, ...] = ()
    take: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    instead: tuple[Archive, ...] = ()
    package: str = ""

    @property
    def into(self) -> PurePosixPath:
        """The folder in which the folders of the archive are laid.

        Example:
            >>> named = lambda name, *take: NamedData(name, "", "", "", take=take)
            >>> str(named("visa/candle", "candle").into), str(named("kolektor/sdd", "kos*").into)
            ('visa', 'kolektor/sdd')
        """
        own = PurePosixPath(self.name)
        return own.parent if own.name in self.take else own

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(archive.size for archive in self.archives)
