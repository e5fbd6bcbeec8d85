"""Images with their classes, good or a type of defect, for training a classifier."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.class_names import LEAST, check_names, class_of_each, similar_names
from knowngood.data.decoding import Source, read_header
from knowngood.data.held import masks_of, sources_of
from knowngood.data.imageset import GOOD, good_first
from knowngood.data.samples import data_name, fingerprint, load_samples
from knowngood.data.selection import Selection
from knowngood.data.splits import SPLIT_MADE, assign_split
from knowngood.errors import DataError, RecipeError, UnreadableImage

DEFECT = "defect"
DEFECT_SHARE = 0.7  # share of each defect type to train on, where the data put no defect into the train split
BY = ("auto", "type", "label")
"""The classes: `type` for good parts and each defect type, `label` for good parts and defects."""


def with_defects_to_learn(
    data: str | os.PathLike[str] | pd.DataFrame, share: float = DEFECT_SHARE, *, seed: int = 0
) -> pd.DataFrame:
    """Return the samples, with defects in the train split.

    A table or folder that has none there is divided: where it makes no split, good parts and each defect
    type; where it does (as MVTec AD, all of whose defects are test images), each defect type alone, and good
    parts stay where they are.

    Args:
        data: A folder or a table, as `knowngood.data.samples.load_samples` takes it.
        share: Share of each defect type to train on, between 0 and 1.
        seed: Seed of the split.

    Example:
        >>> table = pd.DataFrame({"path": list("abcdefgh"), "label": ["good"] * 4 + ["defect"] * 4})
        >>> with_defects_to_learn(table, 0.5).groupby(["label", "split"]).size().to_dict()
        {('defect', 'test'): 2, ('defect', 'train'): 2, ('good', 'test'): 1, ('good', 'train'): 3}
    """
    if not 0 < share < 1:
        raise RecipeError(f"defect_share={share} must be between 0 and 1, so that both sides have defects")
    table = load_samples(data)
    if ((table["label"] == "defect") & (table["split"] == "train")).any():
        return table
    divided = assign_split(table, defect_share=share, seed=seed)
    if not table.attrs.get(SPLIT_MADE):
        divided["split"] = divided["split"].where(table["label"] == "defect", table["split"])
    return divided


def labelled(table: pd.DataFrame, by: str = "auto") -> Selection:
    """Select the images of a table's train split, with their classes.

    Args:
        table: Samples, as `load_samples` returns them.
        by: One of `BY`; `auto` is `type` where the type of every defect is known, else `label`.

    Raises:
        DataError: There are no good images, or no defects; a class has a single image, or a name that looks
            like a misspelling of another; or the same image is of two classes.
        RecipeError: `by` is not known.

    Example:
        >>> rows = {"path": list("abcd"), "split": "train", "label": ["good", "good", "defect", "defect"]}
        >>> labelled(load_samples(pd.DataFrame(rows))).classes
        ['good', 'good', 'defect', 'defect']
    """
    check_by(by)
    train = table[table["split"] == "train"]
    sources, classes = sources_of(train), classes_by(train, by).tolist()
    names = good_first(set(classes))
    for missing, images in ((GOOD not in names, "good image"), (not {*names} - {GOOD}, "defect")):
        if missing:
            raise DataError(
                f"there is no {images} to train on; a classifier learns from both, an anomaly detector "
                "(`knowngood fit`) from good images alone"
            )
    groups = train["group"].tolist() if "group" in train else None
    parts = Counter(name for name, _ in set(zip(classes, groups or train["path"], strict=True)))
    _check_names({name: parts[name] for name in names})
    _check_agreement(train.assign(class_name=classes))
    return Selection(sources, classes, groups, masks_of(train), data=data_name(table))


def check_by(by: str) -> None:
    """Refuse what is not one of `BY` with a RecipeError."""
    if by not in BY:
        raise RecipeError(f"by={by!r} is not known; take {', '.join(BY)}")


def classes_by(table: pd.DataFrame, by: str = "auto") -> NDArray[np.str_]:
    """Return the class of each image by one of `BY`; a DataError by `type` if a defect has none."""
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


def numbers_among(classes: Sequence[str] | NDArray[np.str_], names: Sequence[str]) -> NDArray[np.int64]:
    """Return the number of each class among those of a classifier; -1 for one that it does not know.

    To a classifier of defects and good parts alone, every defect type is a defect.

    Example:
        >>> numbers_among(["good", "dent", "scratch"], ["good", "dent"]).tolist()
        [0, 1, -1]
        >>> numbers_among(["good", "dent"], ["good", "defect"]).tolist()
        [0, 1]
    """
    known = {name: number for number, name in enumerate(names)}
    other = known.get(DEFECT, -1) if len(names) == 2 else -1
    return np.array([known.get(str(name), other) for name in classes], np.int64)


def _check_names(parts: Mapping[str, int]) -> None:
    """Refuse a class whose name looks misspelt, and one with a single part."""
    check_names(parts)
    for rare, common in similar_names(parts):
        raise DataError(
            f"{rare!r} ({parts[rare]} image(s)) looks like a misspelling of {common!r} ({parts[common]} "
            f"image(s)); did you mean {common!r}? Give both one name, or names that differ more"
        )
    for name, count in parts.items():
        if count < LEAST:
            others = [other for other in parts if other != name]
            near = "".join(f" (or did you mean {other!r}?)" for other in get_close_matches(name, others, n=1))
            raise DataError(
                f"{name!r} has one image to train on{near}; at least {LEAST} are needed, one to train on "
                "and one to hold out: add images of it, leave it out, or tell good parts from defects alone "
                "(by=label)"
            )


def _check_agreement(table: pd.DataFrame) -> None:
    """Refuse the same image in two classes, `class_name`: no classifier can learn both."""
    table = table.assign(digest=fingerprint(sources_of(table)))
    table = table[table["digest"] != ""]  # what cannot be opened is named when it is read
    for _, same in table[table["digest"].duplicated(keep=False)].groupby("digest", sort=False):
        different = same.drop_duplicates("class_name")
        if len(different) > 1 and _is_image(sources_of(same)[0]):
            (first, one), (second, other) = different[["path", "class_name"]].head(2).to_numpy().tolist()
            raise DataError(
                f"the same image is {one!r} as {first!r} and {other!r} as {second!r}; keep the right one"
            )


def _is_image(source: Source) -> bool:
    """Whether a file is an image: empty files are alike, and are named when they are read."""
    try:
        read_header(source)
    except UnreadableImage:
        return False
    return True
