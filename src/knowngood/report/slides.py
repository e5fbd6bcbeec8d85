"""PDF slides of detectors that rebuild images, a task after the other."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure, SubFigure

from knowngood.metrics.ranking import auroc
from knowngood.metrics.thresholds import Threshold
from knowngood.output import replacing
from knowngood.report.figures import FAINT, INK, style
from knowngood.report.reconstruction import (
    draw_epochs,
    draw_histogram,
    draw_layers,
    draw_losses,
    draw_typical,
    draw_worst,
    largest_difference,
)
from knowngood.report.reconstruction_words import (
    above_all,
    is_sum,
    likeness,
    separation,
    taken_for,
    threshold_words,
)
from knowngood.training.record import TrainingRecord

SIZE = (13.33, 7.5)
"""Inches: 16 to 9."""

_LINE = 112
_HALF = 46


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
    # Without a date, so that the same content makes the same file.
    metadata = {"Title": title, "CreationDate": None}
    with replacing(path) as unfinished, style(), PdfPages(unfinished, metadata=metadata) as pdf:
        slides = _Slides(pdf)
        slides.add(title, lambda body: _overview(body, tasks))
        for task in tasks:
            _add_task(slides, task)


class _Slides:
    """Adds slides to a file, with their numbers."""

    def __init__(self, pdf: PdfPages) -> None:
        self.pdf = pdf
        self.count = 0

    def add(self, title: str, draw: Callable[[SubFigure], object], remark: str = "") -> None:
        """Add a slide.

        Args:
            title: Its title.
            draw: Draws into what lies between title and remark; a text that it returns is the remark.
            remark: Stands at the bottom.
        """
        self.count += 1
        figure = Figure(figsize=SIZE, facecolor="white")
        lines = textwrap.fill(title, 66).count("\n")
        figure.text(0.045, 0.94, textwrap.fill(title, 66), fontsize=25, va="top", color=INK, weight="bold")
        figure.text(0.965, 0.03, str(self.count), fontsize=12, ha="right", color=FAINT)
        # What a subfigure fills follows from the ratios of a grid alone, not from its margins.
        above = 0.17 + 0.05 * lines
        grid = figure.add_gridspec(
            3, 3, width_ratios=[0.045, 0.92, 0.035], height_ratios=[above, 0.86 - above, 0.14]
        )
        said = draw(figure.add_subfigure(grid[1, 1])) or remark
        figure.text(0.045, 0.03, textwrap.fill(str(said), _LINE), fontsize=14, color=INK, linespacing=1.35)
        self.pdf.savefig(figure)  # type: ignore[no-untyped-call]


def _add_task(slides: _Slides, task: Task) -> None:
    """The slides of one task."""
    record, names = task.record, task.names
    in_class, out_of_class = task.in_class, task.out_of_class
    total = sum(layer.parameters for layer in record.layers)
    slides.add(task.title, lambda body: _facts(body, task.facts))
    slides.add(f"The model: {total:,} numbers to learn", lambda body: draw_layers(body, record))
    kept = record.losses.set_index("epoch").loc[record.best]
    slides.add(
        f"The loss fell to {kept['train']:.3g}, on held-out samples to {kept['validation']:.3g}",
        lambda body: _with_room(body, lambda part: draw_losses(part, record)),
        f"{len(record.epochs)} epochs, learning rate {record.learning_rate:.2g} at the start; the weights of "
        f"epoch {record.best} were kept, whose loss on held-out {names[0]} samples is the smallest.",
    )
    if record.originals is not None:
        slides.add("Reconstructions while it learned", lambda body: draw_epochs(body, record))
    largest = largest_difference(in_class, out_of_class)
    for table, name in ((in_class, names[0]), (out_of_class, names[1])):
        if len(table):
            slides.add(
                f"The {min(10, len(table))} {name} samples that are rebuilt worst",
                lambda body, table=table: draw_worst(body, table, largest),  # type: ignore[misc]
                "Above each: its sum of absolute differences. All difference maps are on one scale.",
            )
    words = threshold_words(task.threshold, in_class, out_of_class, names)
    slides.add(
        separation(in_class, out_of_class, names),
        lambda body: _beside(
            body,
            lambda part: draw_histogram(
                part, in_class, out_of_class, names, task.threshold.value if is_sum(in_class) else None
            ),
            words,
        ),
    )
    finding, numbers = likeness(in_class, out_of_class, names)
    numbers.append(taken_for(in_class, out_of_class, names))
    numbers.append("Pictured: the sample in the middle of each class, by its sum of differences.")
    slides.add(
        finding,
        lambda body: _beside(body, lambda part: draw_typical(part, (in_class, out_of_class), names), numbers),
    )


def _overview(body: SubFigure, tasks: Sequence[Task]) -> None:
    """A table with the main figures of every task."""
    rows = []
    for task in tasks:
        scores = np.concatenate([task.in_class["score"], task.out_of_class["score"]])
        strange = np.arange(len(scores)) >= len(task.in_class)
        both = len(task.in_class) and len(task.out_of_class)
        above = [
            int((table["score"] > task.threshold.value).sum()) for table in (task.out_of_class, task.in_class)
        ]
        rows.append(
            [
                textwrap.fill(task.title, 30),
                f"{len(task.in_class):,} / {len(task.out_of_class):,}",
                f"{above_all(task.in_class, task.out_of_class):,}",
                f"{above[0]:,}",
                f"{above[1]:,}",
                f"{auroc(strange, scores):.4f}" if both else "–",
            ]
        )
    labels = [
        "task",
        "samples, in-class\n/ out-of-class",
        "out-of-class above\nevery in-class",
        "out-of-class above\nthe threshold",
        "in-class above\nthe threshold",
        "image AUROC",
    ]
    axes = body.add_axes((0, 0, 1, 1))
    axes.axis("off")
    table = axes.table(
        rows,
        colLabels=labels,
        colWidths=[0.3, 0.15, 0.15, 0.15, 0.14, 0.11],
        cellLoc="left",
        loc="upper left",
        edges="horizontal",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(14)
    for cell in table.get_celld().values():
        cell.set_height(0.17)
        cell.set_edgecolor(FAINT)
    body.text(
        0,
        0.02,
        "A network learns to rebuild good samples alone; what it cannot rebuild is an anomaly.\n"
        "In-class samples here are held-out ones that it has not learned from.",
        fontsize=15,
        linespacing=1.4,
    )


def _facts(body: SubFigure, facts: Sequence[tuple[str, str]]) -> None:
    """Names and values, a line each."""
    step = min(0.09, 1 / max(1, len(facts)))
    for line, (name, value) in enumerate(facts):
        body.text(0, 1 - (line + 0.5) * step, name, fontsize=16, va="center")
        body.text(0.62, 1 - (line + 0.5) * step, value, fontsize=16, va="center", weight="bold")


def _with_room(body: SubFigure, draw: Callable[[SubFigure], None]) -> None:
    """A plot whose labels need room around it."""
    draw(body)
    for axes in body.axes:
        axes.set_position((0.07, 0.13, 0.91, 0.85))
        axes.xaxis.label.set_fontsize(14)
        axes.yaxis.label.set_fontsize(14)
        axes.tick_params(labelsize=13)
        if axes.get_legend():
            axes.legend(fontsize=14)


def _beside(body: SubFigure, draw: Callable[[SubFigure], None], words: Sequence[str]) -> None:
    """A plot on the left, sentences on the right."""
    grid = body.add_gridspec(1, 2, width_ratios=[1.5, 1])
    left, right = (body.add_subfigure(grid[0, column]) for column in (0, 1))
    draw(left)
    for axes in left.axes:
        if axes.get_legend():
            axes.set_position((0.1, 0.13, 0.86, 0.85))
            axes.legend(fontsize=13)
            axes.xaxis.label.set_fontsize(14)
            axes.yaxis.label.set_fontsize(14)
    text = "\n\n".join(textwrap.fill(sentence, _HALF) for sentence in words if sentence)
    right.text(0.04, 0.98, text, fontsize=14, va="top", linespacing=1.35)
