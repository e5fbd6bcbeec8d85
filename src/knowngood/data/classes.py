"""The classes of good images, for detectors that learn to tell these apart."""

from __future__ import annotations

from knowngood.data.decoding import name_of
from knowngood.data.imageset import ImageSet
from knowngood.errors import DataError

LEAST = 2
"""The fewest images or groups of a class: one to fit on and one to hold out."""


def check_classes(images: ImageSet) -> None:
    """Check that good images have classes that can be told apart.

    Raises:
        DataError: Classes are not known, or not of every image; there is only one; or one has too few images.
    """
    if images.classes is None or not any(images.classes):
        raise DataError(
            "the classes of the good images are not known; give a table with a column 'class' (in Python "
            "classes=...), or take a detector that needs no classes, such as patchcore or rotation"
        )
    missing = [
        name_of(source, position)
        for position, source in enumerate(images.sources)
        if not images.classes[position]
    ]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(images)} good images have no class, such as {missing[0]!r}; fill in "
            "the column 'class' or leave them out"
        )
    for name in images.names:
        if images.group_counts[name] < LEAST:
            raise DataError(
                f"class {name!r} has one good part; at least {LEAST} are needed, one to fit on and one "
                "to hold out: add images of it or leave the class out"
            )
    if len(images.names) < LEAST:
        raise DataError(
            f"all good images are of one class, {images.names[0]!r}, so there is nothing to tell apart; take "
            "patchcore, or rotation, which makes its own classes"
        )
