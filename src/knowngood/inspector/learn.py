"""From a recipe and images to an inspector: what `fit` and `train` have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from knowngood.data.decoding import Source, name_of
from knowngood.data.images import image_size, significant_bits
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.data.samples import Selection, fingerprint
from knowngood.detectors.base import Fit
from knowngood.errors import DataError, RecipeError, UnreadableImage
from knowngood.features.extract import resolve_device
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.ship import ship
from knowngood.metrics.thresholds import Threshold
from knowngood.training.run import Run
from knowngood.types import Progress

if TYPE_CHECKING:
    from knowngood.classifiers import Classifier
    from knowngood.detectors import Detector

CHOSE_THE_EPOCH = "These images also chose the epoch whose weights were kept, so the bound leans low."
"""A note on a threshold."""

_SAMPLED = 100
_LONGEST = 4.0


def learn(
    recipe: Detector | Classifier,
    name: str,
    selection: Selection,
    threshold: Callable[[Fit], Threshold],
    *,
    seed: int,
    device: str,
    run: Run | None,
    on_unreadable: Callable[[UnreadableImage], None] | None,
    progress: Progress,
) -> Inspector:
    """Read the images, learn from them, and make an inspector of what was learned.

    Args:
        recipe: What to learn.
        name: Its name in the registry.
        selection: What to learn from.
        threshold: Sets the first threshold.
        seed: The same seed on the same images gives the same inspector.
        device: A torch device.
        run: How and where a network is trained.
        on_unreadable: Called once with each image that cannot be read, which is then left out.
        progress: Called during long work.

    Raises:
        KnowngoodError: What `knowngood.fit` and `knowngood.train` say.
    """
    unreadable: list[UnreadableImage] = []
    shape = input_shape(selection.sources, recipe.input_size, recipe.multiple)
    images = ImageSet(
        selection.sources,
        Reading(shape, bits=significant_bits(selection.sources)),
        selection.classes,
        selection.groups,
        selection.masks,
        on_unreadable=unreadable.append if on_unreadable else None,
    )
    fit = recipe.fit(images, seed=seed, device=device, progress=progress, run=run)
    if not np.isfinite(fit.held_out).all():
        remedy = "take a smaller learning_rate" if recipe.trains else "are all images constant?"
        raise DataError(f"scores of held-out good images are not finite numbers; {remedy}")
    # The images may have been read more than once.
    left_out = {failure.path: failure for failure in unreadable}
    for failure in left_out.values():
        if on_unreadable:
            on_unreadable(failure)
    read = images.subset(
        place for place, source in enumerate(images.sources) if name_of(source, place) not in left_out
    )
    training = fingerprint(read.sources)
    if len(set(training)) == 1:
        raise DataError(
            f"all {len(read)} good images are copies of one image; take photographs of several parts"
        )
    return ship(
        fit,
        read,
        recipe=recipe,
        name=name,
        training=training,
        threshold=threshold(fit),
        seed=seed,
        device=device,
    )


def checked_device(recipe: Detector | Classifier, *, seed: int, device: str, run: Run | None) -> str:
    """Refuse what cannot be done before any image is looked at; give the torch device.

    Args:
        recipe: What to learn.
        seed: Of the fit.
        device: `auto` or a torch device.
        run: How and where a network is trained.

    Raises:
        RecipeError: The device is not known, no library takes the seed, or the recipe trains no network that
            a run could be for.
    """
    if not 0 <= seed < 2**63:
        raise RecipeError(
            f"seed={seed} must be a whole number from 0 to 2**63 - 1", setting="seed", value=seed
        )
    if run is not None and not recipe.trains:
        raise RecipeError(f"{type(recipe).__name__} trains no network; leave out the run")
    return resolve_device(device)


def input_shape(sources: Sequence[Source], size: int, multiple: int) -> tuple[int, int]:
    """Choose the shape that images are resized to: about `size` squared pixels, in their usual aspect ratio.

    Both sides are multiples of a number. A ratio beyond 4 counts as 4.

    Example:
        >>> input_shape([], 500, 64)
        (512, 512)
    """
    step = max(1, len(sources) // _SAMPLED)
    sizes = [size for size in map(_size, sources[::step]) if not isinstance(size, UnreadableImage)]
    ratio = float(np.median([height / width for height, width in sizes])) if sizes else 1.0
    ratio = min(max(ratio, 1 / _LONGEST), _LONGEST)
    sides = np.array([size * ratio**0.5, size / ratio**0.5])
    height, width = np.maximum(np.round(sides / multiple), 1).astype(int) * multiple
    return int(height), int(width)


def _size(source: Source) -> tuple[int, int] | UnreadableImage:
    """Height and width of an image, or why it cannot be read."""
    try:
        return image_size(source)
    except UnreadableImage as failure:
        return failure
