"""Which label files a path has: known by their names and by what stands in them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from knowngood.data.files import search
from knowngood.data.labels.coco import read_coco
from knowngood.data.labels.cvat import read_cvat
from knowngood.data.labels.labelme import read_labelme
from knowngood.data.labels.lookout import IMAGE, read_lookout
from knowngood.data.labels.sam import read_sam
from knowngood.data.labels.visa import FOLDER, USUAL, read_visa
from knowngood.data.labels.yolo import read_yolo

LAYOUT = "label files"
"""Attribute of a table: the label files that it was made from, in words."""

SUFFIXES = (".json", ".jsonl", ".manifest", ".xml", ".yaml", ".yml")
"""How the name of a label file ends."""

YOLO_FILES = ("data.yaml", "data.yml", "dataset.yaml")
_BEGINNING = 1 << 20  # bytes of a file that are searched for words of its format


def read_labels(path: Path) -> pd.DataFrame | None:
    """Read the label files of a folder, or one; None where there are none that are known.

    Returns:
        A table for `knowngood.data.tables.check_samples`, with the attributes `notes` and `LAYOUT`.

    Raises:
        DataError: They cannot be read.
    """
    found = _of_folder(path) if path.is_dir() else _of_file(path)
    if found is None:
        return None
    layout, table = found
    table.attrs[LAYOUT] = layout
    return table


def _of_file(file: Path) -> tuple[str, pd.DataFrame] | None:
    """Read a label file."""
    match file.suffix.lower():
        case ".yaml" | ".yml":
            return "YOLO labels", read_yolo(file)
        case ".xml":
            return "CVAT labels", read_cvat(file)
        case ".jsonl" | ".manifest":
            return "a manifest of Lookout for Vision", read_lookout([file], file.parent)
        case ".json" if _has(file, "shapes", "imagePath"):
            return "LabelMe labels", read_labelme([file], [], file.parent)
        case ".json" if _has(file, "image", "annotations"):
            return "SA-1B labels", read_sam([file], file.parent)
        case ".json":
            return "COCO labels", read_coco([file], file.parent)
        case ".csv" if file.parent.name == FOLDER:
            return "VisA", read_visa(file)
    return None


def _of_folder(folder: Path) -> tuple[str, pd.DataFrame] | None:
    """Read the label files of a folder."""
    for name in YOLO_FILES:
        if (folder / name).is_file() and _has(folder / name, "names", mark="{}:"):
            return "YOLO labels", read_yolo(folder / name)
    for root, product in ((folder, ""), (folder.absolute().parent, folder.absolute().name)):
        if (split := root / FOLDER / USUAL).is_file():
            return "VisA", read_visa(split, product)
    if (folder / "annotations.xml").is_file():
        return "CVAT labels", read_cvat(folder / "annotations.xml")
    manifests = [file for file in _files(folder, "*.manifest", "*.jsonl") if _has(file, IMAGE)]
    if manifests:
        return "manifests of Lookout for Vision", read_lookout(manifests, folder)
    coco = [
        file
        for file in _files(folder, "*.json", "annotations/*.json", "*/_annotations.coco.json")
        if _has(file, "images", "annotations")
    ]
    if coco:
        return "COCO labels", read_coco(coco, folder)
    if next(folder.rglob("*.json"), None) is None:
        return None
    found = search(folder)
    stems = {image.with_suffix("") for image in found.images}
    beside = [file for file in found.others if file.suffix == ".json" and file.with_suffix("") in stems]
    if labelme := [file for file in beside if _has(file, "shapes", "imagePath")]:
        return "LabelMe labels", read_labelme(labelme, found.images, folder)
    if sam := [file for file in beside if _has(file, "image", "annotations", "file_name")]:
        return "SA-1B labels", read_sam(sam, folder)
    return None


def _files(folder: Path, *patterns: str) -> Iterable[Path]:
    """List the files in a folder that fit a pattern."""
    return sorted(file for pattern in patterns for file in folder.glob(pattern) if file.is_file())


def _has(file: Path, *keys: str, mark: str = '"{}"') -> bool:
    """Whether keys, of JSON where no other mark is given, stand at the beginning or the end of a file."""
    try:
        with file.open("rb") as opened:
            text = opened.read(_BEGINNING)
            size = opened.seek(0, 2)
            if size > _BEGINNING:
                opened.seek(max(_BEGINNING, size - _BEGINNING))
                text += opened.read()
    except OSError:
        return False
    return all(mark.format(key).encode() in text for key in keys)
