"""The inspector: judges images. Nothing here imports torch."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowngood.data.imageset import ImageSet, Source
from knowngood.engines.engine import Engine, compile_graph
from knowngood.errors import InspectorError, UnreadableImage
from knowngood.inspector.file import read_inspector, write_inspector
from knowngood.inspector.manifest import CLASSIFICATION, Manifest
from knowngood.inspector.verdict import Verdict
from knowngood.metrics.calibration import p_values
from knowngood.metrics.thresholds import Threshold
from knowngood.training.classifier_record import ClassifierRecord
from knowngood.training.record import TrainingRecord
from knowngood.training.records import Records
from knowngood.types import EXTRAS

OUTPUTS = {"score": 1, "map": 3, **EXTRAS}
"""What a graph may give, with the number of dimensions; the score it must."""

PIXELS = "pixels"
"""The extra that is the image as the network saw it."""


class Inspector:
    """Judges images with one exported graph and one threshold.

    Args:
        manifest: Where it comes from and how it decides.
        graph: The serialised ONNX graph.
        records: What is kept of how it learned.
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
        records: Records | None = None,
        *,
        engine: str = "openvino",
    ) -> None:
        self.manifest = manifest
        self.graph = graph
        self.records = records or Records()
        self.engine = engine
        self._held_out = np.array(manifest.held_out, dtype=np.float64)
        self._ways: set[bool] = set()  # in which the graph was tried: for one image alone, for many

    def __repr__(self) -> str:
        manifest = self.manifest
        return (
            f"Inspector({manifest.method}, learned from {len(manifest.training)} {self.learned_from}, "
            f"threshold {manifest.threshold.value:.4g})"
        )

    @property
    def learned_from(self) -> str:
        """What it learned from, in words."""
        return "images of good parts and defects" if self.classifies else "good images"

    @property
    def classifies(self) -> bool:
        """Whether it is a classifier of good parts and defects; if not, it is an anomaly detector."""
        return self.manifest.task == CLASSIFICATION

    @property
    def training(self) -> TrainingRecord | None:
        """How its network was trained; None where none was."""
        return self.records.training

    @property
    def classifier(self) -> ClassifierRecord:
        """What a classifier of good parts and defects learned.

        Raises:
            InspectorError: It is an anomaly detector.
        """
        if self.records.classifier is None:
            raise InspectorError(
                f"{self.manifest.method} is an anomaly detector; `knowngood train` classifies"
            )
        return self.records.classifier

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
            records = Records.from_members(members)
        except ValueError as error:
            raise InspectorError(f"{name!r}: {error}; fit it anew") from error
        if (records.classifier is not None) != (manifest.task == CLASSIFICATION):
            raise InspectorError(f"{name!r}: its records are not those of its task, {manifest.task}")
        return cls(manifest, graph, records, engine=engine)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the inspector to one file, whole or not at all.

        Raises:
            OutputError: The file cannot be written.
        """
        write_inspector(path, self.manifest.to_json(), self.graph, self.records.to_members())

    def with_threshold(self, threshold: Threshold, *, validation: list[str]) -> Inspector:
        """The same inspector with another threshold, and the fingerprint of the images that it was set on."""
        return self.with_manifest(threshold=threshold, validation=validation)

    def with_manifest(self, **changes: Any) -> Inspector:
        """The same inspector with other values in its manifest."""
        manifest = dataclasses.replace(self.manifest, **changes)
        return Inspector(manifest, self.graph, self.records, engine=self.engine)

    def inspect(self, images: Sequence[Source] | Source) -> list[Verdict]:
        """Judge images.

        Args:
            images: Paths, bytes of files, or arrays `(H, W)`, `(H, W, 3)` or `(H, W, 4)` of uint8 or uint16
                in RGB order; or only one of these.

        Returns:
            A verdict for each, in order.

        Raises:
            DataError: Images cannot be read; all of them are named.
            InspectorError: The graph does not run, or not as the manifest says.
        """
        if isinstance(images, str | Path | bytes):
            images = [images]
        elif isinstance(images, np.ndarray):
            images = [images] if images.ndim < 4 else list(images)
        return list(self.stream(images))

    def stream(
        self,
        images: Sequence[Source],
        *,
        extras: Sequence[str] = (),
        on_unreadable: Callable[[UnreadableImage], None] | None = None,
    ) -> Iterator[Verdict]:
        """Judge any number of images in bounded memory, in order.

        Args:
            images: Paths or arrays.
            extras: What each verdict shall hold beyond the usual: outputs of the graph by name (see
                `knowngood.types.EXTRAS`), without the batch dimension; or `pixels`, uint8 `(H, W, 3)`, the
                image as the network saw it.
            on_unreadable: Called with each image that cannot be read, which is then left out; without it
                such images are an error.

        Raises:
            DataError: Images cannot be read.
            InspectorError: The graph does not run, not as the manifest says, or does not give an extra.
        """
        read = ImageSet(images, self.manifest.reading, on_unreadable=on_unreadable)
        record = self.records.classifier
        alone = len(images) == 1
        engine = self._tried(alone)
        self._check_extras(extras, (*engine.outputs, PIXELS))
        pairs = ((batch, batch.images) for batch in read.batches())
        results = ((batch, engine(pixels)) for batch, pixels in pairs) if alone else engine.stream(pairs)
        for batch, outputs in results:
            given = dict(zip(engine.outputs, outputs, strict=True)) | {PIXELS: batch.images}
            scores, maps = given["score"], given.get("map")
            if not np.isfinite(scores).all():
                raise InspectorError("the inspector's graph gives a score that is not a finite number")
            p_of_batch = p_values(scores, self._held_out)
            for row, index in enumerate(batch.index):
                score = float(scores[row])
                rejected = score > self.threshold.value
                answer = _kind(given["logits"][row, 0], record, rejected) if record else (None, None)
                yield Verdict(
                    source=images[index],
                    index=int(index),
                    score=score,
                    p_value=float(p_of_batch[row]),
                    decision="reject" if rejected else "accept",
                    size=(int(batch.sizes[row, 0]), int(batch.sizes[row, 1])),
                    patch_map=None if maps is None else maps[row].copy(),
                    predicted_class=answer[0],
                    probabilities=answer[1],
                    extras={name: given[name][row].copy() for name in extras},
                )

    def _check_extras(self, extras: Sequence[str], given: Collection[str]) -> None:
        """Refuse extras that the graph does not give."""
        for name in extras:
            if name not in given:
                raise InspectorError(
                    f"{self.manifest.method} gives no {name}; it gives {', '.join(sorted(given))}"
                )

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
        record = self.records.classifier
        shapes = {name: array.shape for name, array in zip(engine.outputs, outputs, strict=True)}
        if record and shapes.get("logits") != (1, 1, len(record.names)):
            raise InspectorError(
                f"the inspector's graph does not answer for the {len(record.names)} classes that it names"
            )
        self._ways.add(alone)
        return engine


def _kind(
    logits: NDArray[np.float32], record: ClassifierRecord, rejected: bool
) -> tuple[str, dict[str, float]]:
    """What a classifier takes an image for, and the probability of each kind."""
    scaled = logits / record.temperature
    likely = np.exp(scaled - scaled.max())
    kind = 1 + int(scaled[1:].argmax()) if rejected else 0
    return record.names[kind], dict(zip(record.names, (likely / likely.sum()).tolist(), strict=True))
