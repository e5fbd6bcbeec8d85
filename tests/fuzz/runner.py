"""Runs cases in processes of their own, and finds those that crash, hang or fill the memory."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from .worker import MEMORY

SORTS = {"graphs": 2000, "files": 1000, "tables": 500, "names": 500, "pictures": 1000, "kills": 200}
"""The sorts of cases, and how many of each `make fuzz` runs at least."""

SECONDS = 10.0
"""Of the processor that a case may take: on an idle machine it then takes no more by the clock."""

STARTING = 20.0
"""More for the first case of a process, which imports what it needs."""

RUNNING = 30.0
"""More for a case of `kills`, which runs whole commands."""

WAITING = 60.0
"""Seconds by the clock, which end a case that waits, also beside other work."""

ONE_PROCESS = 100
"""Cases after which a process is replaced by a new one."""

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).with_name("corpus.txt")


class Found(NamedTuple):
    """A case that found something."""

    sort: str
    seed: int
    what: str

    @property
    def line(self) -> str:
        """It as a line of the corpus."""
        return f"{self.sort} {self.seed}  # {' '.join(self.what.splitlines()[0].split())[:120]}"


def corpus(sort: str) -> list[int]:
    """The seeds of a sort that have found something before."""
    lines = [line.split() for line in CORPUS.read_text().splitlines()]
    return [int(words[1]) for words in lines if words[0] == sort]


@contextmanager
def prepared() -> Iterator[Path]:
    """A folder with what cases start from, in `base`, for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as root:
        (Path(root) / "base").mkdir()
        made = _start(Path(root), "base", Path(root) / "base")
        made.communicate()
        assert made.returncode == 0, (Path(root) / "stderr.txt").read_text()
        yield Path(root)


def run(cases: Iterable[tuple[str, int]], root: Path, until: float = float("inf")) -> Iterator[Found | None]:
    """Run cases, each a sort and a seed, until some time of `time.monotonic`; yields what each found.

    Those of `kills` come first, since they fork a process that nothing was computed in.
    """
    worker, done = None, 0
    try:
        for sort, seed in cases:
            if time.monotonic() > until:
                return
            most = SECONDS + (RUNNING if sort == "kills" else 0)
            if worker is None or done % ONE_PROCESS == 0:
                _end(worker)
                most += STARTING
                worker = _start(root, "worker", root, root / "base")
            done += 1
            what = _answer(worker, f"{sort} {seed}\n", root, most)
            if worker.poll() is not None:
                worker = None
            yield Found(sort, seed, what) if what else None
    finally:
        _end(worker)


def _start(root: Path, module: str, *arguments: Path) -> subprocess.Popen[str]:
    """Start a process whose home, cache and temporary folders are in `root`."""
    own = {"HOME": root / "home", "TMPDIR": root / "tmp", "XDG_CACHE_HOME": root / "cache"}
    for folder in own.values():
        folder.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        **{name: str(folder) for name, folder in own.items()},
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        # As the program itself does, which is imported late here.
        "MPLCONFIGDIR": str(root / "cache"),
        "TORCHINDUCTOR_CACHE_DIR": str(root / "cache"),
        "GOMP_SPINCOUNT": "1000",
    }
    with (root / "stderr.txt").open("w") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", f"tests.fuzz.{module}", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            cwd=root,
            text=True,
        )


def _end(worker: subprocess.Popen[str] | None) -> None:
    """End a process."""
    if worker is not None:
        worker.kill()
        worker.communicate()


def _answer(worker: subprocess.Popen[str], case: str, root: Path, most: float) -> str:
    """Give a process a case, and return what was found; the process then has ended if it could not go on."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    before = None
    worker.stdin.write(case)
    worker.stdin.flush()
    while not select.select([worker.stdout], [], [], 0.2)[0]:
        now, (seconds, size) = time.monotonic(), _used(worker.pid)
        before = before or (now, seconds)
        took, waited = seconds - before[1], now - before[0]
        if took > most or waited > WAITING or size > 1.5 * MEMORY:
            _end(worker)
            return f"took {took:.0f} s of the processor, {waited:.0f} s by the clock, {size >> 20} MB"
    answer = worker.stdout.readline()
    if answer:
        return str(json.loads(answer))
    _end(worker)
    return f"died with {worker.returncode}\n{(root / 'stderr.txt').read_text()[-2000:]}"


def _used(process: int) -> tuple[float, int]:
    """Seconds of the processor and bytes of memory that a process has taken."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0, 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE")
