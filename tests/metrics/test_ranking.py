"""Ranking metrics against scikit-learn, with and without ties."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from knowngood.metrics import ranking
from knowngood.metrics.rates import confusion

MANY_TIES = st.integers(-3, 3).map(float) | st.floats(-1e9, 1e9, width=32)


@st.composite
def labelled(draw, scores=MANY_TIES):
    """Labels with both classes, and a score for each."""
    rest = draw(st.lists(st.booleans(), max_size=25))
    defect = np.array(draw(st.permutations([False, True, *rest])))
    values = draw(st.lists(scores, min_size=defect.size, max_size=defect.size))
    return defect, np.array(values)


@given(labelled())
def test_auroc_and_average_precision_equal_scikit_learn(sample):
    defect, scores = sample
    assert ranking.auroc(defect, scores) == pytest.approx(
        sklearn.metrics.roc_auc_score(defect, scores), rel=0, abs=1e-12
    )
    assert ranking.average_precision(defect, scores) == pytest.approx(
        sklearn.metrics.average_precision_score(defect, scores), rel=0, abs=1e-12
    )


@given(labelled())
def test_roc_curve_equals_scikit_learn(sample):
    defect, scores = sample
    fpr, tpr, _ = sklearn.metrics.roc_curve(defect, scores, drop_intermediate=False)
    cuts = ranking.cut(defect, scores)
    np.testing.assert_allclose(cuts.false_reject_rate, fpr, rtol=0, atol=1e-12)
    np.testing.assert_allclose(cuts.recall, tpr, rtol=0, atol=1e-12)


@given(labelled())
def test_precision_recall_curve_equals_scikit_learn(sample):
    defect, scores = sample
    expected_precision, expected_recall, _ = sklearn.metrics.precision_recall_curve(defect, scores)
    cuts = ranking.cut(defect, scores)
    np.testing.assert_allclose(cuts.precision[::-1], expected_precision, rtol=0, atol=1e-12)
    np.testing.assert_allclose(cuts.recall[::-1], expected_recall, rtol=0, atol=1e-12)


@given(labelled())
def test_f1_max_is_the_best_over_all_decisions_and_its_threshold_reaches_it(sample):
    defect, scores = sample
    best = max(sklearn.metrics.f1_score(defect, scores >= line) for line in scores)
    f1, threshold = ranking.f1_max(defect, scores)
    assert f1 == pytest.approx(best, rel=0, abs=1e-12)
    assert sklearn.metrics.f1_score(defect, scores > threshold) == pytest.approx(f1, rel=0, abs=1e-12)


@given(labelled(scores=st.floats(min_value=-1e308)))
def test_every_threshold_rejects_what_the_cut_says(sample):
    defect, scores = sample
    cuts = ranking.cut(defect, scores)
    assert np.all(np.diff(cuts.threshold) < 0)
    for threshold, false_reject, true_reject in zip(
        cuts.threshold, cuts.false_reject, cuts.true_reject, strict=True
    ):
        found = confusion(defect, scores, threshold)
        assert (found.false_reject, found.true_reject) == (false_reject, true_reject)


@given(labelled(scores=st.integers(-5, 5).map(float)))
def test_auroc_does_not_change_under_an_increasing_map_and_mirrors_under_a_decreasing_one(sample):
    defect, scores = sample
    value = ranking.auroc(defect, scores)
    assert ranking.auroc(defect, np.exp(scores)) == value
    assert ranking.auroc(defect, -scores) == pytest.approx(1 - value, rel=0, abs=1e-12)


def test_equal_scores_rank_at_chance():
    defect = [True, False, False, True, False]
    assert ranking.auroc(defect, np.ones(5)) == 0.5
    assert ranking.average_precision(defect, np.ones(5)) == pytest.approx(2 / 5)


def test_infinite_score_ranks_above_every_finite_one():
    assert ranking.auroc([False, True], [1e308, np.inf]) == 1.0
    assert ranking.f1_max([False, True], [1e308, np.inf]) == (1.0, 1e308)


def test_threshold_lies_midway_between_neighbouring_scores():
    np.testing.assert_allclose(
        ranking.cut([False, True, True], [1.0, 2.0, 4.0]).threshold, [4.0, 3.0, 1.5, 1.0]
    )


@pytest.mark.parametrize(
    ("defect", "counts"), [([True] * 3, "0 good and 3"), ([False] * 3, "3 good and 0"), ([], "0 good and 0")]
)
def test_one_class_alone_cannot_be_ranked(defect, counts):
    for metric in (ranking.auroc, ranking.average_precision, ranking.f1_max, ranking.cut):
        with pytest.raises(ValueError, match=f"ranking needs good and defect samples; got {counts} defects"):
            metric(defect, np.arange(len(defect), dtype=float))


@pytest.mark.parametrize("score", [np.nan, -np.inf])
def test_score_that_cannot_be_ranked_is_refused(score):
    with pytest.raises(ValueError, match="must not be NaN or -inf; 1 of 2 are"):
        ranking.auroc([False, True], [score, 1.0])


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="defect must be bool"):
        ranking.auroc([0, 1], [0.0, 1.0])
    with pytest.raises(ValueError, match=r"same length; got \(2,\) and \(3,\)"):
        ranking.auroc([False, True], [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match=r"shape \(N,\); got \(2, 1\)"):
        ranking.auroc([False, True], [[0.0], [1.0]])


def test_input_is_left_as_it_was():
    defect, scores = np.array([True, False, True]), np.array([3.0, 1.0, 2.0], dtype=np.float32)
    ranking.f1_max(defect, scores)
    np.testing.assert_array_equal(defect, [True, False, True])
    np.testing.assert_array_equal(scores, [3.0, 1.0, 2.0])
