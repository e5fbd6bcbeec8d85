"""Experiments that change one setting at a time: what came of it, and which change mattered most."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from knowngood.report.charts import legend_beside
from knowngood.report.exhibits import Chart, Table
from knowngood.report.style import DEFECT, GOOD, INK
from knowngood.report.words import MISSING, percent

TRAIN, VALIDATION, TEST = "train_accuracy", "validation_accuracy", "test_class_accuracy"
ORIGINAL = "the original"

_FIGURES = ("train_loss", TRAIN, "validation_loss", VALIDATION, TEST)
_HEADS = ("training\nloss", "accuracy", "validation\nloss", "accuracy", "test\naccuracy")
_LINE = 30  # letters of a line that names a change


class Published(NamedTuple):
    """A document's experiment: what it changed, and the figures of its table."""

    change: str
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    test_accuracy: float


def experiment_exhibits(
    table: pd.DataFrame, document: Mapping[str, Published], images: tuple[int, int]
) -> Iterator[Table | Chart]:
    """Show the experiments of `knowngood.inspector.comparison.compare`, the original one first.

    Args:
        table: A row per experiment, among them `change`, the losses and the accuracies.
        document: The document's experiments by the setting that they change, the original one by "".
        images: Number of validation and of test images.
    """
    table = with_names(table)
    held_out, tested = images
    rows = [
        [textwrap.fill(row["change"], _LINE), *_written(row[name] for name in _FIGURES)]
        for row in table.to_dict("records")
    ]
    note = (
        f"Training and validation images without augmentation; {held_out} validation images, one of which is "
        f"{percent(1 / max(1, held_out))}, and {tested} test images, one of which is "
        f"{percent(1 / max(1, tested))}. Validation images are held-out training images."
    )
    yield Table(best_model(table), ["experiment", *_HEADS], rows, 5, note)
    yield Chart(key_factor(table), partial(_draw, table=table), "Accuracy of each experiment. " + note)
    if document:
        yield _published(document)


def with_names(table: pd.DataFrame) -> pd.DataFrame:
    """Name the original experiment, whose change is empty, and what a rate of None stands for."""
    changes = table["change"].where(table["change"] != "", ORIGINAL)
    return table.assign(change=changes.str.replace("→ None", "→ by a range test", regex=False))


def best_model(table: pd.DataFrame) -> str:
    """Name the experiment with the highest validation accuracy, of several that with the lowest loss.

    Example:
        >>> rows = [["the original", 0.5, 0.4, 1.2], ["epochs=10 → 40", 0.75, 0.7, 0.9]]
        >>> columns = ["change", VALIDATION, TEST, "validation_loss"]
        >>> best_model(pd.DataFrame(rows, columns=columns))
        'Best by validation: epochs=10 → 40 (75.0 %); its test accuracy is 70.0 %'
    """
    order = table.sort_values([VALIDATION, "validation_loss"], ascending=[False, True], kind="stable")
    best = order.iloc[0]
    equal = int((table[VALIDATION] == best[VALIDATION]).sum())
    alike = f", the lowest loss of {equal} with {percent(best[VALIDATION])}" if equal > 1 else ""
    found = alike or f" ({percent(best[VALIDATION])})"
    return f"Best by validation: {best['change']}{found}; its test accuracy is {percent(best[TEST])}"


def key_factor(table: pd.DataFrame) -> str:
    """Name the change that moves the validation accuracy most; the original experiment comes first.

    Example:
        >>> rows = [["the original", 0.5, 0.4], ["epochs=10 → 40", 0.75, 0.7], ["dropout=0 → 0.5", 0.4, 0.5]]
        >>> key_factor(pd.DataFrame(rows, columns=["change", VALIDATION, TEST]))
        'Key factor: epochs=10 → 40 moves the validation accuracy most, from 50.0 % to 75.0 %'
    """
    first, changed = table.iloc[0], table.iloc[1:]
    moved = (changed[VALIDATION] - first[VALIDATION]).abs()
    if not len(changed) or moved.max() == 0:
        return f"No key factor: no change moves the validation accuracy of {percent(first[VALIDATION])}"
    most = changed[moved == moved.max()]
    # Several changes by their settings alone: the chart shows their values.
    changes = most["change"] if len(most) == 1 else most["change"].str.partition("=")[0]
    names = " and ".join(changes)
    ends = " and ".join(dict.fromkeys(percent(value) for value in most[VALIDATION]))
    verb = "moves" if len(most) == 1 else "move"
    before = percent(first[VALIDATION])
    return f"Key factor: {names} {verb} the validation accuracy most, from {before} to {ends}"


def _published(document: Mapping[str, Published]) -> Table:
    """Show the document's experiments."""
    runs = list(document.values())
    best = max(runs, key=lambda run: run.test_accuracy)
    rows = [[textwrap.fill(run.change, 44), *_written(run[1:])] for run in runs]
    title = f"The document's runs: best {best.change}, test accuracy {percent(best.test_accuracy)}"
    note = "From its table. It names the best validation figures of a run, and reports one run of each."
    return Table(title, ["experiment", *_HEADS], rows, 5, note)


def _written(values: Iterator[float] | tuple[float, ...]) -> list[str]:
    """Write losses and accuracies, which take turns; the last is an accuracy."""
    losses = (0, 2)
    return [
        MISSING if np.isnan(value) else f"{value:.3f}" if place in losses else percent(value)
        for place, value in enumerate(values)
    ]


def _draw(figure: Figure, table: pd.DataFrame) -> None:
    """Draw the accuracies of each experiment beside each other."""
    axes = figure.subplots()
    places = np.arange(len(table))
    named = {"training": (TRAIN, "#b9c0ca"), "validation": (VALIDATION, DEFECT), "test": (TEST, GOOD)}
    for number, (name, (column, colour)) in enumerate(named.items()):
        left = places + 0.27 * (number - 1)
        shares = 100 * table[column].to_numpy(np.float64)
        bars = axes.bar(left, shares, 0.25, color=colour, label=name)
        axes.bar_label(bars, fmt="%.0f", padding=2, color=INK, fontsize="small")
    first = 100 * float(table[VALIDATION].iloc[0])
    axes.axhline(first, color=DEFECT, linewidth=1, linestyle=":", label="validation of\nthe original")
    axes.set_xticks(places, [textwrap.fill(change, 18) for change in table["change"]], fontsize="small")
    axes.set(ylabel="accuracy, %", ylim=(0, 110))
    legend_beside(axes)
