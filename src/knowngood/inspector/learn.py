"""From a recipe and images to an inspector: the common part of `fit` and `train`."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic_core import to_jsonable_python
from torch import Tensor, nn

from knowngood.data.decoding import Source, name_of
from knowngood.data.image_names import names_of
from knowngood.data.images import check_contrast, image_size, significant_bits
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.data.samples import fingerprint
from knowngood.data.selection import Selection
from knowngood.detectors.base import Fit, FittedDetector, FittedOnFeatures
from knowngood.engines.engine import DEFAULT_ENGINE, compile_graph
from knowngood.engines.export import blank, chain, to_onnx
from knowngood.engines.resizing import with_resizing
from knowngood.errors import DataError, InspectorError, RecipeError, UnreadableImage
from knowngood.features.extract import few, resolve_device
from knowngood.inspector.detail import Looking, choose
from knowngood.inspector.examples import EXAMPLES, make_examples
from knowngood.inspector.held_out import by_part, fit_by_parts
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.manifest import CLASSIFICATION, DETECTION, RESIZE, Manifest
from knowngood.registry import resolve
from knowngood.training.run import check_device

if TYPE_CHECKING:
    from knowngood.classifiers.base import Classifier
    from knowngood.detectors.base import Detector
    from knowngood.metrics.thresholds import Threshold
    from knowngood.registry import Registry
    from knowngood.training.run import Run
    from knowngood.types import Progress

CHOSE_THE_EPOCH = "These images also chose the epoch whose weights were kept, so the bound leans low."
"""A note on a threshold."""

LARGEST_DIFFERENCE = 1e-4
"""The largest relative difference allowed between a graph's scores and torch's."""

LARGEST_ROUNDED = 5e-3
"""The same for a graph in 8 bits, where a value between two levels may be rounded either way."""

_SAMPLED = 100
_LONGEST = 4.0
_IN_SCORES = ("image", "map")
_LIBRARIES = ("knowngood", "torch", "lightning", "timm", "onnx", "openvino")


class Task(NamedTuple):
    """The methods of one of the tasks of inspectors, and the function that chooses the first threshold."""

    registry: Registry[Any]
    threshold: Callable[[Fit], Threshold]


def learn(
    task: Task,
    recipe: Detector | Classifier,
    selection: Selection,
    *,
    seed: int,
    device: str,
    run: Run | None,
    on_unreadable: Callable[[UnreadableImage], None] | None,
    progress: Progress,
    looking: Looking,
) -> Inspector:
    """Learn from the selected images, export the graph, verify it, and record its origin; see `fit`."""
    unreadable: list[UnreadableImage] = []
    progress("preparing", 1, 2)
    sources = selection.sources
    sizes = image_sizes(sources)
    input_size, tiling = choose(looking, recipe, sizes, sources)
    if input_size != recipe.input_size:
        recipe = resolve(task.registry, recipe, {"input_size": input_size})
    of_network = sizes if tiling is None else np.full((1, 2), tiling.side)
    shape = input_shape(of_network, recipe.input_size, recipe.multiple)
    reading = Reading(shape, significant_bits(sources), tiling)
    check_contrast(sources, shape, bits=reading.bits)
    report = unreadable.append if on_unreadable else None
    images = ImageSet(sources, reading, selection.classes, selection.groups, selection.masks, report)
    progress("preparing", 2, 2)
    fit, images = fit_by_parts(recipe, images, seed=seed, device=device, progress=progress, run=run)
    if not np.isfinite(fit.held_out).all():
        remedy = "take a smaller learning_rate" if recipe.trains else "are all images constant?"
        raise DataError(f"scores of held-out good images are not finite numbers; {remedy}")
    fit, held_out_names = _by_part(fit, images, selection.names or names_of(sources))
    images = _readable(images, unreadable, on_unreadable)
    training = fingerprint(images.sources, progress=progress)
    if len(set(training)) == 1:
        raise DataError(
            f"all {len(images)} good images are copies of one image; take photographs of several parts"
        )
    first = images.subset(range(min(EXAMPLES, len(images)))).tiled()
    examples = make_examples(few(first, EXAMPLES, seed))
    core, difference, scores = _verified_graph(fit, examples.resized)
    graph = with_resizing(core, images.shape)
    manifest = Manifest(
        task=DETECTION if fit.records.classifier is None else CLASSIFICATION,
        method=task.registry.name_of(recipe),
        recipe=to_jsonable_python(dataclasses.asdict(recipe)),
        backbone=fit.fitted.features.backbone if isinstance(fit.fitted, FittedOnFeatures) else {},
        input_shape=images.shape,
        resize=RESIZE,
        bits=images.reading.bits,
        seed=seed,
        device=device,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={"python": platform.python_version()} | {name: version(name) for name in _LIBRARIES},
        data=selection.data,
        training=training,
        held_out=fit.held_out.tolist(),
        held_out_names=held_out_names,
        left_out=dict(zip(selection.left_out, fingerprint(list(selection.left_out.values())), strict=True)),
        map_maxima=[] if fit.map_maxima is None else np.sort(fit.map_maxima).tolist(),
        validation=[],
        threshold=task.threshold(fit),
        graph_hash=hashlib.sha256(graph).hexdigest(),
        graph_difference=difference,
        example_scores=scores,
        sizes=np.ravel([sizes.min(axis=0), sizes.max(axis=0)]).tolist() if len(sizes) else [],
        tiles=[tiling.side, tiling.overlap] if tiling else [],
        detail=str(looking),
    )
    inspector = Inspector(manifest, graph, dataclasses.replace(fit.records, examples=examples.files))
    try:
        inspector.check()  # nothing is made that could not be loaded
    except InspectorError as error:
        raise InspectorError(f"{error}; take a smaller input_size, or other settings") from error
    return inspector


def checked_device(recipe: Detector | Classifier, *, seed: int, device: str, run: Run | None) -> str:
    """Check all but the images; return the torch device.

    Raises:
        RecipeError: The device is not known, no library takes the seed, or a run is given though the recipe
            trains no network.
    """
    if not 0 <= seed < 2**63:
        raise RecipeError(
            f"seed={seed} must be a whole number from 0 to 2**63 - 1", setting="seed", value=seed
        )
    if run is not None and not recipe.trains:
        raise RecipeError(f"{type(recipe).__name__} trains no network; leave out the run")
    check_device(device)
    return resolve_device(device)


def image_sizes(sources: Sequence[Source]) -> NDArray[np.int64]:
    """Heights and widths of some images, evenly spread over the list, `(n, 2)`."""
    found = []
    for source in sources[:: max(1, len(sources) // _SAMPLED)]:
        with suppress(UnreadableImage):
            found.append(image_size(source))
    return np.array(found, np.int64).reshape(-1, 2)


def input_shape(sizes: NDArray[np.int64], size: int, multiple: int) -> tuple[int, int]:
    """The shape that images are resized to: about `size` squared pixels, in their median aspect ratio.

    Both sides are a multiple of `multiple`. A ratio beyond 4 counts as 4.

    Example:
        >>> input_shape(np.array([[400, 400]]), 500, 64)
        (512, 512)
    """
    ratio = float(np.median(sizes[:, 0] / sizes[:, 1])) if len(sizes) else 1.0
    ratio = min(max(ratio, 1 / _LONGEST), _LONGEST)
    sides = np.array([size * ratio**0.5, size / ratio**0.5])
    height, width = np.maximum(np.round(sides / multiple), 1).astype(int) * multiple
    return int(height), int(width)


def _by_part(fit: Fit, images: ImageSet, names: Sequence[str]) -> tuple[Fit, list[list[str]]]:
    """The fit with one held-out score per part, and the names of the images of each."""
    places = fit.places.tolist()
    parts = places if images.groups is None else [images.groups[place] for place in places]
    scores, of_parts = by_part(fit.held_out, [names[place] for place in places], parts)
    return fit._replace(held_out=scores), of_parts


def _readable(
    images: ImageSet,
    unreadable: Sequence[UnreadableImage],
    on_unreadable: Callable[[UnreadableImage], None] | None,
) -> ImageSet:
    """The images that could be read; each of the others, which may have failed several times, is reported."""
    left_out = {failure.path: failure for failure in unreadable}
    if on_unreadable:
        for failure in left_out.values():
            on_unreadable(failure)
    return images.subset(
        place for place, source in enumerate(images.sources) if name_of(source, place) not in left_out
    )


def _verified_graph(fit: Fit, images: NDArray[np.uint8]) -> tuple[bytes, float, list[float]]:
    """The exported graph, how far its outputs are from torch's, and its scores of the images; an error if
    that is too far.
    """
    typical = float(np.median(np.abs(fit.held_out)))
    graph, difference, scores = export(fit.fitted, images, typical=typical)
    if not difference <= (LARGEST_ROUNDED if b"QuantizeLinear" in graph else LARGEST_DIFFERENCE):
        raise InspectorError(
            f"what the exported graph gives differs from torch's by {difference:.1e}, relative; "
            "this is a defect of the exporter or the engine: try other versions of torch and openvino"
        )
    return graph, difference, scores


def export(
    fitted: FittedDetector, images: NDArray[np.uint8], *, typical: float
) -> tuple[bytes, float, list[float]]:
    """Export a fitted method to a graph, and measure how far its outputs are from torch's.

    Frozen features come from the engine on both sides: `freeze` has compared them with torch's.

    Args:
        fitted: It is moved to the CPU.
        images: `(N, H, W, 3)`, at the input shape of the graph.
        typical: A usual score, which the differences of smaller ones are relative to.

    Returns:
        The ONNX graph, with those parts of `Scores` that there are; and the largest relative difference: of
        each score to itself, of other outputs to their largest value. And the scores.
    """
    fitted = fitted.eval().cpu()
    with torch.inference_mode():
        in_torch = fitted(torch.from_numpy(images)).given
    outputs = ["score" if name == "image" else name for name in in_torch]
    if isinstance(fitted, FittedOnFeatures):
        graph = chain(fitted.features.graph, _Tensors(fitted), outputs, rows=fitted.features.views)
    else:
        graph = to_onnx(_Tensors(fitted), {"images": blank(images.shape[1:3])}, outputs)
    engine = fitted.features.engine_name if isinstance(fitted, FittedOnFeatures) else DEFAULT_ENGINE
    in_graph = compile_graph(graph, engine, keep=True)(images)  # the inspector will soon run it
    differences = []
    for (name, expected), given in zip(in_torch.items(), in_graph, strict=True):
        known = expected.numpy()
        size = np.abs(known) if name == "image" else np.abs(known).max()
        scale = np.maximum(size, max(typical, 1e-12) if name in _IN_SCORES else 1e-6)
        differences.append(float(np.max(np.abs(known - given) / scale)))
    return graph, max(differences), in_graph[outputs.index("score")].tolist()


class _Tensors(nn.Module):
    """A fitted method with plain tensors as outputs, as an exporter wants them."""

    def __init__(self, fitted: FittedDetector) -> None:
        super().__init__()
        self.fitted = fitted

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Score images, or features where the method is fitted on them."""
        fitted = self.fitted
        scores = fitted.score_features(inputs) if isinstance(fitted, FittedOnFeatures) else fitted(*inputs)
        return tuple(scores.given.values())
