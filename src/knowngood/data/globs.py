"""Any tree of folders as a table of samples, by globs and a pattern for the names of masks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from glob import escape
from itertools import chain
from pathlib import Path

import pandas as pd

from knowngood.data.files import search
from knowngood.data.layouts import NOTES
from knowngood.data.masks import joined
from knowngood.data.meanings import BAD_WORDS, IMAGE_FOLDERS, SPLIT_OF
from knowngood.data.tables import check_samples
from knowngood.data.unknown import deepest_folders
from knowngood.errors import DataError

PLACES = ("stem", "name", "parent", "type")
"""What a pattern for masks may hold in braces: of its image the stem, the name, the folder and the type."""

_WILD = "*?["


def table(
    folder: str | Path,
    good: str | Sequence[str] = (),
    defect: str | Sequence[str] = (),
    mask: str | Sequence[str] = (),
) -> pd.DataFrame:
    """Make a table of samples of any tree of folders.

    Args:
        folder: The folder that globs start from; `*` stays in one folder, `**` is any number of folders.
        good: Globs for good images; they outweigh those for defects.
        defect: Globs for defects. The type is the folder that the first part with a wildcard names, else the
            last folder that does not only hold images.
        mask: Patterns for the masks of an image, such as `{stem}.png` beside it or `gt/{type}/{stem}_*.png`
            below the folder; in braces may stand `PLACES`.

    Returns:
        A table as of `load_samples`; the split is that of a folder such as `train`, else made. The attribute
        `notes` has what fits no pattern.

    Raises:
        DataError: A glob cannot be used or fits no image, or a pattern holds other words in braces.

    Example::

        knowngood.table("tiles/", good="MT_Free/**/*.jpg", defect="MT_*/**/*.jpg", mask="{stem}.png")
    """
    folder = Path(folder)
    found = search(folder)
    if not found.images:
        raise DataError(f"folder {str(folder)!r} holds no images; name a folder that does", path=folder)
    images = dict.fromkeys(found.images)
    types: dict[Path, str] = {}
    for glob in _listed(good):
        types |= dict.fromkeys(_fitting(folder, glob, images, "good"), "")
    for glob in _listed(defect):
        for image in _fitting(folder, glob, images, "defect"):
            types.setdefault(image, _type(image.relative_to(folder).parts, glob))
    if not types:
        raise DataError(
            "say which images are good by good='...' (--good), or defects by defect='...' (--defect)"
        )
    masks = {image: _masks(image, folder, name, _listed(mask)) for image, name in types.items()}
    types = {image: name for image, name in types.items() if image not in set(chain(*masks.values()))}
    return _table(folder, types, masks, images)


def _table(
    folder: Path, types: Mapping[Path, str], masks: Mapping[Path, Sequence[Path]], images: Iterable[Path]
) -> pd.DataFrame:
    """Make the table, and note what fits nothing."""
    rows = [
        {
            "path": str(image),
            "label": "defect" if name else "good",
            "defect": "" if name.lower() in BAD_WORDS else name,
            "mask": joined(map(str, masks[image])) if name else "",
            "split": next(
                (SPLIT_OF[p.lower()] for p in image.relative_to(folder).parts if p.lower() in SPLIT_OF), ""
            ),
        }
        for image, name in sorted(types.items())
    ]
    made = pd.DataFrame(rows, dtype=object)
    some = made["split"] != ""
    made = made.assign(split=made["split"].where(some, "train")) if some.any() else made.drop(columns="split")
    known = {*types, *chain(*masks.values())}
    left = [image for image in images if image not in known]
    unmasked = [image for image, name in sorted(types.items()) if name and not masks[image]]
    table = check_samples(made)
    table.attrs[NOTES] = tuple(
        f"{len(files)} {what}, such as {str(files[0])!r}"
        for what, files in (
            ("images fit no pattern and are left out", left),
            ("defects have no mask", unmasked if any(masks.values()) else []),
        )
        if files
    )
    return table


def _listed(globs: str | Sequence[str]) -> list[str]:
    """List one glob or several."""
    return [globs] if isinstance(globs, str) else list(globs)


def _fitting(folder: Path, glob: str, images: Mapping[Path, None], called: str) -> list[Path]:
    """Return the images that a glob fits, at least one."""
    try:
        found = [path for path in folder.glob(glob.removeprefix("./")) if path in images]
    except (NotImplementedError, ValueError, IndexError) as error:
        raise DataError(f"--{called} {glob!r} cannot be used: {error}") from error
    if not found:
        seen = "\n".join(deepest_folders([image.relative_to(folder) for image in images]))
        raise DataError(f"--{called} {glob!r} fits no image in {str(folder)!r}; its deepest folders:\n{seen}")
    return found


def _type(parts: tuple[str, ...], glob: str) -> str:
    """Return the folder that the first part of a glob with a wildcard names, else that of the image.

    Example:
        >>> _type(("MT_Fray", "Imgs", "1.jpg"), "MT_*/**/*.jpg"), _type(("dent", "rgb", "1.jpg"), "**/*.jpg")
        ('MT_Fray', 'dent')
    """
    wanted = glob.removeprefix("./").split("/")
    first = next((n for n, part in enumerate(wanted) if set(part) & set(_WILD)), len(wanted))
    folders = [part if part.lower() not in IMAGE_FOLDERS else "" for part in parts[:-1]]
    if first < len(folders) and wanted[first] != "**" and folders[first]:
        return folders[first]
    return next(filter(None, reversed(folders)), "defect")


def _masks(image: Path, folder: Path, type_: str, patterns: Sequence[str]) -> list[Path]:
    """Return the masks of an image: beside it, or else below the folder."""
    words = {"stem": image.stem, "name": image.name, "parent": image.parent.name, "type": type_}
    found: dict[Path, None] = {}
    for pattern in patterns:
        for name in re.findall(r"\{(.*?)\}", pattern):
            if name not in PLACES:
                raise DataError(f"--mask {pattern!r}: {{{name}}} is not known; take {', '.join(PLACES)}")
        wild = bool(set(pattern) & set(_WILD))
        filled = pattern
        for name, word in words.items():
            filled = filled.replace(f"{{{name}}}", escape(word) if wild else word)
        for start in (image.parent, folder):
            try:
                own = sorted(start.glob(filled)) if wild else [start / filled]
            except (NotImplementedError, ValueError, IndexError) as error:
                raise DataError(f"--mask {pattern!r} cannot be used: {error}") from error
            own = [path for path in own if path != image and path.is_file()]
            found |= dict.fromkeys(own)
            if own:
                break
    return list(found)
