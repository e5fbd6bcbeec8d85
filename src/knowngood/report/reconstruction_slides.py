"""Slides of detectors that reconstruct images, one task after the other.

Tables of reconstructions are those of `knowngood.report.reconstruction`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from knowngood.metrics.thresholds import Threshold
from knowngood.report.exhibits import Exhibit, Picture, Pictures, Table, Text
from knowngood.report.pictures import pixels
from knowngood.report.reconstruction import (
    Tables,
    examples_exhibit,
    is_sum,
    similarity,
    sums_exhibit,
    worst_exhibits,
)
from knowngood.report.reconstruction_words import (
    confusable,
    criterion,
    rejections,
    resemblance,
    resembling,
    separation,
    threshold_words,
)
from knowngood.report.slide import facts_table
from knowngood.report.training import layers_exhibit, losses_exhibit
from knowngood.report.words import count, decimal, score
from knowngood.training.record import TrainingRecord

_SETS = (
    "No in-class sample here was one of those that the network was trained on. Validation samples chose the "
    "epoch and set the threshold; test samples took part in no choice. The two AUROCs compare the same "
    "out-of-class samples with one of these sets each: they differ because the images do."
)
_SAMPLES, _EXAMPLES, _WORST = 7, 5, 5  # pictures of each class on a slide: of the data, compared, the worst
_EPOCHS = 4  # of which a slide shows the reconstructions


@dataclass(frozen=True, eq=False)
class Task:
    """The content of the slides of one task."""

    label: str  # stands before each title
    record: TrainingRecord  # of the network
    in_class: pd.DataFrame  # reconstructions of validation samples
    out_of_class: pd.DataFrame
    threshold: Threshold  # on the score
    names: tuple[str, str]  # of the in-class and the out-of-class samples
    facts: Sequence[tuple[str, str]]  # names and values: the data, the model, the training
    figures: Mapping[str, float]  # by what they are
    wanted: int = 0  # out-of-class samples that must score above every in-class sample

    @property
    def tables(self) -> Tables:
        """The reconstructions of both classes by name."""
        return dict(zip(self.names, (self.in_class, self.out_of_class), strict=True))

    @property
    def summary(self) -> list[str]:
        """What was found, in sentences."""
        tables = self.tables
        finding, _ = similarity(tables)
        line = f"At the threshold {score(self.threshold.value)}, {rejections(tables, self.threshold)}"
        said = [resembling(tables), *_criteria(self), finding, line]
        return [f"{self.label}: {sentence.removesuffix('.')}." for sentence in said]


def task_exhibits(tasks: Sequence[Task]) -> Iterator[Exhibit]:
    """Give an overview of all tasks, then the exhibits of each."""
    found = "; ".join(separation(task.tables) for task in tasks)
    names = list(dict.fromkeys(name for task in tasks for name in task.figures))
    rows = [[name, *(_written(name, task.figures.get(name)) for task in tasks)] for name in names]
    columns = ["", *(task.label for task in tasks)]
    yield Table(found, columns, rows, len(tasks), _SETS)
    for task in tasks:
        for exhibit in _exhibits(task):
            title = exhibit.title[:1].upper() + exhibit.title[1:]
            yield replace(exhibit, title=f"{task.label}: {title}")


def _written(name: str, value: float | None) -> str:
    """Write a figure: an AUROC with four decimals, a count as it is."""
    if value is None or "AUROC" in name:
        return decimal(value)
    return f"{value:,.0f}" if value == round(value) else score(value)


def _exhibits(task: Task) -> Iterator[Exhibit]:
    """Give the exhibits of one task in the order of its questions."""
    tables, record = task.tables, task.record
    yield from _samples(task)
    epochs = count(len(record.epochs), "epoch")
    yield facts_table(f"an autoencoder, trained for {epochs}; epoch {record.best} was kept", task.facts)
    yield layers_exhibit(record.layers)
    yield losses_exhibit(record, "held-out good images")
    yield from progress_exhibits(record)
    yield from worst_exhibits(tables, columns=_WORST)
    finding, numbers = similarity(tables)
    yield from examples_exhibit(finding, "\n".join([*numbers, confusable(tables)]), tables, _EXAMPLES)
    line = task.threshold.value if is_sum(tables) else None
    note = [resemblance(tables), *_criteria(task)]
    if line is None:
        note.append("The score is not the sum of differences, so the threshold is not drawn here.")
    yield sums_exhibit(separation(tables), "\n".join(filter(None, note)), tables, line)
    title = f"threshold {score(task.threshold.value)}: {rejections(tables, task.threshold)}"
    yield Text(title, threshold_words(task.threshold, tables))


def _criteria(task: Task) -> list[str]:
    """Say whether the document's criterion is met, if it has one."""
    return [criterion(task.tables, task.wanted)] if task.wanted else []


def _samples(task: Task) -> Iterator[Pictures]:
    """Show samples of both classes, as the network gets them."""
    rows = {}
    for name, table in task.tables.items():
        kept = table[table["original"].notna()]
        places = np.linspace(0, len(kept) - 1, min(_SAMPLES, len(kept))).round().astype(int)
        if len(kept):
            rows[name] = [Picture(pixels(kept["original"].iloc[place])) for place in places]
    if rows:
        shown = " and ".join(f"{name} ({len(task.tables[name]):,})" for name in rows)
        title = f"samples of {shown} that the network was not trained on"
        note = "At the size of the network's input; chosen evenly from the best to the worst reconstructed."
        yield Pictures(title, list(rows.values()), list(rows), note)


def progress_exhibits(record: TrainingRecord) -> Iterator[Pictures]:
    """Show the reconstructions of one batch of validation images by epoch, a few epochs on each slide.

    Example:
        >>> batch = np.zeros((2, 4, 4, 3), np.uint8)
        >>> record = TrainingRecord([], [], 1, 0.001, [0], batch, {5: batch + 51, 10: batch})
        >>> [(slide.title, list(slide.names)) for slide in progress_exhibits(record)]
        [('mean difference 0.200 after epoch 5, 0.000 after epoch 10', ['input', 'epoch 5', 'epoch 10'])]
    """
    if record.originals is None:
        return
    originals, epochs = record.originals, sorted(record.rebuilt)
    parts = -(-len(epochs) // _EPOCHS)
    for part in np.array_split(epochs, parts) if parts else []:
        errors = {
            epoch: np.abs(record.rebuilt[epoch] / 255 - originals / 255).mean() for epoch in part.tolist()
        }
        rows = [originals, *(record.rebuilt[epoch] for epoch in errors)]
        ends = [epoch for epoch in errors if epoch in (part[0], part[-1])]
        said = ", ".join(f"{errors[epoch]:.3f} after epoch {epoch}" for epoch in ends)
        yield Pictures(
            f"mean difference {said}",
            [[Picture(pixels(image)) for image in row] for row in rows],
            ["input", *(f"epoch {epoch}" for epoch in errors)],
            "One batch of validation images, which the network was not trained on, and its reconstructions. "
            "Difference: absolute, as a share of the full range.",
        )
