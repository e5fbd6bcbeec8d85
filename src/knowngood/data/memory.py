"""How much memory images may take while they are decoded, all threads together."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "KNOWNGOOD_IMAGE_MB"
"""This environment variable sets another limit, in megabytes."""

USUAL_MB = 1500

FIRST = 64_000_000  # bytes beside those of its file with which an image starts; enough for 10 megapixels


def limit() -> int:
    """Return how many bytes images may take at one time while they are decoded.

    Raises:
        ValueError: The environment variable is not a whole number.
    """
    value = os.environ.get(VARIABLE) or str(USUAL_MB)
    if not value.isdecimal() or len(value) > 9:
        raise ValueError(f"the environment variable {VARIABLE}={value!r} is not a whole number of megabytes")
    return int(value) * 1_000_000


def check_bytes(needed: int) -> None:
    """Raise a ValueError for an image that alone would take more than all images may."""
    if needed > limit():
        raise ValueError(
            f"it would take {needed / 1e6:,.0f} MB of memory, and {limit() / 1e6:,.0f} MB are allowed; "
            f"cut it into smaller images, or allow more by the environment variable {VARIABLE}"
        )


class Gate:
    """Lets threads work at once as long as the memory that they need together is within a limit.

    They begin in the order in which they came, so that small images do not keep a large one waiting for ever.

    Example:
        >>> with Gate().hold(1000):
        ...     pixels = bytes(1000)
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget who holds memory: in a process that was just forked, no thread does."""
        self._turn = threading.Lock()
        self._freed = threading.Condition()
        self._held = 0

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Wait until so many bytes are free, or all are, and hold them."""
        with self._turn, self._freed:
            self._freed.wait_for(lambda: not self._held or self._held + size <= limit())
            self._held += size
        try:
            yield
        finally:
            with self._freed:
                self._held -= size
                self._freed.notify_all()


GATE = Gate()
"""The one gate of this process, since its threads share the machine's memory."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=GATE.reset)
