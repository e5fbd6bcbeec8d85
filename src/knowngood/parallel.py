"""Independent pieces of work on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Apply a function of torch tensors to items, one per core at a time; yield the results in order.

    Small operations lose more than they gain when torch divides each among all cores, above all where
    another program keeps one of them busy.

    Example:
        >>> list(in_parallel(lambda size: torch.ones(size).sum().item(), [1, 2, 3]))
        [1.0, 2.0, 3.0]
    """
    with one_thread(), ThreadPoolExecutor(os.cpu_count()) as pool, torch.inference_mode():
        yield from pool.map(torch.inference_mode()(function), items)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let each torch operation use one thread, while other work keeps every core busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
