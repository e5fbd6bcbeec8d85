"""One picture of each kind in a data set: a good part, and each defect type with its defect outlined."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from knowngood.data.images import read_image, read_mask, resize
from knowngood.data.kinds import kind_of_each
from knowngood.errors import DataError, OutputError, UnreadableImage
from knowngood.output import replacing
from knowngood.report.figures import FAINT, INK, style
from knowngood.report.layout import show
from knowngood.report.panels import outline
from knowngood.report.plots import short

PICTURE_SUFFIXES = (".pdf", ".png", ".svg")

_COLUMNS = 4
_TILE = 2.4  # inches
_TITLE = 0.36  # inches above each
_PIXELS = 480  # on the longer side: what a tile shows at the resolution below
_DPI = 200
_TRIED = 5  # images of a kind that may be broken before it is shown without a picture


def check_picture(path: str | os.PathLike[str]) -> None:
    """Find out before a long work whether a picture can be written under this name.

    Raises:
        OutputError: Its ending is none of a picture.

    Example:
        >>> check_picture("kinds.png")
    """
    if Path(path).suffix.lower() not in PICTURE_SUFFIXES:
        raise OutputError(
            f"{os.fspath(path)!r} has an ending that is no picture's; name it {', '.join(PICTURE_SUFFIXES)}"
        )


def write_kinds(table: pd.DataFrame, path: str | os.PathLike[str], *, bits: int | None = 16) -> None:
    """Write `draw_kinds` as a picture; the same images make the same file.

    Args:
        table: Samples, as `knowngood.data.samples.load_samples` gives them.
        path: The file to write or replace: .pdf, .png or .svg.
        bits: Bits that 16-bit pixels really use.

    Raises:
        OutputError: The file cannot be written, or has another ending.

    Example::

        write_kinds(load_samples("widget/"), "kinds.png")
    """
    check_picture(path)
    count = kind_of_each(table).nunique()
    columns = min(_COLUMNS, count)
    size = _TILE * columns, (_TILE + _TITLE) * math.ceil(count / columns)
    # Without a date, so that the same content makes the same file.
    suffix = Path(path).suffix.lower()
    metadata: dict[str, Any] = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(suffix, {})
    with replacing(path) as unfinished, style():
        figure = Figure(figsize=size, facecolor="white")
        draw_kinds(figure, table, bits=bits)
        figure.savefig(unfinished, format=suffix[1:], dpi=_DPI, metadata=metadata)


def draw_kinds(figure: Figure | SubFigure, table: pd.DataFrame, *, bits: int | None = 16) -> None:
    """Draw an image of each kind in up to four columns, with its name and how many there are.

    The first image of a kind is drawn, of a defect type the first that has a mask. An image that cannot be
    read gives place to the next.

    Args:
        figure: Where to.
        table: Samples, as `knowngood.data.samples.load_samples` gives them.
        bits: Bits that 16-bit pixels really use.

    Example:
        >>> figure = Figure()
        >>> row = {"path": "no such file.png", "label": "defect", "defect": "dent", "mask": ""}
        >>> draw_kinds(figure, pd.DataFrame([row]))
        >>> figure.axes[0].get_title(), figure.axes[0].texts[0].get_text()
        ('dent: 1', 'no image that can be read')
    """
    kinds = kind_of_each(table)
    names = sorted(kinds.unique(), key=lambda kind: (kind != "good", kind))
    columns = min(_COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    grid = figure.subplots(
        rows,
        columns,
        squeeze=False,
        gridspec_kw={
            "left": 0.02,
            "right": 0.98,
            "bottom": 0.1 * _TITLE / (rows * (_TILE + _TITLE)),
            "top": 1 - _TITLE / (rows * (_TILE + _TITLE)),
            "wspace": 0.05,
            "hspace": 1.1 * _TITLE / _TILE,
        },
    )
    for axes in grid.flat:
        axes.axis("off")
    for axes, name in zip(grid.flat, names, strict=False):
        of_kind = table[kinds == name]
        image = _picture(of_kind, bits)
        if image is None:
            axes.text(
                0.5, 0.5, "no image that can be read", ha="center", va="center", color=FAINT, fontsize=8
            )
        else:
            show(axes, image)
        axes.set_title(f"{short(name)}: {len(of_kind)}", fontsize=9, color=INK)


def _picture(of_kind: pd.DataFrame, bits: int | None) -> NDArray[np.uint8] | None:
    """The first image that can be read, small, with a mask before others, outlined; None without any."""
    in_order = of_kind.sort_values("mask", key=lambda masks: masks == "", kind="stable")
    for path, mask in zip(in_order["path"][:_TRIED], in_order["mask"][:_TRIED], strict=True):
        try:
            image = read_image(path, bits=bits)
        except UnreadableImage:
            continue
        height, width = image.shape[:2]
        shrink = min(1.0, _PIXELS / max(height, width))
        small = resize(image, (max(1, round(height * shrink)), max(1, round(width * shrink))))
        if not mask:
            return small
        try:
            return outline(small, read_mask(mask, (height, width)))
        except DataError:
            return small
    return None
