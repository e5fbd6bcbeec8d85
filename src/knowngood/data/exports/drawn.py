"""Synthetic defects as a labelled data set: images, masks, and a table that says where each comes from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from knowngood.data.exports.export import check_new_folder, new_folder
from knowngood.data.exports.items import write_mask, write_png
from knowngood.data.synthetic import SyntheticDefect
from knowngood.data.written import write_samples
from knowngood.errors import DataError

TABLE = "table.csv"
"""The table of samples in the folder."""

DRAWN_ON = "drawn on"
"""The column with the good image that a synthetic defect is on."""


LIKE, REJECTED = "varies", "samples rejected"
"""The columns with the image of the real defect that a generated one varies, and with the samples before it
that were not taken, and why; only where there are generated ones."""

REALISM = "realism.json"
"""The file that says how well synthetic defects are distinguished from real ones."""


def write_drawn(
    defects: Iterable[SyntheticDefect],
    folder: str | os.PathLike[str],
    *,
    realism: Callable[[], pd.DataFrame] | None = None,
) -> int:
    """Write synthetic defects to a new folder, one at a time: PNG images and masks, and `TABLE`.

    The table has the good images that they are on as well, where these are files, so that a classifier can be
    trained on it. A good image and what is drawn on it have one `group`, and stay together in a split. The
    type of a generated defect is that of the real one that it varies.

    Args:
        defects: The defects.
        folder: The folder to make.
        realism: Called once all are written, for figures to be written to `REALISM`.

    Returns:
        How many defects were written.

    Raises:
        DataError: No defect came.
        OutputError: The folder holds something, or cannot be written.
    """
    target = Path(folder)
    check_new_folder(target)
    rows: list[dict[str, Any]] = []
    good: dict[str, dict[str, Any]] = {}
    with new_folder(target) as unfinished:
        (unfinished / "images").mkdir()
        for number, defect in enumerate(defects):
            name = f"{number:06}_{defect.type}.png"
            write_png(defect.image, unfinished / "images" / name)
            write_mask(defect.mask, unfinished / "masks" / name)
            row = {"path": f"images/{name}", "mask": f"masks/{name}", "label": "defect", "split": "train"}
            row |= {"defect": defect.defect or defect.type, "group": defect.name, DRAWN_ON: defect.name}
            rows.append(row | ({LIKE: defect.like, REJECTED: defect.rejected} if defect.like else {}))
            if Path(defect.name).is_file():
                own = {"path": os.path.abspath(defect.name), "label": "good", "split": "train"}  # noqa: PTH100
                good[defect.name] = {**own, "mask": "", "defect": "", "group": defect.name, DRAWN_ON: ""}
        if not rows:
            raise DataError("there is no synthetic defect to write")
        table = pd.DataFrame([*good.values(), *rows])
        write_samples(table.fillna(""), unfinished / TABLE, relative=False)
        if realism is not None:
            (unfinished / REALISM).write_text(realism().to_json(orient="records", indent=1), "utf-8")
    return len(rows)
