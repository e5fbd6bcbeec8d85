"""Figures of how a network was trained: its layers, its losses, and how its reconstructions improved.

Each is drawn into a figure that somebody else made, in `figures.style`: a slide, or one that goes on a page.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from knowngood.report.figures import FAINT, GOOD, INK
from knowngood.report.layout import image_grid, name_row, show, table, tables, type_size
from knowngood.report.words import MISSING
from knowngood.training.record import Layer, TrainingRecord

_ROWS = 10  # epochs below each other
_LABEL = 0.09
"""Room for the name of a row, as a share of the figure."""


_HEAD = ["layer", "kind", "output", "parameters"]
_LARGEST_TYPE = 13
_GAP = 0.02
"""Between two columns of layers, as a share of the figure."""


def draw_layers(figure: Figure | SubFigure, record: TrainingRecord) -> None:
    """Draw the table of layers: name, kind, output shape and trained numbers, with their total.

    Example:
        >>> from knowngood.training.record import Epoch
        >>> figure = Figure()
        >>> layers = [Layer("encoder", "Linear 4 → 2", (2,), 10), Layer("decoder", "Linear 2 → 4", (4,), 12)]
        >>> draw_layers(figure, TrainingRecord(layers, [Epoch(1, 0.5, 0.6)], 1, 0.001, [0]))
        >>> drawn = figure.axes[0].tables[0]
        >>> drawn[3, 0].get_text().get_text(), drawn[3, 3].get_text().get_text()
        ('total', '22')
    """
    rows = [_row(layer) for layer in record.layers]
    rows.append(["total", "", "", f"{sum(layer.parameters for layer in record.layers):,}"])
    across, down = (length / figure.dpi for length in (figure.bbox.width, figure.bbox.height))

    def fitting(columns: int) -> tuple[float, list[list[list[str]]]]:
        """The type size with so many columns of layers, and the columns."""
        length = -(-len(rows) // columns)
        tables = [[_HEAD, *rows[start : start + length]] for start in range(0, len(rows), length)]
        width = across / columns - (columns > 1) * _GAP * across
        return min(type_size(one, width, down, _LARGEST_TYPE) for one in tables), tables

    # As many columns as give the largest type; of equals the first, so the fewest.
    size, tables = max((fitting(columns) for columns in (1, 2, 3)), key=lambda found: found[0])
    share = 1 / len(tables)
    for place, one in enumerate(tables):
        width = share - (len(tables) > 1) * _GAP
        table(figure, one, (place * share, 0, width, 1), size=size, right=[3])


def _row(layer: Layer) -> list[str]:
    """A layer as texts."""
    return [layer.name, layer.kind, " × ".join(map(str, layer.output)), f"{layer.parameters:,}"]


def draw_losses(figure: Figure | SubFigure, record: TrainingRecord) -> None:
    """Draw the training and the validation loss against the epoch, and mark the epoch that was kept.

    A validation loss that is NaN throughout is left out, and the mark stands on the training loss then.

    Example:
        >>> from knowngood.training.record import Epoch
        >>> figure = Figure()
        >>> draw_losses(figure, TrainingRecord([], [Epoch(1, 0.5, float("nan"))], 1, 0.001, []))
        >>> [line.get_label() for line in figure.axes[0].lines]
        ['training', 'kept: epoch 1']
    """
    losses = record.losses.dropna(axis="columns", how="all")
    axes = figure.add_subplot()
    shown = [name for name in ("train", "validation") if name in losses]
    for name in shown:
        held_out = "held-out images" if record.lesson else "held-out good images"
        label = "training" if name == "train" else f"validation ({held_out})"
        colour = FAINT if name == "train" else GOOD
        axes.plot(losses["epoch"], losses[name], color=colour, linewidth=2, marker=".", label=label)
    if shown:
        kept = losses.loc[losses["epoch"] == record.best, shown[-1]]
        label = f"kept: epoch {record.best}"
        axes.plot([record.best] * len(kept), kept, "o", color=INK, markersize=8, label=label)
        axes.legend()
    values = losses[shown].to_numpy(np.float64)
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > 10 * values.min():
        axes.set_yscale("log")
        # Powers of ten would be written in mathematical notation, which the style does not read.
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="epoch", ylabel="loss")
    if len(losses) == 1:  # a wide axis would be marked in parts of an epoch, or twice with the same one
        axes.set_xlim(0, 2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def draw_epoch_table(figure: Figure | SubFigure, record: TrainingRecord) -> None:
    """Draw a table with a row an epoch: losses, share of held-out images told wrongly, and how long it took.

    Example:
        >>> from knowngood.training.record import Epoch
        >>> figure = Figure()
        >>> draw_epoch_table(figure, TrainingRecord([], [Epoch(1, 0.5, 0.6, 0.25, 83.4)], 1, 0.001, []))
        >>> drawn = figure.axes[0].tables[0]
        >>> [drawn[1, column].get_text().get_text() for column in range(5)]
        ['1 (kept)', '0.5000', '0.6000', '0.250', '1:23']
    """
    rows = []
    for epoch in record.epochs:
        seconds = None if epoch.seconds is None else round(epoch.seconds)
        rows.append(
            [
                f"{epoch.epoch} (kept)" if epoch.epoch == record.best else str(epoch.epoch),
                f"{epoch.train:.4f}",
                f"{epoch.validation:.4f}",
                MISSING if epoch.error is None else f"{epoch.error:.3f}",
                MISSING if seconds is None else f"{seconds // 60}:{seconds % 60:02}",
            ]
        )
    head = ["epoch", "training loss", "validation loss", "error rate", "time"]
    tables(figure, head, rows, right=[1, 2, 3, 4], below=16)


def shown_epochs(record: TrainingRecord) -> list[list[int]]:
    """The epochs whose reconstructions are shown, in one block or in two side by side.

    Up to twenty are all shown; of more, as many are chosen evenly, with the first and the last.

    Example:
        >>> from knowngood.training.record import Epoch
        >>> rebuilt = {epoch: np.zeros((8, 28, 28, 3), np.uint8) for epoch in range(5, 61, 5)}
        >>> shown_epochs(TrainingRecord([], [Epoch(1, 0.5, 0.6)], 1, 0.001, [0], rebuilt[5], rebuilt))
        [[5, 10, 15, 20, 25, 30], [35, 40, 45, 50, 55, 60]]
    """
    epochs = sorted(record.rebuilt)
    chosen = np.linspace(0, len(epochs) - 1, min(2 * _ROWS, len(epochs))).round().astype(int)
    shown = [epochs[place] for place in chosen]
    half = len(shown) if len(shown) <= _ROWS else -(-len(shown) // 2)
    return [shown[:half], shown[half:]] if shown[half:] else [shown]


def draw_epochs(figure: Figure | SubFigure, record: TrainingRecord) -> str:
    """Draw the fixed validation batch, and below it its reconstructions, an epoch a row.

    Where there are two blocks of epochs, the batch stands above both.

    Returns:
        A caption that says which epochs are shown.

    Example:
        >>> from knowngood.training.record import Epoch
        >>> images = np.zeros((1, 28, 28, 3), np.uint8)
        >>> rebuilt = {epoch: images for epoch in range(5, 201, 5)}
        >>> record = TrainingRecord([], [Epoch(1, 0.5, 0.6)], 1, 0.001, [0], images, rebuilt)
        >>> print(draw_epochs(Figure(), record))  # doctest: +NORMALIZE_WHITESPACE
        Held-out good images that the network never learned from; 20 of the 40 epochs at which this was
        recorded (every five), chosen evenly.
    """
    assert record.originals is not None
    blocks = shown_epochs(record)
    count = 1 + max(map(len, blocks))
    for place, epochs in enumerate(blocks):
        left, right = place / len(blocks) + _LABEL, (place + 1) / len(blocks)
        grid = image_grid(figure, count, record.originals.shape, left=left, right=right)
        rows = [
            ("original", record.originals),
            *((f"epoch {epoch}", record.rebuilt[epoch]) for epoch in epochs),
        ]
        for line, (label, images) in zip(grid, rows, strict=False):  # the second block may be shorter by one
            for axes, image in zip(line, images, strict=True):
                show(axes, image)
            name_row(line[0], label)
    shown = sum(map(len, blocks))
    if shown == len(record.rebuilt):
        return "Held-out good images that the network never learned from, every five epochs and at the end."
    return (
        f"Held-out good images that the network never learned from; {shown} of the {len(record.rebuilt)} "
        "epochs at which this was recorded (every five), chosen evenly."
    )


def epochs_height(record: TrainingRecord, width: float) -> float:
    """How high a figure of so many inches across must be for `draw_epochs` to fill it.

    Example:
        >>> from knowngood.training.record import Epoch
        >>> images = np.zeros((10, 28, 28, 3), np.uint8)
        >>> record = TrainingRecord([], [Epoch(1, 0.5, 0.6)], 1, 0.001, [0], images, {5: images})
        >>> round(epochs_height(record, 10.0), 2)  # two rows of images that are 0.91 inches wide
        1.82
    """
    assert record.originals is not None
    blocks = shown_epochs(record)
    images, high, wide = record.originals.shape[:3]
    one = width * (1 / len(blocks) - _LABEL) / images
    return float(one * high / wide * (1 + max(map(len, blocks))))
