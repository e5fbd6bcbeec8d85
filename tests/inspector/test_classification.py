import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import knowngood
from knowngood.data.samples import load_samples
from knowngood.inspector.classification import ANSWERS, UNKNOWN, Classification, classification
from knowngood.inspector.inspector import Inspector
from knowngood.metrics.reliability import reliability
from knowngood.report.page import write_report

QUICK = {"network": "small", "input_size": 32, "epochs": 4}


@pytest.fixture(scope="module")
def table(widget):
    """The widget's samples; every second good part is of the kind `b`, which is turned upside down."""
    table = load_samples(widget)
    kinds = np.where(np.arange(len(table)) % 2, "b", "a")
    table["class"] = np.where(table["label"] == "good", kinds, "")
    return table


@pytest.fixture(scope="module")
def inspector(table):
    return knowngood.fit(table, knowngood.make_detector("class_confidence", QUICK))


@pytest.fixture(scope="module")
def evaluation(inspector, table):
    return knowngood.evaluate(inspector, table)


def test_answers_are_those_of_the_shipped_graph(inspector, evaluation):
    found = evaluation.classification
    again = list(inspector.stream(list(evaluation.scores["path"]), extras=ANSWERS))
    np.testing.assert_array_equal(found.logits, [answer.extras["logits"] for answer in again])
    np.testing.assert_array_equal(found.features, [answer.extras["features"] for answer in again])
    assert [answer.score for answer in again] == list(evaluation.scores["score"])
    assert found.names == ["a", "b"]
    assert found.temperature == inspector.records.classes.temperature


def test_the_truth_is_known_of_good_images_alone(evaluation, table):
    kinds = table.set_index("path")["class"]
    defect = (evaluation.scores["label"] == "defect").to_numpy()
    found = evaluation.classification
    assert (found.truth[defect] == UNKNOWN).all()
    known = [found.names.index(kinds[path]) for path in evaluation.scores["path"][~defect]]
    assert found.truth[~defect, 0].tolist() == known
    groups = found.groups(evaluation.scores)
    assert set(groups) == {"a", "b", "scratch"}
    assert [group for group, bad in zip(groups, defect, strict=True) if bad] == ["scratch"] * 6


def test_metrics_say_how_right_and_how_sure(evaluation):
    found, said = evaluation.classification, evaluation.metrics["classifier"]
    good = found.truth[:, 0] >= 0
    logits, truth = found.logits[good, 0], found.truth[good, 0]
    assert said["answers"] == good.sum() == 8
    assert said["accuracy"] == (logits.argmax(axis=1) == truth).mean()
    expected = [reliability(logits, truth, t).expected_error for t in (1.0, found.temperature)]
    assert [said["expected_calibration_error_before"], said["expected_calibration_error"]] == expected
    json.dumps(evaluation.metrics, allow_nan=False)


def test_without_classes_in_the_test_there_is_no_accuracy(inspector, table):
    evaluation = knowngood.evaluate(inspector, table.drop(columns="class"))
    said = evaluation.metrics["classifier"]
    assert said["answers"] == 0
    assert said["accuracy"] is None
    assert set(evaluation.classification.groups(evaluation.scores)) == {"good", "scratch"}


def test_a_class_that_was_not_learned_is_unknown():
    extras = {"logits": np.zeros((1, 2), np.float32), "features": np.zeros((1, 3), np.float32)}
    verdict = SimpleNamespace(extras=extras)
    table = pd.DataFrame({"label": ["good", "good"], "class": ["new", "b"], "defect": ""})
    record = SimpleNamespace(classifier=None, classes=SimpleNamespace(names=["a", "b"], temperature=1.0))
    found = classification(record, [verdict, verdict], table)
    assert found.truth.tolist() == [[UNKNOWN], [1]]
    assert found.groups(table) == ["good", "b"]


def test_rotations_are_their_own_truth(table):
    inspector = knowngood.fit(table, knowngood.make_detector("rotation", QUICK))
    evaluation = knowngood.evaluate(inspector, table)
    good = (evaluation.scores["label"] == "good").to_numpy()
    assert (evaluation.classification.truth[good] == [0, 1, 2, 3]).all()
    assert (evaluation.classification.truth[~good] == UNKNOWN).all()
    assert evaluation.metrics["classifier"]["answers"] == 4 * good.sum()
    assert evaluation.classification.features.shape[:2] == (len(good), 4)


def test_the_record_comes_back_from_the_file(inspector, tmp_path):
    inspector.save(tmp_path / "a.inspector")
    classes = Inspector.load(tmp_path / "a.inspector").records.classes
    kept = inspector.records.classes
    assert classes.names == kept.names
    assert classes.odd == kept.odd
    np.testing.assert_array_equal(classes.pictures, kept.pictures)
    np.testing.assert_array_equal(classes.after.answers, kept.after.answers)


def test_detectors_that_do_not_classify_have_no_answers(widget):
    inspector = knowngood.fit(widget, knowngood.make_detector("gaussian", {"input_size": 64}))
    evaluation = knowngood.evaluate(inspector, widget)
    assert evaluation.classification is None
    assert "classifier" not in evaluation.metrics


@pytest.mark.parametrize("with_classes", [True, False])
def test_the_report_shows_what_the_classifier_says(inspector, table, tmp_path, with_classes):
    samples = table if with_classes else table.drop(columns="class")
    write_report(knowngood.evaluate(inspector, samples), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "<h2>Classifier</h2>" in page
    assert "t-SNE" in page
    assert ("Confusion matrix of the good test images" in page) == with_classes
    assert ("On held-out good images." in page) != with_classes
    assert "check their labels" in page


def test_the_report_of_good_images_alone(inspector, table, tmp_path):
    good = table[table["label"] == "good"]
    write_report(knowngood.evaluate(inspector, good), tmp_path / "report.html")
    assert "<h2>Classifier</h2>" in (tmp_path / "report.html").read_text()


def test_a_single_answer_has_metrics():
    one = Classification(["a", "b"], 1.0, np.zeros((1, 1, 2)), np.zeros((1, 1, 3)), np.array([[UNKNOWN]]))
    assert one.reliability(1.0) is None
    assert one.metrics()["accuracy"] is None
