"""Progress in a notebook, where nobody asked for another one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from html import escape
from typing import Any

from knowngood.types import Progress, silent

SECONDS = 0.2
"""From one drawing of a bar to the next."""


def followed(progress: Progress | None) -> Progress:
    """The progress that was asked for; without one, a bar in a notebook and nothing elsewhere."""
    if progress is not None:
        return progress
    ipython = sys.modules.get("IPython")
    # A shell in a terminal has no kernel.
    if ipython is None or getattr(ipython.get_ipython(), "kernel", None) is None:
        return silent
    return notebook_bar(ipython.display.display)


def notebook_bar(display: Callable[..., Any], *, clock: Callable[[], float] = time.monotonic) -> Progress:
    """Return a progress that draws one bar for all stages, each in place of the one before.

    Args:
        display: `IPython.display.display`.
        clock: The time in seconds.
    """
    handle: Any = None
    drawn, at = "", -SECONDS

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal handle, drawn, at
        now = clock()
        if stage == drawn and now - at < SECONDS and done != total:
            return
        drawn, at = stage, now
        count = f"{done:,} of {total:,}" if total else f"{done:,}"
        bar = f"<progress value='{done}' max='{total}'></progress> " if total else ""
        content = {"text/html": f"{bar}{escape(stage)}: {count}", "text/plain": f"{stage}: {count}"}
        if handle is None:
            handle = display(content, raw=True, display_id=True)
        else:
            handle.update(content, raw=True)

    return progress
