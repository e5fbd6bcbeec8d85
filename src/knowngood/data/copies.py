"""Files of a data set that show the same image, as the same bytes or as a copy, and whether labels agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.held import sources_of
from knowngood.data.near_duplicates import SIDE, near_duplicates
from knowngood.data.samples import fingerprint
from knowngood.types import Progress, silent

Groups = tuple[tuple[str, ...], ...]


class Image(NamedTuple):
    """A file, and where it belongs."""

    path: str
    split: str
    class_name: str


@dataclass(frozen=True)
class Copies:
    """Groups of files that show the same image."""

    duplicates: Groups  # files with the same bytes, within one split
    leaks: Groups  # files with the same bytes in both splits: the test set is then no test
    contradictions: Groups  # files with the same bytes but different classes; they are above, too
    near_duplicates: Groups  # files that are not the same but copies, within one split
    near_leaks: Groups  # such files in both splits


def find_copies(
    table: pd.DataFrame, thumbnails: Mapping[str, NDArray[np.uint8]], *, progress: Progress = silent
) -> Copies:
    """Find the copies among the images of a data set.

    Args:
        table: Samples, with the columns ``path``, ``split`` and ``class_name``.
        thumbnails: The thumbnail of each path, see `knowngood.data.near_duplicates.thumbnail`.
        progress: Called during long work.

    Example:
        >>> table = pd.DataFrame({"path": [], "split": [], "class_name": []})
        >>> find_copies(table, {}).leaks
        ()
    """
    columns = (table[name].tolist() for name in ("path", "split", "class_name"))
    images = [Image(*row) for row in zip(*columns, strict=True)]
    by_content: dict[str, list[Image]] = {}
    for image, content in zip(images, fingerprint(sources_of(table), progress=progress), strict=True):
        by_content.setdefault(content, []).append(image)
    contents = list(by_content.values())
    copied = [same for same in contents if len(same) > 1]
    stack = [thumbnails[same[0].path] for same in contents]
    near = near_duplicates(np.array(stack, np.uint8).reshape(-1, SIDE, SIDE), progress=progress)
    alike = [[contents[position] for position in group] for group in near]
    return Copies(
        duplicates=tuple(_paths(same) for same in copied if not _leaks(same)),
        leaks=tuple(_paths(same) for same in copied if _leaks(same)),
        contradictions=tuple(_paths(same) for same in copied if len({one.class_name for one in same}) > 1),
        near_duplicates=tuple(_one_each(group) for group in alike if not _leaks(*group)),
        near_leaks=tuple(_one_each(group) for group in alike if _leaks(*group)),
    )


def _paths(images: Sequence[Image]) -> tuple[str, ...]:
    return tuple(image.path for image in images)


def _leaks(*contents: Sequence[Image]) -> bool:
    """Whether the same image is in both splits."""
    return len({image.split for same in contents for image in same}) > 1


def _one_each(contents: Sequence[Sequence[Image]]) -> tuple[str, ...]:
    """One file for each content; after the first from the other split where there is one, to show a leak."""
    first, *others = contents
    files = [first[0].path]
    for same in others:
        elsewhere = [image for image in same if image.split != first[0].split]
        files.append((elsewhere or same)[0].path)
    return tuple(files)
