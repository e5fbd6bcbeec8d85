"""The page of a study, whose first line is its answer, and the tables beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from knowngood.extras import needs_extra
from knowngood.output import MARK, check_target, make_folder, replacing
from knowngood.report.exhibits import Exhibit
from knowngood.report.verdicts import write_csv


@dataclass(frozen=True)
class Answer:
    """What a study says in its first line.

    Args:
        level: `good`, `doubtful` or `useless`.
        headline: The answer.
        details: What it is based on, and what follows, in sentences.
    """

    level: str
    headline: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """A page to write.

    Args:
        name: Of its file, without `.html`.
        title: Its heading.
        subtitle: What it is about, in a line.
        answer: Its first lines.
        exhibits: Tables, charts and sentences below.
    """

    name: str
    title: str
    subtitle: str
    answer: Answer
    exhibits: Sequence[Exhibit]


def check_study(
    folder: str | os.PathLike[str], name: str, tables: Mapping[str, Sequence[str]], *, overwrite: bool = False
) -> None:
    """Check before a long work that its page and tables can be written to a folder.

    Raises:
        OutputError: They cannot.
    """
    folder = Path(folder)
    make_folder(folder)
    check_target(folder / f"{name}.html", MARK, overwrite=overwrite)
    for table, columns in tables.items():
        check_target(folder / f"{table}.csv", _mark(columns), overwrite=overwrite)


def write_study(
    page: Page, tables: Mapping[str, pd.DataFrame], folder: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write the tables of a study as CSV, and its page, each whole or not at all; older ones are replaced.

    Returns:
        The path of the page.

    Raises:
        OutputError: A file cannot be written, or is not ours to replace.
        MissingExtra: The page's libraries are not installed; the tables are written.
    """
    folder = Path(folder)
    check_study(
        folder, page.name, {name: list(one.columns) for name, one in tables.items()}, overwrite=overwrite
    )
    for name, table in tables.items():
        with replacing(folder / f"{name}.csv", _mark(list(table.columns)), overwrite=overwrite) as unfinished:
            values = table.astype(object).where(table.notna(), None)
            write_csv(unfinished, list(table.columns), values.to_numpy().tolist())
    with needs_extra():
        from knowngood.report.page import SIGNS, template
    text = template("capability.html.jinja").render(
        generator=MARK,
        title=page.title,
        subtitle=page.subtitle,
        answer=page.answer,
        sign=SIGNS[page.answer.level],
        exhibits=page.exhibits,
    )
    path = folder / f"{page.name}.html"
    with replacing(path, MARK, overwrite=overwrite) as unfinished:
        unfinished.write_bytes(text.encode("utf-8", errors="backslashreplace"))
    return path


def _mark(columns: Sequence[str]) -> str:
    """What a table of ours holds at its beginning."""
    return ",".join(columns)
