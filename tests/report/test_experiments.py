"""Which experiment is best, and which change mattered most, whatever the figures are."""

import pandas as pd
import pytest

from knowngood.report.experiments import (
    Published,
    best_model,
    experiment_exhibits,
    key_factor,
    with_names,
)

from .drawing import drawn, inside


def table(validation, losses=None, test=None):
    changes = ["", "epochs=10 → 40", "batch_size=32 → 8", "learning_rate=0.001 → None"]
    return pd.DataFrame(
        {
            "change": changes[: len(validation)],
            "train_loss": 0.5,
            "train_accuracy": 0.9,
            "validation_loss": losses or [1.0] * len(validation),
            "validation_accuracy": validation,
            "test_class_accuracy": test or [0.5] * len(validation),
        }
    )


@pytest.mark.parametrize(
    ("validation", "said"),
    [
        (
            [0.5, 0.75, 0.25, 0.5],
            "Key factor: epochs and batch_size move the validation accuracy most, from 50.0 % to "
            "75.0 % and 25.0 %",
        ),
        (
            [0.5, 0.5, 0.5, 0.0],
            "Key factor: learning_rate=0.001 → by a range test moves the validation accuracy "
            "most, from 50.0 % to 0.0 %",
        ),
        ([0.5, 0.5], "No key factor: no change moves the validation accuracy of 50.0 %"),
        ([0.5], "No key factor: no change moves the validation accuracy of 50.0 %"),
    ],
)
def test_the_key_factor(validation, said):
    assert key_factor(with_names(table(validation))) == said


def test_the_best_model_is_not_chosen_by_the_test():
    found = table([0.5, 0.75, 0.6], test=[0.9, 0.4, 0.8])
    assert best_model(with_names(found)) == (
        "Best by validation: epochs=10 → 40 (75.0 %); its test accuracy is 40.0 %"
    )


def test_of_equal_accuracies_the_lower_loss_is_best():
    found = table([0.75, 0.75, 0.5], losses=[0.9, 0.6, 0.1])
    assert best_model(with_names(found)) == (
        "Best by validation: epochs=10 → 40, the lowest loss of 2 with 75.0 %; its test accuracy is 50.0 %"
    )


def test_exhibits_with_and_without_a_document():
    runs = {
        "": Published("the original run", 1.4, 0.475, 1.6, 0.3, 0.3),
        "epochs": Published("50 → 200", 1, 1, 1, 1, 0.7),
    }
    found = table([0.5, 0.75], test=[0.4, float("nan")])
    ours, chart, theirs = experiment_exhibits(found, runs, (8, 10))
    assert ours.texts[0] == ["the original", "0.500", "90.0 %", "1.000", "50.0 %", "40.0 %"]
    assert ours.texts[1][-1] == "–"
    assert "8 validation images, one of which is 12.5 %" in ours.note
    assert theirs.title == "The document's runs: best 50 → 200, test accuracy 70.0 %"
    assert len(list(experiment_exhibits(found, {}, (8, 10)))) == 2
    inside(drawn(chart))
