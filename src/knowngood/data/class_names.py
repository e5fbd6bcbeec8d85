"""The kinds of a data set, good and each defect type: which an image is of, and slips in their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from itertools import combinations

import pandas as pd

ALIKE, ALIKE_WORDS = 0.85, 0.7
"""How much two names must agree as a whole, and in the words in which they differ, to be taken for one."""

RARE = 0.25
"""A name is taken for a slip of another that is used at least four times as often."""


def class_of_each(table: pd.DataFrame) -> pd.Series[str]:
    """Name the kind of each sample.

    Args:
        table: Samples.

    Returns:
        ``good``, or the defect type, or ``defect`` where that is not known.

    Example:
        >>> table = pd.DataFrame({"label": ["good", "defect", "defect"], "defect": ["", "dent", ""]})
        >>> class_of_each(table).tolist()
        ['good', 'dent', 'defect']
    """
    return table["defect"].where(table["label"] == "defect", "good").replace("", "defect")


def similar_names(kinds: Mapping[str, int]) -> list[tuple[str, str]]:
    """Find kinds whose name looks like a slip of another's.

    Two names are taken for one where they differ in nothing but capitals and separators; or where they agree
    nearly letter by letter, one is rare beside the other, and they differ neither in a number nor in a word
    of one letter, which tell types apart.

    Args:
        kinds: Images of each kind.

    Returns:
        Pairs of the rarer and the more frequent name.

    Example:
        >>> similar_names({"scratch_head": 24, "scratch_haed": 1, "thread_top": 23, "thread_tip": 20})
        [('scratch_haed', 'scratch_head')]
        >>> similar_names({"type1": 30, "type2": 1, "Dent": 8, "dent": 9})
        [('Dent', 'dent')]
    """
    found = []
    for pair in combinations(kinds, 2):
        rare, frequent = sorted(pair, key=kinds.__getitem__)
        one, other = _words(rare), _words(frequent)
        if one == other or (kinds[rare] <= RARE * kinds[frequent] and _misspelt(one, other)):
            found.append((rare, frequent))
    return found


def _words(name: str) -> list[str]:
    """Divide a name into words in small letters."""
    return re.split(r"[\s_.-]+", name.strip().casefold())


def _misspelt(one: list[str], other: list[str]) -> bool:
    """Say whether a name is nearly another one, letter by letter."""
    if len(one) != len(other) or _agree("_".join(one), "_".join(other)) < ALIKE:
        return False
    unlike = [(first, second) for first, second in zip(one, other, strict=True) if first != second]
    return all(
        min(len(first), len(second)) > 1
        and re.findall(r"\d+", first) == re.findall(r"\d+", second)
        and _agree(first, second) >= ALIKE_WORDS
        for first, second in unlike
    )


def _agree(one: str, other: str) -> float:
    """The share of letters that two texts have in common, in the same order."""
    return SequenceMatcher(None, one, other).ratio()
