"""Slides of a study of classifiers of defects: classes, training, results, and results before and after."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from knowngood.inspector.evaluation import Evaluation
from knowngood.metrics.classification import confusion_matrix, imbalance_ratio
from knowngood.report.class_charts import draw_confusion
from knowngood.report.exhibits import Chart, Exhibit, Table
from knowngood.report.style import short
from knowngood.report.training import classifier_words
from knowngood.report.words import MISSING, percent, score
from knowngood.training.classifier_record import held_out_scores

DOCUMENT = "the document"  # the method whose results others published

NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "class_accuracy": "accuracy over the classes",
    "macro_f1": "macro F1",
    "f1": "F1",
    "image_auroc": "image AUROC",
    "held_out_auroc": "image AUROC, held-out training images",
    "held_out_classes": "balanced accuracy over the classes, held-out training images",
    "validation_balanced_accuracy": "balanced accuracy, validation images",
}
"""What figures are called in sentences and tables; others by their own name."""

_METHOD, _HEAD = 34, 16  # letters of a line in the table of results
_CHOICES = 58  # letters of a line of automatic choices


class Decisions(NamedTuple):
    """The decisions on images of one split; a defect is positive."""

    images: int
    right: int
    true: int  # defects rejected
    false: int  # good parts rejected
    missed: int  # defects accepted

    @property
    def cells(self) -> list[str]:
        """Number of images, accuracy, precision and F1 as texts."""
        rejected, both = self.true + self.false, 2 * self.true + self.false + self.missed
        shares = (self.right, self.images), (self.true, rejected), (2 * self.true, both)
        accuracy, precision, f1 = (f"{part / whole:.3f}" if whole else MISSING for part, whole in shares)
        return [f"{self.images:,}", accuracy, precision, f1]


def named(name: str, exhibits: Iterable[Exhibit]) -> Iterator[Exhibit]:
    """Put a name, such as that of a method or of a document's question, before the titles of exhibits."""
    return (replace(exhibit, title=f"{name}: {exhibit.title}") for exhibit in exhibits)


def classes_exhibit(evaluation: Evaluation) -> Table:
    """Show the number of training and test images of each class of a classifier."""
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
    size = "about equally many training images of each"
    if (ratio := imbalance_ratio(counts)) >= 1.5:
        size = f"the largest has {ratio:.3g} times as many training images as the smallest"
    return Table(f"{len(names)} classes: {size}", ["class", "training images", "test images"], rows, 2)


def choices_exhibit(evaluations: Mapping[str, Evaluation]) -> Table:
    """Show what each method chose for itself, beside its accuracy on training and on held-out images."""
    rows, gaps = [], {}
    for method, evaluation in evaluations.items():
        record = evaluation.records.classifier
        assert record is not None
        gaps[method] = record.train_accuracy - record.held_out_accuracy
        notes = classifier_words(record, evaluation.records.training)[2:]
        rows.append(
            [
                textwrap.fill(method, 20),
                percent(record.train_accuracy),
                f"{percent(record.held_out_accuracy)}\nof {len(record.truth):,}",
                "\n".join(textwrap.fill(note, _CHOICES) for note in notes),
            ]
        )
    most = max(gaps, key=lambda method: gaps[method])
    title = f"Largest gap between training and held-out accuracy: {most}, {100 * gaps[most]:.1f} points"
    if gaps[most] <= 0:
        title = "No method has a higher accuracy on training images than on held-out ones"
    note = "Accuracy on held-out images is of models that did not learn from them."
    # The column of choices is last to have room; its texts are no numbers.
    columns = ["method", "accuracy,\ntraining", "accuracy,\nheld out", "chosen by itself"]
    return Table(title, columns, rows, 0, note)


def results_exhibit(results: pd.DataFrame, note: str = "") -> Table:
    """Show figures of methods, with their deviations, in columns `<figure>` and `<figure>_sd`.

    The row of the method `DOCUMENT` holds the results of others.

    Example:
        >>> results = pd.DataFrame({"method": ["a", "b", DOCUMENT], "accuracy": [0.9, 0.8, 0.7]})
        >>> results_exhibit(results).title
        'a has the highest accuracy: 0.900; the document: 0.700'
    """
    figures = _figures(results)
    rows = [
        [textwrap.fill(str(row["method"]), _METHOD), *(_cell(row, figure) for figure in figures)]
        for _, row in results.iterrows()
    ]
    heads = [textwrap.fill(NAMES.get(figure, figure.replace("_", " ")), _HEAD) for figure in figures]
    spread = any(f"{figure}_sd" in results for figure in figures)
    means = f"Mean ± standard deviation over the runs; {MISSING}: unknown." if spread else ""
    return Table(_outcome(results), ["method", *heads], rows, len(figures), f"{means} {note}".strip())


def validation_exhibit(
    evaluations: Mapping[str, Evaluation], document: tuple[Decisions, Decisions] | None = None
) -> Table:
    """Show accuracy, precision and F1 of good or defective on held-out training images and on test images.

    The document's decisions are on its validation and its test images.
    """
    decided = {method: (_held_out(one), decisions_of(one)) for method, one in evaluations.items()}
    if document:
        decided[DOCUMENT] = document
    rows = [[textwrap.fill(name, 20), *held.cells, *test.cells] for name, (held, test) in decided.items()]
    best, (held, test) = next(iter(decided.items()))
    title = f"{best}: accuracy {percent(held.right / held.images)} on held-out training images, "
    title += f"{percent(test.right / test.images)} on test images"
    heads = ["held-out\nimages", "accuracy", "precision", "F1", "test\nimages", "accuracy", "precision", "F1"]
    note = (
        "First run, at the threshold of each inspector. A defect is the positive class. Held-out images "
        "chose regularisation, temperature and epoch: their figures lean high. Test images chose nothing."
    )
    return Table(title, ["method", *heads], rows, 8, note)


def confusions_exhibit(evaluations: Mapping[str, Evaluation], note: str = "") -> Chart:
    """Show the confusion matrices of two methods, of which the second follows from the first.

    Both are of the same test images.
    """
    (before, first), (after, second) = evaluations.items()
    one, other = decisions_of(first), decisions_of(second)
    title = (
        f"False rejects: {one.false} ({before}) and {other.false} ({after}); escapes: {one.missed} and "
        f"{other.missed}"
    )
    matrices = {}
    for method, evaluation in evaluations.items():
        found = evaluation.classification
        assert found is not None
        assert found.matrix is not None
        matrices[method] = (found.matrix, found.names)
    return Chart(title, partial(_draw_confusions, matrices=matrices), note)


def _held_out(evaluation: Evaluation) -> Decisions:
    """Decide on the held-out images of a classifier."""
    record = evaluation.records.classifier
    assert record is not None
    rejected = held_out_scores(record) > float(evaluation.metrics["threshold"])
    return _decisions(record.truth > 0, rejected)


def decisions_of(evaluation: Evaluation) -> Decisions:
    """Read the decisions on test images."""
    scores = evaluation.scores
    return _decisions(
        (scores["label"] == "defect").to_numpy(np.bool_), (scores["decision"] == "reject").to_numpy(np.bool_)
    )


def _decisions(defect: NDArray[np.bool_], rejected: NDArray[np.bool_]) -> Decisions:
    """Count decisions on images `(N,)`."""
    (passed, false), (missed, true) = confusion_matrix(defect.astype(int), rejected.astype(int), 2).tolist()
    return Decisions(len(defect), passed + true, true, false, missed)


def _draw_confusions(figure: Figure, matrices: Mapping[str, tuple[NDArray[np.int64], Sequence[str]]]) -> None:
    """Draw confusion matrices beside each other."""
    parts = figure.subfigures(1, len(matrices), squeeze=False)[0]
    for part, (method, (counts, names)) in zip(parts, matrices.items(), strict=True):
        part.suptitle(short(method, 40))
        draw_confusion(part, counts, names)


def _figures(results: pd.DataFrame) -> list[str]:
    """Return the columns that are figures."""
    return [name for name in results.columns if name != "method" and not name.endswith("_sd")]


def _cell(row: pd.Series, figure: str) -> str:
    """Write a figure with its standard deviation, as far as they are known."""
    value = row[figure]
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
    title = f"{best['method']} has the highest {NAMES.get(figure, figure)}: {_cell(best, figure)}"
    document = [_cell(row, figure) for _, row in results[given].iterrows()]
    known = ", ".join(text for text in document if text != MISSING)
    return f"{title}; {DOCUMENT}: {known}" if known else title
