"""From good images to an inspector."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from knowngood.data.selection import good_sources
from knowngood.detectors.registry import DETECTORS
from knowngood.errors import DataError
from knowngood.inspector.detail import Looking
from knowngood.inspector.learn import CHOSE_THE_EPOCH, Task, checked_device, learn
from knowngood.inspector.manifest import MAX_FALSE_REJECT
from knowngood.metrics.thresholds import Threshold, conformal
from knowngood.notebook import followed
from knowngood.registry import resolve
from knowngood.types import Progress

ONE_IMAGE = (
    "The only good image was scored by a model of its copies, and other good parts score higher: expect that "
    "most are rejected. Fit to more images, or set the threshold on labelled ones."
)
"""A note on a threshold."""

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from knowngood.data.arguments import Images
    from knowngood.data.geometry import Geometry
    from knowngood.detectors.base import Detector, Fit
    from knowngood.errors import UnreadableImage
    from knowngood.inspector.inspector import Inspector
    from knowngood.training.run import Run


def fit(
    data: pd.DataFrame | Images,
    detector: str | Detector = "patchcore",
    *,
    seed: int = 0,
    classes: Iterable[Any] | None = None,
    without: str | Path | Sequence[str | Path] = (),
    geometry: Geometry | None = None,
    device: str = "auto",
    run: Run | None = None,
    on_unreadable: Callable[[UnreadableImage], None] | None = None,
    progress: Progress | None = None,
    tiles: str | int | None = None,
    detail: str = "normal",
    smallest_defect: str | float | None = None,
    **settings: Any,
) -> Inspector:
    """Learn an inspector from the good training images of a folder or table, or from good images alone.

    Args:
        data: A folder in a layout that `knowngood.data.layouts` recognises, a CSV or Parquet table, or the
            table itself: only good images of the train split are read. Or good images, all to learn from:
            any iterable of paths, bytes of files, open files, images of Pillow's, tensors, and arrays
            `(H, W)`, `(H, W, 3)` or `(H, W, 4)` of uint8 or uint16 in RGB order, or one array `(N, H, W)` or
            `(N, H, W, 3)`; see `knowngood.data.arguments`.
        detector: A name in `knowngood.detectors.DETECTORS`, or a recipe.
        seed: The same seed on the same images gives the same inspector.
        classes: The class of each image where images are given alone, for detectors that separate classes
            of good parts; a table has them in its column `class`.
        without: Good images that are left out, such as defects that were found among them: the last parts of
            their paths, or `[3]` for the fourth of images given as arrays. See `Manifest.far_outside`.
        geometry: Where in the images is looked: a region of interest, regions to ignore, alignment; see
            `knowngood.Geometry`. None for all of each image, as it is.
        device: `auto`, `cpu` or `cuda`.
        run: Where and how a network is trained: a folder in which an interrupted training resumes, the
            precision, the number of devices.
        on_unreadable: Called with each image that cannot be read, which is then left out; without it such
            images are an error.
        progress: Called during long work; without it, a notebook shows a bar.
        tiles: The side in pixels of overlapping tiles that each image is cut into at its own scale; `auto`
            chooses it from the images, `none` resizes whole images, and so does None unless the detail needs
            tiles. An image has the score of its most anomalous tile.
        detail: `fast`, `normal` or `fine`: the size of the network's input, see `knowngood.inspector.detail`.
        smallest_defect: Its side, as `12px` or as a share of the image's side, `3%`, in place of a detail.
        settings: Settings of the detector that differ from its defaults, or from the recipe.

    Returns:
        The inspector, its threshold set for 5 % false rejects on held-out good images. Photographs of one
        part, which are those with the same `group` in a table, else those that look like copies of each
        other, are held out together and count once.

    Raises:
        DataError: There are too few good images, all are the same, some cannot be read, or what was given
            is no image; or a region does not fit the images.
        RecipeError: The detector, a setting or the device is not known, or a value is out of range; tiles are
            larger than every image; a run is given to a detector that trains nothing, or its folder holds a
            training with another recipe; a geometry is given to a detector that compares images with
            references; or images that would be cut into tiles are aligned or have references.
        TrainingError: The training went wrong.
        WeightsError: The backbone's weights are not on this machine.

    Example::

        inspector = fit("widget/")
        inspector = fit("widget/", "patchcore", coreset=1000)
        inspector = fit("widget/", geometry=Geometry(roi="roi.json"))
        inspector = fit(photographs)    # uint8 (N, H, W, 3), as a camera's program has them
    """
    if "labels" in settings:
        raise DataError(
            "fit takes no labels: give the good images alone, or load_samples(images, labels=labels), of "
            "which it uses the good ones; train(images, labels=labels) learns from good parts and defects"
        )
    progress = followed(progress)
    recipe = resolve(DETECTORS, detector, settings)
    looking = Looking(tiles, detail, smallest_defect)
    device = checked_device(recipe, seed=seed, device=device, run=run, geometry=geometry)
    return learn(
        Task(DETECTORS, _first_threshold, geometry, looking),
        recipe,
        good_sources(data, classes).without(without),
        seed=seed,
        device=device,
        run=run,
        on_unreadable=on_unreadable,
        progress=progress,
    )


def _first_threshold(fit: Fit) -> Threshold:
    """The first threshold; where the same images chose an epoch, its bound is no longer exact."""
    threshold = conformal(fit.held_out, MAX_FALSE_REJECT)
    notes = [threshold.note]
    if len(fit.held_out) == 1:
        notes.append(ONE_IMAGE)
    if fit.records.training is not None:
        notes.append(CHOSE_THE_EPOCH)
    if len(fit.held_out) > 1 and np.ptp(fit.held_out) == 0:
        notes.append("They all have the same score, so it separates nothing: try another seed or network.")
    return dataclasses.replace(threshold, note=" ".join(filter(None, notes)))
