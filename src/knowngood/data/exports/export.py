"""A data set in the format of another tool, in a folder of its own."""

from __future__ import annotations

import os
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from knowngood.data.class_names import class_of_each
from knowngood.data.exports import coco, folders, labelme, sam, sheet, yolo
from knowngood.data.exports.items import GOOD, Item, Shown, handed_on, items_of
from knowngood.data.patterns import Patterns
from knowngood.data.regions import BOXES, names_in
from knowngood.data.samples import Samples, load_samples
from knowngood.errors import DataError, OutputError
from knowngood.extras import needs_extra
from knowngood.notebook import followed
from knowngood.output import UNFINISHED
from knowngood.types import Progress

LEAST_AREA = 4
"""Pixels of a region; smaller ones are mostly traces of drawing."""


class Format(NamedTuple):
    """What one format is, and what makes it."""

    about: str
    placed: Callable[[list[Item]], list[Item]]  # gives each image its folder
    write: Callable[[Iterable[Shown], Path, list[str], pd.DataFrame], None]
    needs: str  # what the regions of its defects have, "box" or "mask"; empty where it has no regions


FORMATS: Mapping[str, Format] = {
    "mvtec": Format("folders as of MVTec AD, with masks", folders.placed, folders.write_masks, ""),
    "coco": Format("COCO JSON: boxes, polygons, run lengths", coco.placed, coco.write, "box"),
    "yolo": Format("YOLO detection: a box a line", yolo.placed, yolo.write_boxes, "box"),
    "yolo-seg": Format("YOLO segmentation: a polygon a line", yolo.placed, yolo.write_polygons, "mask"),
    "sam": Format("SA-1B JSON: boxes and points as prompts, with masks", sam.placed, sam.write, "mask"),
    "labelme": Format("LabelMe JSON: polygons to correct by hand", sam.placed, labelme.write, "mask"),
    "imagefolder": Format("a folder per split and class", folders.placed, folders.write_nothing, ""),
    "csv": Format("a table of samples, with masks", sheet.placed, sheet.write, ""),
}
"""The formats by name."""


OUTLINED = ("coco", "yolo-seg")
"""Those that have polygons."""


class Exported(NamedTuple):
    """What an export holds."""

    folder: Path
    images: dict[tuple[str, str], int]  # per split and class
    regions: dict[str, int]  # per class; none in formats without regions
    left_out: tuple[str, ...]  # defects without a region: as images without one they would pass for good

    def lines(self) -> list[str]:
        """Say in words what was written."""
        images = sum(self.images.values())
        found = [f"{images} image{'s' * (images != 1)} in {self.folder}"]
        found += [f"  {split}, {name}: {count}" for (split, name), count in sorted(self.images.items())]
        if self.regions:
            regions = ", ".join(f"{count} {name}" for name, count in sorted(self.regions.items()))
            found.append(f"regions: {regions}")
        if self.regions and not any(split == "train" and name != GOOD for split, name in self.images):
            found.append("no defect is in the train split; `knowngood split` divides them too")
        if self.left_out:
            found.append(
                f"{len(self.left_out)} defects are left out, such as {self.left_out[0]!r}: nothing of the "
                "least area is marked in them, and unmarked they would pass for good"
            )
        return found


def export(
    data: Samples,
    out: str | os.PathLike[str],
    format: str = "coco",
    *,
    least_area: float = LEAST_AREA,
    patterns: Patterns | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write a data set in the format of another tool, images included, to a new folder.

    Images keep their bytes, but for those that EXIF data turn, which become upright PNG files; their new
    names are safe on every system. Names of classes are the types of defects. Regions are marked pixels that
    touch, or what a label file marked as one.

    Args:
        data: A folder, a table, label files or images, as `knowngood.load_samples` takes them.
        out: The folder to make; it must not exist, or be empty. Nothing is left of an export that fails.
        format: A name in `FORMATS`.
        least_area: Pixels of a region; smaller ones are left out, in formats with regions.
        patterns: Which files of a folder are good, defects, masks, or to be ignored.
        progress: Called during long work.

    Raises:
        DataError: The data cannot be used, an image or mask cannot be read, or the format is not known.
        OutputError: The folder holds something, or cannot be written.
        MissingExtra: pycocotools is not installed, and the format has polygons.

    Example::

        knowngood.export("widget/", "widget-coco", "coco")
    """
    progress = followed(progress)
    if format not in FORMATS:
        raise DataError(f"format {format!r} is not known; choose one of {', '.join(FORMATS)}")
    if format in OUTLINED:
        with needs_extra():
            import pycocotools  # noqa: F401 - found out before the work, not after it
    target, chosen = Path(out), FORMATS[format]
    check_new_folder(target)
    table = load_samples(data, patterns)
    items, classes, left_out = chosen.placed(items_of(table)), _classes(table), list[str]()
    images, regions = Counter[tuple[str, str]](), Counter[str]()

    def counted(shown: Iterable[Shown]) -> Iterator[Shown]:
        for one in shown:
            if not one.file:
                left_out.append(one.item.path)
                continue
            images[one.item.split, one.item.class_name] += 1
            regions.update(region.name for region in one.regions)
            yield one

    with new_folder(target) as folder:
        shown = handed_on(items, folder, progress, least_area=least_area, needs=chosen.needs)
        chosen.write(counted(shown), folder, classes, table)
    return Exported(target, dict(images), dict(regions), tuple(left_out))


def check_new_folder(path: Path) -> None:
    """Check that a folder can be made.

    Raises:
        OutputError: There is something of this name that is no empty folder, or no folder above it.
    """
    if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
        raise OutputError(f"{str(path)!r} exists and is no empty folder; name a new one")
    if not path.absolute().parent.is_dir():
        raise OutputError(
            f"{str(path)!r} cannot be written; make the folder {str(path.absolute().parent)!r} first"
        )


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder to write to, which becomes `path` when the block ends well, and else is removed."""
    unfinished = path.absolute().parent / f"{UNFINISHED}{secrets.token_hex(8)}"
    try:
        unfinished.mkdir()
        try:
            yield unfinished
            if path.exists():
                path.rmdir()
            unfinished.rename(path)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error


def _classes(table: pd.DataFrame) -> list[str]:
    """List the classes that regions may have, in the order of the alphabet."""
    boxes = table[BOXES] if BOXES in table else [""] * len(table)
    names = set[str]()
    for mask, cell, name in zip(table["mask"], boxes, class_of_each(table), strict=True):
        own = names_in(mask, cell)
        names.update(own or [name])
    return sorted(names - {GOOD})
