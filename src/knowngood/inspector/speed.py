"""How fast this machine learns and judges, and how far that is from its limits."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.images import read_image
from knowngood.data.loader import Batches
from knowngood.data.samples import check_samples, load_samples
from knowngood.detectors import Detector
from knowngood.engines.engine import Engine, compile_graph
from knowngood.engines.flops import multiply_adds
from knowngood.engines.parts import tensors, up_to
from knowngood.engines.processor import instruction_set
from knowngood.features.frozen import OUTPUT
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.types import Progress, silent

ROUNDS = 3
"""Times that each throughput is measured; the median is given."""

MOST = 100
"""The most images, evenly spread over the table, that are read in a round."""

_IN_MEMORY = 32
_CALLS = 50
_SIDE = 2048


@dataclass(frozen=True)
class Speed:
    """What was measured; throughputs are medians of several rounds, in images a second.

    Args:
        detector: Name of the detector.
        instructions: The fastest instruction set in use, such as `AVX2`.
        learned_from: Number of good images that the inspector learned from.
        images: Number of images read in each round.
        input_shape: Height and width that images are resized to, in pixels.
        fit: Seconds from files to a saved inspector file.
        memory: Peak memory of this process when it has learned and judged, in GB; None where the system does
            not tell (Windows).
        decode: Files to pixels at the input shape.
        backbone: Pixels to features; None where the graph does not name its features.
        graph: Pixels to score and map.
        score: Files to verdicts.
        latency: Milliseconds from one decoded image to its verdict, median of 50 calls.
        latency_95: The 95th percentile of these.
        multiply_adds: Multiplications, each with its addition, that the graph takes for one image.
        peak: The fastest float32 matrix product (2048 x 2048) that NumPy did on this machine, in GFLOP/s; a
            multiplication and an addition are two FLOP.
    """

    detector: str
    instructions: str
    learned_from: int
    images: int
    input_shape: tuple[int, int]
    fit: float
    memory: float | None
    decode: float
    backbone: float | None
    graph: float
    score: float
    latency: float
    latency_95: float
    multiply_adds: int
    peak: float

    @property
    def score_of_decode(self) -> float:
        """Throughput of judging files as a share of only decoding them."""
        return self.score / self.decode

    @property
    def graph_of_peak(self) -> float:
        """Share of the machine's matrix-product peak that the graph reaches alone.

        A graph that multiplies 8-bit numbers may pass 1: the peak is that of float32.
        """
        return 2 * self.multiply_adds * self.graph / (self.peak * 1e9)

    @property
    def score_of_peak(self) -> float:
        """Share of the machine's matrix-product peak that is left when files are read too."""
        return 2 * self.multiply_adds * self.score / (self.peak * 1e9)


def measure_speed(
    data: str | Path | pd.DataFrame,
    detector: str | Detector = "patchcore",
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Speed:
    """Learn an inspector from the good images, and measure how fast that was and how fast it judges.

    All measurements use all cores. They take turns, so that a busy moment of the machine does not fall on one
    of them alone.

    Args:
        data: A folder, a table's file, or the table itself, as `knowngood.fit` takes it. It learns from the
            good training images; images of both splits are read for the rest.
        detector: A name in `knowngood.detectors.DETECTORS`, or a recipe.
        seed: The seed of the fit.
        progress: Called during long work.

    Raises:
        KnowngoodError: Whatever `knowngood.fit` raises, or other images of the table cannot be read.

    Example::

        speed = measure_speed("widget/")
        print(speed.score, speed.score_of_decode)
    """
    start = perf_counter()
    samples = check_samples(data) if isinstance(data, pd.DataFrame) else load_samples(data)
    inspector = fit(samples, detector, seed=seed, progress=progress)
    with TemporaryDirectory() as folder:
        inspector.save(Path(folder) / "timed.inspector")
        seconds = perf_counter() - start

    paths = [str(path) for path in samples["path"][:: math.ceil(len(samples) / MOST)]]
    # Before the graph is compiled for many images too, which a program that judges one at a time never does.
    latency = latencies(inspector, paths[0])
    # Not timed: the files get into the system's cache, and the engine ready.
    _count(inspector.stream(paths))
    memory = _peak_memory()
    batches = Batches(paths, inspector.manifest.input_shape, size=1, bits=inspector.manifest.bits)
    decoded = [batch.images for batch in islice(batches, _IN_MEMORY)]
    works: dict[str, Callable[[], int]] = {
        "decode": lambda: _count(batches),
        "graph": lambda: _run(inspector.compiled, decoded, len(paths)),
        "score": lambda: _count(inspector.stream(paths)),
    }
    if features := tensors(inspector.graph, OUTPUT):
        backbone = compile_graph(up_to(inspector.graph, features), inspector.engine)
        works["backbone"] = lambda: _run(backbone, decoded, len(paths))
    rates: dict[str, list[float]] = {name: [] for name in works}
    peaks: list[float] = []
    for done in range(1, ROUNDS + 1):
        for name, work in works.items():
            rates[name].append(_rate(work))
        peaks.append(_matrix_product())
        progress("measuring throughput", done, ROUNDS)
    typical = {name: median(values) for name, values in rates.items()}
    return Speed(
        detector=inspector.manifest.detector,
        instructions=instruction_set(),
        learned_from=len(inspector.manifest.training),
        images=len(paths),
        input_shape=inspector.manifest.input_shape,
        fit=seconds,
        memory=memory,
        decode=typical["decode"],
        backbone=typical.get("backbone"),
        graph=typical["graph"],
        score=typical["score"],
        latency=float(np.median(latency)),
        latency_95=float(np.percentile(latency, 95)),
        multiply_adds=multiply_adds(inspector.graph),
        peak=max(peaks),
    )


def _count(items: Iterable[object]) -> int:
    """Go through all items."""
    return sum(1 for _ in items)


def _run(engine: Engine, decoded: Sequence[NDArray[np.uint8]], count: int) -> int:
    """Run a graph on that many images, `(1, H, W, 3)` each; a few decoded ones again and again."""
    return _count(engine.stream((None, image) for image in islice(cycle(decoded), count)))


def _rate(work: Callable[[], int]) -> float:
    """Images a second of some work that gives its number of images."""
    start = perf_counter()
    return work() / (perf_counter() - start)


def latencies(inspector: Inspector, path: str | Path) -> list[float]:
    """Milliseconds of calls with one decoded image, after a few that are not counted."""
    image = read_image(path, bits=inspector.manifest.bits)
    milliseconds = []
    for _ in range(5 + _CALLS):
        start = perf_counter()
        inspector.inspect(image)
        milliseconds.append(1e3 * (perf_counter() - start))
    return milliseconds[5:]


def _matrix_product() -> float:
    """The fastest of a few float32 matrix products on all cores, in GFLOP/s."""
    factor = np.random.default_rng(0).random((_SIDE, _SIDE), dtype=np.float32)
    product = np.empty_like(factor)
    seconds = []
    for _ in range(5):
        start = perf_counter()
        np.matmul(factor, factor, out=product)
        seconds.append(perf_counter() - start)
    return 2 * _SIDE**3 / min(seconds) / 1e9


def _peak_memory() -> float | None:
    """The most memory that this process has held so far, in GB; None on Windows, which does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9  # bytes on macOS, KiB elsewhere
