"""Slides as PDF; see `knowngood.report.editable` for a form that can be edited."""

from __future__ import annotations

import os
import textwrap

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from knowngood.output import MARK, replacing
from knowngood.report.exhibits import Pictures, Table, Text
from knowngood.report.layout import Box, draw_pictures, draw_table
from knowngood.report.slide import (
    HEADLINE,
    LARGE,
    LEFT,
    SIZE,
    SPACING,
    TYPE,
    WIDTH,
    Deck,
    Slide,
    fitting,
    slides_of,
)
from knowngood.report.style import FAINT, Layout, style

WARNING = "#b3261e"  # the colour of a mark that stands on every slide

_DPI = 200  # of images, so that none loses pixels that a projector could show


def write_deck(deck: Deck, path: str | os.PathLike[str], *, overwrite: bool | None = None) -> None:
    """Write slides as PDF; the same exhibits of the same day make the same file.

    The title is kept in the metadata of the file, which is replaced whole or not at all.

    Raises:
        OutputError: The file cannot be written, or, unless `overwrite`, is not ours to replace.

    Example::

        write_deck(Deck("Casting", [Text("Conclusion", ["Frozen features are best."])]), "slides.pdf")
    """
    metadata = {
        "Title": deck.title,
        "Author": deck.author or None,
        "Creator": MARK,
        "CreationDate": deck.made,
    }
    with (
        replacing(path, MARK, overwrite=overwrite) as unfinished,
        style(TYPE),
        PdfPages(unfinished, metadata=metadata) as pdf,
    ):
        if deck.cover:
            pdf.savefig(_title_slide(deck), dpi=_DPI)
        for number, slide in enumerate(slides_of(deck.exhibits), 1 + deck.cover):
            pdf.savefig(_draw(slide, number, deck.mark), dpi=_DPI)


def _title_slide(deck: Deck) -> Figure:
    """Draw the first slide."""
    figure = _blank(deck.mark)
    figure.text(LEFT, 0.56, textwrap.fill(deck.title, 42), fontsize=36, va="bottom", weight="bold")
    lines = [textwrap.fill(deck.course, 80), "", deck.author, deck.written_day]
    figure.text(LEFT, 0.5, "\n".join(lines).strip(), fontsize=20, va="top", linespacing=SPACING)
    return figure


def _blank(mark: str) -> Figure:
    """Make a slide that shows nothing but the mark of its deck."""
    figure = Figure(figsize=SIZE, facecolor="white")
    if mark:
        figure.text(
            LEFT + WIDTH, 0.985, mark, fontsize=TYPE, va="top", ha="right", color=WARNING, weight="bold"
        )
    return figure


def _draw(slide: Slide, number: int, mark: str) -> Figure:
    """Draw a slide."""
    figure, exhibit = _blank(mark), slide.exhibit
    figure.text(LEFT, 0.94, slide.title, fontsize=HEADLINE, va="top", weight="bold")
    figure.text(LEFT + WIDTH, 0.015, str(number), fontsize=12, ha="right", color=FAINT)
    _write(figure, slide.note, slide.note_box, TYPE)
    if isinstance(exhibit, Text):
        _write(figure, "\n\n".join(exhibit.sentences), slide.box, LARGE)
    elif isinstance(exhibit, Table):
        draw_table(figure, exhibit, slide.box, largest=TYPE)
    elif isinstance(exhibit, Pictures):
        draw_pictures(figure, exhibit, slide.box, size=12)
    else:
        figure.set_layout_engine(Layout(rect=slide.box))
        exhibit.draw(figure)
    return figure


def _write(figure: Figure, text: str, box: Box, largest: float) -> None:
    """Write text from the top of a box downwards in the largest type that fits."""
    left, bottom, _, height = box
    size = fitting(text, height, largest) if text else largest
    figure.text(left, bottom + height, text, fontsize=size, va="top", linespacing=SPACING)
