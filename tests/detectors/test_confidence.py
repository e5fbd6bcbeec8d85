import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logsumexp, softmax
from scipy.stats import entropy as entropy_of
from sklearn.covariance import ledoit_wolf

from knowngood.detectors.confidence import (
    LOGIT_SCORES,
    Gaussians,
    LogitScore,
    Neighbours,
    log_msp,
    max_logit,
    nearest_of,
)
from knowngood.features.covariance import LEAST_VARIANCE

NAIVE = {
    "msp": lambda logits, t: np.log(1 - softmax(logits / t, axis=-1).max(axis=-1)),
    "max_logit": lambda logits, t: -logits.max(axis=-1),
    "energy": lambda logits, t: -t * logsumexp(logits / t, axis=-1),
    "entropy": lambda logits, t: np.log(entropy_of(softmax(logits / t, axis=-1), axis=-1)),
}
NO_LOGITS = torch.zeros(0)


def normal(*shape, seed=0, scale=1.0):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("temperature", [0.2, 1.0, 1000.0])
@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("name", LOGIT_SCORES)
def test_a_score_of_logits_is_its_formula(name, classes, temperature):
    logits = normal(50, 3, classes)
    given = LOGIT_SCORES[name](logits, temperature)
    wanted = NAIVE[name](logits.double().numpy(), temperature)
    np.testing.assert_allclose(given.numpy(), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", LOGIT_SCORES)
def test_the_score_of_an_image_is_the_mean_over_its_views(name):
    logits = normal(6, 4, 5)
    wanted = NAIVE[name](logits.double().numpy(), 2.0).mean(axis=1)
    np.testing.assert_allclose(LogitScore(name, 2.0)(NO_LOGITS, logits).numpy(), wanted, rtol=1e-4)


def test_msp_keeps_the_order_where_the_largest_probability_rounds_to_one():
    logits = torch.zeros(60, 3)
    logits[:, 1] = torch.linspace(20, 80, 60)
    assert (1 - logits.softmax(dim=1).amax(dim=1) == 0).all()
    scores = log_msp(logits, 1.0)
    assert (scores.diff() < 0).all()
    np.testing.assert_allclose(scores, np.log(2) - logits[:, 1].double(), rtol=1e-5)


@pytest.mark.parametrize("name", ["msp", "entropy"])
def test_no_digit_is_lost_at_a_cold_temperature(name):
    logits = torch.zeros(80, 3)
    logits[:, 1] = torch.linspace(1, 80, 80)
    scores = LOGIT_SCORES[name](logits, 0.05)
    assert (scores.diff() < 0).all()
    gap = logits[:, 1].double() / 0.05
    largest = gap if name == "msp" else gap - gap.log()  # the rest has a surprise as large as the gap
    np.testing.assert_allclose(scores, np.log(2) - largest, rtol=2e-3, atol=0.02)


@given(arrays(np.float32, (4, 6), elements=st.floats(-50, 50, width=32)), st.floats(0.5, 1000))
@settings(max_examples=50, deadline=None)
def test_msp_is_at_most_that_of_a_guess(logits, temperature):
    scores = log_msp(torch.from_numpy(logits), temperature)
    assert torch.isfinite(scores).all()
    assert (scores <= np.log(1 - 1 / 6) + 1e-5).all()


def test_msp_does_not_depend_on_the_order_of_the_classes():
    logits = normal(20, 5)
    torch.testing.assert_close(log_msp(logits[:, [3, 0, 4, 1, 2]], 1.5), log_msp(logits, 1.5))


def test_temperature_changes_msp_but_never_the_order_of_max_logit():
    logits = normal(40, 5, scale=3)
    assert not torch.equal(log_msp(logits, 1.0).argsort(), log_msp(logits, 100.0).argsort())
    assert (log_msp(logits, 100.0) > log_msp(logits, 1.0)).all()
    orders = [LogitScore("max_logit", t)(NO_LOGITS, logits[:, None]).argsort() for t in (0.01, 1.0, 1000.0)]
    assert torch.equal(orders[0], orders[1])
    assert torch.equal(orders[1], orders[2])
    assert torch.equal(orders[0], max_logit(logits, 1.0).argsort())


EXTREME = [[np.inf, 0], [-np.inf, 0], [np.inf, np.inf], [-np.inf, -np.inf], [np.inf, -np.inf], [1e38, -1e38]]


@pytest.mark.parametrize("temperature", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("name", LOGIT_SCORES)
def test_logits_that_overflow_give_finite_scores(name, temperature):
    logits = torch.tensor(EXTREME, dtype=torch.float32)[:, None]
    assert torch.isfinite(LogitScore(name, temperature)(NO_LOGITS, logits)).all()


@given(
    arrays(np.float32, (2, 2, 3), elements=st.floats(allow_nan=False, width=32)),
    st.floats(1e-3, 1e6),
    st.sampled_from(list(LOGIT_SCORES)),
)
@settings(max_examples=150, deadline=None)
def test_whatever_the_logits_scores_are_finite(logits, temperature, name):
    assert torch.isfinite(LogitScore(name, temperature)(NO_LOGITS, torch.from_numpy(logits))).all()


def naive_mahalanobis(learned, truth, queries):
    """Per view the smallest distance to a class mean under its pooled covariance, summed over the views."""
    learned, queries = learned.double().numpy(), queries.double().numpy()
    scores = np.zeros(len(queries))
    for view in range(learned.shape[1]):
        own, labels = learned[:, view], truth[:, view].numpy()
        means = {kind: own[labels == kind].mean(axis=0) for kind in set(labels.tolist())}
        deviations = np.array([row - means[kind] for row, kind in zip(own, labels.tolist(), strict=True)])
        covariance, _ = ledoit_wolf(deviations)
        floor = LEAST_VARIANCE * max(covariance.trace() / len(covariance), 1.0)
        inverse = np.linalg.inv(covariance + floor * np.eye(len(covariance)))
        for number, point in enumerate(queries[:, view]):
            lengths = [np.sqrt((point - mean) @ inverse @ (point - mean)) for mean in means.values()]
            scores[number] += min(lengths)
    return scores


def test_gaussians_of_one_view_are_mahalanobis_distances_to_the_nearest_class():
    truth = torch.tensor([0, 5, 2] * 10)[:, None]  # numbers with gaps
    centres = normal(6, 4, seed=1, scale=5)
    mixing = normal(4, 4, seed=2)
    learned = (normal(30, 4) @ mixing + centres[truth[:, 0]])[:, None]
    queries = normal(25, 1, 4, seed=3, scale=4)
    scores = Gaussians(learned, truth)(queries, NO_LOGITS)
    np.testing.assert_allclose(scores.numpy(), naive_mahalanobis(learned, truth, queries), rtol=1e-3)


def test_gaussians_of_four_views_are_sums_of_distances_each_by_its_own_gaussian():
    truth = torch.arange(4).expand(12, 4)
    mixing = normal(4, 3, 3, seed=2) * torch.tensor([0.1, 1.0, 3.0, 10.0])[:, None, None]
    learned = torch.einsum("nvd,vde->nve", normal(12, 4, 3), mixing) + normal(4, 3, seed=1, scale=4)
    queries = normal(9, 4, 3, seed=3, scale=3)
    scores = Gaussians(learned, truth)(queries, NO_LOGITS)
    np.testing.assert_allclose(scores.numpy(), naive_mahalanobis(learned, truth, queries), rtol=1e-3)


def test_gaussians_notice_views_in_the_wrong_order():
    learned = normal(12, 4, 3) + normal(4, 3, seed=1, scale=20)
    scorer = Gaussians(learned, torch.arange(4).expand(12, 4))
    right, wrong = scorer(learned, NO_LOGITS), scorer(learned.flip(1), NO_LOGITS)
    assert wrong.min() > right.max()


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_a_feature_that_never_varies_gives_finite_scores(offset):
    truth = torch.tensor([0, 1] * 8)[:, None]
    learned = normal(16, 1, 5)
    learned[..., 2] = offset
    scorer = Gaussians(learned, truth)
    assert torch.isfinite(scorer(learned, NO_LOGITS)).all()
    moved = learned.clone()
    moved[..., 2] += 1
    assert torch.isfinite(scorer(moved, NO_LOGITS)).all()
    assert (scorer(moved, NO_LOGITS) > scorer(learned, NO_LOGITS)).all()


@pytest.mark.parametrize("count", [2, 6])
def test_images_that_are_all_the_same_give_finite_scores(count):
    learned = torch.full((count, 1, 4), 3.0)
    scorer = Gaussians(learned, torch.tensor([0, 1] * (count // 2))[:, None])
    assert scorer(learned, NO_LOGITS).tolist() == [0.0] * count
    assert torch.isfinite(scorer(normal(3, 1, 4), NO_LOGITS)).all()


def naive_distances(bank, queries, count, *, skip=None):
    """The mean distance to the nearest so many, summed over the views; `skip` is a row left out for each."""
    bank, queries = bank.double().numpy(), queries.double().numpy()
    sums = []
    for number, image in enumerate(queries):
        others = bank if skip is None else np.delete(bank, skip[number], axis=0)
        lengths = np.linalg.norm(others - image, axis=-1)  # (M, V)
        sums.append(np.sort(lengths, axis=0)[:count].mean(axis=0).sum())
    return sums


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("views", [1, 4])
def test_neighbours_are_distances_summed_over_the_views(views, count):
    learned, queries = normal(20, views, 6), normal(15, views, 6, seed=1, scale=2)
    kept = torch.tensor([3, 19, 0, 7, 11])
    scores = Neighbours(learned, kept, count=count)(queries, NO_LOGITS)
    np.testing.assert_allclose(scores.numpy(), naive_distances(learned[kept], queries, count), rtol=1e-4)


def test_more_neighbours_than_samples_are_all_samples():
    learned, queries = normal(3, 1, 4), normal(5, 1, 4, seed=1)
    scores = Neighbours(learned, torch.arange(3), count=1000)(queries, NO_LOGITS)
    np.testing.assert_allclose(scores.numpy(), naive_distances(learned, queries, 3), rtol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("views", [1, 4])
def test_no_sample_is_compared_with_itself(views, count):
    learned = normal(12, views, 6)
    kept = torch.tensor([8, 2, 5, 11, 0])
    scorer = Neighbours(learned, kept, count=count)
    scores = scorer.of_learned(learned, NO_LOGITS)
    wanted = naive_distances(learned[kept], learned[kept], count, skip=range(5))
    np.testing.assert_allclose(scores[kept].numpy(), wanted, rtol=1e-4)
    rest = torch.tensor([1, 3, 4, 6, 7, 9, 10])
    torch.testing.assert_close(scores[rest], scorer(learned, NO_LOGITS)[rest])


def test_scores_of_other_kinds_are_the_same_for_samples_learned_from():
    features, logits = normal(8, 1, 3), normal(8, 1, 2, seed=1)
    gaussians = Gaussians(features, torch.tensor([0, 1] * 4)[:, None])
    for scorer in (gaussians, LogitScore("energy", 2.0)):
        torch.testing.assert_close(scorer.of_learned(features, logits), scorer(features, logits))


@pytest.mark.parametrize(("most", "kept"), [(1, 1), (7, 7), (20, 20), (4000, 20)])
def test_so_many_samples_are_remembered_each_once(most, kept):
    scorer = nearest_of(normal(20, 2, 3), most=most, neighbours=1, seed=0)
    assert len(set(scorer.kept.tolist())) == len(scorer.kept) == kept
    assert set(scorer.kept.tolist()) <= set(range(20))
    assert scorer.points.shape == (2, kept, 3)


def test_the_seed_draws_them():
    def draw(seed):
        return nearest_of(normal(20, 1, 3), most=6, neighbours=1, seed=seed).kept.tolist()

    assert draw(4) == draw(4)
    assert len({tuple(sorted(draw(seed))) for seed in range(5)}) == 5
