"""The classes of a data set: `good` and each defect type, misspelt names, and those of good images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from itertools import combinations

import pandas as pd

from knowngood.data.decoding import name_of
from knowngood.data.imageset import ImageSet
from knowngood.errors import DataError, quoted
from knowngood.inputs import LONGEST_NAME, is_plain

LEAST = 2  # images or groups of a class: one to fit on and one to hold out
_ALIKE = 0.85  # least similarity of a misspelt name to the correct one
_ALIKE_WORDS = 0.7  # least similarity of the words in which the two differ
_MOST = 500  # names beyond which each is not compared with every other letter by letter
_RARE = 0.25  # a name may be a misspelling of another that is used at least four times as often


def class_of_each(table: pd.DataFrame) -> pd.Series[str]:
    """Return the class of each sample: `good`, its defect type, or `defect` where the type is not known.

    Example:
        >>> table = pd.DataFrame({"label": ["good", "defect", "defect"], "defect": ["", "dent", ""]})
        >>> class_of_each(table).tolist()
        ['good', 'dent', 'defect']
    """
    return table["defect"].where(table["label"] == "defect", "good").replace("", "defect")


def similar_names(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """Find class names that look like a misspelling of another, from the number of images per class.

    These differ from the other in nothing but capitals and separators; or they are similar letter by letter,
    rare beside the other, and differ neither in a number nor in a word of one letter, which mark types.

    Returns:
        Pairs of the rarer and the more frequent name.

    Example:
        >>> similar_names({"scratch_head": 24, "scratch_haed": 1, "thread_top": 23, "thread_tip": 20})
        [('scratch_haed', 'scratch_head')]
        >>> similar_names({"type1": 30, "type2": 1, "Dent": 8, "dent": 9})
        [('Dent', 'dent')]
    """
    # words in lower case
    words = {name: re.split(r"[\s_.-]+", name.strip().casefold()) for name in counts}
    found = []
    for pair in combinations(counts, 2) if len(counts) <= _MOST else _with_same_words(words):
        rare, frequent = sorted(pair, key=counts.__getitem__)
        one, other = words[rare], words[frequent]
        if one == other or (counts[rare] <= _RARE * counts[frequent] and _misspelt(one, other)):
            found.append((rare, frequent))
    return found


def _with_same_words(words: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Yield each name with the first one that has the same words."""
    first: dict[tuple[str, ...], str] = {}
    for name, own in words.items():
        if first.setdefault(tuple(own), name) != name:
            yield first[tuple(own)], name


def check_names(names: Iterable[str]) -> None:
    """Check that names of classes can be kept in an inspector and drawn.

    Raises:
        DataError: One is long, or has control characters.
    """
    for name in names:
        if not is_plain(name, LONGEST_NAME):
            raise DataError(
                f"the class {quoted(name)} has control characters, or more than {LONGEST_NAME} letters; "
                "rename it"
            )


def check_classes(images: ImageSet) -> None:
    """Check that good images have several classes with enough images of each.

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
    check_names(images.names)
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


def _misspelt(one: list[str], other: list[str]) -> bool:
    """Whether the words of two names are similar letter by letter."""
    if len(one) != len(other) or _similarity("_".join(one), "_".join(other)) < _ALIKE:
        return False
    return all(
        min(len(first), len(second)) > 1
        and re.findall(r"\d+", first) == re.findall(r"\d+", second)
        and _similarity(first, second) >= _ALIKE_WORDS
        for first, second in zip(one, other, strict=True)
        if first != second
    )


def _similarity(one: str, other: str) -> float:
    """The share of letters that two texts have in common, in the same order."""
    return SequenceMatcher(None, one, other).ratio()
