"""The engines that run an ONNX graph. Nothing here imports torch."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from threading import Lock
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from knowngood.engines.cache import cached
from knowngood.engines.native import import_onnxruntime, import_openvino
from knowngood.engines.processor import instruction_set
from knowngood.errors import RecipeError
from knowngood.extras import needs_extra

T = TypeVar("T")

Outputs = tuple[NDArray[np.float32], ...]


class Engine(Protocol):
    """A graph that can be run: uint8 images `(N, H, W, 3)` in, float arrays out."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the arrays, in their order."""

    def __call__(self, images: NDArray[np.uint8]) -> Outputs:
        """Run the graph on a batch of images, with the least time for one image."""

    def stream(self, images: Iterable[tuple[T, NDArray[np.uint8]]]) -> Iterator[tuple[T, Outputs]]:
        """Run the graph over `(tag, image)` pairs, images `(1, H, W, 3)`, with the least time for all.

        Yields:
            `(tag, outputs)` in order. The next may overwrite the outputs: copy what is to be kept.
        """


class OpenVino:
    """Runs a graph on the CPU with OpenVINO, in full float32 where the graph does not say otherwise.

    The graph is compiled for single images: its intermediate maps then stay in the cache, constants fold into
    the convolutions, and a score cannot depend on other images. It is compiled at first use, either for all
    cores on one image or for an image on each core. A kept one saves the next process half a second.
    """

    def __init__(self, graph: bytes, keep: bool) -> None:
        openvino = import_openvino()
        self._core = openvino.Core()
        self._graph = read_for_one_image(graph)
        self.outputs = tuple(output.any_name for output in self._graph.outputs)
        self._lock = Lock()  # threads that inspect an image each share one request
        self._key = f"{hashlib.sha256(graph).hexdigest()} {openvino.__version__}" if keep else None

    def __call__(self, images: NDArray[np.uint8]) -> Outputs:
        """Run the graph on each image in turn, with all cores."""
        results = []
        with self._lock:
            for image in images:
                self._latency_request.start_async([image[None]])
                results.append(tuple(map(np.copy, _results(self._latency_request))))
        return tuple(np.concatenate(column) for column in zip(*results, strict=True))

    def stream(self, images: Iterable[tuple[T, NDArray[np.uint8]]]) -> Iterator[tuple[T, Outputs]]:
        """Run the graph over `(tag, image)` pairs; the next pairs are read while some are computed."""
        parallel = int(self._throughput_model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        idle = [self._throughput_model.create_infer_request() for _ in range(parallel + 1)]
        running: deque[tuple[T, Any]] = deque()
        try:
            for tag, image in images:
                if not idle:
                    done, request = running.popleft()
                    yield done, _results(request)
                    idle.append(request)
                request = idle.pop()
                request.start_async([image])
                running.append((tag, request))
            while running:
                done, request = running.popleft()
                yield done, _results(request)
        finally:
            for _, request in running:
                request.cancel()

    @cached_property
    def _latency_request(self) -> Any:
        """A request that gives one image all cores."""
        return self._compile("LATENCY").create_infer_request()

    @cached_property
    def _throughput_model(self) -> Any:
        """The graph compiled for the most images per second."""
        return self._compile("THROUGHPUT")

    def _compile(self, hint: str) -> Any:
        """Compile the graph, or import it from the cache."""
        # On newer CPUs OpenVINO would choose bfloat16, and scores would depend on the machine.
        options = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": "f32"}
        compiled: list[Any] = []

        def compile_model() -> Any:
            compiled.append(self._core.compile_model(self._graph, "CPU", options))
            return compiled[0]

        try:
            if self._key is None:
                return compile_model()
            # One name may stand for processors with other instructions, above all in virtual machines.
            processor = f"{self._core.get_property('CPU', 'FULL_DEVICE_NAME')} {instruction_set()}"
            key = f"{self._key} {options} {processor}"
            kept = cached(key, lambda: bytes(compile_model().export_model().getvalue()))
            if compiled:
                return compiled[0]
            # OpenVINO refuses what was compiled for other instructions.
            with suppress(RuntimeError):
                return self._core.import_model(kept, "CPU", options)
            return compile_model()
        except RuntimeError as error:
            raise ValueError(f"OpenVINO cannot compile the graph: {_reason(error)}") from error


class OnnxRuntime:
    """Runs a graph with ONNX Runtime, on CUDA where its build has it, else on the CPU; nothing is kept."""

    def __init__(self, graph: bytes, keep: bool) -> None:  # noqa: ARG002
        with needs_extra():
            onnxruntime = import_onnxruntime()

        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
        try:
            self._session = onnxruntime.InferenceSession(graph, providers=providers)
        except Exception as error:
            # ONNX Runtime's exceptions share no base but Exception.
            raise ValueError(f"ONNX Runtime cannot read the graph: {_reason(error)}") from error
        self.outputs = tuple(output.name for output in self._session.get_outputs())

    def __call__(self, images: NDArray[np.uint8]) -> Outputs:
        """Run the graph on each image of a batch in turn: its bounds are checked for one image."""
        results = [self._session.run(None, {"images": image[None]}) for image in images]
        return tuple(np.concatenate(column) for column in zip(*results, strict=True))

    def stream(self, images: Iterable[tuple[T, NDArray[np.uint8]]]) -> Iterator[tuple[T, Outputs]]:
        """Run the graph over `(tag, image)` pairs, one after another."""
        for tag, image in images:
            yield tag, self(image)


ENGINES: dict[str, Callable[[bytes, bool], Engine]] = {"openvino": OpenVino, "onnxruntime": OnnxRuntime}


DEFAULT_ENGINE = "openvino"


def compile_graph(graph: bytes, engine: str = DEFAULT_ENGINE, *, keep: bool = False) -> Engine:
    """Compile a serialised ONNX graph for an engine of `ENGINES`, which may keep it for the next process.

    Raises:
        RecipeError: There is no engine of this name.
        MissingExtra: The engine is not installed.
        ValueError: The engine cannot read the graph.
    """
    check_engine(engine)
    return ENGINES[engine](graph, keep)


def check_engine(engine: str) -> None:
    """Refuse with a RecipeError what is no name of an engine."""
    if engine not in ENGINES:
        raise RecipeError(f"engine={engine!r} is not known; choose one of {', '.join(ENGINES)}")


def read_for_one_image(graph: bytes) -> Any:
    """Read a serialised ONNX graph as OpenVINO's model of one image.

    Raises:
        ValueError: OpenVINO cannot read it, or it has no or several inputs.
    """
    openvino = import_openvino()
    try:
        model = openvino.Core().read_model(graph)
        (images,) = model.inputs
        model.reshape([1, *list(images.partial_shape)[1:]])
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"OpenVINO cannot read the graph: {_reason(error)}") from error
    return model


def _results(request: Any) -> Outputs:
    """Wait for a request and return its results, which last until the request is started again."""
    request.wait()
    # Copies would cost a tenth of a fit: megabytes of features per image, mostly not kept.
    return tuple(tensor.data for tensor in request.output_tensors)


def _reason(error: Exception) -> str:
    """The first line of an error's message that is not about the engine's own source files."""
    lines = str(error).strip().splitlines()
    return next((line for line in lines if not line.startswith("Exception from")), type(error).__name__)[:200]
