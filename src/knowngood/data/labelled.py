"""Images with the kind that each shows: good, or a type of defect; what a classifier learns from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.class_names import class_of_each, similar_names
from knowngood.data.decoding import read_header
from knowngood.data.imageset import GOOD
from knowngood.data.samples import Selection, check_samples, fingerprint, load_samples
from knowngood.data.splits import SPLIT_MADE, assign_split
from knowngood.errors import DataError, RecipeError, UnreadableImage

DEFECT = "defect"

BY = ("auto", "type", "label")
"""What is told apart: `type` good parts and each defect type, `label` good parts and defects."""

DEFECT_SHARE = 0.7
"""Share of each defect type to learn from, where the data put no defect into the train split."""

LEAST = 2
"""The fewest parts of a kind that will do: one to learn from and one to hold out."""


def with_defects_to_learn(
    data: str | Path | pd.DataFrame, share: float = DEFECT_SHARE, *, seed: int = 0
) -> pd.DataFrame:
    """The samples, with defects in the train split.

    A table or folder that has none there is divided: where it makes no split, good parts and each defect
    type; where it does (as MVTec AD, all of whose defects are test images), each defect type alone, and good
    parts stay where they are.

    Args:
        data: A folder or a table, as `knowngood.data.samples.load_samples` takes it, or the table itself.
        share: Share of each defect type to learn from, where none is in the train split.
        seed: Another seed gives another split.

    Raises:
        DataError: The folder or table cannot be used.
        RecipeError: The share is not between 0 and 1.

    Example:
        >>> table = pd.DataFrame({"path": list("abcdefgh"), "label": ["good"] * 4 + ["defect"] * 4})
        >>> with_defects_to_learn(table, 0.5).groupby(["label", "split"]).size().to_dict()
        {('defect', 'test'): 2, ('defect', 'train'): 2, ('good', 'test'): 1, ('good', 'train'): 3}
    """
    if not 0 < share < 1:
        raise RecipeError(f"defect_share={share} must lie between 0 and 1, so that both sides have defects")
    table = check_samples(data) if isinstance(data, pd.DataFrame) else load_samples(data)
    if ((table["label"] == "defect") & (table["split"] == "train")).any():
        return table
    divided = assign_split(table, defect_share=share, seed=seed)
    if not table.attrs.get(SPLIT_MADE):
        divided["split"] = divided["split"].where(table["label"] == "defect", table["split"])
    return divided


def labelled(table: pd.DataFrame, by: str = "auto") -> Selection:
    """Select the images of a table's train split, with their classes.

    Args:
        table: Samples, as `check_samples` gives them.
        by: One of `BY`; `auto` tells types apart where the type of every defect is known.

    Raises:
        DataError: There are no good images, or no defects; a kind has a single image, or a name that looks
            like a slip of another's; or the same image is of two kinds.
        RecipeError: `by` is not known.

    Example:
        >>> rows = {"path": list("abcd"), "split": "train", "label": ["good", "good", "defect", "defect"]}
        >>> found = labelled(check_samples(pd.DataFrame(rows)))
        >>> found.classes
        ['good', 'good', 'defect', 'defect']
    """
    if by not in BY:
        raise RecipeError(f"by={by!r} is not known; take {', '.join(BY)}")
    train = table[table["split"] == "train"]
    kinds = classes_by(train, by)
    defects = kinds != GOOD
    for present, what in ((~defects, "good image"), (defects, "defect")):
        if not present.any():
            raise DataError(
                f"there is no {what} to train on; a classifier learns from both, an anomaly detector "
                "(`knowngood fit`) from good images alone"
            )
    names = [GOOD, *sorted(set(kinds.tolist()) - {GOOD})]
    groups = train["group"].tolist() if "group" in train else None
    parts = groups or train["path"].tolist()
    _check_names(names, Counter(kind for kind, _ in set(zip(kinds.tolist(), parts, strict=True))))
    paths = train["path"].tolist()
    _check_agreement(paths, kinds)
    return Selection(paths, kinds.tolist(), groups, train["mask"].tolist())


def classes_by(table: pd.DataFrame, by: str = "auto") -> NDArray[np.str_]:
    """The kind of each image: `good`, or its defect type.

    Args:
        table: Samples, as `check_samples` gives them.
        by: One of `BY`.

    Raises:
        DataError: Types are asked for, and a defect has none.
    """
    defect = table["label"] == "defect"
    untyped = table["path"][defect & (table["defect"] == "")]
    if by == "type" and len(untyped):
        raise DataError(
            f"{len(untyped)} of {int(defect.sum())} defects have no type, such as {untyped.iloc[0]!r}; fill "
            "in the column 'defect', or tell good parts from defects alone (by=label)"
        )
    if by == "label" or len(untyped):
        return np.where(defect, DEFECT, GOOD)
    return class_of_each(table).to_numpy(dtype=np.str_)


def numbers_among(kinds: Sequence[str] | NDArray[np.str_], names: Sequence[str]) -> NDArray[np.int64]:
    """The number of each kind among those that a classifier knows; -1 for one that it does not.

    To a classifier that tells defects from good parts alone, every defect type is a defect.

    Example:
        >>> numbers_among(["good", "dent", "scratch"], ["good", "dent"]).tolist()
        [0, 1, -1]
        >>> numbers_among(["good", "dent"], ["good", "defect"]).tolist()
        [0, 1]
    """
    known = {name: number for number, name in enumerate(names)}
    other = known.get(DEFECT, -1) if len(names) == 2 else -1
    return np.array([known.get(str(kind), other) for kind in kinds], np.int64)


def _check_names(names: Sequence[str], parts: Counter[str]) -> None:
    """Refuse a name that looks like a slip of another, and a kind with one part."""
    count = {name: parts[name] for name in names}
    for rare, common in similar_names(count):
        raise DataError(
            f"{rare!r} ({count[rare]} image(s)) looks like a slip of {common!r} ({count[common]} image(s)); "
            f"did you mean {common!r}? Give both one name, or names that differ more"
        )
    for name in names:
        if count[name] < LEAST:
            others = [other for other in names if other != name]
            near = "".join(f" (or did you mean {other!r}?)" for other in get_close_matches(name, others, n=1))
            raise DataError(
                f"{name!r} has one image to train on{near}; at least {LEAST} are needed, one to learn from "
                "and one to hold out: add images of it, leave it out, or tell good parts from defects alone "
                "(by=label)"
            )


def _check_agreement(paths: Sequence[str], kinds: NDArray[np.str_]) -> None:
    """Refuse the same image under two kinds: no classifier can learn both."""
    table = pd.DataFrame({"path": paths, "class_name": kinds, "digest": fingerprint(paths)})
    table = table[table["digest"] != ""]  # what cannot be opened is named when it is read
    for _, same in table[table["digest"].duplicated(keep=False)].groupby("digest", sort=False):
        if same["class_name"].nunique() > 1 and _is_image(same["path"].iloc[0]):
            (first, one), (second, other) = (
                (row.path, row.class_name) for row in same.drop_duplicates("class_name").head(2).itertuples()
            )
            raise DataError(
                f"the same image is {one!r} as {first!r} and {other!r} as {second!r}; keep the right one"
            )


def _is_image(path: str) -> bool:
    """Whether a file is one: empty files are alike, and are named when they are read."""
    try:
        read_header(path)
    except UnreadableImage:
        return False
    return True
