"""Dividing a data set into training and test images, so that nothing that is learned is tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from knowngood.data.class_names import class_of_each
from knowngood.data.decoding import Source
from knowngood.data.held import sources_of
from knowngood.data.images import read_image
from knowngood.data.near_duplicates import SIDE, near_duplicates, thumbnail
from knowngood.data.patterns import Patterns
from knowngood.data.samples import Samples, fingerprint, load_samples
from knowngood.data.splits import SPLIT_MADE, assign_split
from knowngood.data.threads import in_threads
from knowngood.errors import DataError, RecipeError, UnreadableImage
from knowngood.notebook import followed
from knowngood.types import Progress

COPIES = ("near", "same", "none")
"""Which images stay together as copies: those that look alike, those of the same bytes, or none."""

QUARANTINE = "quarantine"
"""Attribute of a table: the files that were left out, and why."""


class Quarantined(NamedTuple):
    """An image that is left out, and stays where it is."""

    path: str
    reason: str


def split(
    data: Samples,
    *,
    train_share: float = 0.7,
    defect_share: float | None = None,
    copies: str = "near",
    seed: int = 0,
    patterns: Patterns | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Divide a data set anew into training and test images, each class by itself.

    Images of one part (the column `group`) and copies of an image stay on one side; their common group is in
    the column `group` of the result. Images that cannot be read, and the same bytes under several classes,
    are left out: the attribute `QUARANTINE` lists them. With `copies="same"` no image is decoded, so that
    only files that cannot be opened are left out; with `"none"` nothing is.

    Args:
        data: A folder, a table, label files or images, as `knowngood.load_samples` takes them.
        train_share: Share of the good images to train on, between 0 and 1.
        defect_share: Share of each defect type to train on, from 0 (for anomaly detectors, which learn from
            good images alone) to 1; by default that of the good images, for detectors and classifiers.
        copies: One of `COPIES`. Near copies are found by decoding every image.
        seed: The same seed on the same images gives the same split.
        patterns: Which files of a folder are good, defects, masks, or to be ignored.
        progress: Called during long work.

    Raises:
        DataError: The data cannot be used, or no image is left.
        RecipeError: A share is out of range, or `copies` is not known.

    Example:
        >>> table = pd.DataFrame({"path": list("abcdef"), "label": ["good"] * 6, "group": list("112233")})
        >>> split(table, train_share=0.5, copies="none").groupby("group")["split"].nunique().tolist()
        [1, 1, 1]
    """
    progress = followed(progress)
    if copies not in COPIES:
        raise RecipeError(f"copies={copies!r} is not known; take {', '.join(COPIES)}")
    share = train_share if defect_share is None else defect_share
    if not 0 < train_share < 1 or not 0 <= share <= 1:
        raise RecipeError(
            f"train_share={train_share} must be between 0 and 1, and defect_share={share} from 0 to 1"
        )
    table = load_samples(data, patterns)
    attributes = dict(table.attrs)
    sources = sources_of(table)
    contents = fingerprint(sources, progress=progress) if copies != "none" else [""] * len(table)
    thumbnails = _thumbnails(sources, progress) if copies == "near" else [None] * len(table)
    reasons = _reasons(table, contents, thumbnails)
    kept = np.array([not reason for reason in reasons])
    out = [Quarantined(path, why) for path, why in zip(table["path"], reasons, strict=True) if why]
    if not kept.any():
        raise DataError(f"no image is left; {out[0].path!r}: {out[0].reason}")
    rows = table[kept].reset_index(drop=True)
    near = [one for one, keep in zip(thumbnails, kept, strict=True) if keep and isinstance(one, np.ndarray)]
    parts = _parts(rows, np.array(contents)[kept], near, progress)
    divided = assign_split(rows.assign(group=parts), train_share, defect_share=share, seed=seed)
    if "group" not in table and divided["group"].nunique() == len(divided):
        divided = divided.drop(columns="group")
    attributes.pop(SPLIT_MADE, None)
    divided.attrs = {**attributes, QUARANTINE: tuple(out)}
    return divided


def _thumbnails(sources: Sequence[Source], progress: Progress) -> list[NDArray[np.uint8] | str]:
    """Make the thumbnail of each image; of one that cannot be read, say why."""

    def read(source: Source) -> NDArray[np.uint8] | str:
        try:
            return thumbnail(read_image(source))
        except UnreadableImage as error:
            return error.reason

    found = []
    for done, one in enumerate(in_threads(read, sources), start=1):
        found.append(one)
        progress("reading images", done, len(sources))
    return found


def _reasons(
    table: pd.DataFrame, contents: Sequence[str], thumbnails: Sequence[NDArray[np.uint8] | str | None]
) -> list[str]:
    """Say for each image why it is left out; nothing for most."""
    classes = class_of_each(table)
    reasons = (
        ["" if one else "it cannot be opened" for one in contents] if any(contents) else [""] * len(table)
    )
    several = classes.groupby(np.array(contents)).transform("nunique") > 1
    if any(contents) and several.any():
        named = (
            classes[several].groupby(np.array(contents)[several]).agg(lambda own: ", ".join(sorted({*own})))
        )
        for row in np.flatnonzero(several).tolist():
            reasons[row] = reasons[row] or f"the same image has the labels {named[contents[row]]}"
    for row, one in enumerate(thumbnails):
        if isinstance(one, str):
            reasons[row] = f"it cannot be read: {one}"
    return reasons


def _parts(
    table: pd.DataFrame,
    contents: NDArray[np.str_],
    thumbnails: Sequence[NDArray[np.uint8]],
    progress: Progress,
) -> list[str]:
    """Name the part of each image: its group and those of its copies, joined under the first name."""
    names = (table["group"] if "group" in table else table["path"]).tolist()
    own = pd.factorize(pd.Series(names))[0].astype(np.int64)
    pairs = [own]
    if contents[0]:
        pairs.append(pd.factorize(contents)[0].astype(np.int64))
    if thumbnails:
        copies = np.arange(len(table))
        stack = np.stack(thumbnails).reshape(-1, SIDE, SIDE)
        for group in near_duplicates(stack, progress=progress):
            copies[list(group)] = group[0]
        pairs.append(copies)
    # Images and what they share are the nodes of a graph; what hangs together is one part.
    count = len(table)
    images = np.tile(np.arange(count), len(pairs))
    shared = np.concatenate([count * (1 + place) + one for place, one in enumerate(pairs)])
    size = count * (1 + len(pairs))
    links = coo_array((np.ones(len(images), np.bool_), (images, shared)), shape=(size, size))
    _, part = connected_components(links, directed=False)
    first = dict(zip(reversed(part[:count].tolist()), reversed(names), strict=True))
    return [first[number] for number in part[:count].tolist()]
