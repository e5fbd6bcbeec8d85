"""What every set of slides is made of: a file, 16 to 9, and a few ways to fill a slide."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure, SubFigure

from knowngood.output import replacing
from knowngood.report.figures import FAINT, INK, style

SIZE = (13.33, 7.5)
"""Inches: 16 to 9."""

LINE = 112
"""Letters of a line across a slide."""

_DPI = 200  # of images, so that none loses pixels that a projector could show
_TITLE, _HALF = 60, 46  # letters of a line


@contextmanager
def open_deck(title: str, path: str | os.PathLike[str]) -> Iterator[Deck]:
    """Write slides as PDF, 16 to 9, for as long as the context lasts; the same content makes the same file.

    Args:
        title: Is kept in the file.
        path: The file to write or replace, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    # Without a date, so that the same content makes the same file.
    metadata = {"Title": title, "CreationDate": None}
    with replacing(path) as unfinished, style(), PdfPages(unfinished, metadata=metadata) as pdf:
        yield Deck(pdf)


class Deck:
    """Adds slides to a file, with their numbers; `open_deck` makes one."""

    def __init__(self, pdf: PdfPages) -> None:
        self.pdf = pdf
        self.count = 0

    def add(self, title: str, draw: Callable[[SubFigure], object], remark: str = "") -> None:
        """Add a slide.

        Args:
            title: Its title.
            draw: Draws into what lies between title and remark; a text that it returns is the remark.
            remark: Stands at the bottom.
        """
        self.count += 1
        figure = Figure(figsize=SIZE, facecolor="white")
        title = textwrap.fill(title, _TITLE)
        lines = title.count("\n")
        figure.text(0.045, 0.94, title, fontsize=25, va="top", color=INK, weight="bold")
        figure.text(0.965, 0.03, str(self.count), fontsize=12, ha="right", color=FAINT)
        # What a subfigure fills follows from the ratios of a grid alone, not from its margins.
        above = 0.17 + 0.05 * lines
        grid = figure.add_gridspec(
            3, 3, width_ratios=[0.045, 0.92, 0.035], height_ratios=[above, 0.86 - above, 0.14]
        )
        said = draw(figure.add_subfigure(grid[1, 1])) or remark
        figure.text(0.045, 0.03, textwrap.fill(str(said), LINE), fontsize=14, color=INK, linespacing=1.35)
        self.pdf.savefig(figure, dpi=_DPI)  # type: ignore[no-untyped-call]


def draw_facts(body: SubFigure, facts: Sequence[tuple[str, str]]) -> None:
    """Names and values below each other."""
    rows = [(textwrap.fill(name, 56), textwrap.fill(value, 30)) for name, value in facts]
    heights = [1.0 + max(text.count("\n") for text in row) for row in rows]
    step = min(0.09, 1 / max(1.0, sum(heights)))
    size = min(16.0, 0.7 * step * 72 * body.bbox.height / body.dpi)
    top = 1.0
    for (name, value), height in zip(rows, heights, strict=True):
        body.text(0, top, name, fontsize=size, va="top")
        body.text(0.62, top, value, fontsize=size, va="top", weight="bold")
        top -= height * step


def with_room(body: SubFigure, draw: Callable[[SubFigure], None]) -> None:
    """A plot whose labels have room around it and can be read from afar."""
    draw(body)
    left, right = (inches * body.dpi / body.bbox.width for inches in (0.85, 0.25))
    for axes in body.axes:
        axes.set_position((left, 0.13, 1 - left - right, 0.85))
        axes.xaxis.label.set_fontsize(14)
        axes.yaxis.label.set_fontsize(14)
        axes.tick_params(which="both", labelsize=13)
        if axes.get_legend():
            axes.legend(fontsize=14)


def beside(body: SubFigure, draw: Callable[[SubFigure], None], words: Sequence[str]) -> None:
    """A plot on the left, sentences on the right."""
    grid = body.add_gridspec(1, 2, width_ratios=[1.5, 1])
    left, right = (body.add_subfigure(grid[0, column]) for column in (0, 1))
    draw(left)
    text = "\n\n".join(textwrap.fill(sentence, _HALF) for sentence in words if sentence)
    spacing = 1.35
    size = min(14.0, 72 * body.bbox.height / body.dpi / spacing / (1 + text.count("\n")))
    right.text(0.04, 0.98, text, fontsize=size, va="top", linespacing=spacing)
