"""Image files on disk."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from knowngood.data.images import IMAGE_SUFFIXES
from knowngood.data.looks import doubts, looks_below
from knowngood.data.masks import Looks, pair
from knowngood.errors import DataError, UnreadableImage
from knowngood.output import is_heatmap

_PICTURES = """
3fr apng arw avif bpg cr2 cr3 crw cur czi dcm dcr dds dib dicom djvu dng dpx emf eps erf exr fff fits
flif fts gif hdp hdr heic heics heif hif icns ico iiq j2c j2k jfif jls jp2 jpc jpe jpf jpm jpx jxl jxr
kdc lsm mef mos mrw nd2 nef nrw orf pam pbm pcx pef pfm pgm pict pnm ppm psb psd qoi raf ras raw rw2 rwl
sgi sr2 srf srw svg svgz svs tga wbmp wdp wmf x3f xbm xcf xpm
"""

OTHER_PICTURES = frozenset(f".{ending}" for ending in _PICTURES.split()) - IMAGE_SUFFIXES
"""File endings, in lower case, of pictures in formats that are not read."""

OUR_SUFFIXES = (".png", ".tiff")
"""File endings, in lower case, of heatmaps, masks and maps that knowngood wrote."""

SYSTEM_NAMES = frozenset(
    {"@eadir", "@recycle", "@recently-snapshot", "@tmp", "#recycle", "#snapshot", "__macosx", "$recycle.bin"}
    | {"recycler", "system volume information", "lost+found", "thumbs.db", "ehthumbs.db", "desktop.ini"}
)
"""Names, in lower case, of folders and files that an operating system or a network drive makes.

All names that begin with a dot are passed over too."""


class Found(NamedTuple):
    """What is below a folder; each list is sorted."""

    images: list[Path]
    pictures: list[Path]  # in formats that are not read
    others: list[Path]
    system: list[Path]  # passed over, with all that is in them
    empty: list[Path]  # folders with nothing in them

    def notes(self) -> list[str]:
        """Say in sentences what is not read that may have been meant to be."""
        notes = unread_note(self.pictures)
        if self.system:
            names = Counter("._*" if path.name.startswith("._") else path.name for path in self.system)
            tally = ", ".join(f"{name!r}" + f" ({n})" * (n > 1) for name, n in sorted(names.items()))
            notes.append(f"passed over, since a system makes files of such names: {tally}")
        if self.empty:
            notes.append(f"folders with nothing in them: {', '.join(repr(path.name) for path in self.empty)}")
        return notes


class ToInspect(NamedTuple):
    """Images to inspect, and what was left out."""

    images: list[str]
    unread: list[UnreadableImage]  # pictures in formats that are not read
    notes: list[str]  # sentences


def search(folder: Path) -> Found:
    """Find the images below a folder, through links but without loops.

    What a system makes or hides is passed over; heatmaps that knowngood wrote count as other files.

    Raises:
        DataError: A folder cannot be listed.
    """
    found = Found([], [], [], [], [])

    def walk(here: Path, trail: frozenset[str]) -> None:
        real = os.path.realpath(here)
        if real in trail:
            return
        try:
            children = [(child, child.is_dir()) for child in here.iterdir()]
        except OSError as error:
            raise DataError(
                f"folder {str(here)!r} cannot be listed ({error.strerror}); "
                "change its permissions or move it",
                path=here,
            ) from error
        if not children:
            found.empty.append(here)
        for child, is_folder in children:
            if child.name[0] == "." or child.name.lower() in SYSTEM_NAMES:
                found.system.append(child)
            elif is_folder:
                walk(child, trail | {real})
            else:
                _list_for(child, found).append(child)

    walk(folder, frozenset())
    return Found(*map(sorted, found))


def find_images(paths: Sequence[str | Path]) -> ToInspect:
    """List images to inspect: files as they are named, folders by all images below them but masks.

    Raises:
        DataError: A path is not there, a folder cannot be listed, or there is no image at all.
    """
    images: list[str] = []
    unread: list[Path] = []
    notes: list[str] = []
    for path in map(Path, paths):
        if path.is_dir():
            found = search(path)
            files = relative(found.images, path)
            looks = looks_below(path)
            masks = _masks_among(files, looks)
            chosen = [file for file in files if file not in masks]
            notes += doubts(chosen, looks, f"images in {str(path)!r}")
            images += [str(path / file) for file in chosen]
            unread += found.pictures
            notes += found._replace(pictures=[]).notes()
            if masks:
                notes.append(f"{len(masks)} masks in {str(path)!r} are not inspected")
        elif path.exists():
            images.append(str(path))
        else:
            raise DataError(f"{str(path)!r} does not exist", path=path)
    if not images:
        where = ", ".join(repr(str(path)) for path in paths)
        raise DataError("; ".join([f"there is no image in {where}", *unread_note(unread)]))
    return ToInspect(images, [UnreadableImage(file, "a format that is not read") for file in unread], notes)


def unread_note(pictures: Sequence[Path]) -> list[str]:
    """Say that pictures are left out, in a list of one sentence, or of none where there are none."""
    if not pictures:
        return []
    suffixes = Counter(file.suffix.lower() for file in pictures)
    tally = ", ".join(f"{suffix} ({n})" for suffix, n in suffixes.most_common())
    return [
        f"{len(pictures)} pictures are left out, since their formats are not read: {tally}, such as "
        f"{str(pictures[0])!r}; save them as PNG or TIFF"
    ]


def suggestion(path: Path) -> str:
    """Suggest names like a missing one from the folder where it would be."""
    missing = next(part for part in [path, *path.parents] if part.parent.exists())
    if not missing.parent.is_dir():
        return f"; {str(missing.parent)!r} is a file"
    near = get_close_matches(missing.name, [child.name for child in missing.parent.iterdir()], n=3)
    return f"; did you mean {' or '.join(repr(str(missing.parent / name)) for name in near)}?" if near else ""


def _masks_among(files: Sequence[PurePosixPath], looks: Looks) -> set[PurePosixPath]:
    """Return the files that are masks both by their names and by their pixels."""
    paired = pair(files, looks)
    masks = [*(mask for masks in paired.masks.values() for mask in masks), *paired.strays]
    return {mask for mask, look in zip(masks, looks(masks), strict=True) if look.flat}


def common_folder(paths: Sequence[str]) -> str:
    """Return the deepest folder that holds all files, absolute; the root where they share none.

    Example:
        >>> common_folder(["/parts/a/1.png", "/parts/b/1.png"])
        '/parts'
    """
    try:
        return os.path.commonpath([Path(path).absolute().parent for path in paths])
    except ValueError:  # no path, or several drives
        return os.sep


def _list_for(file: Path, found: Found) -> list[Path]:
    """Return the list that a file belongs to."""
    suffix = file.suffix.lower()
    if suffix in OTHER_PICTURES:
        return found.pictures
    is_image = suffix in IMAGE_SUFFIXES and not (suffix in OUR_SUFFIXES and is_heatmap(file))
    return found.images if is_image else found.others


def relative(paths: Iterable[Path], folder: Path) -> list[PurePosixPath]:
    """Return paths below a folder as they are from there."""
    return [PurePosixPath(path.relative_to(folder).as_posix()) for path in paths]
