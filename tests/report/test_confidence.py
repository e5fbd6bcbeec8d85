"""What is shown of the classifier inside a detector."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch

from knowngood.detectors.confidence import LOGIT_SCORES, LogitScore
from knowngood.inspector.classification import UNKNOWN, Classification
from knowngood.metrics.reliability import Reliability
from knowngood.report.confidence import (
    confidence_exhibits,
    logit_scores,
    rotations_exhibit,
    scores_exhibit,
    uncertainty_exhibit,
)
from knowngood.training.classes_record import Classes
from knowngood.training.records import Records

from .drawing import drawn, legend

FLAT = Reliability(np.zeros(15, np.int64), np.zeros(15), np.zeros(15))


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(0, 3, (40, 1, 4)).astype(np.float32)


class TestLogitScores:
    @pytest.mark.parametrize("scale", [1.0, 80.0])
    @pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
    def test_they_are_those_of_the_detectors(self, scale, temperature):
        logits = (scale * np.random.default_rng(0).normal(size=(30, 4, 5))).astype(np.float32)
        tensor = torch.from_numpy(logits)
        found = logit_scores(logits, temperature)
        assert set(found) == set(LOGIT_SCORES)
        for name, values in found.items():
            expected = LogitScore(name, temperature)(tensor[:, 0], tensor).double().numpy()
            np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-4)

    def test_logits_without_bounds(self):
        for values in logit_scores(np.array([[[-np.inf, np.inf]], [[0.0, 0.0]]]), 1.0).values():
            assert not np.isnan(values).any()
            assert values[0] < values[1]


class TestUncertainty:
    def test_a_panel_for_each_temperature_with_its_area(self, logits):
        groups = {"good": logits, "defect": logits / 4}
        figure = drawn(uncertainty_exhibit("", "", groups, [1.0, 3.0]))
        titles = [axes.get_title().splitlines() for axes in figure.axes]
        assert [title[0] for title in titles] == ["temperature 1", "temperature 3"]
        assert all(float(title[1].removeprefix("AUROC ")) > 0.5 for title in titles)
        assert legend(figure) == ["good (40)", "defect (40)"]
        for axes in figure.axes:
            for part in axes.patches:
                assert part.get_data().values.sum() == pytest.approx(100)

    def test_without_defects_there_is_no_area(self, logits):
        figure = drawn(uncertainty_exhibit("", "", {"good": logits, "defect": logits[:0]}, [1.0]))
        assert figure.axes[0].get_title() == "temperature 1"
        assert legend(figure) == ["good (40)"]


def test_the_largest_area_comes_first():
    defect = np.repeat([False, True], 20)
    scores = {"poor": -np.arange(40.0), "fair": np.arange(40.0) % 21, "best": np.arange(40.0)}
    entries = legend(drawn(scores_exhibit("", "", defect, scores)))
    assert [name.split()[0] for name in entries] == ["best", "fair", "poor", "chance"]
    assert entries[0] == "best (1.000)"


def test_a_group_without_images_has_no_rotations():
    chart = rotations_exhibit({"good": np.eye(4)[None], "defect": np.zeros((0, 4, 4))})
    assert chart.title == "Rotation predicted correctly in 100.0 % of good views"
    assert [axes.get_title() for axes in drawn(chart).axes] == ["good (1)"]


@dataclass
class Judged:
    """The fields of an evaluation that are read."""

    records: Records
    classification: Classification
    scores: pd.DataFrame


@pytest.fixture
def evaluation(logits):
    """Thirty good images of four classes, and ten defects."""
    defect = np.arange(40) >= 30
    truth = np.where(defect, UNKNOWN, np.arange(40) % 4)[:, None]
    scores = pd.DataFrame(
        {
            "label": np.where(defect, "defect", "good"),
            "defect": np.where(defect, "dent", ""),
            "score": np.arange(40.0),
        }
    )
    classes = Classes(list("abcd"), 2.0, True, 0.9, FLAT, FLAT, [], np.zeros((0, 8, 8, 3), np.uint8))
    features = np.random.default_rng(1).normal(size=(40, 1, 8)).astype(np.float32)
    return Judged(
        Records(classes=classes), Classification(list("abcd"), 2.0, logits, features, truth), scores
    )


class TestExhibits:
    def test_one_for_each_question(self, evaluation):
        exhibits = confidence_exhibits(evaluation)
        assert [exhibit.title.split()[0] for exhibit in exhibits] == [
            "Features",
            "Uncertainty",
            "ROC",
            "Temperature",
            "Most",
        ]
        features, uncertainty, rocs, calibration, confusion = exhibits
        assert legend(drawn(features)) == ["a (8)", "b (8)", "c (7)", "d (7)", "dent (10)"]
        assert "2 was fitted on held-out" in uncertainty.note
        assert len(drawn(uncertainty).axes) == 3
        assert legend(drawn(rocs))[0] == "this inspector (1.000)"
        assert "On good test images." in calibration.note
        assert confusion.note == "Confusion matrix of the good test images."

    def test_without_known_classes_the_calibration_is_that_of_held_out_images(self, evaluation):
        evaluation.classification.truth[:] = UNKNOWN
        exhibits = confidence_exhibits(evaluation)
        assert "On held-out good images." in exhibits[-1].note

    def test_good_images_alone(self, evaluation):
        found, good = evaluation.classification, slice(0, 30)
        alone = Classification(found.names, 2.0, found.logits[good], found.features[good], found.truth[good])
        exhibits = confidence_exhibits(Judged(evaluation.records, alone, evaluation.scores[good]))
        assert [exhibit.title.split()[0] for exhibit in exhibits] == [
            "Features",
            "Uncertainty",
            "Temperature",
            "Most",
        ]

    def test_views_that_were_turned(self, evaluation):
        found = evaluation.classification
        turned = Classification(
            ["0", "1", "2", "3"],
            1.0,
            np.repeat(found.logits, 4, axis=1),
            np.repeat(found.features, 4, axis=1),
            np.where(found.truth >= 0, np.arange(4), UNKNOWN),
        )
        exhibits = confidence_exhibits(Judged(evaluation.records, turned, evaluation.scores))
        assert exhibits[1].title.startswith("Rotation predicted correctly in 25.0 % of good views")
