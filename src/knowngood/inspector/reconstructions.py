"""What an inspector rebuilds of images, and how far that is from them, as one table."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from knowngood.data.imageset import Source
from knowngood.data.samples import check_samples, load_samples
from knowngood.errors import DataError, UnreadableImage
from knowngood.extras import needs_extra
from knowngood.inspector.inspector import PIXELS, Inspector
from knowngood.inspector.verdict import Verdict
from knowngood.metrics.similarity import ssim
from knowngood.output import replacing
from knowngood.types import Progress, silent

IMAGES = ("original", "reconstruction", "difference")
"""The columns that hold images."""

REBUILT = (PIXELS, "rebuilt")
"""The extras of a verdict that are compared."""

COLUMNS = ("path", "label", "score", "sum_of_differences", "mean_difference", "ssim", *IMAGES)


def reconstructions(
    inspector: Inspector,
    data: str | Path | pd.DataFrame | Sequence[Source],
    *,
    label: str = "",
    keep: int | None = None,
    on_unreadable: Callable[[UnreadableImage], None] | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Rebuild images and compare them with what they were, one row a sample.

    Args:
        inspector: Its detector must rebuild images.
        data: A folder or table file, of which the test images are taken; a table of samples, of which all
            are; or images as paths or arrays.
        label: What images that come without one are labelled.
        keep: Images are kept in the table for so many rows of the largest difference among the good and as
            many among the others, so that memory has a bound; None keeps all.
        on_unreadable: Called with each image that cannot be read, which is then left out; without it such
            images are an error.
        progress: Called during long work.

    Returns:
        A table, the largest sum of differences first: `path` (an array is named by its position), `label`
        (`good`, or the defect type), `score`, `sum_of_differences` (of absolute differences over pixels and
        channels, from 0 to 1 each), `mean_difference` (the same as a mean), `ssim` (structural similarity),
        `original` (uint8 `(H, W, C)`, at the input shape), `reconstruction` (float32 `(H, W, C)` from 0 to 1)
        and `difference` (float32 `(H, W)`, summed over the channels).

    Raises:
        DataError: Images cannot be read, or there is none.
        InspectorError: The detector rebuilds no image.

    Example::

        table = reconstructions(Inspector.load("widget.inspector"), "widget/")
        table.loc[0, "difference"]     # where the worst one differs
    """
    sources, labels = _sources(data, label)
    if not sources:
        raise DataError("there is no image to rebuild")
    found = Reconstructions(keep=keep)
    for verdict in inspector.stream(sources, extras=REBUILT, on_unreadable=on_unreadable):
        found.add(verdict, labels[verdict.index])
        progress("rebuilding images", verdict.index + 1, len(sources))
    progress("rebuilding images", len(sources), len(sources))
    return found.table()


class Reconstructions:
    """Comparisons of images with their reconstructions, gathered one by one.

    Args:
        keep: See `reconstructions`.
    """

    def __init__(self, *, keep: int | None) -> None:
        self.keep = keep
        self._rows: list[dict[str, Any]] = []

    def add(self, verdict: Verdict, label: str) -> None:
        """Compare one more image, of which the verdict has the extras `REBUILT`."""
        self._rows.append(_row(verdict, label))
        if len(self._rows) % 64 == 0:
            self._forget_images()

    def table(self) -> pd.DataFrame:
        """The comparisons; see `reconstructions`."""
        self._forget_images()
        rows = sorted(self._rows, key=lambda row: -row["sum_of_differences"])
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def _forget_images(self) -> None:
        """Keep the images of the rows that differ most, among the good and among the others."""
        if self.keep is None:
            return
        for good in (True, False):
            own = [row for row in self._rows if (row["label"] == "good") == good]
            for row in sorted(own, key=lambda row: -row["sum_of_differences"])[self.keep :]:
                row.update(dict.fromkeys(IMAGES))


def write_reconstructions(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table of reconstructions as Parquet; any reader of Parquet finds images as flat lists.

    Their height, width and channels stand in columns of these names.

    Args:
        table: From `reconstructions`.
        path: The file to write or replace.

    Raises:
        OutputError: The file cannot be written.
    """
    with needs_extra():
        import pyarrow
        import pyarrow.parquet

    shapes = np.array([(0, 0, 0) if image is None else image.shape for image in table["original"]], np.int64)
    columns: dict[str, Any] = {name: list(table[name]) for name in COLUMNS if name not in IMAGES}
    columns["path"] = [path.encode("utf-8", "backslashreplace").decode() for path in columns["path"]]
    columns |= dict(zip(("height", "width", "channels"), shapes.reshape(-1, 3).T, strict=True))
    for name, kind in zip(IMAGES, ("uint8", "float32", "float32"), strict=True):
        flat = [None if image is None else image.reshape(-1) for image in table[name]]
        columns[name] = pyarrow.array(flat, pyarrow.list_(pyarrow.type_for_alias(kind)))
    with replacing(path) as unfinished:
        pyarrow.parquet.write_table(pyarrow.table(columns), unfinished, compression="zstd")


def read_reconstructions(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read what `write_reconstructions` has written.

    Raises:
        DataError: The file cannot be read, or is another table.
    """
    with needs_extra():
        import pyarrow

    try:
        table = pd.read_parquet(path)
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


def _sources(
    data: str | Path | pd.DataFrame | Sequence[Source], label: str
) -> tuple[list[Source], list[str]]:
    """The images and their labels."""
    if isinstance(data, str | Path):
        table = load_samples(data)
        table = table[table["split"] == "test"]
    elif isinstance(data, pd.DataFrame):
        table = check_samples(data)
    else:
        return list(data), [label] * len(data)
    return list(table["path"]), list(table["defect"].where(table["defect"] != "", table["label"]))


def _row(verdict: Verdict, label: str) -> dict[str, Any]:
    """Compare an image with what was made of it."""
    pixels, rebuilt = (verdict.extras[name] for name in REBUILT)
    channels = rebuilt.shape[-1]
    exact = pixels.astype(np.float32) / 255
    if channels == 1:
        exact = exact.mean(axis=-1, keepdims=True)
    difference = np.abs(exact - rebuilt)
    return {
        **verdict.row(),
        "label": label,
        "sum_of_differences": float(difference.sum(dtype=np.float64)),
        "mean_difference": float(difference.mean(dtype=np.float64)),
        "ssim": ssim(exact, rebuilt),
        "original": np.rint(255 * exact).astype(np.uint8),
        "reconstruction": rebuilt,
        "difference": difference.sum(axis=-1),
    }
