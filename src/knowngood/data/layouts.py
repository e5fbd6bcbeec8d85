"""Folder layouts: which image is good, which is a defect, and which mask belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from knowngood.cells import spelt
from knowngood.data.files import search
from knowngood.data.images import IMAGE_SUFFIXES
from knowngood.data.splits import SPLIT_MADE, assign_split
from knowngood.errors import DataError

# Folder names, in lower case, that mean good parts, where any other name is a defect type; and those that
# cannot mean good parts, even when there is no other folder.
GOOD_NAMES = {"good", "nominal", "normal", "ok", "pass"}
BAD_NAMES = {"abnormal", "anomaly", "bad", "defect", "defective", "defects", "fail", "ko", "ng", "nok"}

MASK_FOLDER = "ground_truth"

Layout = Callable[[Sequence[PurePosixPath]], pd.DataFrame | None]
"""From the images of a folder to its samples, all paths relative to it; None for any other layout."""


def recognise(folder: str | Path) -> tuple[str, pd.DataFrame]:
    """Return the name of a folder's layout, one of `LAYOUTS`, and its samples.

    Raises:
        DataError: A folder cannot be listed, there is no image in it, or no layout fits.
    """
    folder = Path(folder)
    images, _ = search(folder)
    if not images:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DataError(
            f"folder {str(folder)!r} holds no images ({suffixes}); name a folder that does", path=folder
        )
    files = [PurePosixPath(image.relative_to(folder).as_posix()) for image in images]
    for name, layout in LAYOUTS.items():
        table = layout(files)
        if table is not None:
            for column in ("path", "mask"):
                here = [str(folder / file) if file else "" for file in table[column]]
                table[column] = pd.Series(here, dtype=object)
            defect = spelt(folder.absolute().name)
            if layout is only_good and defect.lower() in BAD_NAMES:
                return "one folder of defects", table.assign(label="defect", defect=defect, split="test")
            return name, table
    raise DataError(_advice(folder, files), path=folder)


def train_and_test(files: Sequence[PurePosixPath]) -> pd.DataFrame | None:
    """Recognise ``train/good``, ``test/good``, ``test/<type>`` and masks in ``ground_truth/<type>``.

    This is the layout of MVTec AD (doi:10.1109/CVPR.2019.00982; a mask is called ``<stem>_mask.png``) and of
    BTAD (arXiv:2104.10036; ``ok`` and ``ko`` in place of ``good`` and defect types, and a mask is called as
    its image). Any of `GOOD_NAMES` will do.

    Example:
        >>> names = ["train/good/0.png", "test/dent/1.png", "ground_truth/dent/1_mask.png"]
        >>> table = train_and_test([PurePosixPath(name) for name in names])
        >>> table[["split", "label", "mask"]].values.tolist()
        [['train', 'good', ''], ['test', 'defect', 'ground_truth/dent/1_mask.png']]
    """
    samples = [file for file in files if len(file.parts) > 2 and file.parts[0] in ("train", "test")]
    if not any(file.parts[0] == "train" and _is_good(file.parts[1]) for file in samples):
        return None
    return _table(samples, files, level=1).assign(split=[file.parts[0] for file in samples])


def class_folders(files: Sequence[PurePosixPath]) -> pd.DataFrame | None:
    """Recognise one folder per class, one of them good, such as ``ok``, ``dent`` and ``scratch``.

    Masks may be in ``ground_truth/<class>``. The split is made by `knowngood.data.splits.assign_split`.

    Example:
        >>> files = [PurePosixPath("ok/0.png"), PurePosixPath("dent/1.png")]
        >>> class_folders(files)[["split", "label", "defect"]].values.tolist()
        [['train', 'good', ''], ['test', 'defect', 'dent']]
    """
    samples = [file for file in files if len(file.parts) > 1 and file.parts[0] != MASK_FOLDER]
    if not any(_is_good(file.parts[0]) for file in samples):
        return None
    return assign_split(_table(samples, files, level=0))


def only_good(files: Sequence[PurePosixPath]) -> pd.DataFrame | None:
    """Recognise images without any folder among them: all good, all to train on.

    Example:
        >>> only_good([PurePosixPath("0.png")])[["split", "label"]].values.tolist()
        [['train', 'good']]
    """
    if any(len(file.parts) > 1 for file in files):
        return None
    table = _frame([(str(file), "train", "good", "", "") for file in files])
    table.attrs[SPLIT_MADE] = True
    return table


LAYOUTS: dict[str, Layout] = {
    "train and test folders, as in MVTec AD and BTAD": train_and_test,
    "one folder per class": class_folders,
    "one folder of good images": only_good,
}
"""Every layout under the name that is shown to the user; the first that fits is taken."""


def _is_good(name: str) -> bool:
    """Whether a folder's name means good parts."""
    return name.lower() in GOOD_NAMES


def _table(samples: Iterable[PurePosixPath], files: Sequence[PurePosixPath], level: int) -> pd.DataFrame:
    """List samples whose class is the name of their folder at the given level, with their masks."""
    masks = {
        str(mask.relative_to(MASK_FOLDER).with_suffix("")): str(mask)
        for mask in files
        if mask.parts[0] == MASK_FOLDER
    }
    rows = []
    for file in samples:
        name = spelt(file.parts[level])
        if _is_good(name):
            rows.append((str(file), "", "good", "", ""))
        else:
            stem = str(PurePosixPath(*file.parts[level:]).with_suffix(""))
            mask = masks.get(f"{stem}_mask", masks.get(stem, ""))
            rows.append((str(file), "", "defect", name, mask))
    return _frame(rows)


def _frame(rows: Sequence[tuple[str, ...]]) -> pd.DataFrame:
    """Return samples as a table, files as dtype object: their names may hold bytes that are no text."""
    table = pd.DataFrame(rows, columns=["path", "split", "label", "defect", "mask"], dtype=object)
    return table.astype({"split": str, "label": str, "defect": str})


def _advice(folder: Path, files: Sequence[PurePosixPath]) -> str:
    """Say what to do about a folder that has no known layout."""
    inside = sorted({file.parts[0] for file in files if len(file.parts) > 1})
    sets = sorted({file.parts[0] for file in files if len(file.parts) > 3 and file.parts[1] == "train"})
    if sets:
        return f"folder {str(folder)!r} holds several data sets ({', '.join(sets)}); name one of them"
    return (
        f"folder {str(folder)!r} has no layout that is known, and no good images are found: its folders are "
        f"{', '.join(map(repr, inside))}. Put the good images into a folder named 'good', or write a table"
    )
