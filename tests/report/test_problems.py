"""Problems are derived from the figures: each is named only where it is there."""

from dataclasses import replace

import numpy as np
import pytest

from knowngood.report.formulas import f1_exhibit
from knowngood.report.hyperparameters import settings_exhibit
from knowngood.report.problems import problems_exhibit
from knowngood.report.supervised_slides import Decisions

from .drawing import drawn, inside


def words(evaluations, spread=None):
    return " ".join(
        text.replace("\n", " ") for row in problems_exhibit(evaluations, spread).texts for text in row
    )


def with_record(evaluation, **changes):
    record = replace(evaluation.records.classifier, **changes)
    return replace(evaluation, records=replace(evaluation.records, classifier=record))


@pytest.fixture
def perfect(probe):
    """No test image is misclassified, and no accuracy on training images is higher than on held-out ones."""
    scores = probe.scores.assign(decision=np.where(probe.scores["label"] == "good", "accept", "reject"))
    confusion = {"true_accept": 6, "false_reject": 0, "escape": 0, "true_reject": 12}
    evaluation = replace(probe, scores=scores, metrics=probe.metrics | {"confusion": confusion})
    return with_record(evaluation, train_accuracy=0.0)


def test_nothing_is_invented(perfect):
    table = problems_exhibit({"probe": perfect}, None)
    assert table.title == "1 existing problem and what to do next"
    assert "The test has 18 images" in table.texts[0][0]


def test_overfitting(perfect):
    record = perfect.records.classifier
    right = (record.logits.argmax(axis=1) == record.truth).mean()
    low = with_record(perfect, logits=-record.logits, train_accuracy=1.0)
    assert ("it overfits" in words({"probe": low})) == ((1 - right) < 0.95)
    assert "it overfits" not in words({"probe": perfect})


def test_few_held_out_images_of_a_trained_network(tuned, perfect):
    record = tuned.records.classifier
    few = int(np.bincount(record.truth).min())
    said = words({"probe": perfect, "finetune": tuned})
    assert f"finetune holds out {few} image" in said
    assert f"moves in steps of {100 / few:.1f} %" in said
    assert f"Hold out {50 - few} more images" in said


def test_errors_and_their_types(perfect):
    scores = perfect.scores.copy()
    dents = scores.index[scores["defect"] == "dent"][:2]
    scores.loc[dents, "decision"] = "accept"
    scores.loc[scores.index[scores["label"] == "good"][0], "decision"] = "reject"
    confusion = {"true_accept": 5, "false_reject": 1, "escape": 2, "true_reject": 10}
    evaluation = replace(perfect, scores=scores, metrics=perfect.metrics | {"confusion": confusion})
    said = words({"probe": evaluation}, 0.03)
    assert "probe accepts 2 of 12 defects, most often of type dent: 2 of 6." in said
    assert "probe rejects 1 of 6 good parts." in said
    assert "±3.0 %" in said


def test_settings_beside_those_of_a_document(tuned):
    table = settings_exhibit(tuned, {"epochs": "50 epochs", "dropout": "none"})
    rows = {row[0]: row[1:] for row in table.texts}
    assert rows["epochs"] == ["2 epochs", "50 epochs"]
    assert rows["batch size"] == ["16", "not stated"]
    assert rows["dropout"] == ["–", "none"]
    assert table.title == "Hyper-parameters: 2 epochs, batches of 16, learning rate 0.0003 for the head"
    assert list(settings_exhibit(tuned, {}).columns) == ["setting", "here"]


@pytest.mark.parametrize(
    ("found", "title"),
    [
        (Decisions(20, 18, 8, 2, 0), "F1 0.889 is the harmonic mean of precision 0.800 and recall 1.000"),
        (Decisions(20, 12, 0, 0, 8), "no F1, since no defect was rejected"),
    ],
)
def test_f1_with_its_numbers(found, title):
    chart = f1_exhibit("probe", found)
    assert chart.title == f"probe: {title}"
    inside(drawn(chart))
