import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score

from knowngood.errors import DataError
from knowngood.features import synthetic
from knowngood.features.synthetic import FARTHEST, synthesise

COUNTS = (200, 8, 4)


def problem(seed, counts=COUNTS, dimensions=100, gap=4.0):
    """Classes whose features vary together, the rare ones more; to learn and to test."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(dimensions, dimensions)) * np.arange(1, dimensions + 1) ** -0.7
    means = rng.normal(size=(len(counts), dimensions))
    means *= gap / np.linalg.norm(means, axis=1, keepdims=True)

    def draw(sizes):
        numbers = np.repeat(np.arange(len(sizes)), sizes)
        spread = np.where(numbers == 0, 0.5, 0.75)[:, None]
        noise = rng.normal(size=(len(numbers), dimensions)) @ mixing.T
        return (means[numbers] + spread * noise).astype(np.float32), numbers

    return draw(counts), draw([300] * len(counts))


def test_classes_are_brought_up_to_the_largest_and_that_one_gets_nothing():
    (features, numbers), _ = problem(0)
    made = synthesise(features, numbers, seed=0)
    assert np.bincount(made.numbers, minlength=3).tolist() == [0, 192, 196]
    assert made.features.shape == (388, 100)
    assert made.features.dtype == np.float32
    assert made.numbers.dtype == np.int64
    assert made.made >= made.kept == 388


def test_equal_classes_need_nothing():
    (features, numbers), _ = problem(0, (9, 9))
    made = synthesise(features, numbers, seed=0)
    assert made.features.shape == (0, 100)
    assert made.numbers.shape == (0,)


def test_samples_follow_the_seed_and_leave_their_input_alone():
    (features, numbers), _ = problem(1)
    before = features.copy()
    first, again = (synthesise(features, numbers, seed=3) for _ in range(2))
    np.testing.assert_array_equal(features, before)
    np.testing.assert_array_equal(first.features, again.features)
    other = synthesise(features, numbers, seed=4).features
    assert not np.allclose(first.features[:5], other[:5])


def test_classes_may_have_any_numbers():
    (features, numbers), _ = problem(1)
    made = synthesise(features, numbers, seed=0)
    renamed = synthesise(features, np.array([3, 70, 71])[numbers], seed=0)
    np.testing.assert_array_equal(made.features, renamed.features)
    np.testing.assert_array_equal(renamed.numbers, np.array([3, 70, 71])[made.numbers])


def test_a_classifier_of_other_real_samples_agrees_with_what_is_made():
    shares = []
    for seed in range(10):
        (features, numbers), held_out = problem(seed)
        made = synthesise(features, numbers, seed=seed)
        judge = LogisticRegression(max_iter=1000).fit(*held_out)
        shares.append(judge.score(made.features, made.numbers))
    assert np.mean(shares) > 0.9


def test_samples_vary_as_their_class_does():
    ratios, nearest = [], []
    for seed in range(10):
        (features, numbers), (others, theirs) = problem(seed)
        made = synthesise(features, numbers, seed=seed)
        for kind in (1, 2):
            mine, real = made.features[made.numbers == kind], others[theirs == kind]
            ratios.append(mine.var(axis=0).sum() / real.var(axis=0).sum())
            # In the directions in which the class varies most, though its few samples do not show them.
            leading = np.linalg.svd(real - real.mean(axis=0), full_matrices=False)[2][:10]
            nearest.append((mine @ leading.T).var(axis=0).sum() / (real @ leading.T).var(axis=0).sum())
    assert 0.7 < np.mean(ratios) < 1.3
    assert 0.6 < np.mean(nearest) < 1.4


def test_nothing_lies_farther_from_its_class_than_real_samples_from_each_other():
    (features, numbers), _ = problem(2)
    made = synthesise(features, numbers, seed=0)
    within = features - np.stack([features[numbers == kind].mean(axis=0) for kind in range(3)])[numbers]
    unit = within.std(axis=0)
    for kind in (1, 2):
        real, mine = features[numbers == kind] / unit, made.features[made.numbers == kind] / unit
        between = np.linalg.norm(real[:, None] - real, axis=2)
        np.fill_diagonal(between, np.inf)
        limit = np.quantile(between.min(axis=1), FARTHEST)
        assert np.linalg.norm(mine[:, None] - real, axis=2).min(axis=1).max() <= limit * 1.0001


def test_the_filter_takes_out_outliers_and_samples_of_other_classes(monkeypatch):
    (features, numbers), held_out = problem(3)
    real = synthetic._deviations

    def spoilt(of, count, rng):
        drawn = real(of, count, rng)
        drawn[::3] *= 5  # far away
        mean, others = of.samples.mean(axis=0), spoilt.good
        drawn[1::3] = others[: len(drawn[1::3])] - mean  # good parts
        return drawn

    within = features - np.stack([features[numbers == kind].mean(axis=0) for kind in range(3)])[numbers]
    unit = np.sqrt((within.astype(np.float64) ** 2).mean(axis=0) * 100)
    spoilt.good = held_out[0][held_out[1] == 0] / unit
    monkeypatch.setattr(synthetic, "_deviations", spoilt)
    made = synthesise(features, numbers, seed=0)
    assert made.kept < 0.45 * made.made
    assert LogisticRegression(max_iter=1000).fit(*held_out).score(made.features, made.numbers) > 0.9


def test_a_class_of_which_nothing_looks_right_is_given_up_in_time(monkeypatch):
    (features, numbers), _ = problem(3)
    monkeypatch.setattr(synthetic, "_farthest", lambda real: 0.0)
    made = synthesise(features, numbers, seed=0)
    assert made.kept == 0
    assert made.made == 10 * 388


@pytest.mark.parametrize("dimensions", [100, 600])
def test_rare_classes_are_found_more_often_and_balanced_accuracy_does_not_fall(dimensions):
    recalls = {"without": [], "balanced": [], "with": []}
    for seed in range(20):
        (features, numbers), (others, theirs) = problem(seed, dimensions=dimensions)
        made = synthesise(features, numbers, seed=seed)
        more = np.concatenate([features, made.features]), np.concatenate([numbers, made.numbers])
        for name, data, weight in (
            ("without", (features, numbers), None),
            ("balanced", (features, numbers), "balanced"),
            ("with", more, None),
        ):
            learned = LogisticRegression(C=0.1, max_iter=2000, class_weight=weight).fit(*data)
            recalls[name].append(recall_score(theirs, learned.predict(others), average=None))
    recall = {name: np.mean(each, axis=0) for name, each in recalls.items()}
    assert (recall["with"][1:] > recall["without"][1:] + 0.05).all()
    assert recall["with"].mean() > recall["without"].mean() + 0.03
    assert recall["with"].mean() > recall["balanced"].mean()  # weights alone do less
    assert recall["with"][0] > 0.98


def test_a_class_with_one_sample_or_one_part_is_left_as_it_is():
    (features, numbers), _ = problem(0, (60, 1, 6))
    made = synthesise(features, numbers, seed=0)
    assert np.bincount(made.numbers, minlength=3).tolist() == [0, 0, 54]
    parts = [f"part {row}" if number < 2 else "the same" for row, number in enumerate(numbers)]
    assert synthesise(features, numbers, seed=0, groups=parts).kept == 0


def test_photographs_of_one_part_do_not_make_a_class_look_narrow():
    (features, numbers), _ = problem(4, (80, 6), gap=12.0)
    rng = np.random.default_rng(0)
    twice = np.repeat(features, 2, axis=0) + rng.normal(0, 0.01, (172, 100)).astype(np.float32)
    groups = np.repeat(np.arange(86), 2)
    as_one = synthesise(twice, np.repeat(numbers, 2), seed=0)
    apart = synthesise(twice, np.repeat(numbers, 2), seed=0, groups=groups)
    assert as_one.kept == 0  # hardly anything is as near as two photographs of a part
    assert apart.kept == 148


@pytest.mark.parametrize("counts", [(30, 2), (3, 2), (500, 3, 2, 2)])
def test_two_samples_in_many_dimensions_are_enough_to_go_on(counts):
    (features, numbers), _ = problem(5, counts, dimensions=600, gap=8.0)
    made = synthesise(features, numbers, seed=0)
    assert np.isfinite(made.features).all()
    assert (made.numbers > 0).all()


def test_features_that_never_vary_stay_what_they_are():
    (features, numbers), _ = problem(6)
    features[:, :3] = 7.0
    made = synthesise(features, numbers, seed=0)
    np.testing.assert_allclose(made.features[:, :3], 7.0)
    same = np.repeat(np.eye(2, 5, dtype=np.float32), [6, 3], axis=0)
    copies = synthesise(same, np.repeat([0, 1], [6, 3]), seed=0)
    np.testing.assert_array_equal(copies.features, same[6:])


def test_what_cannot_be_learned_from_is_refused():
    (features, numbers), _ = problem(0)
    with pytest.raises(DataError, match="do not belong together"):
        synthesise(features, numbers[1:], seed=0)
    with pytest.raises(DataError, match="and 3 groups"):
        synthesise(features, numbers, seed=0, groups=["a", "b", "c"])
    with pytest.raises(DataError, match="n at least 1"):
        synthesise(features[:0], numbers[:0], seed=0)
    features[0, 0] = np.nan
    with pytest.raises(DataError, match="NaN"):
        synthesise(features, numbers, seed=0)
