"""Held-out good images by the parts that they show, and those that are probably not good."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import LISTED
from knowngood.data.imageset import GOOD, ImageSet
from knowngood.data.seen import Seen
from knowngood.inspector.few import fit_few, learns_from_copies
from knowngood.inspector.manifest import DETECTION, Manifest
from knowngood.inspector.pictures import of_pictures
from knowngood.metrics.thresholds import conformal

if TYPE_CHECKING:
    from knowngood.classifiers.base import Classifier
    from knowngood.detectors.base import Detector, Fit
    from knowngood.types import Progress


def fit_by_parts(
    recipe: Detector | Classifier, images: ImageSet, *, progress: Progress, **options: Any
) -> tuple[Fit, ImageSet]:
    """Fit to images, with near copies of good ones in one group, unless groups are given.

    Copies are found in what the fit reads, since reading all images twice would take a tenth of its time. If
    there are some, the images are fitted again, each part held out as a whole. A training, which takes longer
    than reading and can be resumed, begins with the groups, and so does a fit to tiles or to few images.

    Returns:
        The fit, with scores of whole images, and the images with their groups.
    """

    def fit_with_parts() -> Fit:
        if few:
            return fit_few(recipe, images, progress=progress, **options)
        tiles = images.tiled()
        return of_pictures(recipe.fit(tiles, progress=progress, **options), tiles)

    few = learns_from_copies(recipe, images)
    if images.groups is not None:
        return fit_with_parts(), images
    seen = Seen(len(images))
    watched = replace(images, on_read=seen)
    first = recipe.trains or few or images.reading.tiling is not None
    if first:
        for done, _ in enumerate(watched.batches(), 1):
            progress("looking for copies", done, len(images))
    else:
        fit = recipe.fit(watched, progress=progress, **options)
    images = _with_parts(images, seen, progress)
    if first or images.groups is not None:
        fit = fit_with_parts()
    return fit, images


def _with_parts(images: ImageSet, seen: Seen, progress: Progress) -> ImageSet:
    """The images with near copies of a class in one group; as they are, where there are none.

    Among images with defects, only those of good parts are grouped: no promise is made on others.
    """
    classes = images.classes or [""] * len(images)
    rows = [row for row, name in enumerate(classes) if GOOD not in images.names or name == GOOD]
    parts = [
        f"{part} {name}" for part, name in zip(seen.parts(rows, progress=progress), classes, strict=True)
    ]
    return replace(images, groups=parts) if len(set(parts)) < len(parts) else images


def by_part(
    scores: NDArray[np.float64], names: Sequence[str], parts: Sequence[Hashable]
) -> tuple[NDArray[np.float64], list[list[str]]]:
    """The largest score of each part (n,), ascending, and the names of its images, the highest score first.

    One score per part: a bound counts independent parts, whose photographs are not. The largest, so that it
    holds for a part of which any photograph is inspected.

    Example:
        >>> scores, names = by_part(np.array([1.0, 3.0, 2.0]), ["a", "b", "c"], [7, 8, 7])
        >>> scores.tolist(), names
        ([2.0, 3.0], [['c', 'a'], ['b']])
    """
    ascending = rows_by_part(scores, parts)
    return scores[[rows[0] for rows in ascending]], [[names[row] for row in rows] for rows in ascending]


def rows_by_part(scores: NDArray[np.float64], parts: Sequence[Hashable]) -> list[list[int]]:
    """The rows of each part, that with the largest score first; parts ascending by this score."""
    of_part: dict[Hashable, list[int]] = {}
    for row in np.argsort(-scores, kind="stable").tolist():
        of_part.setdefault(parts[row], []).append(row)
    return list(of_part.values())[::-1]


def held_out_in_words(manifest: Manifest) -> str:
    """Say how many images were held out, and of how many parts.

    A part that is photographed several times counts once.
    """
    parts, images = len(manifest.held_out), sum(map(len, manifest.held_out_names))
    if len(manifest.training) == 1:
        return "none: the only good image was scored by a model of its copies"
    if images <= parts:
        return f"{parts} good images"
    return f"{images} good images of {parts} parts; a part counts once, by its highest score"


def far_outside_in_words(manifest: Manifest) -> list[str]:
    """Name in a few lines the held-out good images that stand far outside the others, and what they do to the
    threshold; nothing if there are none.
    """
    far = manifest.far_outside
    if not far or manifest.task != DETECTION:
        return []
    named = [f"{', '.join(names) or 'not named'} ({score:.4g})" for names, score in far]
    more = [f"{len(named) - LISTED} more"] if len(named) > LISTED else []
    parts, words = len(manifest.held_out), "; ".join(named[:LISTED] + more)
    lines = [f"{len(far)} of {parts} held-out good parts score far above the others: {words}"]
    threshold = manifest.threshold
    if threshold.requested is not None:
        others = conformal(manifest.held_out[: parts - len(far)], threshold.requested)
        lines.append(
            f"the threshold is {threshold.value:.4g} with them; the other scores alone would give "
            f"{others.value:.4g}. Look at them, and if they show defects, leave them out:"
        )
    return lines


def without_options(manifest: Manifest, *, before: bool = False) -> list[str]:
    """The options by which a fit leaves out the images that stand far outside the others; on request also
    those that were left out before.
    """
    far = [name for names, _ in manifest.far_outside for name in names]
    return [word for name in [*(manifest.left_out if before else ()), *far] for word in ("--without", name)]
