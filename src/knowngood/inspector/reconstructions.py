"""Images beside their reconstructions by an inspector, and the differences, as one table."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from knowngood.cells import spelt
from knowngood.data.imageset import Source
from knowngood.data.samples import load_samples
from knowngood.data.tables import check_samples
from knowngood.errors import DataError, UnreadableImage
from knowngood.extras import needs_extra
from knowngood.inputs import LARGEST_CHECKPOINT, open_file
from knowngood.inspector.checked_graph import PIXELS
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.verdict import Verdict
from knowngood.metrics.similarity import ssim
from knowngood.notebook import followed
from knowngood.output import MARK, replacing
from knowngood.types import Progress

IMAGES = {"original": "uint8", "reconstruction": "float32", "difference": "float32"}
"""The columns that hold images, and their type."""

REBUILT = (PIXELS, "rebuilt")
"""The extras of a verdict that are compared."""

COLUMNS = ("path", "label", "score", "sum_of_differences", "mean_difference", "ssim", *IMAGES)

_DIFFERENCE = itemgetter("sum_of_differences")


def reconstructions(
    inspector: Inspector,
    data: str | Path | pd.DataFrame | Sequence[Source],
    *,
    label: str = "",
    keep: int | None = None,
    on_unreadable: Callable[[UnreadableImage], None] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Compare images with their reconstructions, one row per image.

    Args:
        inspector: Its detector must reconstruct images.
        data: The path of a folder or table, of which the test images are taken; a table of samples; or images
            as paths or arrays.
        label: The label of images that come without one.
        keep: The number of rows that keep their images, those of the largest difference among the good and as
            many among the others, so that memory has a bound; None keeps all.
        on_unreadable: See `Inspector.stream`.
        progress: Called during long work.

    Returns:
        A table, the largest sum of differences first: `path` (an array is named by its position), `label`
        (`good`, or the defect type), `score`, `sum_of_differences` (of absolute differences over pixels and
        channels, from 0 to 1 each), `mean_difference` (the same as a mean), `ssim` (structural similarity),
        `original` (uint8 `(H, W, C)`, at the input shape), `reconstruction` (float32 `(H, W, C)` from 0 to 1)
        and `difference` (float32 `(H, W)`, summed over the channels).

    Raises:
        DataError: There is no image, or one cannot be read.
        InspectorError: The detector reconstructs no image.

    Example::

        table = reconstructions(Inspector.load("widget.inspector"), "widget/")
        table.loc[0, "difference"]     # where the worst one differs
    """
    progress = followed(progress)
    if isinstance(data, str | Path):
        samples = load_samples(data).query("split == 'test'")
    elif isinstance(data, pd.DataFrame):
        samples = check_samples(data)
    else:
        samples = pd.DataFrame({"path": pd.Series(list(data), dtype=object), "label": label, "defect": ""})
    sources = list(samples["path"])
    labels = list(samples["defect"].where(samples["defect"] != "", samples["label"]))
    if not sources:
        raise DataError("there is no image to reconstruct")
    compared = Reconstructions(keep=keep)
    for verdict in inspector.stream(sources, extras=REBUILT, on_unreadable=on_unreadable):
        compared.add(verdict, labels[verdict.index])
        progress("reconstructing images", verdict.index + 1, len(sources))
    progress("reconstructing images", len(sources), len(sources))
    return compared.table()


class Reconstructions:
    """Comparisons of images with their reconstructions, gathered one by one; see `reconstructions`."""

    def __init__(self, *, keep: int | None) -> None:
        self.keep = keep
        self._rows: list[dict[str, Any]] = []

    def add(self, verdict: Verdict, label: str, *, name: str = "") -> None:
        """Compare one more image, whose verdict has the extras `REBUILT`; its name may be given."""
        pixels, rebuilt = (verdict.extras[name] for name in REBUILT)
        exact = pixels.astype(np.float32) / 255
        if rebuilt.shape[-1] == 1:
            exact = exact.mean(axis=-1, keepdims=True)
        difference = np.abs(exact - rebuilt)
        values = (
            spelt(name) or verdict.row()["path"],
            label,
            verdict.score,
            float(difference.sum(dtype=np.float64)),
            float(difference.mean(dtype=np.float64)),
            ssim(exact, rebuilt),
            np.rint(255 * exact).astype(np.uint8),
            rebuilt,
            difference.sum(axis=-1),
        )
        self._rows.append(dict(zip(COLUMNS, values, strict=True)))
        if len(self._rows) % 64 == 0:
            self._forget_images()

    def table(self) -> pd.DataFrame:
        """The comparisons; see `reconstructions`."""
        self._forget_images()
        return pd.DataFrame(sorted(self._rows, key=_DIFFERENCE, reverse=True), columns=list(COLUMNS))

    def _forget_images(self) -> None:
        """Keep the images of the rows that differ most, among the good and among the others."""
        if self.keep is None:
            return
        for good in (True, False):
            own = [row for row in self._rows if (row["label"] == "good") == good]
            for row in sorted(own, key=_DIFFERENCE, reverse=True)[self.keep :]:
                row.update(dict.fromkeys(IMAGES))


def write_reconstructions(
    table: pd.DataFrame, path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Write a table of reconstructions as Parquet, images as flat lists beside their shape in three columns.

    Raises:
        OutputError: The file cannot be written, or is not an older table of ours and `overwrite` is false.
    """
    with needs_extra():
        import pyarrow
        import pyarrow.parquet

    columns: dict[str, Any] = {name: list(table[name]) for name in COLUMNS if name not in IMAGES}
    shapes = np.array([(0, 0, 0) if image is None else image.shape for image in table["original"]], np.int64)
    columns |= dict(zip(("height", "width", "channels"), shapes.reshape(-1, 3).T, strict=True))
    for name, dtype in IMAGES.items():
        flat = [None if image is None else image.reshape(-1) for image in table[name]]
        columns[name] = pyarrow.array(flat, pyarrow.list_(pyarrow.type_for_alias(dtype)))
    with replacing(path, MARK, overwrite=overwrite) as unfinished:
        pyarrow.parquet.write_table(
            pyarrow.table(columns, metadata={"": MARK}), unfinished, compression="zstd"
        )


def read_reconstructions(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table that `write_reconstructions` has written.

    Raises:
        DataError: The file cannot be read, or is another table.
    """
    with needs_extra():
        import pyarrow

    try:
        with open_file(path, LARGEST_CHECKPOINT) as file:
            table = pd.read_parquet(file)
        shapes = table[["height", "width", "channels"]].to_numpy(np.int64)
        for name in IMAGES:
            sides = shapes if name != "difference" else shapes[:, :2]
            images = [
                None if flat is None else np.asarray(flat).reshape(tuple(shape))
                for flat, shape in zip(table[name], sides, strict=True)
            ]
            table[name] = pd.Series(images, dtype=object)
    except (OSError, AttributeError, KeyError, ValueError, pyarrow.ArrowInvalid) as error:
        raise DataError(f"{os.fspath(path)!r} is not a table of reconstructions: {error}") from error
    return table[list(COLUMNS)]
