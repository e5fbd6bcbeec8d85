"""Exhibits as slides, 16 to 9: what fits on one slide, and where its parts are."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import NamedTuple

from knowngood.report.exhibits import Chart, Exhibit, Pictures, Table, Text
from knowngood.report.layout import Box

SIZE = (13.33, 7.5)  # inches
TYPE, LARGE, HEADLINE = 14.0, 18.0, 25.0  # points: of notes and charts, of sentences, of titles
SPACING = 1.35  # from line to line, as a multiple of the type size

LEFT, WIDTH, TOP = 0.045, 0.92, 0.83
_BESIDE = 0.62  # the left edge of a note beside its chart

# Letters of a line: of a title, of a note below and beside, of a sentence.
_TITLE_LINE, _NOTE_LINE, _BESIDE_LINE, _SENTENCE_LINE = 60, 112, 44, 90

_TIE = "\u00a0"  # a space at which no line ends
_TIED = re.compile(r" %|\(\d+ of \d+\)$")  # what stays on one line

_NAME, _FACT = 44, 96  # letters: of the name of a fact, of both together

_NOTE_LINES = 3  # of a note below; a longer one is written beside
_SENTENCE_LINES, _TABLE_LINES = 22, 20  # of one slide


@dataclass(frozen=True, eq=False)
class Deck:
    """A title slide, unless it has no cover, then one or more slides for each exhibit."""

    title: str
    exhibits: Sequence[Exhibit]
    course: str = ""  # whose experiment it is: the document, the place, the year
    author: str = ""
    day: date | None = None
    mark: str = ""  # stands on every slide, where no reader overlooks it
    cover: bool = True  # whether it begins with its title, or with its first exhibit

    @property
    def written_day(self) -> str:
        """The day in words; empty without one."""
        return f"{self.day:%d %B %Y}" if self.day else ""

    @property
    def made(self) -> datetime | None:
        """The time that a file states: the day alone, so that the same content makes the same file."""
        return datetime.combine(self.day, time()) if self.day else None


class Slide(NamedTuple):
    """An exhibit, or a part of a long one, with its places as shares of the slide.

    The title, the note and sentences are broken into lines.
    """

    exhibit: Exhibit
    title: str
    note: str
    note_box: Box
    box: Box  # of all that is neither title nor note


def slides_of(exhibits: Iterable[Exhibit]) -> Iterator[Slide]:
    """Divide exhibits among slides, about equally much on each; an exhibit without any content has none.

    Example:
        >>> long = Text("Conclusion", ["A sentence."] * 13 + [""])
        >>> [(slide.title, len(slide.exhibit.sentences)) for slide in slides_of([long])]
        [('Conclusion (1 of 2)', 7), ('Conclusion (2 of 2)', 6)]
    """
    for exhibit in exhibits:
        for part in _parts_of(exhibit):
            title = _even(part.title, _TITLE_LINE)
            yield Slide(part, title, *_places(part, TOP - 0.05 * title.count("\n")))


def facts_table(title: str, facts: Sequence[tuple[str, str]], note: str = "") -> Table:
    """Make a table of names and values, broken into lines that fit on a slide."""
    names = [_fill(name, _NAME) for name, _ in facts]
    room = _FACT - max((len(line) for name in names for line in name.split("\n")), default=0)
    rows = [[name, _fill(value, room)] for name, (_, value) in zip(names, facts, strict=True)]
    return Table(title, (), rows, note=note)


def _fill(text: str, letters: int) -> str:
    """Break text into lines of at most some letters, but not between a number and its unit."""
    tied = _TIED.sub(lambda found: found[0].replace(" ", _TIE), text)
    return textwrap.fill(tied, letters, break_on_hyphens=False).replace(_TIE, " ")


def _even(text: str, most: int) -> str:
    """Break text into as few lines as `_fill` does, about equally long, so that no word stands alone."""
    fewest = _fill(text, most).count("\n")
    longest = max(map(len, text.split()), default=most)
    least = min(most, max(longest + 2, len(text) // (1 + fewest)))  # a word and a tied unit
    widths = range(least, 1 + most)
    return next(lines for width in widths if (lines := _fill(text, width)).count("\n") == fewest)


def fitting(text: str, height: float, largest: float) -> float:
    """Return the largest type, at most `largest` points, in which a text fits into a share of the height."""
    return min(largest, 72 * height * SIZE[1] / SPACING / (1 + text.count("\n")))


def _parts_of(exhibit: Exhibit) -> Iterator[Exhibit]:
    """Divide sentences and rows among as few slides as they need."""
    if isinstance(exhibit, Text):
        sentences = [_fill(sentence, _SENTENCE_LINE) for sentence in exhibit.sentences if sentence]
        heights = [2 + sentence.count("\n") for sentence in sentences]
        for part, number in _divided(heights, _SENTENCE_LINES):
            yield replace(exhibit, title=exhibit.title + number, sentences=sentences[part])
    elif isinstance(exhibit, Table):
        heights = [1 + max(text.count("\n") for text in row) for row in exhibit.texts]
        for part, number in _divided(heights, _TABLE_LINES):
            yield replace(exhibit, title=exhibit.title + number, rows=exhibit.rows[part])
    elif isinstance(exhibit, Chart) or any(exhibit.rows):
        yield exhibit


def _divided(heights: Sequence[int], most: int) -> list[tuple[slice, str]]:
    """Divide lines of some heights into as few parts of at most `most` as there can be, about equally high.

    Several parts are numbered: ` (1 of 2)`.
    """
    if not heights:
        return []
    fewest = len(_starts(heights, most))
    limit = next(limit for limit in range(1, most + 1) if len(_starts(heights, limit)) <= fewest)
    starts = _starts(heights, limit)
    ends = [*starts[1:], len(heights)]
    numbers = [f" ({number} of {fewest})" for number in range(1, 1 + fewest)] if fewest > 1 else [""]
    return list(zip(map(slice, starts, ends), numbers, strict=True))


def _starts(heights: Sequence[int], limit: int) -> list[int]:
    """Find where each part begins if every part is filled up to a limit."""
    starts, room = [0], limit
    for place, height in enumerate(heights):
        if height > room and place > starts[-1]:
            starts.append(place)
            room = limit
        room -= height
    return starts


def _places(exhibit: Exhibit, top: float) -> tuple[str, Box, Box]:
    """Put the note of an exhibit below or, if it is long, beside it: its lines, its box, and the rest's."""
    lines = [_fill(line, _NOTE_LINE) for line in exhibit.note.splitlines()]
    below = sum(line.count("\n") + 1 for line in lines)
    if below > _NOTE_LINES and isinstance(exhibit, Chart | Pictures):
        text = "\n\n".join(_fill(line, _BESIDE_LINE) for line in exhibit.note.splitlines())
        beside = (_BESIDE, 0.05, LEFT + WIDTH - _BESIDE, top - 0.05)
        return text, beside, (LEFT, 0.05, _BESIDE - 0.02 - LEFT, top - 0.05)
    height = below * TYPE * SPACING / 72 / SIZE[1]
    bottom = 0.05 + height
    return "\n".join(lines), (LEFT, 0.03, WIDTH - 0.04, height), (LEFT, bottom, WIDTH, top - bottom)
