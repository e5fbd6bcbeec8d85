"""The progress of a long work: bars on a terminal, lines where standard error is not one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from knowngood.types import Progress

SECONDS = 30.0
"""From one line to the next within a stage, where there is no terminal."""

KEPT = 10
"""Finished bars that stay on a terminal."""


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Show a bar per stage of a long work, with its rate and the time left; without a terminal, lines."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield progress_lines(lambda line: typer.echo(line, err=True))
        return
    title, rate = TextColumn("{task.description}"), TextColumn("{task.fields[rate]}")
    columns = (title, BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Bars(*columns, console=console) as bars:

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                for task in [one for one in bars.tasks if one.finished][:-KEPT]:  # else new ones have no room
                    bars.remove_task(task.id)
                    del tasks[task.description]
                tasks[stage] = bars.add_task(stage, total=total, rate="")
            speed = bars.tasks[tasks[stage]].speed
            bars.update(tasks[stage], completed=done, total=total, rate=f"{speed:.1f}/s" if speed else "")

        yield progress


def progress_lines(
    write: Callable[[str], object], *, clock: Callable[[], float] = time.monotonic
) -> Progress:
    """Return a progress that writes a line when a stage begins, and every 30 seconds within it.

    Example:
        >>> seconds = iter((0, 9, 31))
        >>> progress = progress_lines(print, clock=lambda: next(seconds))
        >>> for done in (1, 2, 3):
        ...     progress("reading images", done, 3)
        reading images: 1 of 3
        reading images: 3 of 3
    """
    before: dict[str, int] = {}
    written = 0.0

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal written
        now = clock()
        if stage not in before or done < before[stage] or now - written >= SECONDS:
            written = now
            write(f"{stage}: {done} of {total}")
        before[stage] = done

    return progress
