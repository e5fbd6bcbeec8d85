"""Masks: which files are masks, and of which image; all by their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from knowngood.data import meanings
from knowngood.data.runs import is_runs
from knowngood.errors import DataError

SEPARATOR = "|"
"""What stands between the files of several masks of one image, in the column `mask`."""


class Look(NamedTuple):
    """What the pixels of a file look like; see `knowngood.data.looks`."""

    levels: int = 3  # grey levels or colours: 1, 2, or 3 for more
    flat: bool = False  # whether nearly all pixels have one of two values, as in a mask that was smoothed
    black: bool = False  # whether it marks nothing, as a mask


Looks = Callable[[Sequence[PurePosixPath]], Sequence[Look]]
"""Looks at some files."""

_Rank = tuple[int, bool, bool]  # of an image that may own a mask; the least is the best
_Index = Mapping[tuple[str, ...], Sequence[tuple[_Rank, PurePosixPath]]]  # under the ends of their paths


class Paired(NamedTuple):
    """The files of a folder, divided into images and masks."""

    images: list[PurePosixPath]
    masks: dict[PurePosixPath, list[PurePosixPath]]  # of each image that has any
    strays: list[PurePosixPath]  # masks that fit no image
    unclear: list[tuple[PurePosixPath, ...]]  # images of one name, of which one may be a mask


def pair(
    files: Sequence[PurePosixPath],
    looks: Looks,
    masks: Collection[PurePosixPath] = (),
    images: Collection[PurePosixPath] = (),
) -> Paired:
    """Divide the files of a folder into images and masks, and find the masks of each image.

    Masks are the files in a folder named as in `meanings.MASK_FOLDERS`; and beside an image `x.jpg` a file
    `x_mask.png` (`_GT`, `_label`), another `x.png`, or any `x-word.png` of two grey levels, if it looks like
    a mask.

    Args:
        files: Paths below the folder.
        looks: Looks at files; only those that may be masks by their names are looked at.
        masks: Those that the user has said to be masks.
        images: Those that the user has said to be images although their folder is named as one of masks.

    Example:
        >>> files = [PurePosixPath(f"test/{name}") for name in ("dent/0.png", "GT/dent/0_mask.png")]
        >>> {str(image): list(map(str, masks)) for image, masks in pair(files, list).masks.items()}
        {'test/dent/0.png': ['test/GT/dent/0_mask.png']}
    """
    named = {
        file
        for file in files
        if file in masks or (file not in images and any(map(meanings.is_mask_folder, file.parts[:-1])))
    }
    free = [file for file in files if file not in named]
    beside, unclear = _beside(free, looks)
    left = [file for file in free if file not in beside]

    masks_of: defaultdict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
    strays = []
    shared = _shared([_folders(file) for file in files])
    index = _index(left, shared) if named else {}
    for mask in files:
        owner = beside.get(mask) or (_owner(mask, index, shared) if mask in named else None)
        if owner is not None:
            masks_of[owner].append(mask)
        elif mask in named:
            strays.append(mask)
    return Paired(left, dict(masks_of), strays, unclear)


def several(cell: str, folder: str | Path = "") -> list[str]:
    """Return the mask files that are named in a cell of the column `mask`, which start from a folder.

    Example:
        >>> several("0/000.png|0/001.png"), several("0.png"), several("")
        (['0/000.png', '0/001.png'], ['0.png'], [])
    """
    if SEPARATOR not in cell or (not is_runs(cell) and (folder / Path(cell)).exists()):
        return [cell] if cell else []
    return [file for file in cell.split(SEPARATOR) if file]


def joined(files: Iterable[str]) -> str:
    """Return the cell of the column `mask` that names these files.

    Raises:
        DataError: There are several, and a name holds what stands between them.

    Example:
        >>> joined(["0/000.png", "0/001.png"])
        '0/000.png|0/001.png'
    """
    named = list(files)
    if len(named) > 1 and (bad := [file for file in named if SEPARATOR in file]):
        raise DataError(
            f"mask {bad[0]!r} is one of several of an image, and has a {SEPARATOR!r} in its path; rename it"
        )
    return SEPARATOR.join(named)


def _beside(
    files: Sequence[PurePosixPath], looks: Looks
) -> tuple[dict[PurePosixPath, PurePosixPath], list[tuple[PurePosixPath, ...]]]:
    """Find masks in the folder of their image: return the image of each mask, and files that are unclear."""
    by_stem: defaultdict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
    for file in files:
        by_stem[file.with_name(file.stem)].append(file)
    bases = {file: found for file in files if (found := _base(file, by_stem))}
    twins = [group for group in by_stem.values() if len(group) > 1]
    candidates = list(dict.fromkeys([*bases, *(file for group in twins for file in group)]))
    look_of = dict(zip(candidates, looks(candidates), strict=True)) if candidates else {}

    image_of: dict[PurePosixPath, PurePosixPath] = {}
    unclear = []
    for group in twins:
        masks = [file for file in group if look_of[file].levels <= 2]
        masks = masks or [file for file in group if look_of[file].flat]
        rest = [file for file in group if file not in masks]
        if len(rest) == 1:
            image_of.update(dict.fromkeys(masks, rest[0]))
        elif not all(file in bases for file in group):
            unclear.append(tuple(group))
    for file, (base, is_named) in bases.items():
        look = look_of[file]
        owners = [image for image in by_stem[base] if image not in image_of]
        if file not in image_of and owners and (look.levels <= 2 or (is_named and look.flat)):
            image_of[file] = owners[0]
    return image_of, unclear


def _base(file: PurePosixPath, by_stem: Mapping[PurePosixPath, object]) -> tuple[PurePosixPath, bool] | None:
    """Return the name of the image beside a file that its own name begins with, and whether it says mask."""
    for stem, is_named in (
        (meanings.without_mask_ending(file.stem), True),
        (meanings.without_last_word(file.stem), False),
    ):
        if stem and (base := file.with_name(stem)) in by_stem:
            return base, is_named
    return None


def _shared(folders: Sequence[tuple[str, ...]]) -> int:
    """Count the folders that all files are in."""
    pairs = zip(min(folders, default=()), max(folders, default=()), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


def _index(images: Iterable[PurePosixPath], shared: int) -> _Index:
    """List the images under each end of their paths, from the name alone to all folders."""
    index: defaultdict[tuple[str, ...], list[tuple[_Rank, PurePosixPath]]] = defaultdict(list)
    for image in images:
        folders = _folders(image)[shared:]
        is_train = any(meanings.SPLIT_OF.get(folder) == "train" for folder in folders)
        is_good = any(meanings.meaning(folder) == "good" for folder in folders)
        for start in range(len(folders) + 1):
            index[(*folders[start:], image.stem.lower())].append(((start, is_train, is_good), image))
    return index


def _owner(mask: PurePosixPath, index: _Index, shared: int) -> PurePosixPath | None:
    """Return the image of a mask, None where none fits or several do equally well."""
    folders, stem = _folders(mask)[shared:], mask.stem.lower()
    stems = [one for one in (meanings.without_mask_ending(stem), stem) if one]
    keys = [(*folders, one) for one in stems]
    if folders:
        keys.append(folders)  # a folder of masks, named as its image
    if not any(map(meanings.is_mask_folder, mask.parts[:-1])):
        # One of the folders is that of the user's pattern, and none of the image's.
        skips = reversed(range(len(folders)))
        keys += [(*folders[:skip], *folders[skip + 1 :], one) for skip in skips for one in stems]
    for key in keys:
        if found := index.get(key):
            best = min(rank for rank, _ in found)
            owners = [image for rank, image in found if rank == best]
            return owners[0] if len(owners) == 1 else None
    return None


def _folders(file: PurePosixPath) -> tuple[str, ...]:
    """Return the folders of a file that say something about it, in lower case."""
    return tuple(
        folder
        for folder in map(str.lower, file.parts[:-1])
        if not meanings.is_mask_folder(folder) and folder not in meanings.IMAGE_FOLDERS
    )
