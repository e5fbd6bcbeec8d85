"""Exhibits as PDF slides, 16 to 9: one exhibit per slide, or on several slides if it is long."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from knowngood.output import MARK, replacing
from knowngood.report.exhibits import Chart, Exhibit, Pictures, Table, Text
from knowngood.report.layout import Box, draw_pictures, draw_table
from knowngood.report.style import FAINT, Layout, style

_SIZE = (13.33, 7.5)  # inches
_DPI = 200  # of images, so that none loses pixels that a projector could show
_TYPE, _LARGE, _TITLE = 14.0, 16.0, 25.0  # points: of notes and charts, of sentences, of titles
_SPACING = 1.35
_LEFT, _WIDTH, _TOP = 0.045, 0.92, 0.83
_BESIDE = 0.62  # the left edge of a note beside its chart

# Letters of a line: of a title, of a note below and beside, of a sentence.
_TITLE_LINE, _NOTE_LINE, _BESIDE_LINE, _SENTENCE_LINE = 60, 112, 44, 96

_NOTE_LINES = 3  # of a note below; a longer one is written beside
_SENTENCE_LINES, _TABLE_LINES = 14, 28  # of one slide


def write_deck(title: str, path: str | os.PathLike[str], exhibits: Iterable[Exhibit]) -> None:
    """Write exhibits as slides; the same exhibits make the same file.

    The title is kept in the metadata of the file, which is replaced whole or not at all.

    Raises:
        OutputError: The file cannot be written.

    Example::

        write_deck("Casting", "slides.pdf", [Text("Conclusions", ["Frozen features are best."])])
    """
    # Without a date, so that the same content makes the same file.
    metadata = {"Title": title, "Creator": MARK, "CreationDate": None}
    with replacing(path, MARK) as unfinished, style(_TYPE), PdfPages(unfinished, metadata=metadata) as pdf:
        for number, slide in enumerate(chain.from_iterable(map(_split, exhibits)), 1):
            pdf.savefig(_draw(slide, number), dpi=_DPI)


def _split(exhibit: Exhibit) -> Iterator[Exhibit]:
    """Divide sentences and rows among as many slides as they need."""
    if isinstance(exhibit, Text):
        sentences = [textwrap.fill(sentence, _SENTENCE_LINE) for sentence in exhibit.sentences if sentence]
        heights = [2 + sentence.count("\n") for sentence in sentences]
        for part, number in _parts(heights, _SENTENCE_LINES):
            yield replace(exhibit, title=exhibit.title + number, sentences=sentences[part])
    elif isinstance(exhibit, Table):
        heights = [1 + max(text.count("\n") for text in row) for row in exhibit.texts]
        for part, number in _parts(heights, _TABLE_LINES):
            yield replace(exhibit, title=exhibit.title + number, rows=exhibit.rows[part])
    else:
        yield exhibit


def _parts(heights: Sequence[int], most: int) -> list[tuple[slice, str]]:
    """Divide lines of some heights into parts of at most `most`, and number several parts: ` (1 of 2)`."""
    starts, room = [0], most
    for place, height in enumerate(heights):
        if height > room and place > starts[-1]:
            starts.append(place)
            room = most
        room -= height
    ends = [*starts[1:], len(heights)]
    numbers = [f" ({number} of {len(starts)})" for number in range(1, 1 + len(starts))]
    return list(zip(map(slice, starts, ends), numbers if len(starts) > 1 else [""], strict=True))


def _draw(exhibit: Exhibit, number: int) -> Figure:
    """Draw a slide."""
    figure = Figure(figsize=_SIZE, facecolor="white")
    title = textwrap.fill(exhibit.title, _TITLE_LINE)
    figure.text(_LEFT, 0.94, title, fontsize=_TITLE, va="top", weight="bold")
    figure.text(_LEFT + _WIDTH, 0.03, str(number), fontsize=12, ha="right", color=FAINT)
    box = _note(figure, exhibit, _TOP - 0.05 * title.count("\n"))
    if isinstance(exhibit, Text):
        _write(figure, "\n\n".join(exhibit.sentences), (_LEFT, box[1] + box[3]), box[3], _LARGE)
    elif isinstance(exhibit, Table):
        draw_table(figure, exhibit, box, largest=_TYPE)
    elif isinstance(exhibit, Pictures):
        draw_pictures(figure, exhibit, box, size=12)
    else:
        figure.set_layout_engine(Layout(rect=box))
        exhibit.draw(figure)
    return figure


def _note(figure: Figure, exhibit: Exhibit, top: float) -> Box:
    """Write the note of an exhibit below or, if it is long, beside it, and return the rest of the slide."""
    lines = [textwrap.fill(line, _NOTE_LINE) for line in exhibit.note.splitlines()]
    below = sum(line.count("\n") + 1 for line in lines)
    if below > _NOTE_LINES and isinstance(exhibit, Chart | Pictures):
        text = "\n\n".join(textwrap.fill(line, _BESIDE_LINE) for line in exhibit.note.splitlines())
        _write(figure, text, (_BESIDE, top), top - 0.05, _TYPE)
        return _LEFT, 0.05, _BESIDE - 0.02 - _LEFT, top - 0.05
    figure.text(_LEFT, 0.025, "\n".join(lines), fontsize=_TYPE, va="bottom", linespacing=_SPACING)
    bottom = 0.05 + below * _TYPE * _SPACING / 72 / _SIZE[1]
    return _LEFT, bottom, _WIDTH, top - bottom


def _write(figure: Figure, text: str, place: tuple[float, float], height: float, largest: float) -> None:
    """Write text from a place downwards in the largest type that fits into a height."""
    size = min(largest, 72 * height * _SIZE[1] / _SPACING / (1 + text.count("\n")))
    figure.text(*place, text, fontsize=size, va="top", linespacing=_SPACING)
