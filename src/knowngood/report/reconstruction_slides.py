"""Slides of detectors that reconstruct images, one task after the other.

Tables of reconstructions are those of `knowngood.report.reconstruction`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from knowngood.metrics.ranking import auroc
from knowngood.metrics.thresholds import Threshold
from knowngood.report.exhibits import Exhibit, Table
from knowngood.report.reconstruction import (
    Tables,
    is_sum,
    similarity,
    sums_exhibit,
    typical_exhibit,
    worst_exhibits,
)
from knowngood.report.slide import facts_table
from knowngood.report.training import training_exhibits
from knowngood.report.words import decimal, percent, score
from knowngood.training.record import TrainingRecord
from knowngood.training.records import Records

_QUESTION = (
    "Question of each task: can a network that was trained to reconstruct in-class samples only detect "
    "out-of-class samples by their reconstruction error, how do the reconstructions of both classes compare, "
    "and where should the threshold be? The in-class samples here are held out: the network was not trained "
    "on them."
)


@dataclass(frozen=True, eq=False)
class Task:
    """The content of the slides of one task."""

    title: str
    record: TrainingRecord  # of the network
    in_class: pd.DataFrame  # reconstructions of held-out samples
    out_of_class: pd.DataFrame
    threshold: Threshold  # on the score
    names: tuple[str, str]  # of the in-class and the out-of-class samples
    facts: Sequence[tuple[str, str]]  # names and values: the data, the model, the main figures

    @property
    def tables(self) -> Tables:
        """The reconstructions of both classes by name."""
        return dict(zip(self.names, (self.in_class, self.out_of_class), strict=True))

    @property
    def summary(self) -> list[str]:
        """What was found, in sentences."""
        finding, _ = similarity(self.tables)
        return [f"{self.title}: {separation(self.tables)}.", f"{finding}."]


def task_exhibits(tasks: Sequence[Task]) -> Iterator[Exhibit]:
    """Give an overview of all tasks, then the exhibits of each."""
    columns = [
        "task",
        "samples, held-out in-class\n/ out-of-class",
        "out-of-class above\nevery in-class",
        "out-of-class above\nthe threshold",
        "in-class above\nthe threshold",
        "image\nAUROC",
    ]
    found = "; ".join(separation(task.tables) for task in tasks)
    yield Table(found, columns, list(map(_main_figures, tasks)), 5, _QUESTION)
    for task in tasks:
        yield from _exhibits(task)


def _exhibits(task: Task) -> Iterator[Exhibit]:
    """Give the exhibits of one task, one after the other."""
    tables = task.tables
    yield facts_table(task.title, task.facts)
    yield from training_exhibits(Records(task.record))
    yield from worst_exhibits(tables)
    line = task.threshold.value if is_sum(tables) else None
    sentences = threshold_words(task.threshold, tables)
    if line is None:
        sentences.append("The score is not the sum of differences, so the threshold is not drawn here.")
    yield sums_exhibit(separation(tables), "\n".join(sentences), tables, line)
    finding, numbers = similarity(tables)
    numbers += [confusable(tables), "Shown: the sample of each class with the median sum of differences."]
    typical = typical_exhibit(finding, "\n".join(filter(None, numbers)), tables)
    if typical is not None:
        yield typical


def _main_figures(task: Task) -> list[str]:
    """Make the row of a task in the overview."""
    scores = [samples["score"].to_numpy() for samples in (task.in_class, task.out_of_class)]
    good, bad = (int((values > task.threshold.value).sum()) for values in scores)
    strange, both = np.repeat([False, True], list(map(len, scores))), all(map(len, scores))
    sizes = f"{len(task.in_class):,} / {len(task.out_of_class):,}"
    counts = [f"{number:,}" for number in (above_all(task.in_class, task.out_of_class), bad, good)]
    area = decimal(auroc(strange, np.concatenate(scores)) if both else None)
    return [textwrap.fill(task.title, 30), sizes, *counts, area]


def above_all(in_class: pd.DataFrame, out_of_class: pd.DataFrame) -> int:
    """Count the out-of-class samples that score above every in-class sample."""
    highest = max(in_class["score"], default=-np.inf)
    return int((out_of_class["score"] > highest).sum())


def separation(tables: Tables) -> str:
    """Describe in one sentence how well the scores separate the two classes.

    Example:
        >>> low, high = pd.DataFrame({"score": [1.0, 2.0]}), pd.DataFrame({"score": [2.0, 3.0]})
        >>> separation({"good": low, "bent": high})
        '1 of 2 bent samples score above every good sample'
    """
    (known, in_class), (strange, out_of_class) = tables.items()
    if out_of_class.empty:
        return f"There are no {strange} samples"
    above = above_all(in_class, out_of_class)
    return f"{above:,} of {len(out_of_class):,} {strange} samples score above every {known} sample"


def threshold_words(threshold: Threshold, tables: Tables) -> list[str]:
    """Describe a threshold on the score in sentences: its value, how it was set, and its decisions.

    Example:
        >>> line = Threshold(3.0, "given by hand", None, 0, 0, None)
        >>> low, high = pd.DataFrame({"score": [1.0, 2.0]}), pd.DataFrame({"score": [4.0, 5.0]})
        >>> threshold_words(line, {"good": low, "bent": high})[0]
        'The threshold is 3, by the rule “given by hand”.'
    """
    (known, in_class), (strange, out_of_class) = tables.items()
    said = [f"The threshold is {score(threshold.value)}, by the rule “{threshold.rule}”."]
    if threshold.requested is not None:
        said.append(
            f"It was set from {threshold.held_out:,} held-out good samples alone, without any {strange} "
            "sample: what defects look like is not known in advance."
        )
        bound = threshold.upper_bound
        at_most = "" if bound is None else f"; with 95 % confidence it is at most {percent(bound)}"
        said.append(f"The requested false-reject rate is {percent(threshold.requested)}{at_most}.")
    for name, table in ((strange, out_of_class), (known, in_class)):
        if len(table):
            above = int((table["score"] > threshold.value).sum())
            said.append(f"{above:,} of {len(table):,} {name} samples score above the threshold.")
    if len(in_class) and len(out_of_class):
        highest, lowest = in_class["score"].max(), out_of_class["score"].min()
        said.append(
            f"Any threshold from {score(highest)} to below {score(lowest)} would separate the classes "
            "without error, but choosing it takes out-of-class samples."
            if highest < lowest
            else f"No threshold separates the classes without error: the highest {known} score is "
            f"{score(highest)}, the lowest {strange} score {score(lowest)}."
        )
    return [*said, threshold.note] if threshold.note else said


def confusable(tables: Tables) -> str:
    """Describe whether an out-of-class sample can be recognised by its reconstruction alone.

    It cannot if the reconstruction is nearer to some in-class sample than to its own original, by the mean
    absolute difference. Samples without images do not count; the text is empty if a class has none.

    Example:
        >>> black = np.zeros((1, 1, 1), np.uint8)
        >>> table = pd.DataFrame({"original": [black], "reconstruction": [black / 255]})
        >>> confusable({"1": table, "9": table})
        'Every reconstruction of 9 samples is nearer to its own original than to any 1 sample.'
    """
    known, strange = tables
    in_class, out_of_class = (table[table["original"].notna()] for table in tables.values())
    if in_class.empty or out_of_class.empty:
        return ""
    originals = np.stack([image.reshape(-1) for image in in_class["original"]]).astype(np.float32) / 255
    mistaken = 0
    for row in out_of_class.to_dict("records"):
        rebuilt = row["reconstruction"].reshape(-1)
        own = np.abs(rebuilt - row["original"].reshape(-1) / 255).mean()
        mistaken += bool((np.abs(originals - rebuilt).mean(axis=1) < own).any())
    if not mistaken:
        nearer = "is nearer to its own original than to any"
        return f"Every reconstruction of {strange} samples {nearer} {known} sample."
    return (
        f"{mistaken:,} of {len(out_of_class):,} reconstructions of {strange} samples are nearer to some "
        f"{known} sample than to their original: the reconstruction alone does not show what they were."
    )
