"""The drawings on the report page of a detector whose network was trained, or that rebuilds images."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from matplotlib.figure import Figure

from knowngood.report import figures, reconstruction, training
from knowngood.report.reconstruction_words import is_sum, likeness, loss_words

if TYPE_CHECKING:
    from knowngood.inspector.evaluation import Evaluation
    from knowngood.training.record import TrainingRecord

_WIDTH = 10.8
"""Inches across the page."""

_PLOT = _WIDTH, 3.6


class Drawing(NamedTuple):
    """A figure of how a network was trained or what it rebuilds, and what it shows."""

    text: str
    uri: str


def training_drawings(evaluation: Evaluation) -> list[Drawing]:
    """How the network was trained: its layers, its losses, and how its reconstructions improved."""
    record = evaluation.training
    if record is None:
        return []
    drawings = [
        _drawing("Layers.", lambda figure: training.draw_layers(figure, record), (_WIDTH, _height(record))),
        _drawing(
            ". ".join(loss_words(record, "good")),
            lambda figure: training.draw_losses(figure, record),
            _PLOT,
            layout="constrained",
        ),
    ]
    if record.originals is not None:
        drawings.append(
            _drawing(
                "Reconstructions while it learned.",
                lambda figure: training.draw_epochs(figure, record),
                (_WIDTH, training.epochs_height(record, _WIDTH)),
            )
        )
    return drawings


def _height(record: TrainingRecord) -> float:
    """Inches that a table of layers needs, unless there are too many for one column."""
    return min(8.0, 0.3 * (len(record.layers) + 2))


def rebuilt_drawings(evaluation: Evaluation) -> list[Drawing]:
    """What the network could not rebuild of the test images."""
    table = evaluation.reconstructions
    if table is None:
        return []
    names = ("good", "defect")
    good, defect = table[table["label"] == "good"], table[table["label"] != "good"]
    largest = reconstruction.largest_difference(good, defect)
    drawings = [
        _drawing(
            f"The {name} parts that are rebuilt worst; above each, its sum of absolute differences. The "
            "difference maps, summed over the channels, are on one scale for good and defective parts.",
            lambda figure, part=part: reconstruction.draw_worst(figure, part, largest),  # type: ignore[misc]
            (_WIDTH, 3.1),
        )
        for part, name in ((good, "good"), (defect, "defective"))
        if len(part)
    ]
    line = evaluation.metrics["threshold"] if is_sum(good, defect) else None
    finding, numbers = likeness(good, defect, names)
    drawings.append(
        _drawing(
            f"{finding}. {' '.join(numbers)}",
            lambda figure: reconstruction.draw_histogram(figure, good, defect, names, line),
            _PLOT,
            layout="constrained",
        )
    )
    return drawings


def _drawing(
    text: str,
    draw: Callable[[Figure], str | None],
    size: tuple[float, float],
    layout: Literal["constrained"] | None = None,
) -> Drawing:
    """Draw a figure for the page.

    Args:
        text: What it shows.
        draw: Draws it; what it says of itself is added to the text.
        size: Width and height in inches.
        layout: `constrained` makes room for the labels of a plot; images and tables have their places.
    """
    with figures.style():
        figure = Figure(figsize=size, layout=layout)
        said = draw(figure)
        image = figures.svg(figure)
    uri = "data:image/svg+xml;base64," + b64encode(image).decode("ascii")
    return Drawing(f"{text} {said}" if said else text, uri)
