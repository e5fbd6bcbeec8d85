"""Folder layouts: which image is good, which is a defect, and which masks belong to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from knowngood.data.files import Found, relative, search, unread_note
from knowngood.data.images import IMAGE_SUFFIXES
from knowngood.data.labels.recognise import LAYOUT, read_labels
from knowngood.data.looks import doubts, looks_below
from knowngood.data.masks import Looks, Paired, joined, pair
from knowngood.data.meanings import Place, is_for_validation, meaning, place
from knowngood.data.pairs import REFERENCE, references_of
from knowngood.data.patterns import Patterns
from knowngood.data.splits import assign_split
from knowngood.data.tables import check_samples
from knowngood.data.unknown import advice
from knowngood.errors import DataError, escaped

TRAIN_AND_TEST = "train and test folders, as in MVTec AD and BTAD"
CLASSES = "one folder per class"
BY_MASKS = "images with masks: a defect is what has a mask that is not black"
ONLY_GOOD = "one folder of good images"
ONLY_DEFECTS = "one folder of defects"

COLUMNS = ["path", "split", "label", "defect", "mask"]

NOTES = "notes"
"""Attribute of a table of a folder: sentences on what was left out, or may have been misunderstood."""


class Recognised(NamedTuple):
    """What is known of a folder of images."""

    layout: str  # in words
    table: pd.DataFrame  # samples, with the attribute `NOTES`
    found: Found
    masks: dict[str, str]  # of every image that has any, as in the column `mask`; good ones have none there


class Row(NamedTuple):
    """An image of a data set; without a split where the folder makes none."""

    file: PurePosixPath
    split: str
    label: str
    defect: str


def recognise(folder: str | Path, patterns: Patterns | None = None) -> Recognised:
    """Find the samples of a folder, and say how it is laid out.

    Args:
        folder: Folders for splits (`train`, `test`, `validation`) and classes, one of them good by its name;
            or images with masks beside them; or good images alone. See `knowngood.data.meanings`. Label files
            of another tool outweigh folders; see `knowngood.data.labels`.
        patterns: What the user says of files.

    Raises:
        DataError: A folder cannot be listed, there is no image in it, no layout fits, or images may be masks.
    """
    folder, patterns = Path(folder), patterns or Patterns()
    if not patterns and (labelled := read_labels(folder)) is not None:
        table = check_samples(labelled)
        masks = dict(zip(table["path"], table["mask"], strict=True))
        return Recognised(labelled.attrs[LAYOUT], table, Found([], [], [], [], []), masks)
    found = search(folder)
    if not found.images:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        reasons = [f"folder {str(folder)!r} holds no images ({suffixes})", *unread_note(found.pictures)]
        raise DataError("; ".join([*reasons, "name a folder that does"]), path=folder)
    files, looks = relative(found.images, folder), looks_below(folder)
    try:
        patterns.check(files)
        layout, rows, paired = arrange(files, looks, patterns, folder)
    except DataError as error:
        raise DataError(f"folder {str(folder)!r}: {error}", path=folder) from error
    masks = {
        str(folder / image): joined(str(folder / mask) for mask in its_masks)
        for image, its_masks in paired.masks.items()
    }
    # Files are of dtype object: their names may hold bytes that are no text.
    table = pd.DataFrame(
        [
            (path, split, label, escaped(defect), masks.get(path, "") if label == "defect" else "")
            for path, split, label, defect in ((str(folder / row.file), *row[1:]) for row in rows)
        ],
        columns=COLUMNS,
        dtype=object,
    ).astype({"split": str, "label": str, "defect": str})
    if patterns.reference:
        known = [file for file in files if patterns.of(file) == "reference"]
        found_for = references_of([row.file for row in rows], known)
        own = [str(folder / found_for[row.file]) if row.file in found_for else "" for row in rows]
        table[REFERENCE] = pd.Series(own, dtype=object)
    if not any(row.split for row in rows):
        table = assign_split(table)
    if layout == ONLY_GOOD:
        table["split"] = "train"
    notes = _notes(layout, rows, paired, looks, folder.absolute().name)
    table.attrs[NOTES] = (*notes, *found.notes())
    return Recognised(layout, table, found, masks)


def arrange(
    files: Sequence[PurePosixPath], looks: Looks, patterns: Patterns | None = None, folder: str | Path = ""
) -> tuple[str, list[Row], Paired]:
    """Divide files into good images, defects and masks.

    Args:
        files: Paths below the folder.
        looks: Looks at files, which are read only then.
        patterns: What the user says of files.
        folder: The folder itself, where its name counts.

    Returns:
        The layout, the samples, and the masks of each image.

    Raises:
        DataError: No layout fits, or images may be masks.

    Example:
        >>> from knowngood.data.masks import Look
        >>> names = ["train/good/0.png", "Test/dent/1.png", "ground_truth/dent/1_mask.png"]
        >>> photographs = lambda files: [Look()] * len(files)
        >>> layout, rows, paired = arrange([PurePosixPath(name) for name in names], photographs)
        >>> [tuple(row[1:]) for row in rows], [str(mask) for [mask] in paired.masks.values()]
        ([('train', 'good', ''), ('test', 'defect', 'dent')], ['ground_truth/dent/1_mask.png'])
    """
    patterns, called = patterns or Patterns(), Path(folder).absolute().name if folder else ""
    said = {file: patterns.of(file) for file in files}
    kept = [file for file in files if said[file] not in ("ignore", "reference")]
    masks = {file for file in kept if said[file] == "mask"}
    paired = pair(kept, looks, masks, set(filter(patterns.names_images_in_mask_folder, kept)))
    if paired.unclear:
        (one, other, *_), count = paired.unclear[0], len(paired.unclear)
        raise DataError(
            f"{str(one)!r} and {str(other)!r} have one name ({count} such in all), and neither looks like a "
            f"mask; leave one out, as by --ignore '*{other.suffix}', or say that it is a mask, as by "
            f"--mask '*{other.suffix}'"
        )
    images = paired.images
    if not images:
        raise DataError("all images are in folders of masks, or ignored; say what they are by --good PATTERN")
    places = _places(images)
    if patterns.good or patterns.defect:
        layout, rows = _by_patterns(images, places, said, patterns)
    elif any(meaning(one.name) == "good" for one in places.values()):
        layout, rows = _by_names(images, places)
    elif rows := _by_masks(images, places, paired.masks, looks):
        layout = BY_MASKS
    elif all(one == Place("", "") for one in places.values()):
        is_bad = meaning(called) == "defect"
        layout = ONLY_DEFECTS if is_bad else ONLY_GOOD
        of_each = ("test", "defect", called) if is_bad else ("", "good", "")
        rows = [Row(image, *of_each) for image in images]
    else:
        raise DataError(advice(images, folder or "DIR"))
    _ask_about_masks([row.file for row in rows if not said[row.file]], looks)
    return layout, rows, paired


def _places(images: Sequence[PurePosixPath]) -> dict[PurePosixPath, Place]:
    """Return what the folders say of each image, below those that all share and that say nothing."""
    for above in range(max(len(image.parts) for image in images)):
        places = {image: place(image, above) for image in images}
        firsts = {one.split or one.name for one in places.values()}
        if len(firsts) != 1 or any(one.split or meaning(one.name) for one in places.values()):
            return places
        if not all(place(image, above + 1).name or place(image, above + 1).split for image in images):
            return places
    return places


def _by_names(
    images: Sequence[PurePosixPath], places: Mapping[PurePosixPath, Place]
) -> tuple[str, list[Row]]:
    """Take a class whose name says so as good, and any other as a type of defect."""
    rows = []
    for image in images:
        split, name = places[image]
        if name:
            is_good = meaning(name) == "good"
            rows.append(Row(image, split, "good" if is_good else "defect", "" if is_good else name))
    return _with_splits(rows)


def _by_patterns(
    images: Sequence[PurePosixPath],
    places: Mapping[PurePosixPath, Place],
    said: Mapping[PurePosixPath, str],
    patterns: Patterns,
) -> tuple[str, list[Row]]:
    """Take images as the patterns say, and the others by their folders."""
    rows, unknown = [], []
    for image in images:
        split, name = places[image]
        label = said[image] or meaning(name) or ("" if patterns.defect else "defect")
        if label:
            rows.append(Row(image, split, label, name if label == "defect" else ""))
        else:
            unknown.append(image)
    if unknown:
        raise DataError(
            f"{len(unknown)} images fit neither --good nor --defect, such as {str(unknown[0])!r}; say what "
            "they are, or leave them out by --ignore PATTERN"
        )
    return _with_splits(rows)


def _with_splits(rows: list[Row]) -> tuple[str, list[Row]]:
    """Settle the split where only some folders make one, and say which layout this is."""
    if any(row.split == "train" and row.label == "good" for row in rows):
        return TRAIN_AND_TEST, [row for row in rows if row.split]
    if any(row.split for row in rows):
        return TRAIN_AND_TEST, [row._replace(split=row.split or "train") for row in rows]
    return CLASSES, rows


def _by_masks(
    images: Sequence[PurePosixPath],
    places: Mapping[PurePosixPath, Place],
    masks: Mapping[PurePosixPath, Sequence[PurePosixPath]],
    looks: Looks,
) -> list[Row]:
    """Take images with a mask that is not black as defects; none where that leaves the others unknown."""
    in_no_class = not any(one.name for one in places.values())
    if not masks or not (in_no_class or len(masks) == len(images)):
        return []
    all_masks = [mask for several in masks.values() for mask in several]
    marks = {mask for mask, look in zip(all_masks, looks(all_masks), strict=True) if not look.black}
    marked = [not marks.isdisjoint(masks.get(image, ())) for image in images]
    votes = Counter[str]()
    for image, is_marked in zip(images, marked, strict=True):
        votes[places[image].name] += 1 if is_marked else -1
    rows = []
    for image, is_marked in zip(images, marked, strict=True):
        split, name = places[image]
        of_type = bool(name) and votes[name] > 0  # most are defects: the folder is one of a type
        is_defect = is_marked or of_type
        rows.append(Row(image, split, "defect" if is_defect else "good", name if of_type else ""))
    return _with_splits(rows)[1] if any(row.label == "good" for row in rows) else []


def _ask_about_masks(images: Sequence[PurePosixPath], looks: Looks) -> None:
    """Refuse images that look like masks and that the user has not said to be images."""
    two = [image for image, look in zip(images, looks(images), strict=True) if look.levels == 2]
    if two:
        raise DataError(
            f"{len(two)} of {len(images)} images have two grey levels, such as {str(two[0])!r}; are they "
            "masks? Say so by --mask PATTERN, leave them out by --ignore PATTERN, or say what they show by "
            "--good PATTERN or --defect PATTERN"
        )


def _notes(layout: str, rows: Sequence[Row], paired: Paired, looks: Looks, called: str) -> list[str]:
    """Say in sentences what may have been misunderstood."""
    used = {row.file for row in rows}
    good = [row.file for row in rows if row.label == "good"]
    unused = [*paired.strays, *(mask for image in good for mask in paired.masks.get(image, ()))]
    unmasked = [image for image in good if layout == BY_MASKS and image not in paired.masks]
    sentences = {
        "masks fit no image": paired.strays,
        "files are in folders of masks but look like photographs; if they are images, say so by --good or "
        "--defect PATTERN": [file for file, look in zip(unused, looks(unused), strict=True) if not look.flat],
        "images are left out, since they are in no folder of a class or split": [
            image for image in paired.images if image not in used
        ],
        "images without a mask are good, since others have one": unmasked,
    }
    notes = [f"{len(found)} {what}, such as {str(found[0])!r}" for what, found in sentences.items() if found]
    folders = {folder for image in good for folder in image.parts[:-1] if meaning(folder) == "good"}
    words = ", ".join(repr(folder) for folder in sorted(folders) if not folder.isalpha())
    if layout == ONLY_GOOD and meaning(called) != "good":
        notes.append(f"no folder's name says what the images show: all {len(rows)} are taken as good parts")
    validation = sum(is_for_validation(file) for file in good)
    if validation:
        notes.append(f"{validation} images in folders for validation count as training images")
    return [*notes, *doubts(good, looks), *([f"good parts by their names: {words}"] if words else [])]
