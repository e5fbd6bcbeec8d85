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
from knowngood.engines.processor import instruction_set
from knowngood.errors import RecipeError
from knowngood.extras import needs_extra

T = TypeVar("T")
Outputs = tuple[NDArray[np.float32], ...]


class Engine(Protocol):
    """A graph that can be run: uint8 images `(N, H, W, 3)` in, float arrays out."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the arrays are called, in their order."""
        ...

    def __call__(self, images: NDArray[np.uint8]) -> Outputs:
        """Run the graph on a batch of images, so that the answer to one image comes soonest."""
        ...

    def stream(self, images: Iterable[tuple[T, NDArray[np.uint8]]]) -> Iterator[tuple[T, Outputs]]:
        """Run the graph over `(tag, image)` pairs, images `(1, H, W, 3)`; give `(tag, outputs)` in order.

        It takes the least time for all of them. The outputs may be overwritten once the next are asked for:
        copy what is to be kept.
        """
        ...


class OpenVino:
    """Runs a graph on the CPU with OpenVINO, in full float32 where the graph does not say otherwise.

    The graph is compiled for single images: its intermediate maps then stay in the cache, constants fold into
    the convolutions, and a score cannot depend on other images. It is compiled when it is first run: once for
    all cores on one image, once for an image on each core, whichever is asked for.

    Args:
        graph: A serialised ONNX graph.
        keep: Keep what was compiled in the user's cache folder, which saves the next process half a second.

    Raises:
        ValueError: The graph is not one that OpenVINO can read.
    """

    def __init__(self, graph: bytes, keep: bool) -> None:
        import openvino

        self._core = openvino.Core()
        self._graph = read_for_one_image(graph)
        self._one_at_a_time = Lock()  # threads that judge an image each share one request
        self._key = hashlib.sha256(graph).hexdigest() if keep else None

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the arrays are called."""
        return tuple(output.any_name for output in self._graph.outputs)

    def __call__(self, images: NDArray[np.uint8]) -> Outputs:
        """Run the graph on each image of a batch in turn, with all cores."""
        results = []
        with self._one_at_a_time:
            for image in images:
                self._soonest.start_async([image[None]])
                results.append(tuple(map(np.copy, _results(self._soonest))))
        return tuple(np.concatenate(column) for column in zip(*results, strict=True))

    def stream(self, images: Iterable[tuple[T, NDArray[np.uint8]]]) -> Iterator[tuple[T, Outputs]]:
        """Run the graph over `(tag, image)` pairs; the next pairs are read while some are computed."""
        at_once = int(self._most.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        idle = [self._most.create_infer_request() for _ in range(at_once + 1)]
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
    def _soonest(self) -> Any:
        """A request that gives one image all cores."""
        return self._compile("LATENCY").create_infer_request()

    @cached_property
    def _most(self) -> Any:
        """The graph compiled for as many images a second as can be."""
        return self._compile("THROUGHPUT")

    def _compile(self, hint: str) -> Any:
        """Compile the graph, or find it compiled."""
        import openvino

        # On newer CPUs OpenVINO would choose bfloat16, and scores would depend on the machine.
        options = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": "f32"}
        made: list[Any] = []

        def anew() -> Any:
            made.append(self._core.compile_model(self._graph, "CPU", options))
            return made[0]

        try:
            if self._key is None:
                return anew()
            # One name may stand for processors with other instructions, above all in virtual machines.
            processor = f"{self._core.get_property('CPU', 'FULL_DEVICE_NAME')} {instruction_set()}"
            key = f"{self._key} {options} {processor} {openvino.__version__}"
            kept = cached(key, lambda: bytes(anew().export_model().getvalue()))
            if made:
                return made[0]
            # OpenVINO refuses what was compiled for other instructions.
            with suppress(RuntimeError):
                return self._core.import_model(kept, "CPU", options)
            return anew()
        except RuntimeError as error:
            raise ValueError(f"OpenVINO cannot compile the graph: {_reason(error)}") from error


class OnnxRuntime:
    """Runs a graph with ONNX Runtime, on CUDA where its build has it, else on the CPU.

    Args:
        graph: A serialised ONNX graph.

    Raises:
        ValueError: The graph is not one that ONNX Runtime can read.
        MissingExtra: ONNX Runtime is not installed.
    """

    def __init__(self, graph: bytes) -> None:
        with needs_extra():
            import onnxruntime

        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
        try:
            self._session = onnxruntime.InferenceSession(graph, providers=providers)
        except Exception as error:
            # ONNX Runtime's exceptions share no base but Exception.
            raise ValueError(f"ONNX Runtime cannot read the graph: {_reason(error)}") from error

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the arrays are called."""
        return tuple(output.name for output in self._session.get_outputs())

    def __call__(self, images: NDArray[np.uint8]) -> Outputs:
        """Run the graph on a batch of images."""
        return tuple(self._session.run(None, {"images": images}))

    def stream(self, images: Iterable[tuple[T, NDArray[np.uint8]]]) -> Iterator[tuple[T, Outputs]]:
        """Run the graph over `(tag, image)` pairs, one after another."""
        for tag, image in images:
            yield tag, self(image)


ENGINES: dict[str, Callable[[bytes, bool], Engine]] = {
    "openvino": OpenVino,
    "onnxruntime": lambda graph, _: OnnxRuntime(graph),
}


def compile_graph(graph: bytes, engine: str = "openvino", *, keep: bool = False) -> Engine:
    """Compile a serialised ONNX graph.

    Args:
        graph: The bytes of the ONNX file.
        engine: A name in `ENGINES`.
        keep: Keep what was compiled for the next process, where the engine can.

    Raises:
        RecipeError: There is no engine of this name.
        ValueError: The engine cannot read the graph.
    """
    if engine not in ENGINES:
        raise RecipeError(f"engine={engine!r} is not known; choose one of {', '.join(ENGINES)}")
    return ENGINES[engine](graph, keep)


def read_for_one_image(graph: bytes) -> Any:
    """Read a serialised ONNX graph as OpenVINO's model, for a batch of one.

    Raises:
        ValueError: OpenVINO cannot read it, or it has not just one input.
    """
    import openvino

    try:
        model = openvino.Core().read_model(graph)
        (images,) = model.inputs
        model.reshape([1, *list(images.partial_shape)[1:]])
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"OpenVINO cannot read the graph: {_reason(error)}") from error
    return model


def _results(request: Any) -> Outputs:
    """Wait for a request and show its results, which last until the request is started again.

    Copying them would cost a tenth of a fit: megabytes of features for each image, mostly not kept.
    """
    request.wait()
    return tuple(tensor.data for tensor in request.output_tensors)


def _reason(error: Exception) -> str:
    """The first line of a message that is not about the engine's own source files."""
    lines = str(error).strip().splitlines()
    return next((line for line in lines if not line.startswith("Exception from")), type(error).__name__)[:200]
