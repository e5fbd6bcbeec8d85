"""The pictures, each under the SHA-256 of its bytes, in a folder or in a store such as S3 (fsspec).

A picture is received into a file of the folder `incoming`, which stays until its verdict is committed: what
is in it at a start are pictures whose verdicts may be missing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import fsspec
from fsspec.implementations.local import LocalFileSystem
from starlette.concurrency import run_in_threadpool

from knowngood.errors import StationError, shortened

BLOCK = 1 << 20
"""Bytes of a picture that are kept in memory while it is received."""


class Received(NamedTuple):
    """A picture in the folder `incoming`: its file, the SHA-256 of its bytes, and their number."""

    path: Path
    digest: str
    size: int


class Storage:
    """The pictures at an address, received in a folder.

    Raises:
        StationError: The place cannot be written to.
    """

    def __init__(self, url: str, incoming: Path) -> None:
        self.incoming = incoming
        try:
            self._files, self._root = fsspec.url_to_fs(url)
            self.is_local = isinstance(self._files, LocalFileSystem)
            if self.is_local:  # a picture is moved in one step within a file system alone
                Path(self._root).mkdir(parents=True, exist_ok=True)
            incoming.mkdir(parents=True, exist_ok=True)
            self._linked = self.is_local and Path(self._root).stat().st_dev == incoming.stat().st_dev
        except (OSError, ValueError, ImportError) as error:
            raise StationError(f"storage {url!r} cannot be used: {shortened(str(error))}") from error

    async def receive(self, blocks: AsyncIterator[bytes]) -> Received:
        """Write what arrives to a file of its own; it is on the disk when this returns.

        Raises:
            OSError: It cannot be written, as on a full disk.
        """
        path = self.incoming / uuid4().hex
        digest, size, waiting = hashlib.sha256(), 0, bytearray()
        try:
            with path.open("xb") as file:

                def write(last: bool) -> None:
                    digest.update(waiting)
                    file.write(waiting)
                    if last:
                        file.flush()
                        os.fsync(file.fileno())

                async for block in blocks:
                    waiting += block
                    size += len(block)
                    if len(waiting) >= BLOCK:
                        await run_in_threadpool(write, False)
                        waiting.clear()
                await run_in_threadpool(write, True)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Received(path, digest.hexdigest(), size)

    def keep(self, received: Received) -> str:
        """Put a received picture in its place, unless it is there; return its key.

        Raises:
            OSError: It cannot be written.
        """
        key = key_of(received.digest)
        if self._linked:
            self._link(received.path, Path(self._root) / key)
        elif not self._files.exists(f"{self._root}/{key}"):
            if self.is_local:
                self._copy(received.path, Path(self._root) / key)
            else:
                self._files.put_file(os.fspath(received.path), f"{self._root}/{key}")
        return key

    def read(self, key: str) -> bytes:
        """The bytes of a picture.

        Raises:
            FileNotFoundError: It is not there.
        """
        return bytes(self._files.cat_file(f"{self._root}/{key}"))

    def remove(self, key: str) -> None:
        """Remove a picture, if it is there."""
        if self._files.exists(f"{self._root}/{key}"):
            self._files.rm_file(f"{self._root}/{key}")

    def names(self) -> Iterator[str]:
        """The keys of all pictures."""
        for path in self._files.find(self._root):
            yield path.removeprefix(self._root).lstrip("/")

    def settle(self, is_known: Callable[[str], bool]) -> int:
        """Remove, at a start, received pictures without a verdict; return how many there were.

        Args:
            is_known: Whether a verdict names the picture with a SHA-256.
        """
        left = sorted(self.incoming.iterdir())
        removed = 0
        for path in left:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if not is_known(digest):
                self.remove(key_of(digest))
                removed += 1
            path.unlink()
        return removed

    def free(self) -> int:
        """Bytes that are free where pictures are received."""
        return shutil.disk_usage(self.incoming).free

    def _link(self, source: Path, target: Path) -> None:
        """Give a file a second name, which is on the disk when this returns."""
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            _sync(target.parent.parent)
        if not target.exists():
            try:
                os.link(source, target)
            except FileExistsError:  # another request has brought the same picture meanwhile
                pass
            except OSError:
                self._copy(source, target)  # a file system without links
        _sync(target.parent)

    def _copy(self, source: Path, target: Path) -> None:
        """Copy a file, whole or not at all."""
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{source.name}")
        try:
            with source.open("rb") as read, unfinished.open("wb") as written:
                shutil.copyfileobj(read, written)
                written.flush()
                os.fsync(written.fileno())
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        _sync(target.parent)


def key_of(digest: str) -> str:
    """Where a picture is, by the SHA-256 of its bytes.

    Example:
        >>> key_of("ab12")
        'ab/ab12'
    """
    return f"{digest[:2]}/{digest}"


def _sync(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    if os.name == "nt":  # which has no such call
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
