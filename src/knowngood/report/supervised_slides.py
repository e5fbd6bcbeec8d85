"""PDF slides of a study of classifiers of defects: data, expectations, training, results, predictions."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.metrics.classification import imbalance_ratio
from knowngood.report.classification import classification_exhibits
from knowngood.report.deck import write_deck
from knowngood.report.exhibits import Exhibit, Picture, Pictures, Table, Text
from knowngood.report.slides import facts_table
from knowngood.report.style import short
from knowngood.report.training import training_exhibits
from knowngood.report.words import MISSING, score

if TYPE_CHECKING:
    from knowngood.inspector.evaluation import Evaluation

DOCUMENT = "the document"
"""The row of results that others gave."""

_METHOD, _HEAD = 34, 14  # letters of a line in the table of results


def write_supervised_slides(
    title: str,
    path: str | os.PathLike[str],
    *,
    facts: Sequence[tuple[str, str]],
    classes: tuple[Sequence[str], NDArray[np.uint8]],
    expectations: Sequence[str],
    choices: Sequence[str],
    results: pd.DataFrame,
    evaluations: Mapping[str, Evaluation],
    notes: Sequence[str] = (),
    experiments: pd.DataFrame | None = None,
) -> None:
    """Write slides as PDF, 16 to 9; the same content makes the same file.

    Args:
        title: Of the first slide.
        path: The file to write or replace.
        facts: Names and values: the data, the protocol.
        classes: The classes, and a picture of each, uint8 `(n, h, w, 3)`; may be empty.
        expectations: Sentences: which problems are to be expected of such data.
        choices: Sentences: on which images each choice was made.
        results: One row per method: `method`, then figures, with the spread of each as `<figure>_sd` where it
            has one. The row of the method `the document` holds what others found.
        evaluations: Of classifiers of defects, by method, the best one first; at least one.
        notes: Conclusions.
        experiments: As `knowngood.inspector.comparison.compare` gives them; None for none.

    Raises:
        OutputError: The file cannot be written.

    Example::

        write_supervised_slides("Casting", "slides.pdf", facts=facts, classes=classes, ...)
    """
    best, shown = next(iter(evaluations.items()))
    names, pictures = classes
    exhibits: list[Exhibit] = [facts_table(title, facts), _classes(shown)]
    if len(names):
        row = [Picture(image, short(name)) for name, image in zip(names, pictures, strict=True)]
        exhibits.append(Pictures("An image of each class", [row]))
    exhibits += _sentences("Expected problems", expectations)
    exhibits += _sentences("Which images each choice was made on", choices)
    for method, evaluation in evaluations.items():
        exhibits += _of(method, training_exhibits(evaluation.records))
    if len(results):
        spread = any(f"{figure}_sd" in results for figure in _figures(results))
        note = f"Mean ± standard deviation over the runs; {MISSING}: unknown." if spread else ""
        exhibits.append(_results(_outcome(results), results, note))
    if experiments is not None:
        note = "Training and validation images without augmentation; test at the inspector's threshold."
        exhibits.append(_results("One change at a time", _of_experiments(experiments), note))
    exhibits += _of(best, classification_exhibits(shown))
    write_deck(title, path, [*exhibits, *_sentences("Conclusions", notes)])


def _of(method: str, exhibits: Sequence[Exhibit]) -> Iterator[Exhibit]:
    """Exhibits with the name of their method in the title."""
    return (replace(exhibit, title=f"{method}: {exhibit.title}") for exhibit in exhibits)


def _sentences(title: str, sentences: Sequence[str]) -> list[Exhibit]:
    """Sentences under a title; nothing where there are none."""
    return [Text(title, sentences)] if any(sentences) else []


def _classes(evaluation: Evaluation) -> Table:
    """How many images each class has."""
    record = evaluation.records.classifier
    assert record is not None
    assert evaluation.classification is not None
    names, counts = record.names, record.counts
    tested = np.bincount(evaluation.classification.truth[:, 0] + 1, minlength=1 + len(names))[1:]
    rows = [
        [short(name, 40), f"{count:,}", f"{test:,}"]
        for name, count, test in zip(names, counts, tested, strict=True)
    ]
    rows.append(["all", f"{sum(counts):,}", f"{tested.sum():,}"])
    ratio = imbalance_ratio(counts)
    size = (
        "about equally many images of each"
        if ratio < 1.5
        else f"the largest has {ratio:.3g} times as many images as the smallest"
    )
    title = f"{len(names)} classes: {size}"
    return Table(title, ["class", "training images", "test images"], rows, 2)


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
        return "Comparison of the methods"
    best = results.iloc[int(np.nanargmax(ours))]
    said = f"{best['method']} has the highest {figure.replace('_', ' ')}: {_cell(best, figure)}"
    document = [_cell(row, figure) for _, row in results[given].iterrows()]
    beside = [text for text in document if text != MISSING]
    return said + (f"; {DOCUMENT}: {', '.join(beside)}" if beside else "")


def _of_experiments(table: pd.DataFrame) -> pd.DataFrame:
    """Experiments as results: what was changed, and the figures."""
    change = table["experiment"].where(table["change"] == "", table["change"])
    figures = (
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "test_class_accuracy",
    )
    return table[list(figures)].assign(method=change)[["method", *figures]]


def _results(title: str, results: pd.DataFrame, note: str) -> Table:
    """The table of results."""
    figures = _figures(results)
    rows = [
        [textwrap.fill(str(row["method"]), _METHOD), *(_cell(row, figure) for figure in figures)]
        for _, row in results.iterrows()
    ]
    heads = [textwrap.fill(figure.replace("_", " "), _HEAD) for figure in figures]
    return Table(title, ["method", *heads], rows, len(figures), note)
