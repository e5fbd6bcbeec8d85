"""How a network was optimised: accuracy by epoch, learning rates, and the range test that chose them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter
from numpy.typing import NDArray

from knowngood.report.charts import draw_epochs, legend_beside
from knowngood.report.exhibits import Chart
from knowngood.report.style import DEFECT, FAINT, GOOD
from knowngood.report.words import percent
from knowngood.training.record import TrainingRecord


def optimisation_exhibits(record: TrainingRecord) -> Iterator[Chart]:
    """Show accuracy, learning rates and range test, as far as they are recorded."""
    if any(epoch.error is not None for epoch in record.epochs):
        yield accuracies_exhibit(record)
    if any(epoch.rates for epoch in record.epochs):
        yield rates_exhibit(record)
    if record.range_test:
        yield range_test_exhibit(record)


def accuracies_exhibit(record: TrainingRecord) -> Chart:
    """Show the accuracy on training and held-out images by epoch; the errors of some epochs may be unknown.

    Example:
        >>> from knowngood.training.record import Epoch
        >>> epochs = [Epoch(1, 0.5, 0.6, 0.25, 1.0, (), 0.125)]
        >>> accuracies_exhibit(TrainingRecord([], epochs, 1, 0.001, [0])).title
        'Accuracy at epoch 1: 87.5 % on training images, 75.0 % on held-out images'
    """
    named = {"training images": "train_error", "held-out images": "error"}
    series = {
        name: 1 - np.array([getattr(epoch, field) for epoch in record.epochs], np.float64)
        for name, field in named.items()
    }
    series = {name: values for name, values in series.items() if np.isfinite(values).any()}
    numbers = [epoch.epoch for epoch in record.epochs]
    kept = numbers.index(record.best)
    known = [f"{percent(values[kept])} on {name}" for name, values in series.items()]
    note = "Held-out images as they are; training images as they were learned: augmented"
    note += ", those of small classes more often where classes are balanced by sampling."
    draw = partial(
        draw_epochs, epochs=numbers, series=series, label="accuracy, %", kept=record.best, share=True
    )
    return Chart(f"Accuracy at epoch {record.best}: {', '.join(known)}", draw, note)


def rates_exhibit(record: TrainingRecord) -> Chart:
    """Show the highest learning rate by step.

    Example:
        >>> from knowngood.training.record import Epoch
        >>> epochs = [Epoch(1, 0.5, 0.6, rates=(1e-4, 1e-3)), Epoch(2, 0.4, 0.5, rates=(5e-4, 1e-5))]
        >>> rates_exhibit(TrainingRecord([], epochs, 1, 1e-3, [0])).title
        'The learning rate starts at 0.0001, is highest (0.001) in epoch 1, and ends at 1e-05'
    """
    steps = [
        (epoch.epoch - 1 + place / len(epoch.rates), rate)
        for epoch in record.epochs
        for place, rate in enumerate(epoch.rates)
    ]
    times, rates = map(np.array, zip(*steps, strict=True))
    first, last, highest = rates[0], rates[-1], int(rates.argmax())
    title = f"The learning rate is {first:.3g} throughout"
    if rates.min() < rates.max():
        title = (
            f"The learning rate starts at {first:.3g}, is highest ({rates[highest]:.3g}) in epoch "
            f"{int(times[highest]) + 1}, and ends at {last:.3g}"
        )
    note = "That of the layers that learn fastest, such as a new head; earlier layers may have lower ones."
    return Chart(title, partial(_draw_rates, times=times, rates=rates), note)


def range_test_exhibit(record: TrainingRecord) -> Chart:
    """Show the loss by learning rate of the range test, and the rate that was chosen.

    Example:
        >>> steps = [(1e-4, 1.0), (1e-3, 0.6), (1e-2, 2.0)]
        >>> range_test_exhibit(TrainingRecord([], [], 1, 1e-3, [0], range_test=steps)).title
        'Range test: learning rate 0.001, where the loss falls fastest; it is lowest at 0.001'
    """
    rates, losses = map(np.array, zip(*record.range_test, strict=True))
    chosen, lowest = record.learning_rate, rates[int(losses.argmin())]
    title = (
        f"Range test: learning rate {chosen:.2g}, where the loss falls fastest; it is lowest at {lowest:.2g}"
    )
    note = (
        "The learning rate is raised from step to step; the loss is a moving mean. The weights are restored "
        "afterwards. Smith, arXiv:1506.01186."
    )
    return Chart(title, partial(_draw_range_test, rates=rates, losses=losses, chosen=chosen), note)


def _draw_rates(figure: Figure, times: NDArray[np.float64], rates: NDArray[np.float64]) -> None:
    """Draw learning rates `(S,)` over times in epochs `(S,)`."""
    axes = figure.subplots()
    axes.plot(times, rates, color=DEFECT, linewidth=2)
    axes.set(xlabel="epochs passed", ylabel="learning rate")
    axes.set_ylim(0, 1.05 * float(rates.max()))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.2g}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _draw_range_test(
    figure: Figure, rates: NDArray[np.float64], losses: NDArray[np.float64], chosen: float
) -> None:
    """Draw losses `(S,)` over learning rates `(S,)`, and mark the rate that was chosen."""
    axes = figure.subplots()
    axes.plot(rates, losses, color=DEFECT, linewidth=2, label="loss")
    axes.axvline(chosen, color=GOOD, linewidth=1.6, linestyle="--", label=f"chosen: {chosen:.2g}")
    axes.set_xscale("log")
    # The style does not read mathematical notation, in which powers of ten would be written.
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    low, high = float(losses.min()), float(np.median(losses))
    # A rate that is too high lets the loss explode: the axis ends before.
    axes.set_ylim(low - 0.1 * (high - low + 0.1), min(float(losses.max()), 4 * high - 3 * low + 0.1))
    axes.grid(axis="x", color=FAINT, alpha=0.3)
    axes.set(xlabel="learning rate", ylabel="training loss")
    legend_beside(axes)
