"""Seeded splits into training and test images, and folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.errors import DataError

SPLIT_MADE = "split made"
"""Attribute of a table whose split was not given: any image that was not trained on may serve as a test."""


def assign_split(
    table: pd.DataFrame, train_share: float = 0.7, *, defect_share: float = 0.0, seed: int = 0
) -> pd.DataFrame:
    """Divide the samples into train and test, each defect type by itself, keeping each group on one side.

    Args:
        table: Samples with the columns ``label`` and ``defect``, and maybe ``group`` (parts that were
            photographed more than once). A group with a defect in it counts as that defect.
        train_share: Share of the good images to train on, 0 to 1.
        defect_share: Share of each defect type to train on: 0 for a detector, more for a classifier.
        seed: Seed of the split.

    Returns:
        A copy with the column ``split``, ``train`` or ``test``, and the attribute `SPLIT_MADE`.

    Example:
        >>> table = pd.DataFrame({"label": ["good"] * 10 + ["defect"], "defect": [""] * 10 + ["dent"]})
        >>> assign_split(table).groupby(["label", "split"]).size().to_dict()
        {('defect', 'test'): 1, ('good', 'test'): 3, ('good', 'train'): 7}
    """
    rng = np.random.default_rng(seed)
    groups = _numbered(table["group"] if "group" in table else range(len(table)))
    classes = np.where(table["label"] == "good", 0, 1 + _numbered(table["defect"]))
    n_groups = groups.max(initial=-1) + 1
    group_classes = np.zeros(n_groups, dtype=np.int64)
    np.maximum.at(group_classes, groups, classes)
    group_sizes = np.bincount(groups, minlength=n_groups)

    trained = np.zeros(n_groups, dtype=np.bool_)
    in_order = np.argsort(group_classes, kind="stable")
    starts = np.flatnonzero(np.diff(group_classes[in_order], prepend=-1))
    for class_members in np.split(in_order, starts[1:]) if n_groups else ():
        members = rng.permutation(class_members)
        sizes = group_sizes[members]
        share = train_share if group_classes[members[0]] == 0 else defect_share
        trained[members] = np.cumsum(sizes) - sizes / 2 < share * sizes.sum()
    divided = table.assign(split=np.where(trained[groups], "train", "test"))
    divided.attrs[SPLIT_MADE] = True
    return divided


def folds(
    n: int, k: int, seed: int, groups: Sequence[Any] | None = None, classes: Sequence[Any] | None = None
) -> NDArray[np.int64]:
    """Number the folds (n,) of a cross-validation, as equal in size as the groups allow.

    Args:
        n: Number of images.
        k: Number of folds; fewer are made where there are fewer images or groups.
        seed: Seed of the folds.
        groups: One value per image; images of one group (the same part photographed twice) share a fold.
        classes: One value per image; each class is spread evenly over the folds. A group counts as the class
            of its first image.

    Raises:
        DataError: There are fewer than two images or groups.

    Example:
        >>> np.bincount(folds(10, 3, seed=0)).tolist()
        [4, 3, 3]
        >>> folds(4, 2, seed=0, classes=["a", "a", "b", "b"]).reshape(2, 2).sum(axis=1).tolist()
        [1, 1]
    """
    numbers = _numbered(range(n) if groups is None else groups)
    sizes = np.bincount(numbers)
    if len(sizes) < 2:
        raise DataError(
            f"{len(sizes)} image(s) or group(s) of images: at least 2 are needed to hold some out of training"
        )
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    largest_first = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    class_numbers = np.zeros(n, dtype=np.int64) if classes is None else _numbered(classes)
    _, first = np.unique(numbers, return_index=True)
    filled = np.zeros((class_numbers.max() + 1, min(k, len(sizes))), dtype=np.int64)
    fold_of_group = np.empty(len(sizes), dtype=np.int64)
    for group in largest_first:
        of_class = filled[class_numbers[first[group]]]
        # Of the folds that lack the class most, the emptiest.
        fold = int(np.lexsort((filled.sum(axis=0), of_class))[0])
        fold_of_group[group] = fold
        of_class[fold] += sizes[group]
    return fold_of_group[numbers]


def _numbered(values: Any) -> NDArray[np.int64]:
    """Replace each value by a number, counted in the order in which the values first appear."""
    return pd.factorize(pd.Series(values))[0].astype(np.int64)
