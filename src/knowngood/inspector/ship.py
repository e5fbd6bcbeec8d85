"""From what was learned to what ships: the graph, checked against torch, and the manifest."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knowngood.data.loader import Batches
from knowngood.detectors import FittedDetector
from knowngood.detectors.base import FittedOnFeatures
from knowngood.engines.engine import compile_graph
from knowngood.engines.export import blank, chain, to_onnx
from knowngood.errors import InspectorError
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.manifest import RESIZE, Manifest
from knowngood.metrics.thresholds import Threshold
from knowngood.registry import Registry
from knowngood.training.record import TrainingRecord

LARGEST_DIFFERENCE = 1e-4
"""The most that a graph's scores may differ from torch's, relative."""

LARGEST_ROUNDED = 5e-3
"""The same for a graph in 8 bits, where a value between two levels may be rounded either way."""

_CHECKED = 2


def ship(
    fitted: FittedDetector,
    images: Batches,
    *,
    recipe: object,
    registry: Registry[object],
    training: list[str],
    held_out: NDArray[np.float64],
    peaks: NDArray[np.float64] | None,
    threshold: Threshold,
    record: TrainingRecord | None,
    seed: int,
    device: str,
) -> Inspector:
    """Export what was learned, and write down where it comes from.

    Args:
        fitted: What judges images.
        images: The images learned from, all of which can be read.
        recipe: The hyper-parameters, a dataclass.
        registry: The recipes of its kind by name.
        training: Fingerprints of the images.
        held_out: Scores of good images that were not learned from, `(M,)`.
        peaks: See `Manifest.peaks`; None where scores are the maps' largest values.
        threshold: The line between accept and reject.
        record: How a network or classifier was trained.
        seed: The seed of the fit.
        device: The device of the fit.

    Raises:
        InspectorError: The graph's scores are not torch's.
    """
    some = dataclasses.replace(images, sources=images.sources[:_CHECKED], size=_CHECKED)
    few = unseen(next(iter(some)).images)
    graph, difference = export(fitted, few, typical=float(np.median(np.abs(held_out))))
    if not difference <= (LARGEST_ROUNDED if b"QuantizeLinear" in graph else LARGEST_DIFFERENCE):
        raise InspectorError(
            f"the exported graph's scores differ from torch's by {difference:.1e}, relative; "
            "this is a defect of the exporter or the engine: try other versions of torch and openvino"
        )
    manifest = Manifest(
        detector=registry.name_of(recipe),
        recipe=_recipe_values(recipe),
        backbone=fitted.features.backbone if isinstance(fitted, FittedOnFeatures) else {},
        input_shape=images.shape,
        resize=RESIZE,
        bits=images.bits,
        seed=seed,
        device=device,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={"python": platform.python_version()}
        | {name: version(name) for name in ("knowngood", "torch", "lightning", "timm", "onnx", "openvino")},
        training=training,
        held_out=np.sort(held_out).tolist(),
        peaks=[] if peaks is None else np.sort(peaks).tolist(),
        validation=[],
        threshold=threshold,
        graph_hash=hashlib.sha256(graph).hexdigest(),
        graph_difference=difference,
    )
    return Inspector(manifest, graph, record)


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
    """Export a fitted detector to a graph, and measure how far its image scores are from torch's.

    Frozen features come from the engine on both sides: `freeze` has compared them with torch's.

    Args:
        fitted: It is moved to the CPU.
        images: `(N, H, W, 3)`, at the shape that the graph will take.
        typical: A usual score; smaller ones are measured against it, since raw scores may pass through zero.

    Returns:
        The ONNX graph, with those parts of `Scores` that there are; and the largest difference, relative.
    """
    fitted = fitted.eval().cpu()
    with torch.inference_mode():
        ours = fitted(torch.from_numpy(images))
    outputs = ["score" if name == "image" else name for name in ours.given]
    if isinstance(fitted, FittedOnFeatures):
        graph = chain(fitted.features.graph, _Judge(fitted), outputs, rows=fitted.features.views)
    else:
        graph = to_onnx(_Whole(fitted), {"images": blank(images.shape[1:3])}, outputs)
    theirs = compile_graph(graph, keep=True)(images)[0]  # the inspector will soon run it
    scale = np.maximum(np.abs(ours.image.numpy()), max(typical, 1e-12))
    return graph, float(np.max(np.abs(ours.image.numpy() - theirs) / scale))


class _Whole(nn.Module):
    """A detector with plain tensors as outputs, as an exporter wants them."""

    def __init__(self, fitted: FittedDetector) -> None:
        super().__init__()
        self.fitted = fitted

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """What the method gives."""
        return tuple(self.fitted(images).given.values())


class _Judge(nn.Module):
    """The part of a detector behind its frozen features, likewise."""

    def __init__(self, fitted: FittedOnFeatures) -> None:
        super().__init__()
        self.fitted = fitted

    def forward(self, *features: Tensor) -> tuple[Tensor, ...]:
        """What the method gives."""
        return tuple(self.fitted.judge(features).given.values())


def _recipe_values(recipe: object) -> dict[str, Any]:
    """The recipe as JSON has it."""
    # Every recipe is a dataclass, which the type of their abstract base cannot say.
    values = dataclasses.asdict(recipe)  # type: ignore[call-overload]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
