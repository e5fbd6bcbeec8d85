"""Independent pieces of work on all cores, and fits in several threads of one process.

Nothing is changed for the whole process where a library offers other means. Where it does not, `ALONE` is
held.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Lock, RLock, Thread, get_ident
from typing import TypeVar

import torch

ALONE = RLock()
"""Held while something that belongs to the whole process is in use: torch's global random numbers (initial
weights and dropout have no others), its exporter, the filters of warnings, and Lightning's choice of
deterministic operations. So networks are made, trained and exported one after another, however many fits run;
all else runs at the same time. A program's own threads that need any of these may hold it, too.
"""

_counting = Lock()

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
    with ThreadPoolExecutor(os.cpu_count(), initializer=partial(_use_threads, 1)) as pool:
        yield from pool.map(torch.inference_mode()(function), items)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let each torch operation of this thread use no other, while other work keeps every core busy."""
    threads = torch.get_num_threads()
    _use_threads(1)
    try:
        yield
    finally:
        _use_threads(threads)


def _use_threads(count: int) -> None:
    """Let torch's operations in the calling thread, but in no other one, use so many threads.

    torch keeps the number for each thread, and that which was set last for threads to come: a short one reads
    it before and another sets it again.
    """
    torch.get_num_threads()  # a new thread would later take the number for those to come
    with _counting:
        others: list[int] = []
        for task in (
            lambda: others.append(torch.get_num_threads()),
            lambda: torch.set_num_threads(others[0]),
        ):
            if others:
                torch.set_num_threads(count)
            thread = Thread(target=task)
            thread.start()
            thread.join()


@contextmanager
def drawing(seed: int, devices: Iterable[int] = ()) -> Iterator[None]:
    """Let torch's global random numbers follow from a seed, and restore them; `devices` are those of CUDA.

    Example:
        >>> with drawing(7):
        ...     first = torch.rand(1)
        >>> with drawing(7):
        ...     print(torch.equal(torch.rand(1), first))
        True
    """
    with ALONE, torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def without_remarks(*libraries: str) -> Iterator[None]:
    """Hide the warnings of libraries, and what they log below errors in this thread.

    Their warnings are hidden in all threads meanwhile, as Python has one list of filters.
    """
    here = get_ident()

    def wanted(record: logging.LogRecord) -> bool:
        return record.thread != here or record.levelno >= logging.ERROR

    loggers = [
        logging.getLogger(name)
        for name in list(logging.root.manager.loggerDict)
        if name.startswith(libraries)
    ]
    with ALONE, warnings.catch_warnings(), ExitStack() as stack:
        for name in libraries:
            warnings.filterwarnings("ignore", module=name)
        for logger in loggers:
            logger.addFilter(wanted)
            stack.callback(logger.removeFilter, wanted)
        yield
