"""How a network was optimised, as far as it is recorded."""

from knowngood.report.optimisation import (
    accuracies_exhibit,
    optimisation_exhibits,
    range_test_exhibit,
    rates_exhibit,
)
from knowngood.training.record import Epoch, TrainingRecord

from .drawing import drawn, inside, legend

RECORD = TrainingRecord(
    [],
    [
        Epoch(1, 0.5, 0.6, 0.5, 1.0, (), 0.4, (1e-4, 1e-3)),
        Epoch(2, 0.4, 0.5, 0.25, 1.0, (), 0.1, (5e-4, 1e-5)),
    ],
    2,
    1e-3,
    [0],
    range_test=[(1e-4, 1.0), (1e-3, 0.6), (1e-2, 9.0)],
)


def test_all_that_is_recorded():
    charts = list(optimisation_exhibits(RECORD))
    assert [chart.title[:8] for chart in charts] == ["Accuracy", "The lear", "Range te"]
    for chart in charts:
        inside(drawn(chart))


def test_an_older_record_has_the_held_out_accuracy_alone():
    record = TrainingRecord([], [Epoch(1, 0.5, 0.6, 0.5)], 1, 1e-3, [0])
    (chart,) = optimisation_exhibits(record)
    assert chart.title == "Accuracy at epoch 1: 50.0 % on held-out images"
    assert list(optimisation_exhibits(TrainingRecord([], [Epoch(1, 0.5, 0.6)], 1, 1e-3, [0]))) == []


def test_the_epoch_that_was_kept():
    chart = accuracies_exhibit(RECORD)
    assert chart.title == "Accuracy at epoch 2: 90.0 % on training images, 75.0 % on held-out images"
    assert legend(drawn(chart)) == ["training images", "held-out images", "kept: epoch 2"]


def test_a_rate_that_stays():
    record = TrainingRecord(
        [], [Epoch(1, 0.5, 0.6, rates=(1e-3,)), Epoch(2, 0.5, 0.6, rates=(1e-3,))], 1, 1e-3, []
    )
    assert rates_exhibit(record).title == "The learning rate is 0.001 throughout"


def test_the_rate_that_was_chosen():
    chart = range_test_exhibit(RECORD)
    assert (
        chart.title == "Range test: learning rate 0.001, where the loss falls fastest; it is lowest at 0.001"
    )
    assert legend(drawn(chart)) == ["loss", "chosen: 0.001"]
