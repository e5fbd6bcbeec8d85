import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, log_softmax, softmax
from torchmetrics.functional.classification import multiclass_calibration_error

from knowngood.metrics.reliability import (
    BINS,
    COLDEST,
    HOTTEST,
    Reliability,
    fit_temperature,
    msp,
    reliability,
)


def answers(n=400, classes=4, scale=2.0, temperature=1.0, seed=0):
    """Logits, and labels drawn from what they say at a temperature."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, scale, (n, classes))
    chances = softmax(logits / temperature, axis=1)
    return logits, np.array([rng.choice(classes, p=row) for row in chances])


def surprise(logits, labels, temperature):
    return -log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean()


GRID = np.geomspace(COLDEST, HOTTEST, 4001)


def coldness_by_grid(logits, labels):
    return GRID[np.argmin([surprise(logits, labels, temperature) for temperature in GRID])]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 7.0])
@pytest.mark.parametrize("scale", [0.3, 5.0])
@pytest.mark.parametrize("classes", [2, 10])
def test_the_expected_error_is_torchmetrics(classes, scale, temperature):
    logits, labels = answers(classes=classes, scale=scale, temperature=3.0)
    wanted = multiclass_calibration_error(
        torch.from_numpy(softmax(logits / temperature, axis=1)),
        torch.from_numpy(labels),
        num_classes=classes,
        n_bins=BINS,
        norm="l1",
    )
    found = reliability(logits, labels, temperature).expected_error
    assert found == pytest.approx(float(wanted), abs=1e-6)
    assert found > 0


def test_bins_by_hand():
    confidence = np.array([0.51, 0.52, 0.99, 0.999])
    logits = np.stack([np.zeros(4), np.log(confidence / (1 - confidence))], axis=1)
    found = reliability(logits, [1, 0, 1, 1])
    assert np.flatnonzero(found.answers).tolist() == [7, 14]
    assert found.answers[[7, 14]].tolist() == [2, 2]
    np.testing.assert_allclose(found.confidence[[7, 14]], [0.515, 0.9945])
    assert found.accuracy[[7, 14]].tolist() == [0.5, 1.0]
    assert found.expected_error == pytest.approx((0.015 + 0.0055) / 2)


def test_an_empty_bin_says_nothing():
    found = reliability([[0.0, 50.0]] * 3, [1, 1, 0])
    assert found.answers.tolist() == [0] * (BINS - 1) + [3]
    assert found.confidence[:-1].tolist() == [0.0] * (BINS - 1)
    assert found.accuracy[:-1].tolist() == [0.0] * (BINS - 1)
    assert found.expected_error == pytest.approx(1 / 3)


def test_no_answers_at_all():
    found = reliability(np.zeros((0, 3)), np.zeros(0, int))
    assert found.answers.tolist() == [0] * BINS
    assert found.expected_error == 0


def test_a_guesser_among_so_many_classes_as_bins():
    found = reliability(np.zeros((30, BINS)), np.arange(30) % BINS)
    assert found.answers.sum() == 30
    assert found.expected_error == pytest.approx(0, abs=1e-12)


@given(
    arrays(np.float64, (12, 3), elements=st.floats(-300, 300)),
    arrays(np.int64, 12, elements=st.integers(0, 2)),
    st.floats(0.05, 20),
)
@settings(max_examples=60, deadline=None)
def test_every_answer_is_in_one_bin_that_holds_its_confidence(logits, labels, temperature):
    found = reliability(logits, labels, temperature)
    assert found.answers.sum() == 12
    right = (logits.argmax(axis=1) == labels).mean()
    assert (found.answers * found.accuracy).sum() / 12 == pytest.approx(right)
    filled = np.flatnonzero(found.answers)
    assert (found.confidence[filled] >= filled / BINS - 1e-9).all()
    assert (found.confidence[filled] <= (filled + 1) / BINS + 1e-9).all()
    assert 0 <= found.expected_error <= 1


def test_the_expected_error_weighs_by_answers():
    assert Reliability(np.array([9, 1]), np.array([0.5, 1.0]), np.array([0.5, 0.0])).expected_error == 0.1


@pytest.mark.parametrize("temperature", [0.5, 1.0, 10.0])
@pytest.mark.parametrize("classes", [2, 7])
def test_msp_is_one_minus_the_largest_softmax(classes, temperature):
    logits = np.random.default_rng(0).normal(0, 3, (5, 20, classes))
    wanted = 1 - softmax(logits / temperature, axis=-1).max(axis=-1)
    np.testing.assert_allclose(msp(logits, temperature), wanted, rtol=1e-9, atol=1e-14)


def test_msp_loses_no_digit_where_the_classifier_is_sure():
    gaps = np.linspace(1, 600, 50)
    logits = np.stack([gaps, np.zeros(50)], axis=1)
    np.testing.assert_allclose(msp(logits), expit(-gaps), rtol=1e-12)
    np.testing.assert_allclose(msp(logits - 1e3), expit(-gaps), rtol=1e-9)


@pytest.mark.parametrize("true", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_temperature_is_the_likeliest_of_a_grid(classes, true):
    logits, labels = answers(classes=classes, temperature=true)
    found = fit_temperature(logits, labels)
    assert abs(np.log(found / coldness_by_grid(logits, labels))) < 2e-3
    assert found == pytest.approx(true, rel=0.3)


@given(st.integers(0, 10_000), st.floats(0.1, 10), st.integers(2, 6))
@settings(max_examples=25, deadline=None)
def test_no_other_temperature_is_likelier(seed, scale, classes):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(0, scale, (15, classes)), rng.integers(0, classes, 15)
    found = fit_temperature(logits, labels)
    assert COLDEST <= found <= HOTTEST
    least = min(surprise(logits, labels, temperature) for temperature in GRID[::20])
    assert surprise(logits, labels, found) <= least * (1 + 1e-4) + 1e-12


def test_where_every_answer_is_right_it_is_cold():
    assert fit_temperature([[0.0, 0.5], [0.7, 0.0], [0.0, 0.9]], [1, 0, 1]) == pytest.approx(
        COLDEST, rel=1e-3
    )


def test_where_every_answer_is_wrong_it_is_hot():
    assert fit_temperature([[0.0, 0.5], [0.7, 0.0], [0.0, 40.0]], [0, 1, 0]) == pytest.approx(
        HOTTEST, rel=1e-3
    )


def test_logits_times_a_factor_have_the_temperature_times_that_factor():
    logits, labels = answers()
    assert fit_temperature(4 * logits, labels) == pytest.approx(4 * fit_temperature(logits, labels), rel=1e-3)


def test_the_fitted_temperature_makes_a_sure_classifier_honest():
    logits, labels = answers(n=2000, temperature=5.0)
    fitted = fit_temperature(logits, labels)
    assert (
        reliability(logits, labels, fitted).expected_error < 0.3 * reliability(logits, labels).expected_error
    )


def test_few_right_answers_leave_a_doubt():
    logits, labels = np.array([[0.0, 4.0], [4.0, 0.0]] * 6), np.array([1, 0] * 6)
    assert fit_temperature(logits, labels) == COLDEST
    warm = fit_temperature(logits, labels, doubt=1 / 14)
    # The likeliest probability of a right answer is 1 - 1 / 14: odds of 13.
    assert warm == pytest.approx(4 / np.log(13), rel=1e-3)
    assert fit_temperature(logits, labels, doubt=1 / 1002) < warm
