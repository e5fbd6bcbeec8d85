"""The description of a data set, and of what is wrong with it, before anything is trained on it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.class_names import class_of_each, similar_names
from knowngood.data.copies import Copies, Groups, find_copies
from knowngood.data.decoding import Mask, Source, listed, read_header
from knowngood.data.expectations import balance, expectations
from knowngood.data.formats import Header
from knowngood.data.held import HELD, Labels, Masks, list_sources, masks_of, sources_of
from knowngood.data.images import read_image, read_mask, significant_bits
from knowngood.data.layouts import NOTES, recognise
from knowngood.data.masks import several
from knowngood.data.near_duplicates import thumbnail
from knowngood.data.patterns import Patterns
from knowngood.data.samples import Samples, load_samples
from knowngood.data.splits import SPLIT_MADE
from knowngood.data.threads import in_threads
from knowngood.errors import DataError, UnreadableImage
from knowngood.notebook import followed
from knowngood.types import Progress

MOST_LINES, LONGEST_LINE = 100, 2000
"""Lines of a description on classes, and letters of one: a table may have a million classes."""


@dataclass(frozen=True)
class Description(Copies):
    """The contents of a data set.

    Args:
        layout: How the folder is laid out, in words, or "table".
        counts: Images per split and class, where a class is "good" or a defect type.
        sizes: Images per height and width.
        modes: Images per pixel type in Pillow's words, such as ``RGB``, with "16 bit" where it applies.
        suffixes: Images per file ending.
        bits: Bits that the 16-bit images really use; None where there are none.
        broken: Images that cannot be read.
        mask_problems: A line per mask that cannot be read or has another size than its image.
        without_mask: Defect images that have no mask.
        unmarked: Defect images whose masks mark nothing.
        marked_good: Good images whose masks mark something.
        similar_names: A rare class and a frequent one whose name it seems to misspell.
        ignored: Files in the folder that are neither images of a class nor masks.
        notes: Sentences on what was left out, or may have been misunderstood.
        split_made: Whether the split was made here, as the data have none.
    """

    layout: str
    counts: dict[tuple[str, str], int]
    sizes: dict[tuple[int, int], int]
    modes: dict[str, int]
    suffixes: dict[str, int]
    bits: int | None
    broken: tuple[UnreadableImage, ...]
    mask_problems: tuple[str, ...]
    without_mask: tuple[str, ...]
    unmarked: tuple[str, ...]
    marked_good: tuple[str, ...]
    similar_names: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    notes: tuple[str, ...]
    split_made: bool

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Summarise in words: a line per fact, and below each problem a line per file, of the first files."""
        defects = sum(count for (_, name), count in self.counts.items() if name != "good")
        no_masks = len(self.without_mask) == defects
        facts = [
            f"{sum(self.counts.values())} images, laid out as: {self.layout}",
            *_bounded([f"{split}, {name}: {count}" for (split, name), count in self.counts.items()]),
            *_bounded(balance(self.counts)),
            "sizes (height x width): " + _tally({f"{h} x {w}": n for (h, w), n in self.sizes.items()}),
            "pixels: " + _tally(self.modes),
            "files: " + _tally(self.suffixes),
        ]
        if self.bits is not None:
            facts.append(f"the 16-bit images use {self.bits} bits")
        if no_masks:
            facts.append("no masks: the position of defects cannot be checked")
        else:
            facts.append(f"masks: of {defects - len(self.without_mask)} of {defects} defects")
        facts += [f"note: {note}" for note in self.notes]
        same, copy = "images with the same bytes as another", "images that look like copies of another"
        problems: dict[str, Iterable[str]] = {
            "images that cannot be read": map(str, self.broken),
            "masks that cannot be used": self.mask_problems,
            "defect images without a mask": () if no_masks else map(repr, self.without_mask),
            "defect images whose mask is black": map(repr, self.unmarked),
            "good images whose mask marks a defect": map(repr, self.marked_good),
            "classes whose name looks misspelt": (
                f"{rare!r} beside {name!r}" for rare, name in self.similar_names
            ),
            "images with several labels": _joined(" = ", self.contradictions),
            f"{same}, in train and test (a leak)": _joined(" = ", self.leaks),
            f"{same}, within a split": _joined(" = ", self.duplicates),
            f"{copy}, in train and test (a leak)": _joined(" ~ ", self.near_leaks),
            f"{copy}, within a split": _joined(" ~ ", self.near_duplicates),
            "files ignored": map(repr, self.ignored),
        }
        for problem, files in problems.items():
            if named := list(files):
                facts += [f"{problem}: {len(named)}", *listed(named)]
        expected = _bounded(expectations(self.counts, split_made=self.split_made))
        return [*facts, "what to expect:", *(f"  {sentence}" for sentence in expected)]


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
    table = table.assign(class_name=class_of_each(table))
    counts = Counter(zip(table["split"], table["class_name"], strict=True))
    copies = find_copies(table[[file in headers for file in table["path"]]], thumbnails, progress=progress)
    return Description(
        **vars(copies),
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


def _bounded(lines: list[str]) -> list[str]:
    """Cut lines on classes, and each of them, to a length that can be read."""
    more = [f"and {len(lines) - MOST_LINES} more lines on classes"] if len(lines) > MOST_LINES else []
    shown = (
        line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}..." for line in lines[:MOST_LINES]
    )
    return [*shown, *more]


def _tally(counts: dict[str, int]) -> str:
    """Write counts in a row, the most frequent first."""
    return ", ".join(f"{name} ({n})" for name, n in sorted(counts.items(), key=lambda item: -item[1]))


def _joined(sign: str, groups: Groups) -> Iterable[str]:
    """Write groups of files, such as `'a.png' = 'b.png'`."""
    return (sign.join(map(repr, files)) for files in groups)
