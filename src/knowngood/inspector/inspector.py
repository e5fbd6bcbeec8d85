"""The inspector, which inspects images. Nothing here imports torch."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache, partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from knowngood.data.arguments import Images, count_of, each_source
from knowngood.data.decoding import Source
from knowngood.data.imageset import read_batches
from knowngood.engines.engine import Engine
from knowngood.engines.native import finishing
from knowngood.errors import InspectorError, UnreadableImage
from knowngood.inspector.checked_graph import CheckedGraph, crop_of, in_present_format
from knowngood.inspector.deciding import verdicts_on
from knowngood.inspector.display import draw, html, show
from knowngood.inspector.file import PRODUCTS, Parts, read_inspector, write_inspector
from knowngood.inspector.manifest import CLASSIFICATION, Manifest
from knowngood.inspector.pictures import joined
from knowngood.inspector.placing import Placing
from knowngood.inspector.verdict import Verdict, listed_verdicts
from knowngood.metrics.review import Review
from knowngood.metrics.thresholds import Threshold
from knowngood.training.records import Records
from knowngood.types import Progress

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from knowngood.training.classifier_record import ClassifierRecord
    from knowngood.training.record import TrainingRecord


class Inspector:
    """Inspects images with one exported ONNX graph and one threshold.

    `engine` is a name in `knowngood.engines.engine.ENGINES`; without it, the one of the fit runs. `file` is
    the path that it was loaded from or saved to.

    Example::

        inspector = Inspector.load("widget.inspector")
        for verdict in inspector.inspect(["new/001.png", "new/002.png"]):
            print(verdict.source, verdict.score, verdict.decision)
    """

    def __init__(
        self, manifest: Manifest, graph: bytes, records: Records | None = None, *, engine: str | None = None
    ) -> None:
        self.manifest = manifest
        self.graph = graph
        self.records = records or Records()
        self.file = ""
        self.engine = engine or manifest.engine
        self._graph = CheckedGraph(
            graph, manifest.input_shape, crop_of(manifest.reading.of_graph), self.engine
        )
        self._held_out = np.array(manifest.held_out, dtype=np.float64)

    def __repr__(self) -> str:
        roi, learned = self.manifest.roi, f"learned from {self.learned_from}"
        region = f", region {roi.share:.1%} of the image" if roi else ""
        review = f", review above {self.review.value:.4g}" if self.review else ""
        lines = f"threshold {self.threshold.value:.4g}"
        return f"Inspector({self.manifest.method}, {learned}{region}{review}, {lines})"

    def _repr_html_(self) -> str:
        return html(self)

    def show(self) -> None:
        """Show the held-out scores in a figure."""
        show(self)

    def plot_held_out(self, ax: Axes | None = None) -> Axes:
        """Draw the scores of held-out good images, with the threshold, on axes or those of a new figure."""
        return draw("held_out", self, ax)

    @property
    def learned_from(self) -> str:
        """The images that it learned from, and how many, in words."""
        number = len(self.manifest.training)
        images = "good image" if number == 1 else "good images"
        copies = f" and {self.manifest.augmented}" if self.manifest.augmented else ""
        return f"{number:,} {'images of good parts and defects' if self.classifies else images}{copies}"

    @property
    def classifies(self) -> bool:
        """True for a classifier of good parts and defects, False for an anomaly detector."""
        return self.manifest.task == CLASSIFICATION

    @property
    def training(self) -> TrainingRecord | None:
        """The training of its network; None where none was trained."""
        return self.records.training

    @property
    def classifier(self) -> ClassifierRecord:
        """The record of a classifier of good parts and defects.

        Raises:
            InspectorError: It is an anomaly detector.
        """
        if self.records.classifier is None:
            raise InspectorError(f"{self.manifest.method} detects anomalies; `knowngood train` classifies")
        return self.records.classifier

    @property
    def threshold(self) -> Threshold:
        """The threshold, and how it was chosen."""
        return self.manifest.threshold

    @property
    def review(self) -> Review | None:
        """The lower line of three answers, above which a part is reviewed; None for two answers."""
        return self.manifest.review

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, engine: str | None = None) -> Inspector:
        """Load an inspector file, which may come from a stranger: only its graph's arithmetic is executed.

        The graph is checked first; see `knowngood.engines.vetting.check_graph`.

        Raises:
            InspectorError: The file is not an inspector, was altered or cut off, is of a newer format, has a
                graph that no inspector of ours has, or holds several products.
        """
        inspector = cls.of_parts(read_inspector(path), os.fspath(path), engine=engine)
        inspector.file = os.fspath(path)
        return inspector

    @classmethod
    def of_parts(cls, parts: Parts, name: str, *, engine: str | None = None) -> Inspector:
        """Make an inspector of what its file holds; see `load`."""
        content, graph, members = parts
        if any(member.startswith(PRODUCTS) for member in members):
            raise InspectorError(f"{name!r} holds several products; load it by knowngood.Products.load(...)")
        manifest = Manifest.from_json(content, name=name)
        if hashlib.sha256(graph).hexdigest() != manifest.graph_hash:
            raise InspectorError(f"{name!r}: its graph is not the one that its manifest describes")
        graph, manifest = in_present_format(graph, manifest, name)
        try:
            records = Records.from_members(members)
        except ValueError as error:
            raise InspectorError(f"{name!r}: {error}; fit it anew") from error
        if (records.classifier is not None) != (manifest.task == CLASSIFICATION):
            raise InspectorError(f"{name!r}: its records are not those of its task, {manifest.task}")
        inspector = cls(manifest, graph, records, engine=engine)
        try:
            inspector.check()
        except InspectorError as error:
            raise InspectorError(f"{name!r}: {error}") from error
        return inspector

    def check(self) -> None:
        """Check, without running it, that the graph is safe to run, and is that of the manifest and records.

        Raises:
            InspectorError: It is not.
        """
        shapes, shape = self._graph.shapes, self.manifest.input_shape
        if self.records.classifier is not None:
            classes = len(self.records.classifier.names)
            if shapes.get("logits") != (1, 1, classes):
                raise InspectorError(f"its graph has no logits for the {classes} classes that it names")
        if "rebuilt" in shapes and shapes["rebuilt"][1:3] != tuple(shape):
            raise InspectorError(f"its graph takes images of another shape than {shape[0]} x {shape[1]}")

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the inspector to one file, whole or not at all; an older inspector is replaced.

        With `overwrite`, any other file is replaced too.

        Raises:
            OutputError: The file cannot be written, or is not an inspector.
        """
        write_inspector(path, *self.parts, overwrite=overwrite)
        self.file = os.fspath(path)

    @property
    def parts(self) -> Parts:
        """What its file holds."""
        return Parts(self.manifest.to_json(), self.graph, self.records.to_members())

    def with_threshold(self, threshold: Threshold, *, validation: list[str]) -> Inspector:
        """A copy with another threshold, and the fingerprints of the images that it was set on."""
        return self.with_manifest(**self.manifest.moved(threshold, validation))

    def with_manifest(self, **changes: Any) -> Inspector:
        """A copy with other values in its manifest."""
        manifest = dataclasses.replace(self.manifest, **changes)
        return Inspector(manifest, self.graph, self.records, engine=self.engine)

    def inspect(self, images: Images, *, progress: Progress | None = None) -> list[Verdict]:
        """Inspect images; return a verdict for each, in order.

        They are any iterable of paths, bytes of files, open files, images of Pillow's, arrays `(H, W)`,
        `(H, W, 3)` or `(H, W, 4)` of uint8 or uint16 in RGB order, or tensors; or only one of these. A folder
        stands for the images in it. See `knowngood.data.arguments`.

        Raises:
            DataError: Images cannot be read, or are none; those that cannot be read are all named.
            InspectorError: The graph does not run, or not as the manifest says; or the process was forked
                from one in which an inspector has run.
        """
        if isinstance(images, str | os.PathLike):
            images = list(each_source(images))
        return listed_verdicts(self.stream(images), count_of(images), progress)

    def stream(
        self,
        images: Images,
        *,
        extras: Sequence[str] = (),
        on_unreadable: Callable[[UnreadableImage], None] | None = None,
    ) -> Iterator[Verdict]:
        """Inspect any number of images in bounded memory, in order; see `inspect`.

        Images are decoded some dozens ahead of the verdict at hand: where a camera waits for a verdict before
        it takes the next photograph, inspect each by itself.

        Args:
            images: As `inspect` takes them; of a generator, no more are asked for than are decoded ahead.
            extras: Further outputs of the graph that verdicts shall hold, by name (see
                `knowngood.types.EXTRAS`), without the batch dimension; or `pixels`, uint8 `(H, W, 3)`, the
                image as the network saw it.
            on_unreadable: Called with each image that cannot be read, which is then left out; without it
                such images are an error.
        """
        return finishing(self._stream(each_source(images), extras, on_unreadable))

    def _stream(
        self,
        sources: Iterator[Source],
        extras: Sequence[str],
        on_unreadable: Callable[[UnreadableImage], None] | None,
    ) -> Iterator[Verdict]:
        """Yield verdicts in order."""
        first = list(islice(sources, 2))
        reading = self.manifest.reading
        alone = len(first) == 1 and reading.tiling is None
        known = self._graph.given(alone=alone)
        if unknown := [name for name in extras if name not in known]:
            raise InspectorError(f"{self.manifest.method} gives no {unknown[0]}; it gives {', '.join(known)}")
        read = read_batches(chain(first, sources), reading, on_unreadable=on_unreadable)
        results = self._graph.results(read, alone=alone)
        if reading.tiling:
            results = joined(results, reading)
        yield from verdicts_on(
            results, self.manifest, self.records.classifier, self._held_out, self._placing, extras
        )

    @property
    def core(self) -> bytes:
        """The graph behind its resizing, of images at the input shape: what is run here."""
        return self._graph.core

    @property
    def compiled(self) -> Engine:
        """The graph, compiled for many images and checked at its first use."""
        return self._graph.engine(alone=False)

    @cached_property
    def _placing(self) -> Callable[[tuple[int, int]], Placing | None]:
        """What puts maps of a shape where they belong in images; see `Placing.of`."""
        of = partial(Placing.of, self.manifest.reading, scale=self.manifest.heat_scale)
        return lru_cache(maxsize=8)(of)  # of tiles, images of several sizes have maps of several shapes

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies, also in other processes, compile the graph anew."""
        made_of = self.manifest, self.graph, self.records
        return partial(Inspector, engine=self.engine), made_of, {"file": self.file}
