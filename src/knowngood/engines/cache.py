"""A cache of converted and compiled networks in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

from knowngood.errors import OutputError
from knowngood.output import replacing

MOST = 32
"""Networks that are kept, up to ten megabytes each; those unused for longest beyond these are deleted."""

_DIGEST = hashlib.sha256().digest_size


def folder() -> Path:
    """Where networks are kept; it may be deleted at any time."""
    return user_cache_path("knowngood", appauthor=False) / "graphs"


def cached(key: str, make: Callable[[], bytes]) -> bytes:
    """Return what was made before for a key, which names all that it depends on, or make it and keep it.

    Any number of processes may do so at once: a file appears whole, and a damaged one is made anew. Where the
    folder cannot be written, nothing is kept.
    """
    path = folder() / hashlib.sha256(key.encode()).hexdigest()
    with suppress(OSError):
        kept = path.read_bytes()
        content, digest = kept[:-_DIGEST], kept[-_DIGEST:]
        if hashlib.sha256(content).digest() == digest:
            os.utime(path)
            return content
    content = make()
    with suppress(OSError, OutputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as unfinished:
            unfinished.write_bytes(content + hashlib.sha256(content).digest())
        for old in sorted(path.parent.iterdir(), key=lambda file: file.stat().st_mtime)[:-MOST]:
            old.unlink()
    return content
