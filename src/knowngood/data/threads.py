"""Work on many files at once, in bounded memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

THREADS = min(8, os.cpu_count() or 1)
"""Files that are read at once."""

_LONGEST = 32  # items that one thread takes at once: a million of them one by one would take a minute more


def in_threads(function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """Apply a function to items in several threads; yield the results in order.

    However many items there are, few of them wait, so that the first result comes at once.

    Example:
        >>> list(in_threads(len, ["a", "bc"]))
        [1, 2]
    """
    size = max(1, min(_LONGEST, len(items) // (4 * THREADS)))

    def apply(start: int) -> list[R]:
        return [function(item) for item in items[start : start + size]]

    pending: deque[Future[list[R]]] = deque()
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for start in range(0, len(items), size):
                pending.append(pool.submit(apply, start))
                if len(pending) > 2 * THREADS:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
