"""Slides of a study of classifiers of defects: data, expectations, training, results, predictions."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.inspector.evaluation import Evaluation
from knowngood.metrics.classification import imbalance_ratio
from knowngood.report.classification import classification_exhibits
from knowngood.report.exhibits import Exhibit, Picture, Pictures, Table, Text
from knowngood.report.slide import facts_table
from knowngood.report.style import short
from knowngood.report.training import training_exhibits
from knowngood.report.words import MISSING, score

DOCUMENT = "the document"  # the method whose results others published

_METHOD, _HEAD = 34, 14  # letters of a line in the table of results
_FIGURES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "test_class_accuracy")


@dataclass(frozen=True, eq=False)
class SupervisedSlides:
    """The content of the slides.

    The results have one row per method: `method`, then figures, with the standard deviation of each as
    `<figure>_sd` if it is known. The row of the method `DOCUMENT` holds the results of others.
    """

    facts: Sequence[tuple[str, str]]  # names and values: the data, the protocol
    classes: tuple[Sequence[str], NDArray[np.uint8]]  # names, and a picture of each `(n, h, w, 3)`
    expectations: Sequence[str]  # on the problems to be expected of such data
    choices: Sequence[str]  # on the images that each choice was made on
    results: pd.DataFrame
    evaluations: Mapping[str, Evaluation]  # by method, the best one first
    experiments: pd.DataFrame | None = None  # as `knowngood.inspector.comparison.compare` gives them


def supervised_exhibits(content: SupervisedSlides) -> Iterator[Exhibit]:
    """Give one exhibit after the other."""
    best, shown = next(iter(content.evaluations.items()))
    yield facts_table("The data and the protocol", content.facts)
    yield _classes(shown)
    if len(content.classes[0]):
        row = [Picture(image, short(name)) for name, image in zip(*content.classes, strict=True)]
        yield Pictures("An image of each class", [row])
    yield Text("Expected problems", content.expectations)
    yield Text("Which images each choice was made on", content.choices)
    for method, evaluation in content.evaluations.items():
        yield from _of(method, training_exhibits(evaluation.records))
    results = content.results
    if len(results):
        spread = any(f"{figure}_sd" in results for figure in _figures(results))
        note = f"Mean ± standard deviation over the runs; {MISSING}: unknown." if spread else ""
        yield _results(_outcome(results), results, note)
    if (table := content.experiments) is not None:
        note = "Training and validation images without augmentation; test at the inspector's threshold."
        change = table["experiment"].where(table["change"] == "", table["change"])
        results = table[list(_FIGURES)].assign(method=change)[["method", *_FIGURES]]
        yield _results("One change at a time", results, note)
    yield from _of(best, classification_exhibits(shown))


def _of(method: str, exhibits: Sequence[Exhibit]) -> Iterator[Exhibit]:
    """Put the name of a method before the titles of its exhibits."""
    return (replace(exhibit, title=f"{method}: {exhibit.title}") for exhibit in exhibits)


def _classes(evaluation: Evaluation) -> Table:
    """Show the number of images of each class."""
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
    size = "about equally many images of each"
    if (ratio := imbalance_ratio(counts)) >= 1.5:
        size = f"the largest has {ratio:.3g} times as many images as the smallest"
    return Table(f"{len(names)} classes: {size}", ["class", "training images", "test images"], rows, 2)


def _figures(results: pd.DataFrame) -> list[str]:
    """Return the columns that are figures."""
    return [name for name in results.columns if name != "method" and not name.endswith("_sd")]


def _cell(row: pd.Series, figure: str) -> str:
    """Write a figure with its standard deviation, as far as they are known."""
    value = row[figure]
    if isinstance(value, str):
        return value
    if value is None or np.isnan(value):
        return MISSING
    spread = row.get(f"{figure}_sd")
    text = f"{value:,}" if isinstance(value, int | np.integer) else _number(value)
    return text if spread is None or np.isnan(spread) else f"{text} ± {_number(spread)}"


def _number(value: float) -> str:
    """Write a share with three decimals, a larger number with four digits."""
    return f"{value:.3f}" if abs(value) < 10 else score(value)


def _outcome(results: pd.DataFrame) -> str:
    """Name the method with the largest first figure, and the figure of the document."""
    figure = _figures(results)[0]
    given = results["method"] == DOCUMENT
    ours = pd.to_numeric(results[figure], errors="coerce").to_numpy(np.float64, copy=True)
    ours[given] = np.nan
    if np.isnan(ours).all():
        return "Comparison of the methods"
    best = results.iloc[int(np.nanargmax(ours))]
    title = f"{best['method']} has the highest {figure.replace('_', ' ')}: {_cell(best, figure)}"
    document = [_cell(row, figure) for _, row in results[given].iterrows()]
    known = ", ".join(text for text in document if text != MISSING)
    return f"{title}; {DOCUMENT}: {known}" if known else title


def _results(title: str, results: pd.DataFrame, note: str) -> Table:
    """Make a table of results."""
    figures = _figures(results)
    rows = [
        [textwrap.fill(str(row["method"]), _METHOD), *(_cell(row, figure) for figure in figures)]
        for _, row in results.iterrows()
    ]
    heads = [textwrap.fill(figure.replace("_", " "), _HEAD) for figure in figures]
    return Table(title, ["method", *heads], rows, len(figures), note)
