"""Synthetic defects on good images: drawn by a rule, or by a generative model of real defects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from knowngood.data.arguments import Images
from knowngood.data.synthetic import Make, SyntheticDefect, on_good_images
from knowngood.data.synthetic_defects import GENERATED, TYPES, check_types
from knowngood.notebook import followed
from knowngood.types import Progress


def synthetic(
    data: pd.DataFrame | Images,
    types: Sequence[str] | None = None,
    *,
    count: int = 8,
    seed: int = 0,
    side: int | None = None,
    progress: Progress | None = None,
) -> Iterator[SyntheticDefect]:
    """Draw synthetic defects on good images, one of each type on each of some images.

    The type `generated` is learned, in a minute or two, from the real defects with masks of the train split,
    of which there must be 20; see `knowngood.classifiers.generated.Generator`. An image on which none of its
    samples can be used is passed over.

    Args:
        data: A folder, a table or good images, as `fit` takes them.
        types: Names in `knowngood.data.synthetic_defects.TYPES`, or `generated`; by default all but that one.
        count: How many images, drawn at random; of fewer good images, each is used more than once.
        seed: The same seed on the same images gives the same defects, whatever other types are drawn.
        side: Shrink larger images first, to so many pixels on the longer side.
        progress: Called while a model is learned; without it, a notebook shows a bar.

    Returns:
        An iterator over the images, and for each of them over the types.

    Raises:
        DataError: The data cannot be used, a good image cannot be read or is too small, or there are too few
            real defects to learn from.
        RecipeError: A type is not known.

    Example:
        >>> import numpy as np
        >>> photographs = np.random.default_rng(0).integers(0, 255, (4, 32, 32), np.uint8)
        >>> defects = list(synthetic(photographs, ["scar", "blur"], count=3))
        >>> len(defects), defects[0].type, defects[0].mask.shape
        (6, 'scar', (32, 32))
    """
    names = list(TYPES) if types is None else list(types)
    check_types(names)
    makes: dict[str, Make] = {name: TYPES[name] for name in names if name != GENERATED}
    if GENERATED in names:
        from knowngood.classifiers.generated import learn_generator  # imports torch

        learned = learn_generator(data, seed=seed, side=side, progress=followed(progress))
        makes = {name: makes.get(name, learned) for name in names}
    return on_good_images(data, makes, count=count, seed=seed, side=side)
