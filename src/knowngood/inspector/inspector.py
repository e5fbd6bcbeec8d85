"""The inspector: judges images. Nothing here imports torch."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowngood.data.loader import Batches, Source
from knowngood.engines.engine import Engine, compile_graph
from knowngood.errors import InspectorError, UnreadableImage
from knowngood.inspector.file import read_inspector, write_inspector
from knowngood.inspector.manifest import Manifest
from knowngood.inspector.verdict import Classified, Rebuilt, Verdict
from knowngood.metrics.calibration import p_values
from knowngood.metrics.thresholds import Threshold
from knowngood.training.lesson import Lesson
from knowngood.training.record import TrainingRecord

OUTPUTS = {"score": 1, "map": 3, "rebuilt": 4, "logits": 3, "features": 3}
"""What a graph may give, with the number of dimensions; see `knowngood.types.Scores`. The score it must."""


class Inspector:
    """Judges images with one exported graph and one threshold.

    Args:
        manifest: Where it comes from and how it decides.
        graph: The serialised ONNX graph.
        training: How its network was trained; None where none was.
        engine: What runs the graph, a name in `knowngood.engines.engine.ENGINES`.

    Example::

        inspector = Inspector.load("widget.inspector")
        for verdict in inspector.inspect(["new/001.png", "new/002.png"]):
            print(verdict.source, verdict.score, verdict.decision)
    """

    def __init__(
        self,
        manifest: Manifest,
        graph: bytes,
        training: TrainingRecord | None = None,
        *,
        engine: str = "openvino",
    ) -> None:
        self.manifest = manifest
        self.graph = graph
        self.training = training
        self.engine = engine
        self._held_out = np.array(manifest.held_out, dtype=np.float64)
        self._ways: set[bool] = set()  # in which the graph was tried: for one image alone, for many

    def __repr__(self) -> str:
        manifest = self.manifest
        return (
            f"Inspector({manifest.detector}, learned from {len(manifest.training)} {self.learned_from}, "
            f"threshold {manifest.threshold.value:.4g})"
        )

    @property
    def learned_from(self) -> str:
        """What it learned from, in words."""
        return "images of good parts and defects" if self.lesson else "good images"

    @property
    def lesson(self) -> Lesson | None:
        """What a classifier of good parts and defects learned; None for an anomaly detector."""
        return self.training.lesson if self.training else None

    @property
    def threshold(self) -> Threshold:
        """The line between accept and reject, and how it was chosen."""
        return self.manifest.threshold

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, engine: str = "openvino") -> Inspector:
        """Load an inspector file; it may come from a stranger, nothing in it is run but arithmetic.

        Raises:
            InspectorError: The file is no inspector, was altered or cut off, or is of a newer format.
        """
        name = os.fspath(path)
        content, graph, members = read_inspector(path)
        manifest = Manifest.from_json(content, name=name)
        if hashlib.sha256(graph).hexdigest() != manifest.graph_hash:
            raise InspectorError(f"{name!r}: its graph is not the one that its manifest describes")
        # A tensor kept outside an ONNX file is found by its `location`, which could name any file here.
        if b"location" in graph:
            raise InspectorError(f"{name!r}: its graph refers to other files; an inspector never does")
        try:
            training = TrainingRecord.from_members(members) if members else None
        except ValueError as error:
            raise InspectorError(f"{name!r}: {error}; fit it anew") from error
        return cls(manifest, graph, training, engine=engine)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the inspector to one file, whole or not at all.

        Raises:
            OutputError: The file cannot be written.
        """
        members = self.training.to_members() if self.training else None
        write_inspector(path, self.manifest.to_json(), self.graph, members)

    def with_threshold(self, threshold: Threshold, *, validation: list[str]) -> Inspector:
        """The same inspector with another threshold, and the fingerprint of the images that it was set on."""
        manifest = dataclasses.replace(self.manifest, threshold=threshold, validation=validation)
        return Inspector(manifest, self.graph, self.training, engine=self.engine)

    def inspect(self, images: Sequence[Source] | Source) -> list[Verdict]:
        """Judge images.

        Args:
            images: Paths, or arrays `(H, W)`, `(H, W, 3)` or `(H, W, 4)` of uint8 or uint16 in RGB order; or
                only one of these.

        Returns:
            A verdict for each, in order.

        Raises:
            DataError: Images cannot be read; all of them are named.
            InspectorError: The graph does not run, or not as the manifest says.
        """
        if isinstance(images, str | Path):
            images = [images]
        elif isinstance(images, np.ndarray):
            images = [images] if images.ndim < 4 else list(images)
        return list(self.stream(images))

    def stream(
        self, images: Sequence[Source], *, on_unreadable: Callable[[UnreadableImage], None] | None = None
    ) -> Iterator[Verdict]:
        """Judge any number of images in bounded memory, in order.

        Args:
            images: Paths or arrays.
            on_unreadable: Called with each image that cannot be read, which is then left out; without it
                such images are an error.

        Raises:
            DataError: Images cannot be read.
            InspectorError: The graph does not run, or not as the manifest says.
        """
        return (verdict for verdict, _, _ in self._judge(images, on_unreadable))

    def classify(
        self, images: Sequence[Source], *, on_unreadable: Callable[[UnreadableImage], None] | None = None
    ) -> Iterator[Classified]:
        """Judge images and show what the detector's classifier says of them, in order, in bounded memory.

        Args:
            images: Paths or arrays.
            on_unreadable: Called with each image that cannot be read, which is then left out; without it
                such images are an error.

        Raises:
            DataError: Images cannot be read.
            InspectorError: The detector does not classify.
        """
        for verdict, _, given in self._judge(images, on_unreadable):
            if not {"logits", "features"} <= given.keys():
                raise InspectorError(f"{self.manifest.detector} does not classify; class_confidence does")
            yield Classified(verdict, given["logits"].copy(), given["features"].copy())

    def rebuild(
        self, images: Sequence[Source], *, on_unreadable: Callable[[UnreadableImage], None] | None = None
    ) -> Iterator[Rebuilt]:
        """Show what the detector makes of images, in order, in bounded memory.

        Args:
            images: Paths or arrays.
            on_unreadable: Called with each image that cannot be read, which is then left out; without it
                such images are an error.

        Raises:
            DataError: Images cannot be read.
            InspectorError: The detector rebuilds no image.
        """
        for verdict, pixels, given in self._judge(images, on_unreadable):
            if "rebuilt" not in given:
                raise InspectorError(
                    f"{self.manifest.detector} rebuilds no image; `knowngood detectors` names those that do"
                )
            yield Rebuilt(verdict, pixels.copy(), given["rebuilt"].copy())

    def _judge(
        self, images: Sequence[Source], on_unreadable: Callable[[UnreadableImage], None] | None
    ) -> Iterator[tuple[Verdict, NDArray[np.uint8], dict[str, NDArray[np.float32]]]]:
        """The verdict of each image, its pixels at the input shape, and all that the graph gives for it."""
        batches = Batches(
            images, self.manifest.input_shape, size=1, bits=self.manifest.bits, on_unreadable=on_unreadable
        )
        lesson = self.lesson
        alone = len(images) == 1
        engine = self._tried(alone)
        pairs = ((batch, batch.images) for batch in batches)
        results = ((batch, engine(pixels)) for batch, pixels in pairs) if alone else engine.stream(pairs)
        for batch, outputs in results:
            given = dict(zip(engine.outputs, outputs, strict=True))
            scores, maps = given["score"], given.get("map")
            if not np.isfinite(scores).all():
                raise InspectorError("the inspector's graph gives a score that is not a finite number")
            p_of_batch = p_values(scores, self._held_out)
            for row, index in enumerate(batch.index):
                score = float(scores[row])
                rejected = score > self.threshold.value
                answer = _kind(given["logits"][row, 0], lesson, rejected) if lesson else (None, None)
                verdict = Verdict(
                    source=images[index],
                    index=int(index),
                    score=score,
                    p_value=float(p_of_batch[row]),
                    decision="reject" if rejected else "accept",
                    size=(int(batch.sizes[row, 0]), int(batch.sizes[row, 1])),
                    patch_map=None if maps is None else maps[row].copy(),
                    kind=answer[0],
                    probabilities=answer[1],
                )
                yield verdict, batch.images[row], {name: array[row] for name, array in given.items()}

    @property
    def compiled(self) -> Engine:
        """The graph, compiled for many images and tried out when it is first used.

        Raises:
            InspectorError: The graph does not run, or not as the manifest says.
        """
        return self._tried(False)

    @cached_property
    def _engine(self) -> Engine:
        """What runs the graph."""
        try:
            return compile_graph(self.graph, self.engine, keep=True)
        except ValueError as error:
            raise InspectorError(f"the inspector's graph does not run here: {error}") from error

    def _tried(self, alone: bool) -> Engine:
        """The engine, once the graph has run on a blank image in the way that is wanted."""
        if alone in self._ways:
            return self._engine
        blank = np.zeros((1, *self.manifest.input_shape, 3), dtype=np.uint8)
        engine = self._engine
        try:
            outputs = engine(blank) if alone else next(engine.stream([(None, blank)]))[1]
        except Exception as error:
            # What the engines raise at a graph that does not suit them shares no base but Exception.
            reason = " ".join(str(error).split())[:300]
            raise InspectorError(f"the inspector's graph does not run here: {reason}") from error
        names = engine.outputs
        if "score" not in names or any(
            array.ndim != OUTPUTS.get(name) or len(array) != 1
            for name, array in zip(names, outputs, strict=True)
        ):
            raise InspectorError(
                f"the inspector's graph gives {', '.join(names)}, and not just what an inspector's may: "
                f"{', '.join(OUTPUTS)}, each for one image"
            )
        lesson = self.lesson
        shapes = {name: array.shape for name, array in zip(engine.outputs, outputs, strict=True)}
        if lesson and shapes.get("logits") != (1, 1, len(lesson.names)):
            raise InspectorError(
                f"the inspector's graph does not answer for the {len(lesson.names)} kinds that it names"
            )
        self._ways.add(alone)
        return engine


def _kind(logits: NDArray[np.float32], lesson: Lesson, rejected: bool) -> tuple[str, dict[str, float]]:
    """What a classifier takes an image for, and the probability of each kind."""
    scaled = logits / lesson.temperature
    likely = np.exp(scaled - scaled.max())
    kind = 1 + int(scaled[1:].argmax()) if rejected else 0
    return lesson.names[kind], dict(zip(lesson.names, (likely / likely.sum()).tolist(), strict=True))
