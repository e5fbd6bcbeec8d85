"""What a data set holds, and what is wrong with it, before anything is learned from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowngood.data.class_names import class_of_each, similar_names
from knowngood.data.copies import find_copies
from knowngood.data.decoding import THREADS, Header, read_header
from knowngood.data.expectations import balance, expectations
from knowngood.data.files import search
from knowngood.data.images import read_image, read_mask, significant_bits
from knowngood.data.layouts import recognise
from knowngood.data.near_duplicates import thumbnail
from knowngood.data.samples import load_samples
from knowngood.data.splits import SPLIT_MADE
from knowngood.errors import DataError, UnreadableImage
from knowngood.types import Progress, silent

NAMED = 10
"""Files of one kind that the summary names before it only counts them."""


@dataclass(frozen=True)
class Description:
    """What a data set holds.

    Args:
        layout: How the folder is laid out, in words, or "table".
        counts: Images for each split and kind, where a kind is "good" or a defect type.
        sizes: Images for each height and width.
        modes: Images for each pixel type in Pillow's words, such as ``RGB``, with "16 bit" where it applies.
        suffixes: Images for each file ending.
        bits: Bits that the 16-bit images really use; None where there are none.
        broken: Images that cannot be read.
        mask_problems: A line for each mask that cannot be read or has another size than its image.
        without_mask: Defect images that have no mask.
        duplicates: Files with the same bytes, within one split.
        leaks: Files with the same bytes in both splits: the test set is then no test.
        near_duplicates: Files that are not the same but show a copy of one image (see
            `knowngood.data.near_duplicates`), within one split.
        near_leaks: Such files in both splits.
        contradictions: Files with the same bytes but another kind.
        similar_names: A rare kind and a frequent one whose name it seems to misspell.
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
    duplicates: tuple[tuple[str, ...], ...]
    leaks: tuple[tuple[str, ...], ...]
    near_duplicates: tuple[tuple[str, ...], ...]
    near_leaks: tuple[tuple[str, ...], ...]
    contradictions: tuple[tuple[str, ...], ...]
    similar_names: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    split_made: bool

    def lines(self) -> list[str]:
        """Summarise in words.

        Returns:
            One line a fact; below a problem, a line for each of the first files that have it.
        """
        total = sum(self.counts.values())
        facts = [f"{total} images, laid out as: {self.layout}"]
        facts += [f"{split}, {kind}: {count}" for (split, kind), count in self.counts.items()]
        facts += balance(self.counts)
        facts.append(
            "sizes (height x width): " + _tally({f"{h} x {w}": n for (h, w), n in self.sizes.items()})
        )
        facts.append("pixels: " + _tally(self.modes))
        facts.append("files: " + _tally(self.suffixes))
        if self.bits is not None:
            facts.append(f"the 16-bit images use {self.bits} bits")
        without_mask = self.without_mask
        if len(without_mask) == sum(n for (_, kind), n in self.counts.items() if kind != "good"):
            without_mask = ()
            facts.append("no masks: where a defect lies cannot be checked")
        same, copy = "images with the same bytes as another", "images that look like copies of another"
        names = [f"{rare!r} beside {frequent!r}" for rare, frequent in self.similar_names]
        facts += _problem("images that cannot be read", map(str, self.broken))
        facts += _problem("masks that cannot be used", self.mask_problems)
        facts += _problem("defect images without a mask", map(repr, without_mask))
        facts += _problem("kinds whose name looks like a slip", names)
        facts += _problem("images with several labels", map(_alike, self.contradictions))
        facts += _problem(f"{same}, in train and test (a leak)", map(_alike, self.leaks))
        facts += _problem(f"{same}, within a split", map(_alike, self.duplicates))
        facts += _problem(f"{copy}, in train and test (a leak)", map(_about_alike, self.near_leaks))
        facts += _problem(f"{copy}, within a split", map(_about_alike, self.near_duplicates))
        facts += _problem("files ignored", map(repr, self.ignored))
        expected = expectations(self.counts, split_made=self.split_made)
        return [*facts, "what to expect:", *(f"  {sentence}" for sentence in expected)]


def describe(path: str | Path, *, progress: Progress = silent) -> Description:
    """Look through a data set: what it holds and what is wrong with it.

    Every image and mask is decoded, for only that shows whether it is whole. A thumbnail of 9 kB is kept of
    each image to find copies by.

    Args:
        path: A folder or a table, as `knowngood.data.samples.load_samples` takes it.
        progress: Called during long work.

    Returns:
        What was found. Broken images and masks are part of it, not an error.

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
    with ThreadPoolExecutor(THREADS) as pool:
        looks = pool.map(_look, paths, table["mask"])
        for done, (file, (look, mask_problem)) in enumerate(zip(paths, looks, strict=True), start=1):
            if isinstance(look, UnreadableImage):
                broken.append(look)
            else:
                headers[file], thumbnails[file] = look
            if mask_problem:
                mask_problems.append(mask_problem)
            progress("looking through images", done, len(paths))

    deep = [file for file, header in headers.items() if header.deep]
    defects = table[table["label"] == "defect"]
    classes = class_of_each(table)
    copies = find_copies(
        table.assign(class_name=classes)[table["path"].isin(headers)], thumbnails, progress=progress
    )
    counts = Counter(zip(table["split"], classes, strict=True))
    return Description(
        layout=layout,
        counts={key: counts[key] for key in sorted(counts, key=_train_and_good_first)},
        sizes=Counter((header.height, header.width) for header in headers.values()),
        modes=Counter(header.mode + ", 16 bit" * header.deep for header in headers.values()),
        suffixes=Counter(Path(file).suffix.lower() for file in paths),
        bits=significant_bits(deep) if deep else None,
        broken=tuple(broken),
        mask_problems=tuple(mask_problems),
        without_mask=tuple(defects["path"][defects["mask"] == ""]),
        duplicates=copies.duplicates,
        leaks=copies.leaks,
        near_duplicates=copies.near_duplicates,
        near_leaks=copies.near_leaks,
        contradictions=copies.contradictions,
        similar_names=tuple(similar_names(Counter(classes))),
        ignored=tuple(ignored),
        split_made=bool(table.attrs.get(SPLIT_MADE)),
    )


def _look(file: str, mask: str) -> tuple[tuple[Header, NDArray[np.uint8]] | UnreadableImage, str]:
    """Decode an image and its mask; return what the image is, and what is wrong with the mask."""
    try:
        header = read_header(file)
        image = read_image(file)
    except UnreadableImage as error:
        return error, ""
    look = header, thumbnail(image)
    try:
        if mask:
            read_mask(mask, (header.height, header.width))
    except DataError as error:
        return look, str(error)
    return look, ""


def _train_and_good_first(key: tuple[str, str]) -> tuple[bool, bool, str]:
    """Order splits and kinds as one reads about them."""
    split, kind = key
    return split != "train", kind != "good", kind


def _tally(counts: dict[str, int]) -> str:
    """Write counts in a row, the most frequent first."""
    return ", ".join(f"{name} ({n})" for name, n in sorted(counts.items(), key=lambda item: -item[1]))


def _problem(what: str, files: Iterable[str]) -> list[str]:
    """Write a line for a problem and one for each of the first files that have it; nothing if none has."""
    named = list(files)
    if not named:
        return []
    more = [f"  and {len(named) - NAMED} more"] if len(named) > NAMED else []
    return [f"{what}: {len(named)}", *(f"  {file}" for file in named[:NAMED]), *more]


def _alike(files: tuple[str, ...]) -> str:
    """Write files with equal content as an equation."""
    return " = ".join(map(repr, files))


def _about_alike(files: tuple[str, ...]) -> str:
    """Write files that show about the same."""
    return " ~ ".join(map(repr, files))
