"""PDF slides of a study of classifiers of defects: data, expectations, how they learned, what they say."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import SubFigure
from numpy.typing import NDArray

from knowngood.metrics.classification import imbalance_ratio
from knowngood.report.classified import draw_pictures
from knowngood.report.deck import Deck, draw_facts, open_deck, with_room
from knowngood.report.layout import table, tables, type_size
from knowngood.report.learned import learning_shown, lesson_words
from knowngood.report.plots import short
from knowngood.report.supervised import Exhibit, answers_shown
from knowngood.report.words import MISSING, score

if TYPE_CHECKING:
    from knowngood.inspector.evaluation import Evaluation

DOCUMENT = "the document"
"""The row of results that others gave."""

_SENTENCE, _LINES = 96, 14  # letters of a line, and lines of a slide
_TYPE = 16.0
_SPACING = 1.35
_METHOD, _HEAD = 34, 14  # letters of a line in the table of results


def write_supervised_slides(
    title: str,
    path: str | os.PathLike[str],
    *,
    facts: Sequence[tuple[str, str]],
    kinds: tuple[Sequence[str], NDArray[np.uint8]],
    expectations: Sequence[str],
    choices: Sequence[str],
    results: pd.DataFrame,
    evaluations: Mapping[str, Evaluation],
    notes: Sequence[str] = (),
    experiments: pd.DataFrame | None = None,
) -> None:
    """Write slides as PDF, 16 to 9; the same content makes the same file.

    Args:
        title: Stands on the first slide.
        path: The file to write or replace.
        facts: Names and values: the data, the protocol.
        kinds: The kinds of parts, and a picture of each, uint8 `(n, h, w, 3)`; may be empty.
        expectations: Sentences: which problems are to be expected of such data.
        choices: Sentences: on which images each choice was made.
        results: A row a method: `method`, then figures, with the spread of each as `<figure>_sd` where it has
            one. The row of the method `the document` holds what others found.
        evaluations: Of classifiers of defects, by method, the best one first; at least one.
        notes: Sentences that conclude.
        experiments: As `knowngood.inspector.comparison.compare` gives them; None for none.

    Raises:
        OutputError: The file cannot be written.

    Example::

        write_supervised_slides("Casting", "slides.pdf", facts=facts, kinds=kinds, ...)
    """
    best, shown = next(iter(evaluations.items()))
    with open_deck(title, path) as deck:
        deck.add(title, lambda body: draw_facts(body, facts))
        _add_kinds(deck, shown, kinds)
        _add_sentences(deck, "What problems are to be expected", expectations)
        _add_sentences(deck, "Where each choice was made", choices)
        for method, evaluation in evaluations.items():
            _add_training(deck, method, evaluation)
        if len(results):
            deck.add(_outcome(results), lambda body: _draw_results(body, results), _how_to_read(results))
        if experiments is not None:
            deck.add(
                "One thing changed at a time",
                lambda body: _draw_results(body, _of_experiments(experiments)),
                "Training and validation images without augmentation; test at the inspector's threshold.",
            )
        for exhibit in answers_shown(shown):
            _add(deck, best, exhibit)
        _add_sentences(deck, "What follows", notes)


def _add(deck: Deck, method: str, exhibit: Exhibit) -> None:
    """Add an exhibit of a method."""
    deck.add(
        f"{method}: {exhibit.finding}",
        # What a plot without a place of its own says of itself is in the remark already.
        lambda body: with_room(body, exhibit.draw) if exhibit.loose else exhibit.drawn(body),  # type: ignore[arg-type]
        exhibit.remark,
    )


def _add_kinds(deck: Deck, shown: Evaluation, kinds: tuple[Sequence[str], NDArray[np.uint8]]) -> None:
    """How many images of each kind there are, and what they look like."""
    assert shown.training is not None
    assert shown.training.lesson is not None
    assert shown.classification is not None
    names, counts = shown.training.lesson.names, shown.training.lesson.counts
    judged = np.bincount(shown.classification.truth[:, 0] + 1, minlength=1 + len(names))[1:]
    rows = [
        [short(name, 40), f"{count:,}", f"{tested:,}"]
        for name, count, tested in zip(names, counts, judged, strict=True)
    ]
    rows.append(["all", f"{sum(counts):,}", f"{judged.sum():,}"])
    ratio = imbalance_ratio(counts)
    size = (
        "about equally many images of each"
        if ratio < 1.5
        else f"the largest has {ratio:.3g} times the smallest"
    )
    deck.add(
        f"{len(names)} kinds to learn: {size}",
        lambda body: tables(body, ["kind", "to learn from", "test images"], rows, right=[1, 2], below=18),
    )
    titles, pictures = kinds
    if len(titles):
        deck.add(
            "A part of each kind",
            lambda body: draw_pictures(body, pictures, [short(name) for name in titles]),
        )


def _add_training(deck: Deck, method: str, evaluation: Evaluation) -> None:
    """How a method learned."""
    record = evaluation.training
    assert record is not None
    _add_sentences(deck, f"{method}: what it learned from, and what it chose by itself", lesson_words(record))
    for exhibit in learning_shown(record):
        _add(deck, method, exhibit)


def _add_sentences(deck: Deck, title: str, sentences: Sequence[str]) -> None:
    """Sentences below each other, on as many slides as they need; none without any."""
    parts: list[list[str]] = []
    room = 0
    for sentence in filter(None, sentences):
        lines = textwrap.wrap(sentence, _SENTENCE)
        if len(lines) + 1 > room:
            parts.append([])
            room = _LINES
        parts[-1].append("\n".join(lines))
        room -= len(lines) + 1
    for place, part in enumerate(parts):
        number = f" ({place + 1} of {len(parts)})" if len(parts) > 1 else ""
        deck.add(title + number, lambda body, part=part: _write(body, part))  # type: ignore[misc]


def _write(body: SubFigure, sentences: Sequence[str]) -> None:
    """Sentences, smaller where one alone is too long."""
    text = "\n\n".join(sentences)
    size = min(_TYPE, 72 * body.bbox.height / body.dpi / _SPACING / (1 + text.count("\n")))
    body.text(0, 1, text, fontsize=size, va="top", linespacing=_SPACING)


def _figures(results: pd.DataFrame) -> list[str]:
    """The columns that are figures."""
    return [name for name in results.columns if name != "method" and not name.endswith("_sd")]


def _cell(row: pd.Series, figure: str) -> str:
    """A figure with its spread, as far as they are known."""
    value = row[figure]
    if isinstance(value, str):
        return value
    if value is None or np.isnan(value):
        return MISSING
    spread = row.get(f"{figure}_sd")
    text = f"{value:,}" if isinstance(value, int | np.integer) else _number(float(value))
    return text if spread is None or np.isnan(spread) else f"{text} ± {_number(float(spread))}"


def _number(value: float) -> str:
    """Three decimals of a share, four digits of what is larger."""
    return f"{value:.3f}" if abs(value) < 10 else score(value)


def _outcome(results: pd.DataFrame) -> str:
    """Who has the largest first figure, beside the document."""
    figure = _figures(results)[0]
    given = results["method"] == DOCUMENT
    ours = pd.to_numeric(results[figure], errors="coerce").to_numpy(np.float64, copy=True)
    ours[given] = np.nan
    if np.isnan(ours).all():
        return "The methods beside each other"
    best = results.iloc[int(np.nanargmax(ours))]
    said = f"{best['method']} has the highest {figure.replace('_', ' ')}: {_cell(best, figure)}"
    document = [_cell(row, figure) for _, row in results[given].iterrows()]
    beside = [text for text in document if text != MISSING]
    return said + (f"; {DOCUMENT}: {', '.join(beside)}" if beside else "")


def _how_to_read(results: pd.DataFrame) -> str:
    """What the spread is."""
    spread = any(f"{figure}_sd" in results for figure in _figures(results))
    return "Mean ± standard deviation over the runs; – where a figure is not known." if spread else ""


def _of_experiments(table: pd.DataFrame) -> pd.DataFrame:
    """Experiments as results: what was changed, and what came of it."""
    change = table["experiment"].where(table["change"] == "", table["change"])
    figures = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "test_kind_accuracy")
    return table[list(figures)].assign(method=change)[["method", *figures]]


def _draw_results(body: SubFigure, results: pd.DataFrame) -> None:
    """The table of results."""
    figures = _figures(results)
    rows = [["method", *(textwrap.fill(figure.replace("_", " "), _HEAD) for figure in figures)]]
    for _, row in results.iterrows():
        method = textwrap.fill(str(row["method"]), _METHOD)
        rows.append([method, *(_cell(row, figure) for figure in figures)])
    size = type_size(rows, body.bbox.width / body.dpi, body.bbox.height / body.dpi, _TYPE)
    table(body, rows, (0, 0, 1, 1), size=size, right=range(1, 1 + len(figures)))
