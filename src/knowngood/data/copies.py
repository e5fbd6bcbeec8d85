"""Files of a data set that show the same image, as the same bytes or as a copy, and whether labels agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.near_duplicates import SIDE, near_duplicates
from knowngood.data.samples import fingerprint
from knowngood.types import Progress, silent

Groups = tuple[tuple[str, ...], ...]


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
    table = table.assign(content=fingerprint(table["path"].tolist()))
    contents = [same for _, same in table.groupby("content", sort=False)]
    copied = [same for same in contents if len(same) > 1]
    stack = [thumbnails[same["path"].iloc[0]] for same in contents]
    near = near_duplicates(np.array(stack, np.uint8).reshape(-1, SIDE, SIDE), progress=progress)
    alike = [[contents[position] for position in group] for group in near]
    return Copies(
        duplicates=tuple(tuple(same["path"]) for same in copied if not _leaks(same)),
        leaks=tuple(tuple(same["path"]) for same in copied if _leaks(same)),
        contradictions=tuple(tuple(same["path"]) for same in copied if same["class_name"].nunique() > 1),
        near_duplicates=tuple(_one_each(group) for group in alike if not _leaks(*group)),
        near_leaks=tuple(_one_each(group) for group in alike if _leaks(*group)),
    )


def _leaks(*tables: pd.DataFrame) -> bool:
    """Whether the same image is in both splits."""
    return bool(pd.concat(tables)["split"].nunique() > 1)


def _one_each(contents: Sequence[pd.DataFrame]) -> tuple[str, ...]:
    """One file for each content; after the first from the other split where there is one, to show a leak."""
    first, *others = contents
    files = [first["path"].iloc[0]]
    for same in others:
        elsewhere = same[same["split"] != first["split"].iloc[0]]
        files.append((elsewhere if len(elsewhere) else same)["path"].iloc[0])
    return tuple(files)
