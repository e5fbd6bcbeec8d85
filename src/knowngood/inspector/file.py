"""The inspector file: an uncompressed zip of `manifest.json`, `model.onnx`, three pictures and, where a
network was trained, the record of that; sealed by a checksum. For several products it is that of their
recogniser, with the inspector file of each product inside.

Any zip tool opens it, and `model.onnx` runs in any ONNX runtime. The zip comment, which ends the file, is the
SHA-256 of all bytes before it: a file that was cut off or altered is refused before anything in it is used.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from typing import NamedTuple

from knowngood.errors import InspectorError, quoted
from knowngood.inputs import open_file
from knowngood.output import replacing

MANIFEST = "manifest.json"
GRAPH = "model.onnx"
MARK = MANIFEST  # the name of its first member, by which an older inspector is known
PRODUCTS = "products/"
"""The names of members that are the inspector files of products begin with it."""

OTHERS = ("training", "example", PRODUCTS)
"""The names of all other members begin with one of these."""

LARGEST = {MANIFEST: 64 << 20, GRAPH: 1100 << 20}
"""Bytes of the manifest and of the graph at most; a thousand images take 70 kB of the manifest."""

LARGEST_RECORDS = 256 << 20
"""Bytes of all other members at most, those of products apart."""

LARGEST_PRODUCTS = 1900 << 20
"""Bytes of the inspector files of all products at most; one has about 7 MB."""

LARGEST_FILE = (2 << 30) - 1
"""Bytes of a file at most."""

_SEAL = 64
_EPOCH = (1980, 1, 1, 0, 0, 0)


def check_loaded(inspector: object) -> None:
    """Refuse the name of an inspector's file, or anything else, where the inspector itself is needed.

    Raises:
        InspectorError: It is no inspector.
    """
    if not hasattr(inspector, "manifest"):
        raise InspectorError(
            f"{quoted(inspector)} is no inspector; give a fitted one, or Inspector.load(...) of its file"
        )


def write_inspector(
    path: str | os.PathLike[str],
    manifest: bytes,
    graph: bytes,
    training: Mapping[str, bytes] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write an inspector file, with the members that describe its training by name.

    Raises:
        OutputError: The file cannot be written, or is not an inspector; one that was there before is
            unchanged.
    """
    with replacing(path, MARK, overwrite=overwrite) as unfinished:
        unfinished.write_bytes(pack(manifest, graph, training))


def pack(manifest: bytes, graph: bytes, training: Mapping[str, bytes] | None = None) -> bytes:
    """The content of an inspector file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        # A fixed time, so that the same content makes the same file.
        for name, content in {MANIFEST: manifest, GRAPH: graph, **(training or {})}.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
        archive.comment = b"0" * _SEAL
    body = buffer.getvalue()[:-_SEAL]
    return body + hashlib.sha256(body).hexdigest().encode()


class Parts(NamedTuple):
    """What an inspector file holds: manifest, graph, and all other members by name."""

    manifest: bytes
    graph: bytes
    members: dict[str, bytes]


def read_inspector(path: str | os.PathLike[str]) -> Parts:
    """Read an inspector file, which may come from a stranger.

    Raises:
        InspectorError: The file cannot be opened, is no inspector, or was cut off or altered.
    """
    name = os.fspath(path)
    try:
        with open_file(path, LARGEST_FILE) as file:
            return unpack(file, name)
    except OSError as error:
        raise InspectorError(f"{name!r} cannot be opened: {error.strerror}") from error


def unpack(file: io.BufferedIOBase, name: str) -> Parts:
    """Read an inspector from an open file, or from a member of another one; messages have the name.

    Raises:
        InspectorError: It is no inspector, or was cut off or altered.
    """
    content = _content(file, name)
    broken = f"{name!r} was cut off or altered; copy it again from where it was made, or fit it anew"
    sealed = hashlib.sha256(memoryview(content)[:-_SEAL]).hexdigest().encode() == content[-_SEAL:]
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            others = _other_members(archive, name)
            if not sealed:
                raise InspectorError(broken)
            if any(
                member.compress_type != zipfile.ZIP_STORED or member.file_size > len(content)
                for member in archive.infolist()
            ):
                raise InspectorError(f"{name!r} holds compressed or oversized parts; an inspector never does")
            return Parts(
                archive.read(MANIFEST), archive.read(GRAPH), {other: archive.read(other) for other in others}
            )
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        # zipfile has no common base for what a damaged directory makes it raise.
        raise InspectorError(broken) from error


def _content(file: io.BufferedIOBase, name: str) -> bytes:
    """The content of a file that may be an inspector's."""
    if file.read(4) != b"PK\x03\x04":
        raise InspectorError(f"{name!r} is not an inspector; `knowngood fit` makes one")
    _check_sizes(file, name)
    file.seek(0)
    return file.read()


def _check_sizes(file: io.BufferedIOBase, name: str) -> None:
    """Check, before much is read, that no part of an inspector is too large."""
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = {member.filename: member.compress_size for member in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return  # a damaged directory is reported, with what to do, when it is read
    held = dict.fromkeys((*LARGEST, "training", PRODUCTS), 0)
    for member, size in sizes.items():
        part = PRODUCTS if member.startswith(PRODUCTS) else member if member in LARGEST else "training"
        held[part] += size
    for member, most in (LARGEST | {"training": LARGEST_RECORDS, PRODUCTS: LARGEST_PRODUCTS}).items():
        if held[member] > most:
            raise InspectorError(
                f"{name!r} holds too much: {held[member] >> 20} MiB of {member}, more than {most >> 20}"
            )


def _other_members(archive: zipfile.ZipFile, name: str) -> list[str]:
    """The names of the members beside the manifest and the graph, each of which must be there once."""
    names = archive.namelist()
    others = [member for member in names if member not in (MANIFEST, GRAPH)]
    if (
        len(names) != len(set(names))
        or len(names) != len(others) + 2
        or not all(member.startswith(OTHERS) for member in others)
    ):
        raise InspectorError(f"{name!r} is a zip file but not an inspector")
    return others
