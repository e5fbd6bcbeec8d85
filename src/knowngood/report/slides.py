"""PDF slides of detectors that rebuild images, a task after the other."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import SubFigure

from knowngood.metrics.ranking import auroc
from knowngood.metrics.thresholds import Threshold
from knowngood.report.deck import LINE, Deck, beside, draw_facts, open_deck, with_room
from knowngood.report.layout import table, type_size
from knowngood.report.reconstruction import (
    WORST,
    draw_histogram,
    draw_typical,
    draw_worst,
    largest_difference,
)
from knowngood.report.reconstruction_words import (
    above_all,
    is_sum,
    likeness,
    loss_words,
    separation,
    taken_for,
    threshold_words,
)
from knowngood.report.training import draw_epochs, draw_layers, draw_losses
from knowngood.training.record import TrainingRecord

_ASKED = (
    "Asked of each task: can a network that has learned to rebuild in-class samples alone tell others from "
    "them by what it cannot rebuild, how do the reconstructions of both classes compare, and where should "
    "the line between them stand?",
    "The in-class samples here are held-out ones that the network has not learned from.",
)


@dataclass(frozen=True, eq=False)
class Task:
    """What the slides of one task show.

    Args:
        title: What was asked.
        record: How the network was trained.
        in_class: Reconstructions of in-class samples that were not learned from, as
            `knowngood.inspector.reconstructions.reconstructions` gives them.
        out_of_class: Reconstructions of the others, likewise.
        threshold: The line on the score, and how it was chosen.
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
        title: Stands on the first slide.
        tasks: What they show.
        path: The file to write or replace.

    Raises:
        OutputError: The file cannot be written.

    Example::

        write_slides("Autoencoders", [task], "slides.pdf")
    """
    with open_deck(title, path) as slides:
        slides.add(title, lambda body: _overview(body, tasks))
        for task in tasks:
            _add_task(slides, task)


def _add_task(slides: Deck, task: Task) -> None:
    """The slides of one task."""
    record, names = task.record, task.names
    in_class, out_of_class = task.in_class, task.out_of_class
    total = sum(layer.parameters for layer in record.layers)
    slides.add(task.title, lambda body: draw_facts(body, task.facts))
    slides.add(f"The model: {total:,} numbers to learn", lambda body: draw_layers(body, record))
    finding, remark = loss_words(record, names[0])
    slides.add(finding, lambda body: with_room(body, lambda part: draw_losses(part, record)), remark)
    if record.originals is not None:
        slides.add("Reconstructions while it learned", lambda body: draw_epochs(body, record))
    largest = largest_difference(in_class, out_of_class)
    for samples, name in ((in_class, names[0]), (out_of_class, names[1])):
        if len(samples):
            slides.add(
                f"The {min(WORST, len(samples))} {name} samples that are rebuilt worst",
                lambda body, samples=samples: draw_worst(body, samples, largest),  # type: ignore[misc]
                "Above each: its sum of absolute differences. The difference maps, summed over the channels, "
                "are on one scale for both classes.",
            )
    line = task.threshold.value if is_sum(in_class, out_of_class) else None
    words = threshold_words(task.threshold, in_class, out_of_class, names)
    if line is None:
        words.append("It is a line on the score, which is not the sum of differences that is drawn here.")
    slides.add(
        separation(in_class, out_of_class, names),
        lambda body: beside(
            body,
            lambda part: with_room(
                part, lambda room: draw_histogram(room, in_class, out_of_class, names, line)
            ),
            words,
        ),
    )
    finding, numbers = likeness(in_class, out_of_class, names)
    numbers.append(taken_for(in_class, out_of_class, names))
    numbers.append("Pictured: the sample in the middle of each class, by its sum of differences.")
    slides.add(
        finding,
        lambda body: beside(body, lambda part: draw_typical(part, (in_class, out_of_class), names), numbers),
    )


def _overview(body: SubFigure, tasks: Sequence[Task]) -> None:
    """What was asked, and a table with the main figures of every task."""
    rows = [
        [
            "task",
            "samples, validation\n/ out-of-class",
            "out-of-class above\nevery validation",
            "out-of-class above\nthe threshold",
            "validation above the\nthreshold set by it",
            "image\nAUROC",
        ],
        *map(_main_figures, tasks),
    ]
    asked = "\n".join(textwrap.fill(line, LINE) for line in _ASKED)
    body.text(0, 1, asked, fontsize=14, va="top", linespacing=1.4)
    down = 0.72
    size = type_size(rows, body.bbox.width / body.dpi, down * body.bbox.height / body.dpi, 14)
    table(body, rows, (0, 0, 1, down), size=size)


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
        f"{auroc(strange, scores):.4f}" if all(map(len, tables)) else "–",
    ]
