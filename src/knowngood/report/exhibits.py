"""The contents of a report as data: sentences, tables, charts and pictures.

`knowngood.report.page` prints exhibits as HTML, `knowngood.report.deck` as PDF slides. The title of an
exhibit states a finding where there is one; its note says how to read it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure  # heatmaps are written without it


class Cell(NamedTuple):
    """A cell of a table that stands out."""

    text: str
    mark: Literal["wrong", "good", "defect"]  # a count of errors, or the colour of a label


class Picture(NamedTuple):
    """One picture with a caption of one or more lines."""

    image: NDArray[np.uint8] | None  # grey `(H, W)` or RGB `(H, W, 3)`; None for a picture that is missing
    caption: str = ""
    text: str = ""  # the alternative text, or why there is no picture


@dataclass(frozen=True, eq=False)
class Text:
    """One or more sentences."""

    title: str
    sentences: Sequence[str]
    note: str = ""


@dataclass(frozen=True, eq=False)
class Table:
    """A table whose cells may have several lines; without heads, a table of names and values."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    numbers: int = 0  # how many of the last columns are numbers
    note: str = ""

    @property
    def texts(self) -> list[list[str]]:
        """The texts of the cells.

        Example:
            >>> Table("Decisions", ["truth", "rejected"], [["good", Cell("3", "wrong")]]).texts
            [['good', '3']]
        """
        return [[cell.text if isinstance(cell, Cell) else cell for cell in row] for row in self.rows]


@dataclass(frozen=True, eq=False)
class Chart:
    """A chart that is drawn when it is printed, in the type size of the page or the slide."""

    title: str
    draw: Callable[[Figure], None]  # into a figure whose layout is `constrained`
    note: str = ""
    size: tuple[float, float] = (10.8, 3.6)  # width and height on a page, in inches


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures: one row that is broken where it is too long, or several rows that make a grid.

    In a grid only the pictures of the first row have captions; its rows may have names.
    """

    title: str
    rows: Sequence[Sequence[Picture]]
    names: Sequence[str] = ()
    note: str = ""


Exhibit = Text | Table | Chart | Pictures


class Section(NamedTuple):
    """Exhibits under one heading."""

    title: str
    exhibits: Sequence[Exhibit]
    note: str = ""
