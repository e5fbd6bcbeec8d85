"""What `speed.py` measures inside a process of its own; prints one JSON line.

python benchmarks/measures.py warm FOLDER      # what a program that is already running reaches
python benchmarks/measures.py growth FOLDER    # a fit, when its stages end, and the coreset's share
python benchmarks/measures.py alone FOLDER     # one image at a time, by FOLDER/fitted.inspector
python benchmarks/measures.py arithmetic FOLDER   # what 8 bits take, as a share of float32
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import knowngood
from knowngood.data.imageset import ImageSet
from knowngood.engines.engine import Engine
from knowngood.features.nearest import MemoryBank
from knowngood.inspector.speed import latencies

CORESET = str(Path("features") / "coreset.py")
"""The file whose code is the coreset's."""

CORESET_SIZE, CHANNELS, SIDE = 3000, 152, 28
"""Points of a bank, their dimensions, and the side of a map, as PatchCore has them by default."""

PAIRS = 9
"""Times that two ways of computing are compared."""

MOST = 32
"""The most images that a graph is timed on."""


def warm(folder: str) -> dict[str, Any]:
    """The figures of `knowngood bench`, by name."""
    return {name: figure.value for name, figure in knowngood.measure_speed(folder).figures.items()}


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


def arithmetic(folder: str) -> dict[str, float]:
    """Time in 8 bits over time in float32: of the graph, and of torch's distances to a memory bank."""
    images = [str(path) for path in sorted(Path(folder).glob("test/*/*"))]
    graphs, banks = [], []
    for eight_bit in (True, False):
        inspector = knowngood.fit(folder, knowngood.make_detector("patchcore", {"eight_bit": eight_bit}))
        decoded = [batch.images for batch in ImageSet(images[:MOST], inspector.manifest.reading).batches()]
        graphs.append(partial(_run_graph, inspector.compiled, decoded))
        random = torch.Generator().manual_seed(0)
        bank = MemoryBank(torch.randn(CORESET_SIZE, CHANNELS, generator=random), eight_bit=eight_bit)
        maps = torch.randn(1, CHANNELS, SIDE, SIDE, generator=random)
        banks.append(torch.inference_mode()(partial(bank, maps)))
    return {"graph": _ratio(*graphs), "distances while learning": _ratio(*banks)}


def _run_graph(engine: Engine, decoded: Sequence[NDArray[np.uint8]]) -> None:
    """Run a graph over images."""
    for _ in engine.stream((None, image) for image in decoded):
        pass


def _ratio(one: Callable[[], object], other: Callable[[], object]) -> float:
    """How many times as long one takes as the other: the median of pairs, after one that is not counted."""
    ratios = []
    for _ in range(PAIRS + 1):
        seconds = []
        for work in (one, other):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        ratios.append(seconds[0] / seconds[1])
    return statistics.median(ratios[1:])


def _in_coreset(frame: FrameType | None) -> bool:
    """Whether code of the coreset is on a thread's stack."""
    while frame is not None:
        if frame.f_code.co_filename.endswith(CORESET):
            return True
        frame = frame.f_back
    return False


if __name__ == "__main__":
    what = {"warm": warm, "growth": growth, "alone": alone, "arithmetic": arithmetic}
    print(json.dumps(what[sys.argv[1]](sys.argv[2])))
