"""What is to be shown of how a classifier of defects learned: sentences, and exhibits."""

from __future__ import annotations

from functools import partial
from itertools import starmap

import numpy as np

from knowngood.report.classified import draw_class_accuracies, draw_sheet
from knowngood.report.reconstruction_words import loss_words
from knowngood.report.supervised import Exhibit
from knowngood.report.training import draw_epoch_table, draw_losses
from knowngood.report.words import count, percent
from knowngood.training.lesson import Lesson
from knowngood.training.record import TrainingRecord

_ROWS = 8
"""Kinds of which samples are shown augmented; more would be too small to judge."""


def lesson_words(record: TrainingRecord) -> list[str]:
    """Say what a classifier learned from, how well it knows that, and what was chosen by itself.

    Args:
        record: With a lesson.

    Example:
        >>> logits, truth = np.eye(2, dtype=np.float32), np.array([0, 1])
        >>> lesson = Lesson(["good", "cut"], [3, 2], logits, truth, 1.0, 0.25, 1.0, ["balance: none"])
        >>> for sentence in lesson_words(TrainingRecord([], [], 0, 0.0, [], lesson=lesson)):
        ...     print(sentence)
        It learned from 5 images, held-out ones included: 3 good, 2 cut.
        Of the images learned from 100.0 % are told rightly (cross-entropy 0.25), of 2 held-out ones 100.0 %.
        Balance: none.
    """
    lesson = record.lesson
    assert lesson is not None
    said = []
    kinds = ", ".join(starmap("{} {}".format, zip(lesson.counts, lesson.names, strict=True)))
    said.append(f"It learned from {sum(lesson.counts)} images, held-out ones included: {kinds}.")
    if len(lesson.truth):
        right = float((lesson.logits.argmax(axis=1) == lesson.truth).mean())
        said.append(
            f"Of the images learned from {percent(lesson.train_accuracy)} are told rightly (cross-entropy "
            f"{lesson.train_loss:.3g}), of {len(lesson.truth)} held-out ones {percent(right)}."
        )
    if record.layers:
        numbers = sum(layer.parameters for layer in record.layers)
        said.append(f"The network has {count(len(record.layers), 'layer')} with {numbers:,} trained numbers.")
    for note in lesson.notes:
        said.append(note[:1].upper() + note[1:] + "." * (not note.endswith(".")))
    return said


def learning_shown(record: TrainingRecord) -> list[Exhibit]:
    """Augmented samples, and how the network got better; nothing of these where there are none.

    Args:
        record: With a lesson.
    """
    lesson = record.lesson
    assert lesson is not None
    shown = [] if lesson.sheet is None else [_sheet(lesson)]
    if not record.epochs:
        return shown
    errors = {epoch.epoch: epoch.error for epoch in record.epochs}
    kept = errors[record.best]
    seconds = sum(epoch.seconds or 0 for epoch in record.epochs)
    finding = f"{count(len(record.epochs), 'epoch')} in {seconds // 60:.0f} min {seconds % 60:.0f} s"
    if kept is not None:
        finding = f"Epoch {record.best} was kept: {percent(kept)} of the held-out images are told wrongly"
    shown.append(
        Exhibit(
            finding,
            "Error rate: the share of held-out images that are told wrongly. Time in minutes and seconds.",
            partial(draw_epoch_table, record=record),
            min(5.0, 0.32 * (min(16, len(record.epochs)) + 2)),
        )
    )
    shown.append(Exhibit(*loss_words(record, ""), partial(draw_losses, record=record), 3.6, loose=True))
    if any(epoch.accuracies for epoch in record.epochs):
        shown.append(_accuracies(record, lesson))
    return shown


def _sheet(lesson: Lesson) -> Exhibit:
    """Samples as they are and augmented."""
    assert lesson.sheet is not None
    rows = lesson.rows[:_ROWS]
    left_out = f" {_ROWS} of {len(lesson.rows)} rows are shown." if len(lesson.rows) > _ROWS else ""
    return Exhibit(
        "Images as it saw them while it learned",
        "Are these still pictures of the product that a camera could take, and is every defect still to be "
        f"seen? If not, augment less.{left_out}",
        partial(draw_sheet, pictures=lesson.sheet[:_ROWS], rows=rows),
        min(8.0, 0.4 + 1.1 * len(rows)),
    )


def _accuracies(record: TrainingRecord, lesson: Lesson) -> Exhibit:
    """How often held-out images of each kind are told rightly, an epoch after the other."""
    kinds = len(lesson.names)
    shares = np.array(
        [
            [np.nan if share is None else share for share in epoch.accuracies or [None] * kinds]
            for epoch in record.epochs
        ],
        dtype=np.float64,
    )
    numbers = [epoch.epoch for epoch in record.epochs]
    kept = shares[numbers.index(record.best)]
    finding = "How often each kind is told rightly, epoch by epoch"
    if np.isfinite(kept).any():
        least = int(np.nanargmin(kept))
        alike = int((kept == kept[least]).sum())
        who = lesson.names[least] if alike == 1 else f"{alike} of {kinds} kinds"
        finding = f"After epoch {record.best} told rightly least often: {who} ({percent(kept[least])})"
    held_out = np.bincount(lesson.truth, minlength=kinds)
    few = int(held_out[held_out > 0].min(initial=len(lesson.truth)))
    return Exhibit(
        finding,
        f"Held-out images by their most likely kind. Of the rarest there are {few}: its line moves in steps "
        f"of {percent(1 / max(1, few))}.",
        partial(
            draw_class_accuracies, names=lesson.names, epochs=numbers, accuracies=shares, best=record.best
        ),
        3.6,
    )
