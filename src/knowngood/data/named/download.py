"""Downloads that go on where they stopped, after a dropped connection or a killed process.

What has come is kept beside the target as `.part`, and what is known of it as `.part.json`. The rest is asked
for (Range, RFC 9110 section 14) on the condition that the file has not changed since (If-Range). The whole
takes the target's name only after its checksum was compared.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from knowngood.data.named.entries import Archive
from knowngood.data.named.megabytes import MB, in_megabytes
from knowngood.errors import DataError, shortened
from knowngood.inputs import LARGEST_RECIPE, read_file
from knowngood.output import in_words, replacing
from knowngood.types import Progress

STALL = 30.0
"""Seconds without a byte after which a connection is given up and made anew."""

TRIES = 5
"""Connections in a row that bring nothing, after which a download stops."""

PAUSE = 1.0
"""Seconds before the second of them; twice as many before each further one."""

_BLOCK = 1 << 20
_BUSY = (408, 425, 429)
"""Answers, beside those from 500, after which a server may give the file when it is asked again."""


class _Dropped(Exception):
    """A connection that ended before the file did."""


class _Refused(Exception):
    """An address that does not give the file."""


@dataclass(frozen=True)
class _Part:
    """What has come of a file, from one address."""

    path: Path
    address: str

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def _about(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def known(self) -> Mapping[str, Any]:
        """What the server said of the file, if that is known and some of it is there."""
        try:
            known = json.loads(read_file(self._about, LARGEST_RECIPE)) if self.size else {}
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) and known.get("address") == self.address else {}

    def remember(self, headers: Message, size: int) -> None:
        """Keep how large the file will be, and what tells it from another version; a weak tag does not."""
        tag = headers.get("ETag", "")
        version = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
        with replacing(self._about) as unfinished:
            unfinished.write_text(json.dumps({"address": self.address, "version": version, "size": size}))

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self._about.unlink(missing_ok=True)


def download(archive: Archive, target: Path, *, expected: str, progress: Progress) -> str:
    """Download a file to a path where none is, from the first of its addresses that gives it.

    Args:
        archive: The file.
        target: Its path; the folder exists.
        expected: Its SHA-256; empty where it is not known.
        progress: Called with megabytes.

    Returns:
        Its SHA-256.

    Raises:
        DataError: It cannot be had, or has another checksum. What has come stays for the next call, unless it
            is the wrong file.
        OutputError: It cannot be written.
    """
    path = target.with_name(f"{target.name}.part")
    for is_last in (False, True):
        in_parts = path.exists()
        in_parts |= _receive(archive, path, bool(expected), progress)
        sha256, problem = compared(path, expected, progress)
        if not problem:
            break
        _Part(path, "").drop()
        # Of several parts some may have been of an older version; what came at once is what there is.
        if is_last or not in_parts:
            raise DataError(f"{archive.name} is not the file that was published: {problem}")
    path.replace(target)
    _Part(path, "").drop()
    return sha256


def compared(path: Path, expected: str, progress: Progress) -> tuple[str, str]:
    """Return the SHA-256 of a file, and how it differs from the expected one; empty where that is not known.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     compared(Path(file.name), "", lambda *_: None)[0][:12]
        'e3b0c44298fc'
    """
    digest, done, name = hashlib.sha256(), 0, path.name.removesuffix(".part")
    report = in_megabytes(progress, f"checking {name}", path.stat().st_size)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            done += len(block)
            report(done)
    sha256 = digest.hexdigest()
    return sha256, f"its SHA-256 is {sha256}, not {expected}" if expected not in ("", sha256) else ""


def _receive(archive: Archive, path: Path, is_checked: bool, progress: Progress) -> bool:
    """Bring a file whole to a path, however often the connection drops; whether it came in several parts."""
    refused = []
    for address in archive.addresses:
        part, fails, tries, reason = _Part(path, address), 0, 0, ""
        while fails < TRIES:
            before, tries = part.size, tries + 1
            try:
                _attempt(archive, part, is_checked, progress)
                return tries > 1
            except _Refused as error:
                reason = str(error)
                break
            except _Dropped as error:
                reason = str(error)
            fails = 0 if part.size > before else fails + 1
            time.sleep(PAUSE * 2 ** max(0, fails - 1))
        if fails == TRIES and part.known():
            raise DataError(
                f"the download of {archive.name} stopped after {part.size / MB:,.1f} MB: {reason}; give the "
                "command again later, and it goes on from there"
            )
        refused.append(reason)
    raise DataError("; ".join(dict.fromkeys(refused)) or f"{archive.name} is only got by hand")


def _attempt(archive: Archive, part: _Part, is_checked: bool, progress: Progress) -> None:
    """Receive the rest of a file by one connection, or all of it where a part of it is of no use."""
    known = part.known()
    if part.size and known.get("size") == part.size:
        return  # a process was killed before it could compare the checksum
    version = known.get("version", "")
    # Without a version nothing but a checksum shows that the file has changed since.
    start = part.size if known and (version or is_checked) else 0
    headers = {"User-Agent": "knowngood", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": version} if version else {})
    host = urlsplit(part.address).hostname
    try:
        with urlopen(Request(part.address, headers=headers), timeout=STALL) as answer:
            if start and answer.status == 206:
                _check_part(answer.headers, start, version, part)
            else:
                start = 0
            _check_answer(answer.headers, archive, start, str(host))
            length = _length(answer.headers)
            part.remember(answer.headers, start + length if length else 0)
            _write(answer, part.path, start, archive, progress)
    except HTTPError as error:
        error.close()
        if error.code == 416 and start:
            if error.headers.get("Content-Range", "").endswith(f"/{start}"):
                return  # the server has no more, and never had
            part.drop()
            raise _Dropped(f"{host} has another file by now") from error
        reason = f"{host} answers {error.code} {error.reason}"
        raise (_Dropped if error.code in _BUSY or error.code >= 500 else _Refused)(reason) from error
    except URLError as error:  # before anything was asked
        reason = f"{host} is not reached ({_words(error.reason)})"
        raise (_Dropped if known else _Refused)(reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Dropped(f"{host}: {_words(error)}") from error


def _check_part(headers: Message, start: int, version: str, part: _Part) -> None:
    """Check that an answer goes on where the part ends, in the same version of the file."""
    begins = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    now = {headers.get("ETag"), headers.get("Last-Modified")} - {None}
    if begins is None or int(begins[1]) != start or (version and now and version not in now):
        part.drop()
        raise _Dropped("the file has changed since the first part of it came")


def _check_answer(headers: Message, archive: Archive, start: int, host: str) -> None:
    """Check that an answer may be the file."""
    if headers.get_content_type() == "text/html":
        raise _Refused(f"{host} answers with a web page in place of {archive.name}")
    _check_size(start + _length(headers), archive)


def _check_size(size: int, archive: Archive) -> None:
    """Check that a file is about as large as its publisher states."""
    if size > 2 * archive.size + 16 * MB:
        raise _Refused(f"{archive.name} is larger than its publisher states ({archive.size / MB:,.0f} MB)")


def _write(
    answer: http.client.HTTPResponse, path: Path, start: int, archive: Archive, progress: Progress
) -> None:
    """Write what comes, after so many bytes that are there."""
    length = _length(answer.headers)
    report = in_megabytes(progress, f"downloading {archive.name}", start + length or archive.size)
    size = start
    with in_words(path):
        file = path.open("r+b" if start else "wb")
    try:
        with in_words(path):
            file.seek(start)
            if start:
                file.truncate()
        report(size)
        while block := answer.read1(_BLOCK):
            size += len(block)
            _check_size(size, archive)
            with in_words(path):
                file.write(block)
                file.flush()  # a killed process loses nothing of it
            report(size)
    finally:
        with suppress(OSError):  # of a full disk, which was said
            file.close()
    if size < start + length:
        raise _Dropped(f"the connection ended {(start + length - size) / MB:,.1f} MB too early")


def _length(headers: Message) -> int:
    """The bytes that an answer announces; 0 if it does not."""
    text = headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and len(text) < 16 else 0


def _words(reason: object) -> str:
    return shortened(getattr(reason, "strerror", None) or str(reason) or type(reason).__name__)
