"""The speed of fitting and inspecting on this machine, beside its limits."""

from __future__ import annotations

import gc
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import perf_counter
from timeit import repeat
from typing import NamedTuple

import numpy as np
import onnx
import pandas as pd
from numpy.typing import NDArray
from onnx.utils import Extractor

from knowngood.data.decoding import Source
from knowngood.data.images import read_image
from knowngood.data.imageset import ImageSet
from knowngood.data.samples import load_samples
from knowngood.detectors.base import Detector
from knowngood.engines.engine import Engine, compile_graph
from knowngood.engines.flops import multiply_adds
from knowngood.engines.processor import instruction_set
from knowngood.features.frozen import OUTPUT
from knowngood.inspector.fit import fit
from knowngood.inspector.inspector import Inspector
from knowngood.notebook import followed
from knowngood.output import temporary_folder
from knowngood.types import Progress

ROUNDS = 3
"""Each throughput is measured so many times; the median is given."""

MOST = 100
"""The most images, evenly spread over the table, that are read in a round."""

_IN_MEMORY = 32
_CALLS = 50
_SIDE = 2048


class Figure(NamedTuple):
    """One measurement: its value, if there is one, its meaning in words, and how to format the value."""

    value: float | None
    unit: str
    meaning: str
    form: str = ".1f"


@dataclass(frozen=True)
class Speed:
    """The measurements by name, with their conditions in words; a throughput is the median of rounds."""

    conditions: str
    figures: dict[str, Figure]


def measure_speed(
    data: str | Path | pd.DataFrame,
    detector: str | Detector = "patchcore",
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Speed:
    """Fit an inspector on the good training images, and measure that and its speed on images of both splits.

    All measurements use all cores. They take turns, so that a busy moment of the machine does not fall on one
    of them alone. The arguments are those of `knowngood.fit`.

    Raises:
        KnowngoodError: `knowngood.fit` raises it, or other images of the table cannot be read.

    Example::

        for name, figure in measure_speed("widget/").figures.items():
            print(name, figure.value, figure.unit)
    """
    progress = followed(progress)
    start = perf_counter()
    samples = load_samples(data)
    inspector = fit(samples, detector, seed=seed, progress=progress)
    with temporary_folder() as folder:
        inspector.save(folder / "timed.inspector")
        seconds = perf_counter() - start

    paths = [str(path) for path in samples["path"][:: math.ceil(len(samples) / MOST)]]
    # Before the graph is compiled for many images too, which inspecting one at a time never does.
    latency = latencies(inspector, paths[0])
    # Not timed: the files get into the system's cache, and the engine ready.
    _count(inspector.stream(paths))
    memory = peak_memory()
    rates, gflops = _throughputs(inspector, paths, progress)

    learned, (height, width) = len(inspector.manifest.training), inspector.manifest.input_shape
    each = f"{1e3 * seconds / learned:.0f} ms each"
    figures = {
        "fit": Figure(seconds, "s", f"{learned} files to a saved inspector, {each}"),
        "peak memory": Figure(memory, "GB", "of this process, after fitting and inspecting", ".2f"),
        "decode only": Figure(rates["decode"], "images/s", f"files to {height} x {width} pixels"),
        "backbone only": Figure(rates.get("backbone"), "images/s", "pixels to features"),
        "graph only": Figure(rates["graph"], "images/s", "pixels to score and map"),
        "score": Figure(rates["score"], "images/s", "files to verdicts"),
        "one image": Figure(median(latency), "ms", "decoded image to verdict, median"),
        "one image, 95 %": Figure(float(np.percentile(latency, 95)), "ms", "95 % of the calls are faster"),
        **_limits(multiply_adds(inspector.core), gflops, rates),
    }
    conditions = (
        f"{inspector.manifest.method} on {os.cpu_count()} cores with {instruction_set()}; "
        f"{len(paths)} images per round"
    )
    return Speed(conditions, figures)


def _limits(multiplications: int, gflops: float, rates: Mapping[str, float]) -> dict[str, Figure]:
    """Graph and score as shares of the limits of this machine; each multiplication has an addition."""
    fastest = 2 * multiplications / (gflops * 1e9)  # seconds per image
    decoding = rates["score"] / rates["decode"]
    in_8_bits = "at 100 %, float32 arithmetic is the limit; 8 bits may pass it"
    return {
        "arithmetic": Figure(multiplications / 1e9, "G", "multiply-adds per image", ".2f"),
        "float32 limit": Figure(gflops, "GFLOP/s", f"float32 matrix product, {_SIDE} x {_SIDE}", ".0f"),
        "score / decode": Figure(decoding, "", "at 100 %, reading the files is the limit", ".0%"),
        "graph / limit": Figure(fastest * rates["graph"], "", in_8_bits, ".0%"),
        "score / limit": Figure(fastest * rates["score"], "", "the same, with the files read", ".0%"),
    }


def _throughputs(
    inspector: Inspector, paths: Sequence[str], progress: Progress
) -> tuple[dict[str, float], float]:
    """The median images per second of each piece of work, and the machine's most GFLOP/s."""
    images = ImageSet(paths, inspector.manifest.reading)
    decoded = [batch.images for batch in islice(images.batches(), _IN_MEMORY)]
    works: dict[str, Callable[[], int]] = {
        "decode": lambda: _count(images.batches()),
        "graph": lambda: _run(inspector.compiled, decoded, len(paths)),
        "score": lambda: _count(inspector.stream(paths)),
    }
    features = feature_graph(inspector.core)
    if features is not None:
        backbone = compile_graph(features, inspector.engine)
        works["backbone"] = lambda: _run(backbone, decoded, len(paths))
    rates: dict[str, list[float]] = {name: [] for name in works}
    products: list[float] = []
    for done in range(1, ROUNDS + 1):
        for name, work in works.items():
            start = perf_counter()
            rates[name].append(work() / (perf_counter() - start))
        products.append(_matrix_product())
        progress("measuring throughput", done, ROUNDS)
    return {name: median(values) for name, values in rates.items()}, max(products)


def feature_graph(graph: bytes) -> bytes | None:
    """The part of a serialised ONNX graph that computes its features; None where it does not name them."""
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(graph))
    features = [name for node in model.graph.node for name in node.output if name.startswith(OUTPUT)]
    if not features:
        return None
    inputs = [given.name for given in model.graph.input]
    part: bytes = Extractor(model).extract_model(inputs, features).SerializeToString()
    return part


def _count(items: Iterable[object]) -> int:
    """Consume all items."""
    return sum(1 for _ in items)


def _run(engine: Engine, decoded: Sequence[NDArray[np.uint8]], count: int) -> int:
    """Run a graph on that many images, `(1, H, W, 3)` each; a few decoded ones again and again."""
    return _count(engine.stream((None, image) for image in islice(cycle(decoded), count)))


def latencies(inspector: Inspector, source: Source) -> list[float]:
    """Milliseconds of calls with one decoded image, without the first few; a pair is read in each call."""
    image = source if inspector.manifest.pairs else read_image(source, bits=inspector.manifest.bits)
    seconds = repeat(lambda: inspector.inspect([image]), gc.enable, number=1, repeat=5 + _CALLS)
    return [1e3 * of_call for of_call in seconds[5:]]


def _matrix_product() -> float:
    """The fastest of a few float32 matrix products on all cores, in GFLOP/s."""
    factor = np.random.default_rng(0).random((_SIDE, _SIDE), dtype=np.float32)
    product = np.empty_like(factor)
    seconds = repeat(lambda: np.matmul(factor, factor, out=product), gc.enable, number=1, repeat=5)
    return 2 * _SIDE**3 / min(seconds) / 1e9


def peak_memory() -> float | None:
    """The peak memory of this process in GB; None on Windows, which does not give it."""
    with suppress(OSError):  # on Linux what getrusage gives is not below that of the parent process
        status = Path("/proc/self/status").read_text()
        if found := re.search(r"VmHWM:\s+(\d+) kB", status):
            return int(found[1]) * 1024 / 1e9
    if sys.platform == "win32":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / 1e9  # bytes on macOS, KiB elsewhere
