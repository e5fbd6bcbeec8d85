"""What the process of a fit does: learn an inspector, and say how far it is."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from knowngood.errors import KnowngoodError, UnreadableImage, shortened
from knowngood.station.workers import prepare_process

PROGRESS, DONE, FAILED = "progress", "done", "failed"
"""The messages: `(PROGRESS, stage, done, total)`, `(DONE, remark)` and `(FAILED, reason)`."""

_SECONDS = 0.3  # between two messages on progress
_NICE = 10  # so that pictures of the line are inspected first


def run(results: Connection, source: str | Sequence[str], detail: str, out: Path) -> None:
    """Fit an inspector to good images, a folder or files, and write it to a file."""
    from knowngood.inspector.fit import fit

    prepare_process()
    if hasattr(os, "nice"):
        os.nice(_NICE)
    left_out: list[UnreadableImage] = []
    said = 0.0

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said >= _SECONDS or done == total:
            said = time.monotonic()
            results.send((PROGRESS, stage, done, total))

    with suppress(BrokenPipeError):  # the service has stopped
        try:
            fit(
                source if isinstance(source, str) else list(source),
                detail=detail,
                on_unreadable=left_out.append,
                progress=progress,
            ).save(out)
            results.send((DONE, _remark(left_out)))
        except KnowngoodError as error:
            results.send((FAILED, str(error)))
        except MemoryError:
            results.send((FAILED, "there is too little memory for it; fit to fewer images, or choose fast"))
        except OSError as error:
            results.send((FAILED, f"a file cannot be read or written: {error}"))


def _remark(left_out: Sequence[UnreadableImage]) -> str:
    """What is said of images that could not be read."""
    if not left_out:
        return ""
    names = shortened(", ".join(Path(one.path).name for one in left_out))
    return f"{len(left_out)} images could not be read and were left out: {names}"
