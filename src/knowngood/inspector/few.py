"""Fit a detector to a few images and augmented copies of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from knowngood.data.augmented import augmented, copies_of_each, parts_turn
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.errors import DataError

if TYPE_CHECKING:
    from knowngood.classifiers.base import Classifier
    from knowngood.detectors.base import Detector, Fit


def learns_from_copies(recipe: Detector | Classifier, images: ImageSet) -> bool:
    """Whether copies of the images are learned from too; tiles are many anyway."""
    takes = getattr(recipe, "augments", False) and images.reading.tiling is None  # no classifier does
    return takes and copies_of_each(len(images)) > 0


def check_enough(recipe: Detector | Classifier, images: ImageSet) -> None:
    """Refuse a single image, unless copies of it are learned from.

    Raises:
        DataError: There is one image.
    """
    if len(images) == 1 and not learns_from_copies(recipe, images):
        raise DataError(
            f"one good image is too few to train on with {type(recipe).__name__}"
            f"{' and tiles' if images.reading.tiling else ''}; at least 2 are needed, better some dozens "
            "(patchcore and others, without tiles, learn from augmented copies of one)"
        )


def fit_few(recipe: Detector | Classifier, images: ImageSet, *, seed: int, **options: Any) -> Fit:
    """Fit to images and to augmented copies of each, which are in one fold with it, and are never held out.

    Of a single image, a model of its copies scores it: this says nothing about other parts.
    """
    batches = list(images.batches())
    places = np.concatenate([batch.index for batch in batches])
    originals = np.concatenate([batch.images for batch in batches])
    turning = parts_turn(originals)
    count = copies_of_each(len(originals))
    random = np.random.default_rng(seed)
    copies = [copy for one in originals for copy in augmented(one, count, turning=turning, random=random)]
    if images.reading.roi is not None:
        for copy in copies:
            copy[images.reading.outside] = images.reading.roi.fill
    parts = places.tolist() if images.groups is None else [images.groups[place] for place in places]
    many = ImageSet(
        [*originals, *copies],
        Reading(images.shape),
        groups=[*parts, *(part for part in parts for _ in range(count))] if len(parts) > 1 else None,
        augmented=[False] * len(originals) + [True] * len(copies),
    )
    fit = recipe.fit(many, seed=seed, **options)
    how = "turned all around" if turning else "moved a little"
    them = "them" if len(originals) > 1 else "it"
    words = f"{len(copies)} augmented copies of {them}, {how} and in other light"
    return fit._replace(places=places[fit.places], augmented=words)
