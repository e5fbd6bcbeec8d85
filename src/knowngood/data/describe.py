"""Reading a data set to describe it, and what is wrong with it, before anything is trained on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from knowngood.data.class_names import class_of_each, similar_names
from knowngood.data.copies import find_copies
from knowngood.data.decoding import read_header
from knowngood.data.description import Description
from knowngood.data.formats import Header
from knowngood.data.images import read_image, read_mask, significant_bits
from knowngood.data.layouts import NOTES, recognise
from knowngood.data.masks import several
from knowngood.data.near_duplicates import thumbnail
from knowngood.data.patterns import Patterns
from knowngood.data.samples import load_samples
from knowngood.data.splits import SPLIT_MADE
from knowngood.data.threads import in_threads
from knowngood.errors import DataError, UnreadableImage
from knowngood.types import Progress, silent


def describe(
    path: str | Path, *, patterns: Patterns | None = None, progress: Progress = silent
) -> Description:
    """Describe a data set, broken images and masks included.

    Every image and mask is decoded, for only that shows whether it is whole. A thumbnail of 9 kB is kept of
    each image to find copies by.

    Args:
        path: A folder or a table, as `knowngood.data.samples.load_samples` takes it.
        patterns: Which files of a folder are good, defects, masks, or to be ignored.
        progress: Called during long work.

    Raises:
        DataError: The path is no data set at all.
    """
    path = Path(path)
    ignored: list[str] = []
    if path.is_dir():
        layout, table, found, masks = recognise(path, patterns)
        used = {*table["path"], *(mask for cell in masks.values() for mask in several(cell))}
        ignored = [str(file) for files in (found.images, found.others) for file in files]
        ignored = [file for file in ignored if file not in used]
    else:
        layout, table = "table", load_samples(path, patterns)
        masks = dict(zip(table["path"], table["mask"], strict=True))
    contents = _read_all(table["path"].tolist(), masks, progress)
    headers = {file: content.header for file, content in contents.items() if content.header}
    thumbnails = {file: content.thumbnail for file, content in contents.items() if content.header}
    deep = [file for file, header in headers.items() if header.deep]
    is_defect = table["label"] == "defect"
    marks = np.array([contents[file].marks for file in table["path"]])
    samples, table = table, table.assign(class_name=class_of_each(table))
    counts = Counter(zip(table["split"], table["class_name"], strict=True))
    copies = find_copies(table[[file in headers for file in table["path"]]], thumbnails, progress=progress)
    return Description(
        **vars(copies),
        samples=samples,
        layout=layout,
        counts={key: counts[key] for key in sorted(counts, key=_train_and_good_first)},
        sizes=Counter((header.height, header.width) for header in headers.values()),
        modes=Counter(header.mode + ", 16 bit" * header.deep for header in headers.values()),
        suffixes=Counter(Path(file).suffix.lower() for file in contents),
        bits=significant_bits(deep) if deep else None,
        broken=tuple(content.broken for content in contents.values() if content.broken),
        mask_problems=tuple(content.mask_problem for content in contents.values() if content.mask_problem),
        without_mask=tuple(table["path"][is_defect & (table["mask"] == "")]),
        unmarked=tuple(table["path"][is_defect & (marks == "no")]),
        marked_good=tuple(table["path"][~is_defect & (marks == "yes")]),
        similar_names=tuple(similar_names(Counter(table["class_name"]))),
        ignored=tuple(ignored),
        notes=tuple(table.attrs.get(NOTES, ())),
        split_made=bool(table.attrs.get(SPLIT_MADE)),
    )


class _Content(NamedTuple):
    """What is in an image file, and in its mask."""

    header: Header | None = None
    thumbnail: NDArray[np.uint8] = np.empty(0, np.uint8)
    broken: UnreadableImage | None = None
    mask_problem: str = ""
    marks: str = ""  # whether the mask marks anything, "yes" or "no"


def _read_all(paths: Sequence[str], masks: Mapping[str, str], progress: Progress) -> dict[str, _Content]:
    """Read all images and their masks."""
    contents: dict[str, _Content] = {}
    read = in_threads(_read, [(file, masks.get(file, "")) for file in paths])
    for done, (file, content) in enumerate(zip(paths, read, strict=True), start=1):
        contents[file] = content
        progress("reading images", done, len(paths))
    return contents


def _read(files: tuple[str, str]) -> _Content:
    """Decode an image and its mask."""
    file, mask = files
    try:
        header = read_header(file)
        content = _Content(header, thumbnail(read_image(file)))
    except UnreadableImage as error:
        return _Content(broken=UnreadableImage(error.path, error.reason))  # without its traceback
    if not mask:
        return content
    try:
        marks = read_mask(mask, (header.height, header.width)).any()
    except DataError as error:
        return content._replace(mask_problem=str(error))
    return content._replace(marks="yes" if marks else "no")


def _train_and_good_first(key: tuple[str, str]) -> tuple[bool, bool, str]:
    """Order splits and classes as one reads about them."""
    split, name = key
    return split != "train", name != "good", name
