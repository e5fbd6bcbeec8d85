"""The graph of an inspector: checked, compiled at first use, and its outputs checked at every batch."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from knowngood.data.imageset import Batch
from knowngood.data.reading import Reading
from knowngood.engines.engine import Engine, Outputs, compile_graph
from knowngood.engines.native import check_process
from knowngood.engines.resizing import Crop, with_resizing, without_resizing
from knowngood.engines.vetting import check_graph, check_outputs
from knowngood.errors import InspectorError, shortened
from knowngood.inspector.manifest import Manifest
from knowngood.inspector.pictures import Given

PIXELS = "pixels"
"""The extra that is the image as the network saw it."""


class CheckedGraph:
    """A graph that may come from a stranger, and the engine that runs it.

    Args:
        graph: `model.onnx` of an inspector file, which takes pictures of any size.
        shape: Height and width that it resizes them to.
        crop: The region that it cuts them to; None for all of them.
        engine: A name in `knowngood.engines.engine.ENGINES`.
    """

    def __init__(self, graph: bytes, shape: tuple[int, int], crop: Crop | None, engine: str) -> None:
        self._graph = graph
        self._shape = shape
        self._crop = crop
        self._name = engine
        self._tried: set[bool] = set()  # the modes in which it was run: one image alone, or many

    @cached_property
    def core(self) -> bytes:
        """The graph behind its resizing, of images at the input shape: what is run here.

        Raises:
            InspectorError: The graph does not begin with the resizing that every inspector has.
        """
        try:
            return without_resizing(self._graph, self._shape, self._crop)
        except ValueError as error:
            raise InspectorError(f"its graph is refused: {error}") from error

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the outputs for one image, once the graph was found safe to run.

        Raises:
            InspectorError: It is not.
        """
        try:
            return check_graph(self.core)
        except ValueError as error:
            raise InspectorError(f"its graph is refused: {error}") from error

    def engine(self, *, alone: bool) -> Engine:
        """The engine, once the graph has run on a blank image, alone or in a stream.

        Raises:
            InspectorError: The graph does not run here, or gives what it must not.
        """
        check_process()
        engine = self._compiled
        if alone in self._tried:
            return engine
        blank = np.zeros((1, *self._shape, 3), dtype=np.uint8)
        try:
            arrays = engine(blank) if alone else next(engine.stream([(None, blank)]))[1]
        except Exception as error:
            # What the engines raise at a graph that does not suit them shares no base but Exception.
            reason = shortened(" ".join(str(error).split()))
            raise InspectorError(f"the inspector's graph does not run here: {reason}") from error
        self.outputs(engine, arrays, 1)
        self._tried.add(alone)
        return engine

    def outputs(self, engine: Engine, arrays: Outputs, images: int) -> dict[str, NDArray[np.float32]]:
        """What the engine gave for some images, by name.

        Raises:
            InspectorError: It is not what it should be.
        """
        given = dict(zip(engine.outputs, arrays, strict=True))
        try:
            check_outputs(given, images, self.shapes)
        except ValueError as error:
            raise InspectorError(f"the inspector does not work here: {error}") from error
        return given

    def given(self, *, alone: bool) -> list[str]:
        """The names of what `results` gives for images."""
        return sorted((*self.engine(alone=alone).outputs, PIXELS))

    def results(self, batches: Iterator[Batch], *, alone: bool) -> Iterator[tuple[Batch, Given]]:
        """What the graph gives for each batch, with its pixels; the next may overwrite it."""
        engine = self.engine(alone=alone)
        pairs = ((batch, batch.images) for batch in batches)
        results = ((batch, engine(pixels)) for batch, pixels in pairs) if alone else engine.stream(pairs)
        for batch, arrays in results:
            yield batch, {**self.outputs(engine, arrays, len(batch.images)), PIXELS: batch.images}

    @cached_property
    def _compiled(self) -> Engine:
        try:
            return compile_graph(self.core, self._name, keep=True)
        except ValueError as error:
            raise InspectorError(f"the inspector's graph does not run here: {error}") from error


def crop_of(reading: Reading) -> Crop | None:
    """The region that images are cut to, as a graph has it."""
    roi = reading.roi
    if roi is None:
        return None
    top, left, height, width = roi.box
    box = top, left, top + height, left + width
    return Crop(roi.size, box, (~roi.kept(reading.shape)).tobytes(), roi.fill)


def in_present_format(graph: bytes, manifest: Manifest, name: str) -> tuple[bytes, Manifest]:
    """A graph as inspectors have it now: up to format 5, graphs took images of the input shape.

    Raises:
        InspectorError: The graph is damaged; the message has the name of its file.
    """
    try:
        with suppress(ValueError):
            without_resizing(graph, manifest.input_shape, crop_of(manifest.reading.of_graph))
            return graph, manifest
        graph = with_resizing(graph, manifest.input_shape)
    except ValueError as error:
        raise InspectorError(f"{name!r}: its graph is refused: {error}") from error
    return graph, dataclasses.replace(manifest, graph_hash=hashlib.sha256(graph).hexdigest())
