"""Slides that can be edited (`.pptx`): text and tables as such, charts and pictures as images."""

from __future__ import annotations

import os
from datetime import datetime
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from matplotlib.figure import Figure
from pptx import Presentation
from pptx.dml.color import RGBColor
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.util import Inches, Pt

from knowngood.output import MARK, replacing
from knowngood.report.deck import WARNING
from knowngood.report.exhibits import Chart, Pictures, Table, Text
from knowngood.report.layout import AIRY, LINE, Box, draw_pictures, table_sizes
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
from knowngood.report.style import Layout, style

_DPI = 150
_TITLE_SLIDE, _TITLE_ONLY = 0, 5  # layouts of the template that comes with python-pptx
_LONG_AGO = datetime(1980, 1, 1)  # the first day that a zip file can state


def write_editable(deck: Deck, path: str | os.PathLike[str]) -> None:
    """Write slides as `.pptx`; the same exhibits of the same day make the same file.

    Raises:
        OutputError: The file cannot be written.

    Example::

        write_editable(Deck("Casting", [Text("Conclusion", ["Frozen features are best."])]), "slides.pptx")
    """
    made = deck.made or _LONG_AGO
    show = Presentation()
    show.slide_width, show.slide_height = map(Inches, SIZE)
    about = show.core_properties
    about.title, about.author, about.comments = deck.title, deck.author, MARK
    about.created = about.modified = made
    about.last_modified_by = ""
    with style(TYPE):
        if deck.cover:
            _add_title_slide(show, deck)
        for number, slide in enumerate(slides_of(deck.exhibits), 1 + deck.cover):
            _add(show, slide, number, deck.mark)
    whole = BytesIO()
    show.save(whole)
    with replacing(path, MARK) as unfinished, ZipFile(unfinished, "w", ZIP_DEFLATED) as written:
        with ZipFile(whole) as read:
            for name in read.namelist():
                # With a fixed time: python-pptx writes the current one.
                member = ZipInfo(name, made.timetuple()[:6])
                member.compress_type = ZIP_DEFLATED
                written.writestr(member, read.read(name))
        written.comment = MARK.encode()


def _add_title_slide(show: Any, deck: Deck) -> None:
    """Add the first slide."""
    added = show.slides.add_slide(show.slide_layouts[_TITLE_SLIDE])
    title, below = added.shapes.title, added.placeholders[1]
    _place(title, (LEFT, 0.44, WIDTH, 0.4))
    _fill(title, deck.title, 36, bold=True, anchor=MSO_ANCHOR.BOTTOM)
    _place(below, (LEFT, 0.1, WIDTH, 0.3))
    _fill(below, "\n".join(filter(None, (deck.course, deck.author, deck.written_day))), 20)
    _add_mark(added, deck.mark)


def _add(show: Any, slide: Slide, number: int, mark: str) -> None:
    """Add a slide."""
    added, exhibit = show.slides.add_slide(show.slide_layouts[_TITLE_ONLY]), slide.exhibit
    height = 0.06 * (1 + slide.title.count("\n"))
    _place(added.shapes.title, (LEFT, 0.94 - height, WIDTH, height))
    _fill(added.shapes.title, slide.title.replace("\n", " "), HEADLINE, bold=True)
    _write(added, str(number), (LEFT + WIDTH - 0.04, 0.01, 0.04, 0.04), 12, align=PP_ALIGN.RIGHT)
    if slide.note:
        left, bottom, width, height = slide.note_box
        size = fitting(slide.note, height, TYPE)
        _write(added, exhibit.note, (left, bottom, width, height), size)
    _add_mark(added, mark)
    if isinstance(exhibit, Text):
        size = fitting("\n\n".join(exhibit.sentences), slide.box[3], LARGE)
        sentences = [sentence.replace("\n", " ") for sentence in exhibit.sentences]
        _write(added, "\n".join(sentences), slide.box, size, apart=size)
    elif isinstance(exhibit, Table):
        _add_table(added, exhibit, slide.box)
    else:
        picture = added.shapes.add_picture(_drawn(exhibit, slide.box), *_emu(slide.box))
        picture._element.nvPicPr.cNvPr.set("descr", exhibit.title)  # noqa: SLF001 - python-pptx has no name for it


def _drawn(exhibit: Chart | Pictures, box: Box) -> BytesIO:
    """Draw a chart or pictures as PNG of the size of a box."""
    figure = Figure(figsize=(box[2] * SIZE[0], box[3] * SIZE[1]), facecolor="white")
    if isinstance(exhibit, Chart):
        figure.set_layout_engine(Layout())
        exhibit.draw(figure)
    else:
        draw_pictures(figure, exhibit, (0, 0, 1, 1), size=12)
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI)
    return drawn


def _add_table(added: Any, table: Table, box: Box) -> None:
    """Add a table with the columns and the type of the PDF's."""
    across, down = 72 * SIZE[0] * box[2], 72 * SIZE[1] * box[3]
    texts, lines, letters, size = table_sizes(table, across, down, TYPE)
    line = min(down / sum(lines), AIRY * size)
    left, top, width, _ = _emu(box)
    shape = added.shapes.add_table(len(texts), len(letters), left, top, width, Pt(line * sum(lines)))
    made = shape.table
    made.first_row = bool(table.columns)
    made.first_col = not table.columns
    for column, count in zip(made.columns, letters, strict=True):
        column.width = round(width * count / sum(letters))
    first_number = len(letters) - table.numbers
    for number, (row, cells) in enumerate(zip(made.rows, texts, strict=True)):
        row.height = Pt(line * lines[number])
        for place, text in enumerate(cells):
            cell = row.cells[place]
            gap = Pt(max(0.0, (line * lines[number] - LINE * size * lines[number]) / 2))
            cell.margin_top = cell.margin_bottom = gap
            cell.margin_left = cell.margin_right = Pt(size / 2)
            cell.vertical_anchor = MSO_ANCHOR.MIDDLE
            cell.text = text
            for paragraph in cell.text_frame.paragraphs:
                paragraph.alignment = PP_ALIGN.RIGHT if place >= first_number else PP_ALIGN.LEFT
                for run in paragraph.runs:
                    run.font.size = Pt(round(size, 1))


def _add_mark(added: Any, mark: str) -> None:
    """Write what stands on every slide."""
    if mark:
        box = (LEFT, 0.95, WIDTH, 0.05)
        _write(added, mark, box, TYPE, bold=True, align=PP_ALIGN.RIGHT, colour=WARNING)


def _write(added: Any, text: str, box: Box, size: float, **look: Any) -> None:
    """Write text into a new box."""
    _fill(added.shapes.add_textbox(*_emu(box)), text, size, **look)


def _fill(
    shape: Any,
    text: str,
    size: float,
    *,
    bold: bool = False,
    align: Any = PP_ALIGN.LEFT,
    anchor: Any = MSO_ANCHOR.TOP,
    apart: float = 0.0,
    colour: str = "#000000",
) -> None:
    """Fill a shape with lines of text, each a paragraph, `apart` points from the next."""
    frame = shape.text_frame
    frame.word_wrap, frame.vertical_anchor = True, anchor
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0
    frame.text = text
    for paragraph in frame.paragraphs:
        paragraph.alignment, paragraph.space_after = align, Pt(apart)
        paragraph.line_spacing = SPACING if size < HEADLINE else 1.0
        for run in paragraph.runs:
            run.font.size, run.font.bold = Pt(round(size, 1)), bold
            run.font.color.rgb = RGBColor.from_string(colour.removeprefix("#"))


def _place(shape: Any, box: Box) -> None:
    """Move a shape into a box."""
    shape.left, shape.top, shape.width, shape.height = _emu(box)


def _emu(box: Box) -> tuple[int, int, int, int]:
    """Return the left, top, width and height of a box in the unit of the file."""
    left, bottom, width, height = box
    shares = left * SIZE[0], (1 - bottom - height) * SIZE[1], width * SIZE[0], height * SIZE[1]
    x, y, across, down = (int(Inches(share)) for share in shares)
    return x, y, across, down
