"""The classes of a data set, `good` and each defect type, and misspelt names among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from itertools import combinations

import pandas as pd

ALIKE, ALIKE_WORDS = 0.85, 0.7
"""The least similarity of a misspelt name to the correct one: as a whole, and in the words that differ."""

RARE = 0.25
"""A name may be a misspelling of another that is used at least four times as often."""


def class_of_each(table: pd.DataFrame) -> pd.Series[str]:
    """Return the class of each sample: `good`, its defect type, or `defect` where the type is not known.

    Example:
        >>> table = pd.DataFrame({"label": ["good", "defect", "defect"], "defect": ["", "dent", ""]})
        >>> class_of_each(table).tolist()
        ['good', 'dent', 'defect']
    """
    return table["defect"].where(table["label"] == "defect", "good").replace("", "defect")


def similar_names(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """Find class names that look like a misspelling of another.

    These differ from the other in nothing but capitals and separators; or they are similar letter by letter,
    rare beside the other, and differ neither in a number nor in a word of one letter, which mark types.

    Args:
        counts: Number of images per class.

    Returns:
        Pairs of the rarer and the more frequent name.

    Example:
        >>> similar_names({"scratch_head": 24, "scratch_haed": 1, "thread_top": 23, "thread_tip": 20})
        [('scratch_haed', 'scratch_head')]
        >>> similar_names({"type1": 30, "type2": 1, "Dent": 8, "dent": 9})
        [('Dent', 'dent')]
    """
    found = []
    for pair in combinations(counts, 2):
        rare, frequent = sorted(pair, key=counts.__getitem__)
        # words in lower case
        one, other = (re.split(r"[\s_.-]+", name.strip().casefold()) for name in (rare, frequent))
        if one == other or (counts[rare] <= RARE * counts[frequent] and _misspelt(one, other)):
            found.append((rare, frequent))
    return found


def _misspelt(one: list[str], other: list[str]) -> bool:
    """Whether the words of two names are similar letter by letter."""
    if len(one) != len(other) or _similarity("_".join(one), "_".join(other)) < ALIKE:
        return False
    return all(
        min(len(first), len(second)) > 1
        and re.findall(r"\d+", first) == re.findall(r"\d+", second)
        and _similarity(first, second) >= ALIKE_WORDS
        for first, second in zip(one, other, strict=True)
        if first != second
    )


def _similarity(one: str, other: str) -> float:
    """The share of letters that two texts have in common, in the same order."""
    return SequenceMatcher(None, one, other).ratio()
