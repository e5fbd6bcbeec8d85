"""Commands that end at a random moment: results are whole or absent, and the next run succeeds."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

import knowngood
import knowngood.cli.fit
import knowngood.report.folder
import knowngood.training.train  # children, which are forked, must not wait for it

from .base import TRAINED
from .case import Random, check, command, compare, one_of, snapshot
from .worker import watch_changes

SECONDS = 60.0
"""The time that a run may take."""

INTERRUPTED, TOO_LONG = 130, 124

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM)


def kills(random: Random, folder: Path, base: Path) -> None:
    """Kill a run, at a change of some file or after some time; look at what is there, and run it again."""
    shutil.copytree(base / "widget", folder / "widget")
    shutil.copy(base / "patchcore.inspector", folder / "patchcore.inspector")
    out = folder / "out"
    out.mkdir()
    words = _words(random)
    if random.random() < 0.3:  # an older result, which the killed run would replace
        _done(lambda: command(random, *words)[0], words[0])
    before = snapshot(folder)
    number = one_of(random, *SIGNALS)
    at_change = int(random.integers(1, 30)) if random.random() < 0.6 else None
    after = float(random.uniform(0, 4))
    status = _forked(lambda: _counted(random, words, number, at_change), number, None if at_change else after)
    check(status in (0, INTERRUPTED, -number), f"{words[0]} ended with {status} after {number.name}")
    compare(before, snapshot(folder), lambda path: path.startswith(os.fsencode(out)))
    _done(lambda: _check_results(out), f"{words[0]}, killed by {number.name}: reading its results")
    for place in (out, Path(os.environ["TMPDIR"])):
        for left in place.rglob("*"):
            os.utime(left, (time.time() - 300,) * 2)  # as if the killed run had been a while ago
    _done(lambda: command(random, *words)[0], f"{words[0]} after {number.name}")
    _done(lambda: _check_results(out), f"{words[0]} after {number.name}: reading its results")
    left = [*out.rglob(".knowngood-*")]
    check(not left, f"left unfinished: {left}")


def _words(random: Random) -> list[object]:
    settings = [word for name, value in TRAINED.items() for word in ("--set", f"{name}={value}")]
    return one_of(
        random,
        ["fit", "widget", "--out", "out/new.inspector", "--set", "input_size=64", "--set", "coreset=50"],
        [
            "fit",
            "widget",
            "--out",
            "out/t.inspector",
            "--detector",
            "autoencoder",
            "--run",
            "out/run",
            *settings,
        ],
        [
            "train",
            "widget",
            "--out",
            "out/c.inspector",
            "--classifier",
            "linear_probe",
            "--set",
            "input_size=64",
        ],
        [
            "score",
            "patchcore.inspector",
            "widget/test",
            "--out",
            one_of(random, "out/s.csv", "out/s.parquet", "out/s.jsonl"),
        ],
        ["score", "patchcore.inspector", "widget/test", "--out", "out/s.csv", "--heatmaps", "out/heat"],
        ["evaluate", "patchcore.inspector", "widget", "--out", "out/report"],
    )


def _check_results(out: Path) -> int:
    """Check that each result is whole."""
    for path in out.rglob("*"):
        if path.name.startswith(".knowngood-") or not path.is_file():
            continue
        if path.suffix == ".inspector":
            knowngood.Inspector.load(path).check()
        elif path.suffix == ".html":
            check(path.read_text().rstrip().endswith("</html>"), "the report is cut off")
        elif path.stem == "s":
            read = {".csv": pd.read_csv, ".parquet": pd.read_parquet}.get(path.suffix)
            rows = len(read(path) if read else pd.read_json(path, lines=True))
            check(rows == 8, f"{path.name} has {rows} rows")
    return 0


def _counted(random: Random, words: Sequence[object], number: int, at_change: int | None) -> int:
    """Run a command, in which a signal arrives before its n-th change of a file."""
    changes = itertools.count(1)

    def count(path: str) -> None:
        if not path.startswith("/dev/") and next(changes) == at_change:
            os.kill(os.getpid(), number)

    watch_changes(count)
    return command(random, *words, statuses=(0, INTERRUPTED))[0]


def _done(work: Callable[[], int], what: object) -> None:
    """Check that some work succeeds in a process of its own."""
    status = _forked(work)
    check(status == 0, f"{what}: status {status}")


def _forked(work: Callable[[], int], number: int = 0, after: float | None = None) -> int:
    """Do some work in a forked process, which may get a signal after some seconds; its exit status."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            status = work()
        except BaseException as error:  # noqa: BLE001
            print(repr(error), file=sys.stderr, flush=True)
        os._exit(status)
    start = time.monotonic()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if after is not None and time.monotonic() - start > after:
            os.kill(child, number)
            after = None
        if time.monotonic() - start > SECONDS:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return TOO_LONG
        time.sleep(0.01)
