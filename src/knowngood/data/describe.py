"""Reading a data set to describe it, and what is wrong with it, before anything is trained on it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.class_names import class_of_each, similar_names
from knowngood.data.copies import find_copies
from knowngood.data.decoding import Mask, Source, read_header
from knowngood.data.description import Description
from knowngood.data.formats import Header
from knowngood.data.held import HELD, Labels, Masks, list_sources, masks_of, sources_of
from knowngood.data.images import read_image, read_mask, significant_bits
from knowngood.data.layouts import NOTES, recognise
from knowngood.data.masks import several
from knowngood.data.near_duplicates import thumbnail
from knowngood.data.patterns import Patterns
from knowngood.data.samples import Samples, load_samples, named_after
from knowngood.data.splits import SPLIT_MADE
from knowngood.data.threads import in_threads
from knowngood.errors import DataError, UnreadableImage
from knowngood.notebook import followed
from knowngood.types import Progress


def describe(
    data: Samples,
    labels: Labels | None = None,
    masks: Masks | None = None,
    *,
    patterns: Patterns | None = None,
    progress: Progress | None = None,
) -> Description:
    """Describe a data set, broken images and masks included.

    Every image and mask is decoded, for only that shows whether it is whole. A thumbnail of 9 kB is kept of
    each image to find copies by.

    Args:
        data: A folder, a table, or images, as `knowngood.data.samples.load_samples` takes them.
        labels: The labels of images that are given alone; without them, all are good ones to train on.
        masks: The masks of images that are given alone.
        patterns: Which files of a folder are good, defects, masks, or to be ignored.
        progress: Called during long work; without it, a notebook shows a bar.

    Raises:
        DataError: It is no data set at all.

    Example::

        print(describe("widget/"))
    """
    progress = followed(progress)
    ignored: list[str] = []
    if isinstance(data, str | os.PathLike) and Path(data).is_dir() and labels is None and masks is None:
        layout, table, found, masks_of_images = recognise(Path(data), patterns)
        named_after(table, Path(data))
        used = {*table["path"], *(mask for cell in masks_of_images.values() for mask in several(cell))}
        ignored = [str(file) for files in (found.images, found.others) for file in files]
        ignored = [file for file in ignored if file not in used]
        all_masks: list[Mask] = [masks_of_images.get(file, "") for file in table["path"]]
    else:
        table = _samples(data, labels, masks, patterns)
        layout, all_masks = "images in memory" if HELD in table else "table", masks_of(table)
    paths, sources = table["path"].tolist(), sources_of(table)
    contents = dict(zip(paths, _read_all(paths, sources, all_masks, progress), strict=True))
    headers = {file: content.header for file, content in contents.items() if content.header}
    thumbnails = {file: content.thumbnail for file, content in contents.items() if content.header}
    source_of = dict(zip(paths, sources, strict=True))
    deep = [source_of[file] for file, header in headers.items() if header.deep]
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
        suffixes=Counter(map(_suffix, sources)),
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


def _samples(
    data: Samples, labels: Labels | None, masks: Masks | None, patterns: Patterns | None
) -> pd.DataFrame:
    """The table of samples; images without labels are good ones to train on."""
    if labels is not None or isinstance(data, str | os.PathLike | pd.DataFrame):
        return load_samples(data, patterns, labels=labels, masks=masks)
    sources = list_sources(data)
    good = load_samples(sources, patterns, labels=["good"] * len(sources), masks=masks).assign(split="train")
    good.attrs.clear()
    return good


def _suffix(source: Source) -> str:
    """The ending of a file's name; what else an image came as."""
    if isinstance(source, np.ndarray):
        return "array"
    return "bytes" if isinstance(source, bytes) else Path(source).suffix.lower()


def _read_all(
    paths: Sequence[str], sources: Sequence[Source], masks: Sequence[Mask], progress: Progress
) -> Iterator[_Content]:
    """Read all images and their masks."""
    read = in_threads(_read, list(zip(paths, sources, masks, strict=True)))
    for done, content in enumerate(read, start=1):
        yield content
        progress("reading images", done, len(paths))


def _read(files: tuple[str, Source, Mask]) -> _Content:
    """Decode an image and its mask."""
    path, source, mask = files
    try:
        header = read_header(source)
        content = _Content(header, thumbnail(read_image(source)))
    except UnreadableImage as error:
        return _Content(broken=UnreadableImage(path, error.reason))  # without its traceback
    if not len(mask):
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
