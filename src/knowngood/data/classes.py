"""The classes of good images: what a detector learns to tell apart."""

from __future__ import annotations

from knowngood.data.decoding import name_of
from knowngood.data.imageset import ImageSet
from knowngood.errors import DataError

LEAST = 2
"""The fewest images or groups of a class that will do: one to learn from and one to hold out."""


def check_classes(images: ImageSet) -> None:
    """Make sure that there are classes to tell apart.

    Args:
        images: Good images with their classes.

    Raises:
        DataError: Classes are not known, or not of every image; there is only one; or one has too few images.
    """
    if images.classes is None or not any(images.classes):
        raise DataError(
            "nothing says of which class each good image is; give a table with a column 'class' (in Python "
            "classes=...), or take a detector that needs no classes, such as patchcore or rotation"
        )
    missing = [
        name_of(source, place) for place, source in enumerate(images.sources) if not images.classes[place]
    ]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(images)} good images have no class, such as {missing[0]!r}; fill in "
            "the column 'class' or leave them out"
        )
    counts = images.group_counts
    for name in images.names:
        if counts[name] < LEAST:
            raise DataError(
                f"class {name!r} has one good part; at least {LEAST} are needed, one to learn from and one "
                "to hold out: add images of it or leave the class out"
            )
    if len(images.names) < LEAST:
        raise DataError(
            f"all good images are of one class, {images.names[0]!r}, so there is nothing to tell apart; take "
            "patchcore, or rotation, which makes its own classes"
        )
