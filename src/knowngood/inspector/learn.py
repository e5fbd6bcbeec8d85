"""From a recipe and images to an inspector: the common part of `fit` and `train`."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_jsonable_python

from knowngood.data.decoding import Source, name_of
from knowngood.data.framing import Framing, image_sizes, learn_framing
from knowngood.data.geometry import Geometry
from knowngood.data.image_names import names_of
from knowngood.data.imageset import ImageSet
from knowngood.data.pairs import check_references
from knowngood.data.reading import Reading, check_contrast
from knowngood.data.samples import fingerprint
from knowngood.data.selection import Selection
from knowngood.data.tiling import Tiling
from knowngood.detectors.base import Detector, Fit, FittedOnFeatures
from knowngood.engines.resizing import with_resizing
from knowngood.errors import DataError, InspectorError, RecipeError, UnreadableImage
from knowngood.features.extract import few, resolve_device
from knowngood.inspector.checked_graph import crop_of
from knowngood.inspector.detail import Looking, choose
from knowngood.inspector.examples import EXAMPLES, make_examples
from knowngood.inspector.exchangeability import (
    Compared,
    compare_held_out,
    groups_in_words,
    state_in_words,
)
from knowngood.inspector.exporting import verified_graph
from knowngood.inspector.few import check_enough
from knowngood.inspector.held_out import by_part, fit_by_parts
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.manifest import CLASSIFICATION, DETECTION, RESIZE, Manifest
from knowngood.registry import resolve
from knowngood.training.run import check_device

if TYPE_CHECKING:
    from knowngood.classifiers.base import Classifier
    from knowngood.metrics.thresholds import Threshold
    from knowngood.registry import Registry
    from knowngood.training.run import Run
    from knowngood.types import Progress

CHOSE_THE_EPOCH = "These images also chose the epoch whose weights were kept, so the bound leans low."
"""A note on a threshold."""

_LONGEST = 4.0
_LIBRARIES = ("knowngood", "torch", "lightning", "timm", "onnx", "openvino")


class Task(NamedTuple):
    """The methods of one of the tasks of inspectors, the function that chooses the first threshold, and where
    in images is looked, and how fine.
    """

    registry: Registry[Any]
    threshold: Callable[[Fit], Threshold]
    geometry: Geometry | None = None
    looking: Looking = Looking()


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
) -> Inspector:
    """Learn from the selected images, export the graph, verify it, and record its origin; see `fit`."""
    unreadable: list[UnreadableImage] = []
    progress("preparing", 1, 2)
    sources = selection.sources
    recipe, reading, sizes, alignment_note = _look(task, recipe, sources)
    report = unreadable.append if on_unreadable else None
    images = ImageSet(sources, reading, selection.classes, selection.groups, selection.masks, report)
    check_enough(recipe, images)
    progress("preparing", 2, 2)
    fit, images = fit_by_parts(recipe, images, seed=seed, device=device, progress=progress, run=run)
    _check_scores(fit, recipe)
    compared = _compared(fit, images.sources, selection.groups)
    fit, held_out_names = _by_part(fit, images, selection.names or names_of(sources))
    images = _readable(images, unreadable, on_unreadable)
    training = fingerprint(images.sources, progress=progress)
    _check_copies(training)
    some = few(images.subset(range(min(EXAMPLES, len(images)))).tiled(), EXAMPLES, seed)
    examples = make_examples(some, reading.of_graph)
    core, difference, scores = verified_graph(fit, examples.resized)
    graph = with_resizing(core, images.shape, crop_of(reading.of_graph))
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
        review=None,
        graph_hash=hashlib.sha256(graph).hexdigest(),
        graph_difference=difference,
        example_scores=scores,
        sizes=np.ravel([sizes.min(axis=0), sizes.max(axis=0)]).tolist() if len(sizes) else [],
        region={} if reading.roi is None else reading.roi.to_numbers(),
        alignment={} if reading.alignment is None else reading.alignment.to_numbers(),
        alignment_note=alignment_note,
        pairs=reading.pairs,
        tiles=[reading.tiling.side, reading.tiling.rim] if reading.tiling else [],
        detail=str(task.looking),
        augmented=fit.augmented,
        grouped=state_in_words(compared),
        apart=groups_in_words(compared),
    )
    return _checked(Inspector(manifest, graph, dataclasses.replace(fit.records, examples=examples.files)))


def checked_device(
    recipe: Detector | Classifier,
    *,
    seed: int,
    device: str,
    run: Run | None,
    geometry: Geometry | None = None,
) -> str:
    """Check all but the images; return the torch device.

    Raises:
        RecipeError: The device is not known, no library takes the seed, a run is given though the recipe
            trains no network, or a geometry though it compares images with references.
    """
    if not 0 <= seed < 2**63:
        raise RecipeError(
            f"seed={seed} must be a whole number from 0 to 2**63 - 1", setting="seed", value=seed
        )
    if run is not None and not recipe.trains:
        raise RecipeError(f"{type(recipe).__name__} trains no network; leave out the run")
    if geometry is not None and not geometry.whole and isinstance(recipe, Detector) and recipe.compares:
        raise RecipeError(
            f"{type(recipe).__name__} compares whole images with their references, which have no region and "
            "no alignment; leave out --roi, --ignore-region and --align, or take another detector"
        )
    check_device(device)
    return resolve_device(device)


def _look(
    task: Task, recipe: Detector | Classifier, sources: Sequence[Source]
) -> tuple[Detector | Classifier, Reading, NDArray[np.int64], str]:
    """Decide by the images where and how fine to look.

    Returns:
        The recipe at the input size that was chosen, how images are read, heights and widths of some
        `(n, 2)`, and why parts are aligned or not.
    """
    sizes = image_sizes(sources)
    pairs = isinstance(recipe, Detector) and recipe.compares
    if pairs:
        check_references(sources)
    framing = learn_framing(task.geometry or Geometry(), sources, sizes)
    input_size, tiling = choose(task.looking, recipe, framing.sizes, sources, framing.roi)
    if input_size != recipe.input_size:
        recipe = resolve(task.registry, recipe, {"input_size": input_size})
    of_network = framing.sizes if tiling is None else np.full((1, 2), tiling.side)
    whole = framing.reading(input_shape(of_network, recipe.input_size, recipe.multiple), pairs=pairs)
    check_contrast(sources, whole)
    _check_tiles(tiling, framing, pairs)
    return recipe, dataclasses.replace(whole, tiling=tiling), sizes, framing.note


def _checked(inspector: Inspector) -> Inspector:
    """The inspector, if it could be loaded again: nothing else is made."""
    try:
        inspector.check()
    except InspectorError as error:
        raise InspectorError(f"{error}; take a smaller input_size, or other settings") from error
    return inspector


def _check_tiles(tiling: Tiling | None, framing: Framing, pairs: bool) -> None:
    """Refuse to cut tiles out of parts that are turned, and out of images with references.

    Raises:
        RecipeError: Tiles, which were asked for or which the detail needs, meet an alignment or references.
    """
    met = {
        "an alignment (--align)": framing.alignment is not None,
        "references": pairs,
    }
    for what, given in met.items():
        if tiling is not None and given:
            raise RecipeError(
                f"tiles of {tiling.side} pixels and {what} do not go together; take tiles=none or leave out "
                f"{what}",
                setting="tiles",
                value=tiling.side,
            )


def _check_scores(fit: Fit, recipe: Detector | Classifier) -> None:
    """Refuse scores of held-out images that no threshold can be set on.

    Raises:
        DataError: They are not finite numbers.
    """
    if not np.isfinite(fit.held_out).all():
        remedy = "take a smaller learning_rate" if recipe.trains else "are all images constant?"
        raise DataError(f"scores of held-out good images are not finite numbers; {remedy}")


def _check_copies(training: Sequence[str]) -> None:
    """Refuse images with these fingerprints if they are one image.

    Raises:
        DataError: They are.
    """
    if len(set(training)) == 1 < len(training):
        raise DataError(
            f"all {len(training)} good images are copies of one image; take photographs of several parts"
        )


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


def _compared(fit: Fit, sources: Sequence[Source], column: Sequence[Any] | None) -> list[Compared]:
    """The groups of good images, compared by their held-out scores; nothing where all have the same score."""
    places = fit.places.tolist()
    groups = None if column is None else [column[place] for place in places]
    return compare_held_out(fit.held_out, [sources[place] for place in places], groups)


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
