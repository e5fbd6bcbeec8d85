import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from knowngood.metrics import paired
from knowngood.metrics.paired import paired_difference

DEFECT = np.array([False] * 5 + [True] * 4)


def scores(seed, shape=(3, 9)):
    """Scores with ties."""
    return np.random.default_rng(seed).integers(0, 6, shape) + 2 * np.resize(DEFECT, shape[-1])


def by_hand(defect, one, other, confidence, resamples, seed):
    """Each draw written out as samples, and measured by scikit-learn."""
    rng = np.random.default_rng(seed)
    counts = {}
    for chosen in (defect, ~defect):
        number = int(chosen.sum())
        drawn = rng.multinomial(number, np.full(number, 1 / number), size=resamples)
        for row in range(resamples):
            counts.setdefault(row, np.zeros(len(defect), int))[chosen] = drawn[row]
    differences = []
    for row in range(resamples):
        taken = np.repeat(np.arange(len(defect)), counts[row])
        areas = [
            np.mean([roc_auc_score(defect[taken], seed[taken]) for seed in each]) for each in (one, other)
        ]
        differences.append(areas[0] - areas[1])
    return np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2])


def test_against_draws_that_are_written_out():
    one, other = scores(0), scores(1)
    found = paired_difference(DEFECT, one, other, confidence=0.9, resamples=300, seed=5)
    areas = [np.mean([roc_auc_score(DEFECT, seed) for seed in each]) for each in (one, other)]
    assert found.value == pytest.approx(areas[0] - areas[1])
    assert found[1:] == pytest.approx(by_hand(DEFECT, one, other, 0.9, 300, 5))


def test_pieces_give_the_same(monkeypatch):
    one, other = scores(2), scores(3)
    whole = paired_difference(DEFECT, one, other, resamples=50)
    monkeypatch.setattr(paired, "_CELLS", 6)
    assert paired_difference(DEFECT, one, other, resamples=50) == pytest.approx(whole)


def test_swapped_detectors_swap_the_interval():
    value, low, high = paired_difference(DEFECT, scores(4), scores(5))
    assert paired_difference(DEFECT, scores(5), scores(4)) == pytest.approx((-value, -high, -low))


def test_the_same_scores_do_not_differ():
    assert paired_difference(DEFECT, scores(6), scores(6)) == (0, 0, 0)
    assert paired_difference(DEFECT, scores(6), 3 * scores(6) + 1) == (0, 0, 0)


def test_pairing_makes_the_interval_narrow():
    """Two detectors whose scores agree but for little noise differ less than two that share nothing."""
    rng = np.random.default_rng(0)
    defect = np.arange(400) % 2 == 0
    common = rng.normal(size=400) + defect
    similar, other = common + rng.normal(0, 0.05, 400), rng.normal(size=400) + defect
    widths = [high - low for _, low, high in (paired_difference(defect, common, x) for x in (similar, other))]
    assert widths[0] < widths[1] / 5


def test_the_interval_covers_the_true_difference_as_often_as_it_says():
    truth = norm.cdf(1.5 / 2**0.5) - norm.cdf(1 / 2**0.5)
    defect, covered = np.arange(160) % 2 == 0, 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        one, other = (rng.normal(size=160) + shift * defect for shift in (1.5, 1.0))
        _, low, high = paired_difference(defect, one, other, resamples=400)
        covered += low <= truth <= high
    assert 0.88 <= covered / 100 <= 0.99


@pytest.mark.parametrize("defect", [[True, True], [False, False]])
def test_one_label_alone(defect):
    with pytest.raises(ValueError, match="needs good and defect samples"):
        paired_difference(defect, [1, 2], [1, 2])


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="do not fit labels"):
        paired_difference([True, False], [1, 2, 3], [1, 2, 3])
    with pytest.raises(ValueError, match="do not fit labels"):
        paired_difference([True, False], [[1, 2]], [[1, 2], [3, 4]])
