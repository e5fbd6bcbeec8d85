"""What `speed.py` measures inside a process of its own; prints one JSON line.

python benchmarks/measures.py warm FOLDER      # what a program that is already running reaches
python benchmarks/measures.py growth FOLDER    # a fit, when its stages end, and the coreset's share
python benchmarks/measures.py alone FOLDER     # one image at a time, by FOLDER/fitted.inspector
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import knowngood
from knowngood.inspector.speed import latencies

CORESET = str(Path("features") / "coreset.py")
"""The file whose code is the coreset's."""


def warm(folder: str) -> dict[str, Any]:
    """The figures of `knowngood bench`."""
    speed = knowngood.measure_speed(folder)
    shares = ("score_of_decode", "graph_of_peak", "score_of_peak")
    return asdict(speed) | {name: getattr(speed, name) for name in shares}


def growth(folder: str) -> dict[str, Any]:
    """Fit once; fifty times a second, look whether any thread runs the coreset's code."""
    ends: dict[str, float] = {}
    looks: list[bool] = []
    over = threading.Event()

    def stage_runs(stage: str, _done: int, _total: int) -> None:
        ends[stage] = time.perf_counter() - start

    def watch() -> None:
        while not over.wait(0.02):
            frames = sys._current_frames()  # noqa: SLF001 (documented, for this)
            looks.append(any(map(_in_coreset, frames.values())))

    watcher = threading.Thread(target=watch)
    start = time.perf_counter()
    watcher.start()
    try:
        knowngood.fit(folder, progress=stage_runs)
    finally:
        over.set()
        watcher.join()
    seconds = time.perf_counter() - start
    return {"fit": seconds, "coreset_share": sum(looks) / len(looks), "stage_ends": ends}


def alone(folder: str) -> dict[str, Any]:
    """Milliseconds from a decoded image to its verdict in a process that only judges, median of 50 calls."""
    inspector = knowngood.Inspector.load(Path(folder) / "fitted.inspector")
    image = next(Path(folder).glob("test/good/*"))
    return {"latency": statistics.median(latencies(inspector, image))}


def _in_coreset(frame: FrameType | None) -> bool:
    """Whether code of the coreset is on a thread's stack."""
    while frame is not None:
        if frame.f_code.co_filename.endswith(CORESET):
            return True
        frame = frame.f_back
    return False


if __name__ == "__main__":
    print(json.dumps({"warm": warm, "growth": growth, "alone": alone}[sys.argv[1]](sys.argv[2])))
