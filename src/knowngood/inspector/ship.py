"""From what was learned to what ships: the graph, checked against torch, and the manifest."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic_core import to_jsonable_python
from torch import Tensor, nn

from knowngood.data.imageset import ImageSet
from knowngood.detectors.base import Fit, FittedDetector, FittedOnFeatures
from knowngood.engines.engine import compile_graph
from knowngood.engines.export import blank, chain, to_onnx
from knowngood.errors import InspectorError
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.manifest import CLASSIFICATION, DETECTION, RESIZE, Manifest
from knowngood.metrics.thresholds import Threshold
from knowngood.recipe import Recipe

LARGEST_DIFFERENCE = 1e-4
"""The most that a graph's scores may differ from torch's, relative."""

LARGEST_ROUNDED = 5e-3
"""The same for a graph in 8 bits, where a value between two levels may be rounded either way."""

_CHECKED = 2
_IN_SCORES = ("image", "map")
_LIBRARIES = ("knowngood", "torch", "lightning", "timm", "onnx", "openvino")


def ship(
    fit: Fit,
    images: ImageSet,
    *,
    recipe: Recipe,
    name: str,
    training: list[str],
    threshold: Threshold,
    seed: int,
    device: str,
) -> Inspector:
    """Export what was learned, check the graph, and write down where it comes from.

    Args:
        fit: What was learned.
        images: The images learned from, all of which can be read.
        recipe: The settings.
        name: The name of the recipe in its registry.
        training: Fingerprints of the images.
        threshold: The line between accept and reject.
        seed: The seed of the fit.
        device: The device of the fit.

    Raises:
        InspectorError: The graph does not give what torch gives.
    """
    some = images.subset(range(min(_CHECKED, len(images))))
    few = unseen(next(some.batches(_CHECKED)).images)
    graph, difference = export(fit.fitted, few, typical=float(np.median(np.abs(fit.held_out))))
    if not difference <= (LARGEST_ROUNDED if b"QuantizeLinear" in graph else LARGEST_DIFFERENCE):
        raise InspectorError(
            f"what the exported graph gives differs from torch's by {difference:.1e}, relative; "
            "this is a defect of the exporter or the engine: try other versions of torch and openvino"
        )
    manifest = Manifest(
        task=DETECTION if fit.records.classifier is None else CLASSIFICATION,
        method=name,
        recipe=to_jsonable_python(dataclasses.asdict(recipe)),
        backbone=fit.fitted.features.backbone if isinstance(fit.fitted, FittedOnFeatures) else {},
        input_shape=images.shape,
        resize=RESIZE,
        bits=images.reading.bits,
        seed=seed,
        device=device,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={"python": platform.python_version()}
        | {library: version(library) for library in _LIBRARIES},
        training=training,
        held_out=np.sort(fit.held_out).tolist(),
        peaks=[] if fit.map_maxima is None else np.sort(fit.map_maxima).tolist(),
        validation=[],
        threshold=threshold,
        graph_hash=hashlib.sha256(graph).hexdigest(),
        graph_difference=difference,
    )
    return Inspector(manifest, graph, fit.records)


def unseen(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make images like others that are none of them, however turned or mirrored.

    A patch that was remembered has a distance of zero, which is all rounding, and tells nothing of a graph.

    Args:
        images: `(N, H, W, 3)`.

    Example:
        >>> unseen(np.array([0, 100], np.uint8).reshape(2, 1, 1, 1)).ravel().tolist()
        [50, 50]
    """
    others = np.flip(images, axis=(0, 1)).astype(np.uint16)
    return ((images + others) // 2).astype(np.uint8)


def export(fitted: FittedDetector, images: NDArray[np.uint8], *, typical: float) -> tuple[bytes, float]:
    """Export what was learned to a graph, and measure how far its outputs are from torch's.

    Frozen features come from the engine on both sides: `freeze` has compared them with torch's.

    Args:
        fitted: It is moved to the CPU.
        images: `(N, H, W, 3)`, at the shape that the graph will take.
        typical: A usual score; smaller ones are measured against it, since raw scores may pass through zero.

    Returns:
        The ONNX graph, with those parts of `Scores` that there are; and the largest difference, relative: of
        each score to itself, of other outputs to their largest value.
    """
    fitted = fitted.eval().cpu()
    with torch.inference_mode():
        ours = fitted(torch.from_numpy(images)).given
    outputs = ["score" if name == "image" else name for name in ours]
    if isinstance(fitted, FittedOnFeatures):
        graph = chain(fitted.features.graph, _Judge(fitted), outputs, rows=fitted.features.views)
    else:
        graph = to_onnx(_Whole(fitted), {"images": blank(images.shape[1:3])}, outputs)
    theirs = compile_graph(graph, keep=True)(images)  # the inspector will soon run it
    differences = []
    for name, expected, given in zip(ours, ours.values(), theirs, strict=True):
        known = expected.numpy()
        size = np.abs(known) if name == "image" else np.abs(known).max()
        scale = np.maximum(size, max(typical, 1e-12) if name in _IN_SCORES else 1e-6)
        differences.append(float(np.max(np.abs(known - given) / scale)))
    return graph, max(differences)


class _Whole(nn.Module):
    """A detector with plain tensors as outputs, as an exporter wants them."""

    def __init__(self, fitted: FittedDetector) -> None:
        super().__init__()
        self.fitted = fitted

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """What the method gives."""
        return tuple(self.fitted(images).given.values())


class _Judge(nn.Module):
    """The part of a detector behind its frozen features, with plain tensors as outputs."""

    def __init__(self, fitted: FittedOnFeatures) -> None:
        super().__init__()
        self.fitted = fitted

    def forward(self, *features: Tensor) -> tuple[Tensor, ...]:
        """What the method gives."""
        return tuple(self.fitted.score_features(features).given.values())
