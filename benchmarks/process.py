"""Whole processes: how long they take, on idle or busy cores, with all instructions or fewer."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from knowngood.engines.processor import LIMIT

AVX2_ALONE = {
    LIMIT: "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX512-CLX,AVX512-CNL,AVX512-ICL",
}
"""What keeps OpenVINO, torch, MKL, OpenBLAS and OpenCV from instructions beyond AVX2."""


class Run(NamedTuple):
    """What a process took, and the last line that it printed."""

    seconds: float
    processor_seconds: float
    memory: float
    last_line: str


def run(command: list[str], cache: Path) -> Run:
    """Run a command to its end, with a cache folder of its own; peak memory is in GB."""
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"failed with status {process.returncode}: {' '.join(command)}")
        output.seek(0)
        lines = output.read().splitlines()
    memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
    return Run(seconds, usage.ru_utime + usage.ru_stime, memory, lines[-1] if lines else "")


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep a process busy for each core."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
