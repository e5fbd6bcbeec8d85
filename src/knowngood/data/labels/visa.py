"""VisA: the splits of Zou et al. 2022 (arXiv:2207.14315) in `split_csv`, one table for all objects."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from knowngood.data.labels.marks import read_text
from knowngood.errors import DataError

FOLDER, USUAL = "split_csv", "1cls.csv"
"""Where the splits are, and which of them is that of one class: good images to train on, all else to test."""

COLUMNS = ("object", "split", "label", "image", "mask")


def read_visa(file: Path, product: str = "") -> pd.DataFrame:
    """Read a split of VisA, of all objects, or of one; the column `product` has their names.

    Raises:
        DataError: It cannot be read, or lacks a column.
    """
    try:
        rows = pd.read_csv(io.StringIO(read_text(file)), dtype=str, keep_default_na=False)
    except ValueError as error:
        raise DataError(f"{str(file)!r} cannot be read: {error}", path=file) from error
    if missing := [column for column in COLUMNS if column not in rows]:
        raise DataError(f"{str(file)!r} has no column {missing[0]!r}, as the splits of VisA have", path=file)
    rows = rows[rows["object"] == product] if product else rows
    root = file.parent.parent
    table = pd.DataFrame(
        {
            "path": [str(root / image) for image in rows["image"]],
            "label": rows["label"].tolist(),
            "split": rows["split"].tolist(),
            "mask": [str(root / mask) if mask else "" for mask in rows["mask"]],
            "product": rows["object"].tolist(),
        },
        dtype=object,
    )
    if product:
        return table.drop(columns="product")
    return table
