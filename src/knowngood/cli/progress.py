"""Progress bars on the terminal; none where standard error is not one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from knowngood.types import Progress


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Show a bar per stage of a long work, with its rate and the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    title, rate = TextColumn("{task.description}"), TextColumn("{task.fields[rate]}")
    columns = (title, BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    bars = Bars(*columns, console=console, disable=not console.is_terminal)
    tasks: dict[str, TaskID] = {}
    with bars:

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, rate="")
            speed = bars.tasks[tasks[stage]].speed
            bars.update(tasks[stage], completed=done, total=total, rate=f"{speed:.1f}/s" if speed else "")

        yield progress
