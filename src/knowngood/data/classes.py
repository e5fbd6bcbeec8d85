"""The classes of good images: kinds of part that a detector learns to tell apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from knowngood.data.decoding import Source, name_of
from knowngood.errors import DataError

LEAST = 2
"""The fewest parts of a class that will do: one to learn from and one to hold out."""


def number_classes(
    classes: Sequence[str] | None, sources: Sequence[Source], groups: Sequence[object] | None = None
) -> tuple[list[str], list[int]]:
    """Number the classes of good images in the order of their names.

    Args:
        classes: The class of each image; empty for one without.
        sources: The images, for messages.
        groups: One value an image; the same value marks the same part photographed twice.

    Returns:
        The names, sorted, and the number of each image's class.

    Raises:
        DataError: Classes are not known, or not of every image; there is only one; or one has too few images.

    Example:
        >>> number_classes(["b", "a", "b", "a"], ["0.png", "1.png", "2.png", "3.png"])
        (['a', 'b'], [1, 0, 1, 0])
    """
    if classes is None or not any(classes):
        raise DataError(
            "nothing says of which class each good image is; give a table with a column 'class' (in Python "
            "classes=...), or take a detector that needs no classes, such as patchcore or rotation"
        )
    missing = [name_of(source, place) for place, source in enumerate(sources) if not classes[place]]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(sources)} good images have no class, such as {missing[0]!r}; fill in "
            "the column 'class' or leave them out"
        )
    names, numbers = np.unique(np.array(classes), return_inverse=True)
    parts = list(range(len(sources))) if groups is None else groups
    counts = Counter(number for number, _ in set(zip(numbers.tolist(), parts, strict=True)))
    for number, name in enumerate(names.tolist()):
        if counts[number] < LEAST:
            raise DataError(
                f"class {name!r} has one good part; at least {LEAST} are needed, one to learn from and one "
                "to hold out: add images of it or leave the class out"
            )
    if len(names) < LEAST:
        raise DataError(
            f"all good images are of one class, {str(names[0])!r}, so there is nothing to tell apart; take "
            "patchcore, or rotation, which makes its own classes"
        )
    return names.tolist(), numbers.tolist()
