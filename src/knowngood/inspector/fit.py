"""From good images to an inspector."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from knowngood.data.images import image_size, significant_bits
from knowngood.data.loader import Batches
from knowngood.data.samples import check_samples, fingerprint, good_train, load_samples
from knowngood.detectors import DETECTORS, Detector, FittedDetector, make_detector
from knowngood.engines.engine import compile_graph
from knowngood.engines.export import to_onnx
from knowngood.errors import DataError, InspectorError, UnreadableImage
from knowngood.features.backbones import Backbone
from knowngood.features.extract import resolve_device
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.manifest import RESIZE, Manifest
from knowngood.metrics.thresholds import conformal
from knowngood.types import Progress, silent

MAX_FALSE_REJECT = 0.05
"""The false-reject rate for which the threshold is set at first; `knowngood threshold` moves it."""

LARGEST_DIFFERENCE = 1e-4
"""The most that a graph's scores may differ from torch's, relative."""

_CHECKED = 2
_SAMPLED = 100
_MULTIPLE = 64
_LONGEST = 4.0


def fit(
    data: str | Path | pd.DataFrame,
    detector: str | Detector = "patchcore",
    *,
    seed: int = 0,
    device: str = "auto",
    skip_unreadable: bool = False,
    progress: Progress = silent,
) -> Inspector:
    """Learn an inspector from the good training images of a folder or table.

    Args:
        data: A folder in a layout that `knowngood.data.layouts` recognises, a CSV or Parquet table, or the
            table itself. Only good images of the train split are looked at.
        detector: A name in `knowngood.detectors.DETECTORS`, or a recipe.
        seed: The same seed on the same images gives the same inspector.
        device: `auto`, `cpu` or `cuda`.
        skip_unreadable: Whether to go on without the images that cannot be read.
        progress: Called during long work.

    Returns:
        The inspector, its threshold set for 5 % false rejects on held-out good images.

    Raises:
        DataError: There are too few good images, or some cannot be read.
        RecipeError: The detector or the device is not known.
        WeightsError: The backbone's weights are not on this machine.

    Example::

        inspector = fit("widget/")
        inspector.save("widget.inspector")
    """
    recipe = make_detector(detector) if isinstance(detector, str) else detector
    device = resolve_device(device)
    good = good_train(check_samples(data) if isinstance(data, pd.DataFrame) else load_samples(data))
    paths = [str(path) for path in good["path"]]
    if skip_unreadable:
        readable = [not isinstance(_size(path), UnreadableImage) for path in paths]
        good = good_train(good[readable])
        paths = [str(path) for path in good["path"]]
    shape = input_shape(paths, recipe.input_size)
    images = Batches(
        paths,
        shape,
        bits=significant_bits(paths),
        groups=list(good["group"]) if "group" in good else None,
        skip_unreadable=skip_unreadable,
    )
    fitted, held_out = recipe.fit(images, seed=seed, device=device, progress=progress)
    if not np.isfinite(held_out).all():
        raise DataError("scores of good images are not finite numbers; are all images constant?")

    graph = export(fitted, shape)
    few = next(iter(dataclasses.replace(images, size=_CHECKED)))
    difference = graph_difference(fitted, graph, few.images, typical=float(np.median(np.abs(held_out))))
    if difference > LARGEST_DIFFERENCE:
        raise InspectorError(
            f"the exported graph's scores differ from torch's by {difference:.1e}, relative; "
            "this is a defect of the exporter or the engine: try other versions of torch and openvino"
        )
    backbone = next((part for part in fitted.modules() if isinstance(part, Backbone)), None)
    manifest = Manifest(
        detector=next(name for name, kind in DETECTORS.items() if kind is type(recipe)),
        recipe=_recipe_values(recipe),
        backbone={}
        if backbone is None
        else {"name": backbone.name, "weights": backbone.weights, "weights_hash": backbone.weights_hash},
        input_shape=shape,
        resize=RESIZE,
        bits=images.bits,
        seed=seed,
        device=device,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={"python": platform.python_version()}
        | {name: version(name) for name in ("knowngood", "torch", "timm", "onnx", "openvino")},
        training=fingerprint(paths),
        held_out=np.sort(held_out).tolist(),
        validation=[],
        threshold=conformal(held_out, MAX_FALSE_REJECT),
        graph_hash=hashlib.sha256(graph).hexdigest(),
        graph_difference=difference,
    )
    return Inspector(manifest, graph)


def input_shape(paths: Sequence[str], size: int) -> tuple[int, int]:
    """Choose the shape that images are resized to: about `size` squared pixels, in their usual aspect ratio.

    Both sides are multiples of 64, so that every scale and stride divides them. A ratio beyond 4 counts as 4.

    Example:
        >>> input_shape([], 500)
        (512, 512)
    """
    step = max(1, len(paths) // _SAMPLED)
    sizes = [size for size in map(_size, paths[::step]) if not isinstance(size, UnreadableImage)]
    ratio = float(np.median([height / width for height, width in sizes])) if sizes else 1.0
    ratio = min(max(ratio, 1 / _LONGEST), _LONGEST)
    sides = np.array([size * ratio**0.5, size / ratio**0.5])
    height, width = np.maximum(np.round(sides / _MULTIPLE), 1).astype(int) * _MULTIPLE
    return int(height), int(width)


def export(fitted: FittedDetector, shape: tuple[int, int]) -> bytes:
    """Export a fitted detector to an ONNX graph that gives `score` and, where the method has one, `map`."""
    with torch.inference_mode():
        blank = torch.zeros((1, *shape, 3), dtype=torch.uint8)
        has_map = fitted.eval().cpu()(blank).map is not None
    return to_onnx(_Outputs(fitted), shape, ["score", "map"] if has_map else ["score"])


def graph_difference(fitted: FittedDetector, graph: bytes, images: Any, *, typical: float) -> float:
    """Largest difference between torch's image scores and the graph's, relative to the score.

    Args:
        fitted: The detector, on the CPU.
        graph: What was exported from it.
        images: uint8 `(N, H, W, 3)`.
        typical: A usual score; smaller ones are measured against it, since raw scores may pass through zero.
    """
    with torch.inference_mode():
        ours = fitted(torch.from_numpy(images)).image.numpy()
    theirs = compile_graph(graph)(images)[0]
    return float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(ours), max(typical, 1e-12))))


class _Outputs(nn.Module):
    """A detector with plain tensors as outputs, as an exporter wants them."""

    def __init__(self, fitted: FittedDetector) -> None:
        super().__init__()
        self.fitted = fitted

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Image scores, and maps where the method has them."""
        image, maps = self.fitted(images)
        return (image,) if maps is None else (image, maps)


def _recipe_values(recipe: Detector) -> dict[str, Any]:
    """The recipe as JSON has it."""
    values = dataclasses.asdict(recipe)  # type: ignore[call-overload]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _size(path: str) -> tuple[int, int] | UnreadableImage:
    """Height and width of an image, or why it cannot be read."""
    try:
        return image_size(path)
    except UnreadableImage as failure:
        return failure
