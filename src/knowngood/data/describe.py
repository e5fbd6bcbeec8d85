"""The description of a data set, and of what is wrong with it, before anything is trained on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from knowngood.data.class_names import class_of_each, similar_names
from knowngood.data.copies import Copies, Groups, find_copies
from knowngood.data.decoding import listed, read_header
from knowngood.data.expectations import balance, expectations
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
    table = table.assign(class_name=class_of_each(table))
    counts = Counter(zip(table["split"], table["class_name"], strict=True))
    copies = find_copies(table[[file in headers for file in table["path"]]], thumbnails, progress=progress)
    return Description(
        **vars(copies),
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
