"""From good images to an inspector."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.decoding import Source, name_of
from knowngood.data.images import image_size, significant_bits
from knowngood.data.loader import Batches
from knowngood.data.samples import fingerprint, good_sources
from knowngood.detectors import DETECTORS, Detector, make_detector
from knowngood.errors import DataError, RecipeError, UnreadableImage
from knowngood.features.extract import resolve_device
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.manifest import MAX_FALSE_REJECT
from knowngood.inspector.ship import ship
from knowngood.metrics.thresholds import Threshold, conformal
from knowngood.training.run import Run
from knowngood.types import Progress, silent

if TYPE_CHECKING:
    from knowngood.classifiers import Classifier

_SAMPLED = 100
_LONGEST = 4.0


def fit(
    data: str | Path | pd.DataFrame | Sequence[Source] | NDArray[Any],
    detector: str | Detector = "patchcore",
    *,
    seed: int = 0,
    classes: Sequence[Any] | None = None,
    device: str = "auto",
    run: Run | None = None,
    on_unreadable: Callable[[UnreadableImage], None] | None = None,
    progress: Progress = silent,
) -> Inspector:
    """Learn an inspector from the good training images of a folder or table, or from good images alone.

    Args:
        data: A folder in a layout that `knowngood.data.layouts` recognises, a CSV or Parquet table, or the
            table itself: only good images of the train split are looked at. Or good images, all to learn
            from: a sequence of paths and arrays `(H, W)`, `(H, W, 3)` or `(H, W, 4)` of uint8 or uint16 in
            RGB order, or one array `(N, H, W)` or `(N, H, W, 3)`.
        detector: A name in `knowngood.detectors.DETECTORS`, or a recipe.
        seed: The same seed on the same images gives the same inspector.
        classes: The class of each image where images are given alone, for detectors that tell the classes
            of good parts apart; a table's are its column `class`.
        device: `auto`, `cpu` or `cuda`.
        run: How and where to train, for detectors whose network is trained: a folder in which a training that
            was cut off goes on, the precision, the number of devices.
        on_unreadable: Called with each image that cannot be read, which is then left out; without it such
            images are an error.
        progress: Called during long work.

    Returns:
        The inspector, its threshold set for 5 % false rejects on held-out good images.

    Raises:
        DataError: There are too few good images, all are the same, some cannot be read, or what was given
            is no image.
        RecipeError: The detector or the device is not known, or the seed is out of range; a run is given
            to a detector that trains nothing; or its folder holds a training with another recipe.
        TrainingError: The training went wrong.
        WeightsError: The backbone's weights are not on this machine.

    Example::

        inspector = fit("widget/")
        inspector.save("widget.inspector")
        inspector = fit(photographs)    # uint8 (N, H, W, 3), as a camera's program has them
    """
    recipe = make_detector(detector) if isinstance(detector, str) else detector
    device = resolve_device(device)
    check_seed(seed)
    check_run(run, recipe)
    sources, groups, names = good_sources(data, classes)
    shape = input_shape(sources, recipe.input_size, recipe.multiple)
    unreadable: list[UnreadableImage] = []
    images = Batches(
        sources,
        shape,
        bits=significant_bits(sources),
        groups=groups,
        classes=names,
        on_unreadable=unreadable.append if on_unreadable else None,
    )
    fitted, held_out, peaks, record = recipe.fit(images, seed=seed, device=device, progress=progress, run=run)
    if not np.isfinite(held_out).all():
        remedy = "are all images constant?" if record is None else "take a smaller learning_rate"
        raise DataError(f"scores of good images are not finite numbers; {remedy}")
    # A detector may read the images more than once.
    left_out = {failure.path: failure for failure in unreadable}
    for failure in left_out.values():
        if on_unreadable:
            on_unreadable(failure)
    sources = [source for place, source in enumerate(sources) if name_of(source, place) not in left_out]
    training = fingerprint(sources)
    if len(set(training)) == 1:
        raise DataError(
            f"all {len(sources)} good images are copies of one image; take photographs of several parts"
        )

    return ship(
        fitted,
        dataclasses.replace(images, sources=sources),
        recipe=recipe,
        registry=DETECTORS,
        training=training,
        held_out=held_out,
        peaks=peaks,
        threshold=_threshold(held_out, chose_the_epoch=record is not None),
        record=record,
        seed=seed,
        device=device,
    )


def _threshold(held_out: NDArray[np.float64], *, chose_the_epoch: bool) -> Threshold:
    """The first threshold; where the same images chose an epoch, its bound is no longer exact."""
    threshold = conformal(held_out, MAX_FALSE_REJECT)
    notes = [threshold.note]
    if chose_the_epoch:
        notes.append("These images also chose the epoch whose weights were kept, so the bound leans low.")
    if len(held_out) > 1 and np.ptp(held_out) == 0:
        notes.append("They all have the same score, so it tells nothing apart: try another seed or network.")
    return dataclasses.replace(threshold, note=" ".join(filter(None, notes)))


def check_seed(seed: int) -> None:
    """Refuse a seed that not every library takes.

    Raises:
        RecipeError: It is out of range.
    """
    if not 0 <= seed < 2**63:
        raise RecipeError(f"seed={seed} must be a whole number from 0 to 2**63 - 1")


def check_run(run: Run | None, recipe: Detector | Classifier) -> None:
    """Refuse a run for a recipe that trains no network.

    Raises:
        RecipeError: It is one.
    """
    if run is not None and not recipe.trains:
        raise RecipeError(f"{type(recipe).__name__} trains no network; leave out the run")


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
