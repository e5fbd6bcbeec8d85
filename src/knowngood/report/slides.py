"""PDF slides of detectors that reconstruct images, one task after the other."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from knowngood.metrics.ranking import auroc
from knowngood.metrics.thresholds import Threshold
from knowngood.report.deck import write_deck
from knowngood.report.exhibits import Exhibit, Table
from knowngood.report.reconstruction import (
    is_sum,
    likeness,
    sums_exhibit,
    typical_exhibit,
    worst_exhibits,
)
from knowngood.report.training import training_exhibits
from knowngood.report.words import MISSING, percent, score
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
    """What the slides of one task show.

    Args:
        title: The question.
        record: How the network was trained.
        in_class: Reconstructions of held-out in-class samples, as
            `knowngood.inspector.reconstructions.reconstructions` gives them.
        out_of_class: Reconstructions of the others.
        threshold: The threshold on the score, and how it was chosen.
        names: What in-class and out-of-class samples are called.
        facts: Names and values for the first slide: the data, the model, the main figures.
    """

    title: str
    record: TrainingRecord
    in_class: pd.DataFrame
    out_of_class: pd.DataFrame
    threshold: Threshold
    names: tuple[str, str]
    facts: Sequence[tuple[str, str]]


def write_slides(title: str, tasks: Sequence[Task], path: str | os.PathLike[str]) -> None:
    """Write slides as PDF, 16 to 9; the same content makes the same file.

    Args:
        title: Of the first slide.
        tasks: What they show.
        path: The file to write or replace.

    Raises:
        OutputError: The file cannot be written.

    Example::

        write_slides("Autoencoders", [task], "slides.pdf")
    """
    exhibits = [_overview(title, tasks), *(exhibit for task in tasks for exhibit in _exhibits(task))]
    write_deck(title, path, exhibits)


def facts_table(title: str, facts: Sequence[tuple[str, str]]) -> Table:
    """Names and values, broken into lines that fit on a slide.

    Args:
        title: Of the table.
        facts: Names and values.
    """
    return Table(title, (), [[textwrap.fill(name, 56), textwrap.fill(value, 40)] for name, value in facts])


def _exhibits(task: Task) -> Iterator[Exhibit]:
    """The exhibits of one task."""
    names, tables = task.names, (task.in_class, task.out_of_class)
    yield facts_table(task.title, task.facts)
    yield from training_exhibits(Records(task.record))
    yield from worst_exhibits(*tables, names)
    line = task.threshold.value if is_sum(*tables) else None
    words = threshold_words(task.threshold, *tables, names)
    if line is None:
        words.append("The score is not the sum of differences, so the threshold is not drawn here.")
    yield sums_exhibit(separation(*tables, names), "\n".join(words), *tables, names, line)
    finding, numbers = likeness(*tables, names)
    numbers += [
        confusable(*tables, names),
        "Shown: the sample of each class with the median sum of differences.",
    ]
    typical = typical_exhibit(finding, "\n".join(filter(None, numbers)), tables, names)
    if typical is not None:
        yield typical


def _overview(title: str, tasks: Sequence[Task]) -> Table:
    """The question, and a table with the main figures of every task."""
    columns = [
        "task",
        "samples, held-out in-class\n/ out-of-class",
        "out-of-class above\nevery in-class",
        "out-of-class above\nthe threshold",
        "in-class above\nthe threshold",
        "image\nAUROC",
    ]
    return Table(title, columns, list(map(_main_figures, tasks)), 5, _QUESTION)


def _main_figures(task: Task) -> list[str]:
    """A task in the overview."""
    tables = (task.in_class, task.out_of_class)
    scores = np.concatenate([samples["score"] for samples in tables])
    strange = np.arange(len(scores)) >= len(task.in_class)
    good, bad = (int((samples["score"] > task.threshold.value).sum()) for samples in tables)
    return [
        textwrap.fill(task.title, 30),
        f"{len(task.in_class):,} / {len(task.out_of_class):,}",
        f"{above_all(task.in_class, task.out_of_class):,}",
        f"{bad:,}",
        f"{good:,}",
        f"{auroc(strange, scores):.4f}" if all(map(len, tables)) else MISSING,
    ]


def above_all(in_class: pd.DataFrame, out_of_class: pd.DataFrame) -> int:
    """Count the out-of-class samples that score above every in-class sample.

    Example:
        >>> above_all(pd.DataFrame({"score": [1, 2]}), pd.DataFrame({"score": [2, 3]}))
        1
    """
    if in_class.empty:
        return len(out_of_class)
    return int((out_of_class["score"] > in_class["score"].max()).sum())


def separation(in_class: pd.DataFrame, out_of_class: pd.DataFrame, names: tuple[str, str]) -> str:
    """Say in one sentence how well the scores separate the two classes.

    Example:
        >>> low, high = pd.DataFrame({"score": [1.0, 2.0]}), pd.DataFrame({"score": [2.0, 3.0]})
        >>> separation(low, high, ("good", "bent"))
        '1 of 2 bent samples score above every good sample'
    """
    if out_of_class.empty:
        return f"There are no {names[1]} samples"
    above = above_all(in_class, out_of_class)
    return f"{above:,} of {len(out_of_class):,} {names[1]} samples score above every {names[0]} sample"


def threshold_words(
    threshold: Threshold, in_class: pd.DataFrame, out_of_class: pd.DataFrame, names: tuple[str, str]
) -> list[str]:
    """Say where the threshold is, how it was set, and what it does.

    Args:
        threshold: The threshold on the score.
        in_class: From `knowngood.inspector.reconstructions.reconstructions`.
        out_of_class: The others.
        names: What they are called.

    Returns:
        Sentences.

    Example:
        >>> low, high = pd.DataFrame({"score": [1.0, 2.0]}), pd.DataFrame({"score": [4.0, 5.0]})
        >>> line = Threshold(3.0, "false rejects at most 0.05", 0.05, 60, 0, 0.049)
        >>> for sentence in threshold_words(line, low, high, ("good", "bent")):
        ...     print(sentence)  # doctest: +NORMALIZE_WHITESPACE
        The threshold is 3, by the rule “false rejects at most 0.05”.
        It was set from 60 held-out good samples alone, without any bent sample: what defects look like is
        not known in advance.
        The requested false-reject rate is 5.0 %; with 95 % confidence it is at most 4.9 %.
        2 of 2 bent samples score above the threshold.
        0 of 2 good samples score above the threshold.
        Any threshold from 2 to below 4 would separate the classes without error, but choosing it takes
        out-of-class samples.
    """
    said = [f"The threshold is {score(threshold.value)}, by the rule “{threshold.rule}”."]
    if threshold.requested is not None:
        said.append(
            f"It was set from {threshold.held_out:,} held-out good samples alone, without any {names[1]} "
            "sample: what defects look like is not known in advance."
        )
        bound = threshold.upper_bound
        said.append(
            f"The requested false-reject rate is {percent(threshold.requested)}"
            + ("." if bound is None else f"; with 95 % confidence it is at most {percent(bound)}.")
        )
    for table, name in ((out_of_class, names[1]), (in_class, names[0])):
        if len(table):
            above = int((table["score"] > threshold.value).sum())
            said.append(f"{above:,} of {len(table):,} {name} samples score above the threshold.")
    if len(in_class) and len(out_of_class):
        highest, lowest = in_class["score"].max(), out_of_class["score"].min()
        said.append(
            f"Any threshold from {score(highest)} to below {score(lowest)} would separate the classes "
            "without error, but choosing it takes out-of-class samples."
            if highest < lowest
            else f"No threshold separates the classes without error: the highest {names[0]} score is "
            f"{score(highest)}, the lowest {names[1]} score {score(lowest)}."
        )
    if threshold.note:
        said.append(threshold.note)
    return said


def confusable(in_class: pd.DataFrame, out_of_class: pd.DataFrame, names: tuple[str, str]) -> str:
    """Say whether an out-of-class sample can be recognised by its reconstruction alone.

    It cannot where the reconstruction is nearer to some in-class sample than to its own original, by the mean
    absolute difference. Samples whose images were not kept do not count; an empty text without any.

    Example:
        >>> image = lambda grey: np.full((1, 1, 1), grey)
        >>> ones = pd.DataFrame({"original": [image(np.uint8(250))], "reconstruction": [image(1.0)]})
        >>> nines = pd.DataFrame({"original": [image(np.uint8(0))], "reconstruction": [image(0.9)]})
        >>> confusable(ones, nines, ("1", "9")).partition(":")[0]
        '1 of 1 reconstructions of 9 samples are nearer to some 1 sample than to their original'
    """
    known = in_class[in_class["original"].notna()]
    strange = out_of_class[out_of_class["original"].notna()]
    if known.empty or strange.empty:
        return ""
    originals = np.stack([image.reshape(-1) for image in known["original"]]).astype(np.float32) / 255
    mistaken = 0
    for row in strange.to_dict("records"):
        rebuilt = row["reconstruction"].reshape(-1)
        own = np.abs(rebuilt - row["original"].reshape(-1) / 255).mean()
        mistaken += bool((np.abs(originals - rebuilt).mean(axis=1) < own).any())
    if not mistaken:
        return (
            f"Every reconstruction of {names[1]} samples is nearer to its own original than to any "
            f"{names[0]} sample."
        )
    return (
        f"{mistaken:,} of {len(strange):,} reconstructions of {names[1]} samples are nearer to some "
        f"{names[0]} sample than to their original: the reconstruction alone does not show what they were."
    )
