"""What a report shows, as data: sentences, tables, charts and pictures.

`knowngood.report.page` prints exhibits as HTML, `knowngood.report.deck` as PDF slides.
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
    """A cell of a table that stands out.

    Attributes:
        text: What is in it.
        mark: `wrong` for a count of errors, `good` and `defect` for their colours.
    """

    text: str
    mark: Literal["wrong", "good", "defect"]


class Picture(NamedTuple):
    """One picture.

    Attributes:
        image: Grey uint8 `(H, W)` or RGB uint8 `(H, W, 3)`; None where there is none.
        caption: Stands at the picture, one or more lines.
        text: Its alternative text, or why there is no picture.
    """

    image: NDArray[np.uint8] | None
    caption: str = ""
    text: str = ""


@dataclass(frozen=True, eq=False)
class Text:
    """Sentences.

    Args:
        title: What they are about.
        sentences: At least one.
        note: Stands at the end.
    """

    title: str
    sentences: Sequence[str]
    note: str = ""


@dataclass(frozen=True, eq=False)
class Table:
    """A table.

    Args:
        title: What it shows; a finding where there is one.
        columns: Their heads; empty for a table of names and values.
        rows: Their cells; a cell may have several lines.
        numbers: How many of the last columns are numbers.
        note: How to read it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    numbers: int = 0
    note: str = ""

    @property
    def texts(self) -> list[list[str]]:
        """What is in the cells.

        Example:
            >>> Table("Decisions", ["truth", "rejected"], [["good", Cell("3", "wrong")]]).texts
            [['good', '3']]
        """
        return [[cell.text if isinstance(cell, Cell) else cell for cell in row] for row in self.rows]


@dataclass(frozen=True, eq=False)
class Chart:
    """A chart that is drawn when it is printed, in the type size of the page or the slide.

    Args:
        title: What it shows; a finding where there is one.
        draw: Draws into a figure whose layout is `constrained`.
        note: How to read it.
        size: Width and height on a page, in inches.
    """

    title: str
    draw: Callable[[Figure], None]
    note: str = ""
    size: tuple[float, float] = (10.8, 3.6)


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures: one row that is broken where it is too long, or several rows that make a grid.

    Args:
        title: What they show; a finding where there is one.
        rows: At least one row of one picture. In a grid only the pictures of the first row have captions.
        names: What each row of a grid shows; empty for rows without names.
        note: How to read them.
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
