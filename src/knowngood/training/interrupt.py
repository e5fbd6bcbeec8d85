"""Ctrl-C while Lightning trains."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[None]:
    """Give Ctrl-C as the KeyboardInterrupt that it is elsewhere.

    Lightning ends the program at Ctrl-C with a SystemExit, and from then on nothing would interrupt it.
    """
    at_interrupt = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stopped:
        signal.signal(signal.SIGINT, at_interrupt)
        raise KeyboardInterrupt from stopped
