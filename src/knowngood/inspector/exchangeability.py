"""Whether good images are from one distribution: those held out and those of a test, and groups of them.

A bound of false rejects holds for parts that are exchangeable with those that were held out. Groups are
folders, days and the values of the column `group`; see `knowngood.metrics.exchangeability` for the test, and
`docs/decisions/0030-exchangeability.md` for why it is this one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from knowngood.data.captured import days_of
from knowngood.data.decoding import Source
from knowngood.data.image_names import names_of
from knowngood.inspector.held_out import rows_by_part
from knowngood.metrics.exchangeability import exchangeability, holm, superiority

ALPHA = 0.01
"""Probability at most that any group, or all of a test, is named though nothing differs."""

FEWEST = 8
"""Images of a group, below which it is not compared."""

NAMED = 5
"""Groups that are named in words."""

ALL = "all"

SESSIONS = "a bound that holds for one capture session is not one for the next"

_BALANCED = 0.1  # up to so much above one half, a probability of superiority is not called higher


@dataclass(frozen=True)
class Compared:
    """Good images that were compared with others.

    Args:
        by: What makes them a group: `folder`, `day`, `group`; or `all` good images of a test.
        name: Of the group.
        images: How many they are; a part with several images counts once.
        p_value: That their scores and those of the others are exchangeable, adjusted for all comparisons.
        superiority: Probability that one of them scores above one of the others.
    """

    by: str
    name: str
    images: int
    p_value: float
    superiority: float

    @property
    def apart(self) -> bool:
        """Whether their scores differ so that a bound of the others does not hold for them.

        Lower scores do not: held-out images are scored by models of fewer images, which are a little stricter
        than that of all, and where parts score lower the bound holds all the more.
        """
        return self.p_value <= ALPHA and self.superiority >= 0.5

    @property
    def differs(self) -> str:
        """How their scores differ, as a predicate."""
        return "score higher than" if self.superiority > 0.5 + _BALANCED else "are spread otherwise than"


class Group(NamedTuple):
    """The rows of the images of a group, and of all others that it is compared with."""

    by: str
    name: str
    rows: list[int]
    others: list[int]


def groups_of(
    sources: Sequence[Source], column: Sequence[Hashable] | None, scores: NDArray[np.float64]
) -> list[Group]:
    """Divide images by folder, by day and by a column, where that makes groups of `FEWEST` or more.

    Images of one value of the column are one part to a bound, which counts once, and so it does in a folder
    or a day. As a group of the column they are images, since a part alone has no distribution.

    Args:
        sources: Of the images.
        column: The value of each in the column `group`.
        scores: Of the images (N,); of a part with several the highest counts.
    """
    every = list(range(len(sources)))
    parts = _parts(scores, column)
    divided = {"folder": (_folders(sources), parts), "day": (days_of(sources), parts)}
    if column is not None:
        divided["group"] = [str(value) for value in column], every
    found: dict[tuple[int, ...], Group] = {}
    for by, (values, chosen) in divided.items():
        for name in dict.fromkeys(values[row] for row in chosen):
            own = [row for row in chosen if values[row] == name]
            others = [row for row in chosen if values[row] != name]
            if name and len(own) >= FEWEST and others:
                found.setdefault(tuple(own), Group(by, name, own, others))
    return list(found.values())


def compare_held_out(
    scores: NDArray[np.float64], sources: Sequence[Source], column: Sequence[Hashable] | None
) -> list[Compared]:
    """Compare the held-out scores (N,) of each group of good images with all others; see `groups_of`.

    Of two groups that divide all images, that which scores higher is named.
    """
    pairs: dict[frozenset[tuple[int, ...]], tuple[str, str, NDArray[np.float64], NDArray[np.float64]]] = {}
    for by, name, rows, others in groups_of(sources, column, scores):
        own, rest = scores[rows], scores[others]
        pair = frozenset([tuple(rows), tuple(others)])
        if len(rest) >= FEWEST and (pair not in pairs or superiority(own, rest) > 0.5):
            pairs[pair] = by, name, own, rest
    return _compared(list(pairs.values()))


def compare_test(
    scores: NDArray[np.float64],
    held_out: NDArray[np.float64],
    sources: Sequence[Source],
    column: Sequence[Hashable] | None,
) -> list[Compared]:
    """Compare the scores (N,) of good test images, and of each group of them, with the held-out ones (n,).

    The first is that of all of them; nothing where there is no good test image.
    """
    if not len(scores):
        return []
    groups = groups_of(sources, column, scores)
    own = [(one.by, one.name, scores[one.rows], held_out) for one in groups]
    return _compared([(ALL, "test", scores[_parts(scores, column)], held_out), *own])


def _compared(
    samples: Sequence[tuple[str, str, NDArray[np.float64], NDArray[np.float64]]],
) -> list[Compared]:
    adjusted = holm([exchangeability(own, others) for _, _, own, others in samples]).tolist()
    return [
        Compared(by, name, len(own), p_value, superiority(own, others))
        for (by, name, own, others), p_value in zip(samples, adjusted, strict=True)
    ]


def groups_in_words(found: Sequence[Compared], whose: str = "good", others: str = "the others") -> list[str]:
    """Name the groups that stand apart, those with the least p-value first; nothing if there are none.

    Example:
        >>> groups_in_words([Compared("folder", "night/", 34, 0.0004, 0.8)])
        ['The good images of folder night/ score higher than the others (p = 0.0004, 34 images): a bound that holds for one capture session is not one for the next.']
    """  # noqa: E501 - what is printed is one line
    apart = sorted((one for one in found if one.apart and one.by != ALL), key=lambda one: one.p_value)
    sentences = [
        f"The {whose} images of {one.by} {one.name} {one.differs} {others} (p = {one.p_value:.2g}, "
        f"{one.images} images): {SESSIONS}."
        for one in apart[:NAMED]
    ]
    more = len(apart) - NAMED
    return sentences + ([f"So do {more} more groups of {whose} images."] if more > 0 else [])


def difference_in_words(found: Sequence[Compared], held_out: int) -> list[str]:
    """Say that the good images of a test differ from those held out, and which groups do; nothing if not.

    Example:
        >>> print(difference_in_words([Compared("all", "test", 41, 0.0001, 0.9)], 96)[0])
        The 41 good test images score higher than the 96 held-out good parts (p = 0.0001): a bound that holds for one capture session is not one for the next. Fit to good images of both, or set the threshold on fresh ones with `knowngood recalibrate`.
    """  # noqa: E501 - what is printed is one line
    groups = groups_in_words(found, "good test", "the held-out good parts")
    if not found or not found[0].apart:
        return groups
    one = found[0]
    return [
        f"The {one.images} good test images {one.differs} the {held_out} held-out good parts "
        f"(p = {one.p_value:.2g}): {SESSIONS}. Fit to good images of both, or set the threshold on fresh "
        "ones with `knowngood recalibrate`.",
        *groups,
    ]


def state_in_words(found: Sequence[Compared]) -> str:
    """Say what was compared, and with which result.

    Example:
        >>> state_in_words([Compared("day", "2026-01-31", 34, 0.2, 0.5), Compared("all", "test", 60, 0.3, 0.5)])
        'good test images, 1 group by day: none stands apart (Anderson-Darling test by permutation, Holm, p > 0.01)'
    """  # noqa: E501 - what is printed is one line
    if not found:
        return "no folder, day or column group divides the good images into groups that could be compared"
    ways = dict.fromkeys(one.by for one in found if one.by != ALL)
    counts = {by: sum(one.by == by for one in found) for by in ways}
    words = ["good test images"] if any(one.by == ALL for one in found) else []
    words += [f"{number} {'group' if number == 1 else 'groups'} by {by}" for by, number in counts.items()]
    apart = sum(one.apart for one in found)
    result = f"{apart} of {len(found)} stand apart" if apart else "none stands apart"
    sign = "<=" if apart else ">"
    test = f"Anderson-Darling test by permutation, Holm, p {sign} {ALPHA:g}"
    return f"{', '.join(words)}: {result} ({test})"


def as_values(found: Sequence[Compared]) -> dict[str, Any]:
    """The comparisons as plain values; `exchangeable` is None where nothing could be compared."""
    return {
        "exchangeable": not any(one.apart for one in found) if found else None,
        "alpha": ALPHA,
        "compared": [asdict(one) | {"apart": one.apart} for one in found],
        "in_words": state_in_words(found),
    }


def _parts(scores: NDArray[np.float64], column: Sequence[Hashable] | None) -> list[int]:
    """The row of each part with its highest score, ascending."""
    parts = list(range(len(scores))) if column is None else list(column)
    return sorted(rows[0] for rows in rows_by_part(scores, parts))


def _folders(sources: Sequence[Source]) -> list[str]:
    """The folder of each image from the folder that all files share; empty for an image that is no file.

    Example:
        >>> _folders(["parts/night/7.png", "parts/7.png", b""])
        ['night/', './', '']
    """
    return [
        f"{PurePosixPath(name).parent.as_posix()}/" if isinstance(source, str | Path) else ""
        for name, source in zip(names_of(sources), sources, strict=True)
    ]
