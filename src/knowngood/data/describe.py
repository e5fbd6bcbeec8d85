"""The description of a data set, and of what is wrong with it, before anything is trained on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowngood.data.class_names import class_of_each, similar_names
from knowngood.data.copies import Copies, Groups, find_copies
from knowngood.data.decoding import Header, listed, read_header
from knowngood.data.expectations import balance, expectations
from knowngood.data.files import search
from knowngood.data.images import read_image, read_mask, significant_bits
from knowngood.data.layouts import recognise
from knowngood.data.near_duplicates import thumbnail
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
        similar_names: A rare class and a frequent one whose name it seems to misspell.
        ignored: Files in the folder that are neither images of a class nor masks.
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
    similar_names: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
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
        same, copy = "images with the same bytes as another", "images that look like copies of another"
        problems: dict[str, Iterable[str]] = {
            "images that cannot be read": map(str, self.broken),
            "masks that cannot be used": self.mask_problems,
            "defect images without a mask": () if no_masks else map(repr, self.without_mask),
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


def describe(path: str | Path, *, progress: Progress = silent) -> Description:
    """Describe a data set, broken images and masks included.

    Every image and mask is decoded, for only that shows whether it is whole. A thumbnail of 9 kB is kept of
    each image to find copies by.

    Args:
        path: A folder or a table, as `knowngood.data.samples.load_samples` takes it.
        progress: Called during long work.

    Raises:
        DataError: The path is no data set at all.
    """
    path = Path(path)
    ignored: list[str] = []
    if path.is_dir():
        layout, table = recognise(path)
        used = {*table["path"], *table["mask"]}
        ignored = [str(file) for files in search(path) for file in files if str(file) not in used]
    else:
        layout, table = "table", load_samples(path)
    paths = table["path"].tolist()

    headers: dict[str, Header] = {}
    thumbnails: dict[str, NDArray[np.uint8]] = {}
    broken: list[UnreadableImage] = []
    mask_problems: list[str] = []
    images = in_threads(_read, list(zip(paths, table["mask"], strict=True)))
    for done, (file, (image, mask_problem)) in enumerate(zip(paths, images, strict=True), start=1):
        if isinstance(image, UnreadableImage):
            broken.append(image)
        else:
            headers[file], thumbnails[file] = image
        if mask_problem:
            mask_problems.append(mask_problem)
        progress("reading images", done, len(paths))

    deep = [file for file, header in headers.items() if header.deep]
    defects, split_made = table[table["label"] == "defect"], bool(table.attrs.get(SPLIT_MADE))
    table = table[["path", "split"]].assign(class_name=class_of_each(table))
    counts = Counter(zip(table["split"], table["class_name"], strict=True))
    copies = find_copies(table[[path in headers for path in paths]], thumbnails, progress=progress)
    return Description(
        **vars(copies),
        layout=layout,
        counts={key: counts[key] for key in sorted(counts, key=_train_and_good_first)},
        sizes=Counter((header.height, header.width) for header in headers.values()),
        modes=Counter(header.mode + ", 16 bit" * header.deep for header in headers.values()),
        suffixes=Counter(Path(file).suffix.lower() for file in paths),
        bits=significant_bits(deep) if deep else None,
        broken=tuple(broken),
        mask_problems=tuple(mask_problems),
        without_mask=tuple(defects["path"][defects["mask"] == ""]),
        similar_names=tuple(similar_names(Counter(table["class_name"]))),
        ignored=tuple(ignored),
        split_made=split_made,
    )


def _read(files: tuple[str, str]) -> tuple[tuple[Header, NDArray[np.uint8]] | UnreadableImage, str]:
    """Decode an image and its mask; return header and thumbnail, or an error, and the mask's problem."""
    file, mask = files
    try:
        header = read_header(file)
        image = header, thumbnail(read_image(file))
    except UnreadableImage as error:
        return UnreadableImage(error.path, error.reason), ""  # without what a traceback would keep
    try:
        if mask:
            read_mask(mask, (header.height, header.width))
    except DataError as error:
        return image, str(error)
    return image, ""


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
