"""The estimator of scikit-learn, with the detector of the test package: it fits in a tenth of a second."""

import pickle
import sys
import warnings
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from sklearn.base import clone, is_outlier_detector
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted, validate_data

import knowngood
from knowngood.errors import DataError, RecipeError
from knowngood.sklearn import InspectorDetector

from .support.parts import part

SIDE = 32
NOT_OF_IMAGES = {
    "check_fit2d_1sample": "no threshold can be set on one image, and our DataError is no ValueError",
}


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent / "support" / "outside")
    yield
    sys.modules.pop("knowngood_outside", None)


@pytest.fixture(scope="module")
def good():
    rng = np.random.default_rng(0)
    return np.stack([part(rng) for _ in range(20)])


@pytest.fixture(scope="module")
def defects(good):
    dark = good[:6].copy()
    dark[:, 40:60, 40:60] = 0
    return dark


@pytest.fixture
def detector():
    return InspectorDetector("brightness", max_false_reject=0.1, places=4)


def test_scores_are_those_of_the_inspector(detector, good, defects):
    images = np.concatenate([good, defects])
    assert detector.fit(good) is detector
    verdicts = detector.inspector_.inspect(images)
    np.testing.assert_array_equal(detector.score_samples(images), [-verdict.score for verdict in verdicts])
    assert detector.offset_ == -detector.inspector_.threshold.value
    decided = detector.decision_function(images)
    np.testing.assert_allclose(decided, detector.score_samples(images) - detector.offset_)
    expected = [-1 if verdict.decision == "reject" else 1 for verdict in verdicts]
    assert detector.predict(images).tolist() == expected
    assert detector.predict(images).dtype == np.int64
    assert (detector.predict(defects) == -1).all()
    assert is_outlier_detector(detector)


def test_it_learns_what_fit_learns(detector, good):
    own = knowngood.threshold_at(knowngood.fit(good, "brightness", places=4, seed=0), 0.1)
    found = detector.fit(good).inspector_
    assert found.manifest.held_out == own.manifest.held_out
    assert found.threshold == own.threshold
    assert found.threshold.requested == 0.1


def test_defects_are_left_out(detector, good, defects):
    images, y = np.concatenate([good, defects]), np.repeat([1, -1], [len(good), len(defects)])
    alone = detector.fit(good).inspector_.manifest
    assert detector.fit(images, y).inspector_.manifest.training == alone.training
    for wrong in (y == 1, y[:-1], y - 1):
        with pytest.raises(DataError, match=r"y must hold 1 \(good\) or -1 \(defect\) for each of the 26"):
            detector.fit(images, wrong)


def test_settings_are_parameters(detector):
    params = detector.get_params()
    assert params == {
        "detector": "brightness",
        "max_false_reject": 0.1,
        "random_state": 0,
        "device": "auto",
        "places": 4,
    }
    copy = clone(detector).set_params(places=2, device="cpu")
    assert (copy.get_params()["places"], copy.device, detector.places) == (2, "cpu", 4)
    assert repr(copy) == (
        "InspectorDetector(detector='brightness', device='cpu', max_false_reject=0.1,\n"
        "                  places=2)"
    )
    assert "InspectorDetector" in copy._repr_html_()


def test_what_fit_takes_is_a_parameter_too(detector, good):
    where = knowngood.Geometry(roi={"shapes": [{"rectangle": [8, 16, 64, 48]}]})
    copy = clone(detector).set_params(geometry=where, detail="fine")
    assert copy.get_params()["geometry"] is where
    manifest = clone(copy).fit(good).inspector_.manifest
    assert manifest.roi.box == (16, 8, 48, 64)
    assert manifest.detail == "detail fine"


def test_a_wrong_setting_is_named_when_it_is_fitted(good):
    with pytest.raises(RecipeError, match=r"Brightness has no setting 'place'; did you mean places\?"):
        InspectorDetector("brightness", place=3).fit(good)


def test_a_grid_search_over_a_setting(detector, good, defects):
    images, y = np.concatenate([good, defects]), np.repeat([1, -1], [len(good), len(defects)])
    grid = {"places": [4, 8], "max_false_reject": [0.2]}
    found = GridSearchCV(detector, grid, scoring="roc_auc", cv=StratifiedKFold(2), error_score="raise")
    found.fit(list(images), y)
    assert list(found.cv_results_["param_places"]) == [4, 8]
    assert found.best_score_ == 1
    assert found.best_estimator_.inspector_.manifest.recipe["places"] == found.best_params_["places"]
    pipeline, folds = Pipeline([("inspect", detector)]), StratifiedKFold(2)
    assert cross_val_score(pipeline, images, y, scoring="roc_auc", cv=folds).tolist() == [1, 1]


def test_a_fitted_one_is_sent_to_another_process(detector, good):
    expected = detector.fit(good).score_samples(good)
    copy = pickle.loads(pickle.dumps(detector))  # noqa: S301
    np.testing.assert_array_equal(copy.score_samples(good), expected)


def test_what_was_not_fitted(detector, good):
    with pytest.raises(NotFittedError):
        detector.predict(good)


@pytest.mark.parametrize("state", [np.random.RandomState(3), None])
def test_other_random_states(good, state):
    detector = InspectorDetector("brightness", random_state=state).fit(good)
    assert detector.inspector_.manifest.seed >= 0


def paint(row):
    """Draw numbers as stripes, with noise by which no two rows look like copies."""
    noise = np.random.default_rng(crc32(row.astype(np.float32).tobytes())).normal(0, 20, (SIDE, SIDE))
    stripes = np.repeat(row, -(-SIDE // len(row)))[:SIDE]
    return np.clip(128 + 70 * np.tanh(stripes / 5) + noise, 0, 255).astype(np.uint8)


class Painted(InspectorDetector):
    """The estimator on rows of numbers, which scikit-learn's checks have, each drawn as an image."""

    def __init__(self, detector="brightness", *, max_false_reject=0.05, random_state=0, device="auto"):
        super().__init__(
            detector, max_false_reject=max_false_reject, random_state=random_state, device=device
        )

    def fit(self, X, y=None):  # noqa: N803
        return super().fit(np.stack([paint(row) for row in validate_data(self, X)]))

    def score_samples(self, X):  # noqa: N803
        check_is_fitted(self)
        return super().score_samples(np.stack([paint(row) for row in validate_data(self, X, reset=False)]))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = True, False
        tags.no_validation = False
        return tags


def test_the_checks_of_scikit_learn():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)  # one needs SCIPY_ARRAY_API
        results = check_estimator(Painted(), expected_failed_checks=NOT_OF_IMAGES, on_skip=None)
    states = {result["check_name"]: result["status"] for result in results}
    assert {name for name, status in states.items() if status == "xfail"} == NOT_OF_IMAGES.keys()
    assert states["check_outliers_train"] == states["check_methods_subset_invariance"] == "passed"
    assert len(states) > 40


def test_images_are_no_rows_of_features():
    with pytest.warns(SkipTestWarning, match="requires input"):
        results = check_estimator(InspectorDetector(), on_skip="warn")
    assert {result["status"] for result in results} == {"passed"}
