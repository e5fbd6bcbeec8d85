"""The processes that inspect, beside the service: a picture that ends one costs no other request.

Each thread of a `Workers` leads one process and hands it the pictures of one inspector that wait, a few at a
time. A process that ends or that is stuck is replaced, and its pictures are inspected once more, each by
itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from knowngood.errors import StationError, UnreadableImage
from knowngood.station.found import About, Found


class Overloaded(StationError):
    """Too many pictures wait."""


@dataclass
class _Task:
    """A picture, or another work on one, that waits."""

    work: str
    inspector: Path
    picture: Path | bytes
    done: Future[Any] = field(default_factory=Future)


class Workers:
    """Processes that inspect.

    Args:
        count: How many.
        batch: Waiting pictures of one inspector that are inspected together, at most.
        patience: Seconds for one picture, after which a process counts as stuck.
        waiting: Pictures that may wait.
        on_restart: Called when a process was replaced.
    """

    def __init__(
        self,
        count: int,
        batch: int,
        patience: float,
        waiting: int,
        on_restart: Callable[[], None] = lambda: None,
    ) -> None:
        self.batch, self.patience, self.waiting, self.on_restart = batch, patience, waiting, on_restart
        self._tasks: deque[_Task] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.pids: dict[int, int] = {}
        self._threads = [threading.Thread(target=self._lead, args=(at,), daemon=True) for at in range(count)]
        for thread in self._threads:
            thread.start()

    def inspect(self, inspector: Path, picture: Path | bytes) -> Future[Found]:
        """Inspect a picture, a file or all its bytes.

        Raises:
            Overloaded: Too many wait.
        """
        return self._add(_Task("inspect", inspector, picture))

    def heatmap(self, inspector: Path, picture: Path | bytes) -> Future[bytes]:
        """Draw the heatmap of a picture as JPEG, at most 1600 pixels wide and high."""
        return self._add(_Task("heatmap", inspector, picture))

    def preview(self, picture: Path | bytes) -> Future[bytes]:
        """Show a picture as JPEG, at most 1600 pixels wide and high."""
        return self._add(_Task("preview", Path(), picture))

    def thumbnail(self, picture: Path | bytes) -> Future[bytes]:
        """Show a picture as JPEG, at most 192 pixels wide and high."""
        return self._add(_Task("thumbnail", Path(), picture))

    def describe(self, inspector: Path) -> Future[About]:
        """Load an inspector, and say what it is."""
        return self._add(_Task("describe", inspector, b""))

    @property
    def queued(self) -> int:
        """How many pictures wait."""
        return len(self._tasks)

    @property
    def alive(self) -> bool:
        """Whether a process runs."""
        return bool(self.pids)

    def close(self) -> None:
        """Finish what waits, and end the processes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _add(self, task: _Task) -> Future[Any]:
        with self._changed:
            if len(self._tasks) >= self.waiting or self._closed:
                raise Overloaded(
                    f"{len(self._tasks)} pictures are waiting; send the picture again in a moment"
                )
            self._tasks.append(task)
            self._changed.notify()
        return task.done

    def _next(self) -> list[_Task]:
        """The task that has waited longest, and others that can be done with it; none at the end."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._tasks or self._closed)
                if not self._tasks:
                    return []
                first = self._tasks.popleft()
                found = [first]
                if first.work == "inspect":
                    own = (first.work, first.inspector)
                    same = [one for one in self._tasks if (one.work, one.inspector) == own]
                    found += same[: self.batch - 1]
                for one in found[1:]:
                    self._tasks.remove(one)
                # Whoever has stopped waiting is left out.
                if wanted := [one for one in found if one.done.set_running_or_notify_cancel()]:
                    return wanted

    def _lead(self, at: int) -> None:
        """Lead one process."""
        process = self._start(at)
        while tasks := self._next():
            try:
                self._do(process, tasks)
                continue
            except (BrokenProcessPool, TimeoutError) as error:
                process = self._replace(at, process, stuck=isinstance(error, TimeoutError))
            for task in tasks:
                try:
                    self._do(process, [task])
                except (BrokenProcessPool, TimeoutError) as error:
                    task.done.set_exception(
                        UnreadableImage("picture", "inspecting it ended or blocked its process twice")
                    )
                    process = self._replace(at, process, stuck=isinstance(error, TimeoutError))
        self.pids.pop(at)
        process.shutdown()

    def _do(self, process: ProcessPoolExecutor, tasks: list[_Task]) -> None:
        """Do tasks in a process; each gets its result or its error.

        Raises:
            BrokenProcessPool: The process ended.
            TimeoutError: It is stuck.
        """
        work, inspector = tasks[0].work, tasks[0].inspector
        running = process.submit(_do, work, inspector, [task.picture for task in tasks])
        error = running.exception(self.patience * len(tasks))
        if isinstance(error, BrokenProcessPool):
            raise error
        for task, result in zip(tasks, [error] * len(tasks) if error else running.result(), strict=True):
            if isinstance(result, BaseException):
                task.done.set_exception(result)
            else:
                task.done.set_result(result)

    def _start(self, at: int) -> ProcessPoolExecutor:
        """Start a process."""
        while True:
            process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), prepare_process)
            try:
                self.pids[at] = process.submit(os.getpid).result()
            except BrokenProcessPool:  # as where memory is short for a moment
                time.sleep(1)
            else:
                return process

    def _replace(self, at: int, process: ProcessPoolExecutor, *, stuck: bool) -> ProcessPoolExecutor:
        """Start another process, and end the one before where it still runs."""
        pid = self.pids.pop(at)
        if stuck:
            with suppress(ProcessLookupError):
                os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        process.shutdown(wait=False, cancel_futures=True)
        self.on_restart()
        return self._start(at)


def prepare_process() -> None:
    """Prepare a process: Ctrl-C in a terminal ends the service, and the end of the service this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    service = multiprocessing.parent_process()
    if service is not None:
        threading.Thread(target=_end_with, args=(service.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """End this process when another one has ended, however that was."""
    wait([sentinel])
    os._exit(0)


def _do(work: str, inspector: Path, pictures: Sequence[Path | bytes]) -> list[Any]:
    """Do work in a process that inspects; the service itself starts without what that needs."""
    from knowngood.station import inspection

    results: list[Any] = getattr(inspection, work)(inspector, pictures)
    return results
