"""Figures of classifiers against scikit-learn and SciPy, and where they are not defined."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax, logsumexp

from knowngood.metrics.classification import (
    ClassFigures,
    accuracy,
    balanced_accuracy,
    class_figures,
    confusion_matrix,
    imbalance_ratio,
    losses,
    macro_f1,
    macro_precision,
)

CLASSES = 4
answers = st.lists(
    st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=40
).map(lambda pairs: np.array(pairs).T)
means = pytest.mark.parametrize("mean", [accuracy, balanced_accuracy, macro_f1, macro_precision])


@given(answers)
def test_the_matrix_is_scikit_learns(pair):
    wanted = sklearn.metrics.confusion_matrix(*pair, labels=range(CLASSES))
    found = confusion_matrix(*pair, CLASSES)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, wanted)


@given(answers)
def test_figures_of_classes_are_scikit_learns(pair):
    *wanted, support = sklearn.metrics.precision_recall_fscore_support(
        *pair, labels=range(CLASSES), zero_division=np.nan
    )
    found = class_figures(confusion_matrix(*pair, CLASSES))
    np.testing.assert_allclose(found.precision, wanted[0])
    np.testing.assert_allclose(found.recall, wanted[1])
    np.testing.assert_allclose(found.f1, wanted[2])
    np.testing.assert_array_equal(found.support, support)


@given(answers)
@settings(deadline=None)
def test_means_are_scikit_learns(pair):
    truth, predicted = pair
    matrix = confusion_matrix(truth, predicted, CLASSES)
    occurring = {"labels": np.unique(truth), "average": "macro", "zero_division": 0}
    assert accuracy(matrix) == pytest.approx(sklearn.metrics.accuracy_score(truth, predicted))
    assert balanced_accuracy(matrix) == pytest.approx(
        sklearn.metrics.recall_score(truth, predicted, **occurring)
    )
    assert macro_f1(matrix) == pytest.approx(sklearn.metrics.f1_score(truth, predicted, **occurring))
    assert macro_precision(matrix) == pytest.approx(
        sklearn.metrics.precision_score(truth, predicted, **occurring)
    )


def test_balanced_accuracy_is_that_of_scikit_learn():
    truth, predicted = np.random.default_rng(0).integers(0, 3, (2, 50))
    wanted = sklearn.metrics.balanced_accuracy_score(truth, predicted)
    assert balanced_accuracy(confusion_matrix(truth, predicted, 3)) == pytest.approx(wanted)


def test_undefined_figures_are_nan_and_no_others():
    # Class 0 is found, 1 occurs and is never predicted, 2 is predicted and never occurs, 3 does neither.
    matrix = [[2, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    found = class_figures(matrix)
    assert isinstance(found, ClassFigures)
    np.testing.assert_allclose(found.precision, [2 / 3, np.nan, 0, np.nan])
    np.testing.assert_allclose(found.recall, [2 / 3, 0, np.nan, np.nan])
    np.testing.assert_allclose(found.f1, [2 / 3, 0, 0, np.nan])
    assert found.support.tolist() == [3, 1, 0, 0]
    assert balanced_accuracy(matrix) == pytest.approx(1 / 3)
    assert macro_f1(matrix) == pytest.approx(1 / 3)
    assert macro_precision(matrix) == pytest.approx(1 / 3)


def test_a_class_without_images_changes_no_mean():
    small, large = np.array([[8, 1], [2, 4]]), np.zeros((3, 3), np.int64)
    large[:2, :2] = small
    for mean in (accuracy, balanced_accuracy, macro_f1, macro_precision):
        assert mean(large) == mean(small)


def test_no_images_have_figures_but_no_mean():
    matrix = confusion_matrix([], [], 2)
    assert matrix.tolist() == [[0, 0], [0, 0]]
    assert np.isnan(class_figures(matrix)[:3]).all()


@means
def test_no_images_have_no_mean(mean):
    with pytest.raises(ValueError, match="needs images"):
        mean(np.zeros((2, 2), int))


@means
def test_a_matrix_that_is_none_is_refused(mean):
    with pytest.raises(ValueError, match=r"shape \(C, C\); got \(1, 2\)"):
        mean([[1, 2]])
    with pytest.raises(ValueError, match="counts: int, 0 or more; got int64, least -1"):
        mean([[1, -1], [0, 3]])
    with pytest.raises(ValueError, match="got float64"):
        mean([[0.5, 0.5], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("truth", "predicted", "classes", "message"),
    [
        ([0, 1], [0], 2, r"same length; got \(2,\) and \(1,\)"),
        ([0, 2], [0, 1], 2, "truth must be from 0 to 1; 1 of 2 are not"),
        ([0, 1], [-1, -1], 2, "predicted must be from 0 to 1; 2 of 2 are not"),
        ([0.0, 1.0], [0, 1], 2, "truth must be int .*; got float64"),
        ([[0, 1]], [0, 1], 2, r"truth must be int \(N,\).*; got int64 \(1, 2\)"),
        ([0], [0], 0, "truth must be from 0 to -1"),
    ],
)
def test_answers_that_do_not_fit_are_refused(truth, predicted, classes, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(truth, predicted, classes)


def test_small_integers_do_not_overflow():
    classes = np.arange(200, dtype=np.uint8)
    np.testing.assert_array_equal(confusion_matrix(classes, classes, 200), np.eye(200))


@given(
    arrays(np.float64, (7, 3), elements=st.floats(-1e4, 1e4)),
    arrays(np.int64, 7, elements=st.integers(0, 2)),
    st.floats(0.05, 20),
)
def test_losses_are_scipys(logits, truth, temperature):
    wanted = -log_softmax(logits / temperature, axis=1)[np.arange(7), truth]
    found = losses(logits, truth, temperature)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
    assert (found >= 0).all()


def test_losses_are_as_fine_as_floats_where_the_classifier_is_sure():
    gaps = np.linspace(1, 600, 50)
    logits = np.stack([np.zeros(50), gaps], axis=1)
    np.testing.assert_allclose(losses(logits, np.ones(50, int)), np.log1p(np.exp(-gaps)), rtol=1e-12)
    np.testing.assert_allclose(losses(1e6 * logits, np.zeros(50, int)), 1e6 * gaps, rtol=1e-12)


def test_losses_of_single_precision_are_those_of_double():
    logits = np.random.default_rng(0).normal(0, 4, (5, 3)).astype(np.float32)
    wide = logits.astype(np.float64)
    np.testing.assert_allclose(losses(logits, [0] * 5), logsumexp(wide, axis=1) - wide[:, 0], rtol=1e-12)


def test_a_single_class_costs_nothing_and_no_image_has_no_loss():
    assert losses([[3.0]], [0]).tolist() == [0.0]
    assert losses(np.zeros((0, 3)), []).shape == (0,)


@pytest.mark.parametrize(
    ("logits", "truth", "temperature", "message"),
    [
        ([0.0, 1.0], [0, 1], 1.0, r"do not fit; got \(2,\) and \(2,\)"),
        ([[0.0, 1.0]], [0, 1], 1.0, r"do not fit; got \(1, 2\) and \(2,\)"),
        ([[0.0, 1.0]], [2], 1.0, "from 0 to 1"),
        ([[0.0, 1.0]], [0], 0.0, "temperature must be positive; got 0.0"),
        ([[0.0, 1.0]], [0], np.nan, "temperature must be positive"),
    ],
)
def test_logits_that_do_not_fit_are_refused(logits, truth, temperature, message):
    with pytest.raises(ValueError, match=message):
        losses(logits, truth, temperature)


@pytest.mark.parametrize(
    ("counts", "ratio"), [([5, 5], 1.0), ([900, 30], 30.0), ([7], 1.0), ([4, 0], np.inf)]
)
def test_imbalance(counts, ratio):
    assert imbalance_ratio(counts) == ratio


@pytest.mark.parametrize("counts", [[], [0, 0], [[1, 2]], [3, -1], [1.5, 2.0]])
def test_sizes_that_are_none_are_refused(counts):
    with pytest.raises(ValueError, match="sizes of classes must be"):
        imbalance_ratio(counts)
