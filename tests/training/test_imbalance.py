import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from knowngood.errors import RecipeError
from knowngood.training.imbalance import (
    AUTO,
    FIXED_FEATURES,
    METHODS,
    WHEN,
    ClassLoss,
    choose,
    epoch_rows,
    log_shares,
    sample_weights,
)

PLAIN = ("none", "weighted_sampler", "oversampling", "undersampling")
PERMUTED = ("none", "class_weights", "focal", "logit_adjustment", "deferred_reweighting")

COUNTS = [60, 6, 30]

sets = st.lists(st.integers(0, 3), min_size=1, max_size=40).map(lambda labels: np.array(labels, np.int64))


def batch(count=40, classes=3):
    rng = np.random.default_rng(0)
    logits = 3 * rng.normal(size=(count, classes))
    return logits, rng.integers(0, classes, count)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def naive(method, logits, labels, counts, late=False):
    """The loss, image by image."""
    counts = np.maximum(counts, 1)
    total = weight_sum = 0.0
    for row, label in zip(logits, labels, strict=True):
        if method == "logit_adjustment":
            row = row + np.log(counts / counts.sum())
        chance = (np.exp(row) / np.exp(row).sum())[label]
        weight, loss = 1.0, -np.log(chance)
        if method == "focal":
            loss *= (1 - chance) ** 2
        if method == "class_weights":
            weight = counts.sum() / (len(counts) * counts[label])
        if method == "deferred_reweighting" and late:
            weight = (1 - 0.9999) / (1 - 0.9999 ** counts[label])
        total += weight * loss
        weight_sum += weight
    return total / weight_sum


def lost(method, logits, labels, counts=COUNTS, late=False, **settings):
    loss = ClassLoss(method, counts, **settings)
    return loss(torch.tensor(logits), torch.tensor(labels), late=late).item()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("counts", [COUNTS, [60, 0, 30]])
def test_each_loss_against_a_naive_one(method, late, counts):
    logits, labels = batch()
    expected = naive(method, logits, labels, np.array(counts), late)
    assert lost(method, logits, labels, counts, late) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("method", ["deferred_reweighting", *PLAIN])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_what_is_plain_cross_entropy(method, label_smoothing):
    logits, labels = batch()
    expected = F.cross_entropy(torch.tensor(logits), torch.tensor(labels), label_smoothing=label_smoothing)
    found = lost(method, logits, labels, label_smoothing=label_smoothing)
    assert found == pytest.approx(expected.item(), rel=1e-5)


def test_logit_adjustment_is_for_training_only():
    logits, labels = batch()
    loss = ClassLoss("logit_adjustment", COUNTS).eval()
    found = loss(torch.tensor(logits), torch.tensor(labels)).item()
    assert found == pytest.approx(naive("none", logits, labels, np.array(COUNTS)), rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("late", [False, True])
@given(size=st.integers(1, 10**6), classes=st.integers(2, 6))
def test_of_equal_classes_only_focal_loss_is_not_cross_entropy(method, late, size, classes):
    logits, labels = batch(classes=classes)
    plain = naive("none", logits, labels, np.array([size] * classes))
    found = lost(method, logits, labels, [size] * classes, late)
    assert (found < plain) if method == "focal" else (found == pytest.approx(plain, rel=1e-5))


def test_class_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.repeat([0, 1, 2], COUNTS)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(ClassLoss("class_weights", COUNTS).weights.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("labels", [np.repeat([0, 1, 2], COUNTS), np.array([0, 0, 0, 2])])
def test_weights_of_samples_are_those_of_scikit_learn(labels):
    from sklearn.utils.class_weight import compute_sample_weight

    expected = compute_sample_weight("balanced", labels)
    np.testing.assert_array_equal(sample_weights("class_weights", labels), expected)
    for method in ("none", "undersampling", "logit_adjustment"):
        assert sample_weights(method, labels).tolist() == [1] * len(labels)


def test_an_empty_class_has_the_share_of_one_sample():
    np.testing.assert_allclose(np.exp(log_shares([6, 0, 3])), [0.6, 0.1, 0.3])


def test_weights_by_the_effective_number_sum_to_the_number_of_classes():
    weights = ClassLoss("deferred_reweighting", [10, 100_000, 1_000_000]).weights
    assert weights.sum().item() == pytest.approx(3)
    # The effective number ends at ten thousand: ten times as many images weigh the same.
    assert (weights[1] / weights[2]).item() == pytest.approx(1, rel=1e-3)
    assert (weights[0] / weights[2]).item() == pytest.approx(1000, rel=1e-2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_losses_and_slopes_are_finite_with_empty_classes_and_extreme_logits(method, scale):
    logits = (scale * torch.eye(3)).requires_grad_()
    for labels in (torch.tensor([0, 1, 2]), torch.tensor([1, 1, 1])):
        loss = ClassLoss(method, [5, 0, 900])(logits, labels, late=True)
        assert torch.isfinite(loss)
        (slope,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(slope).all()


def test_half_precision_logits_give_a_float32_loss():
    logits, labels = batch()
    loss = ClassLoss("focal", COUNTS)(torch.tensor(logits).bfloat16(), torch.tensor(labels))
    assert loss.dtype == torch.float32


def test_weights_move_with_the_module():
    assert set(ClassLoss("none", COUNTS).state_dict()) == {"weights", "log_share"}


def counted(labels, rows):
    return np.bincount(labels[rows], minlength=4)


@pytest.mark.parametrize("method", METHODS)
@given(labels=sets, seed=st.integers(0, 99))
def test_a_pass_has_only_rows_to_learn_from_and_the_seed_decides_it(method, labels, seed):
    rows = np.flatnonzero(np.arange(len(labels)) % 3 != 1)
    before = rows.copy()
    one, other = (epoch_rows(method, labels, rows, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(one, other)
    assert set(one.tolist()) <= set(rows.tolist())
    assert np.array_equal(rows, before)
    assert one.dtype == np.int64
    if method in PERMUTED:
        assert np.array_equal(np.sort(one), rows)


@given(labels=sets, seed=st.integers(0, 99))
def test_oversampling_takes_every_row_and_makes_classes_equal(labels, seed):
    rows = np.arange(len(labels))
    drawn = epoch_rows("oversampling", labels, rows, np.random.default_rng(seed))
    sizes = counted(labels, rows)
    assert counted(labels, drawn).tolist() == [sizes.max() if size else 0 for size in sizes]
    times = np.bincount(drawn, minlength=len(rows))
    assert times.min() >= 1
    for label in set(labels.tolist()):
        assert np.ptp(times[labels == label]) <= 1


@given(labels=sets, seed=st.integers(0, 99))
def test_undersampling_takes_as_many_as_the_smallest_class_has_none_twice(labels, seed):
    rows = np.arange(len(labels))
    drawn = epoch_rows("undersampling", labels, rows, np.random.default_rng(seed))
    sizes = counted(labels, rows)
    assert counted(labels, drawn).tolist() == [sizes[sizes > 0].min() if size else 0 for size in sizes]
    assert len(set(drawn.tolist())) == len(drawn)


def test_undersampling_takes_other_rows_in_the_next_pass():
    labels = np.repeat([0, 1], [500, 20])
    rng = np.random.default_rng(0)
    passes = [set(epoch_rows("undersampling", labels, np.arange(520), rng).tolist()) for _ in range(100)]
    assert passes[0] != passes[1]
    assert len(set.union(*passes)) > 500


def test_the_weighted_sampler_draws_each_class_equally_often_and_each_row_of_a_class():
    labels = np.repeat([0, 1, 2], [8000, 100, 1900])
    drawn = epoch_rows("weighted_sampler", labels, np.arange(10_000), np.random.default_rng(0))
    assert len(drawn) == 10_000
    np.testing.assert_allclose(np.bincount(labels[drawn]) / 10_000, 1 / 3, atol=0.02)
    times = np.bincount(drawn, minlength=10_000)[labels == 1]
    assert times.min() > 10
    assert times.max() < 60


@pytest.mark.parametrize("method", METHODS)
def test_classes_are_mixed_within_a_pass(method):
    labels = np.repeat([0, 1], [400, 300])
    drawn = labels[epoch_rows(method, labels, np.arange(700), np.random.default_rng(0))]
    assert 0.3 < drawn[: len(drawn) // 2].mean() < 0.6


@pytest.mark.parametrize("method", METHODS)
def test_without_rows_a_pass_is_empty(method):
    nothing = np.array([], np.int64)
    assert len(epoch_rows(method, np.array([0, 1]), nothing, np.random.default_rng(0))) == 0


@pytest.mark.parametrize(
    ("counts", "method"),
    [
        ([], "none"),
        ([7, 0], "none"),
        ([100, 80], "none"),
        ([100, 40], "class_weights"),
        ([200, 20], "weighted_sampler"),
        ([200, 5], "weighted_sampler"),
        ([200, 5, 60], "logit_adjustment"),
        ([200, 20, 60], "weighted_sampler"),
        ([9000, 300], "undersampling"),
        ([9000, 30], "weighted_sampler"),
        ([9000, 0, 4000], "class_weights"),
    ],
)
def test_the_choice_by_sizes(counts, method):
    choice = choose(AUTO, counts)
    assert choice.method == method
    assert "\n" not in choice.why
    if method != "none":
        assert str(max(counts)) in choice.why
        assert str(min(count for count in counts if count)) in choice.why


@pytest.mark.parametrize("counts", [[7, 8], [30, 4, 10], [9000, 0, 30], [9000, 300]])
def test_for_fixed_features_weights_are_chosen_whatever_the_sizes(counts):
    choice = choose(AUTO, counts, fixed=True)
    assert choice.method == "class_weights"
    ratio = max(counts) / min(count for count in counts if count)
    assert choice.why.startswith(f"the largest class is {ratio:.1f} times the smallest")


@given(counts=st.lists(st.integers(0, 10**5), max_size=6))
def test_something_known_is_always_chosen_whatever_the_order(counts):
    choice = choose(AUTO, counts)
    assert choice.method in METHODS
    assert choose(AUTO, counts[::-1]) == choice


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_is_asked_for_is_taken(method):
    assert choose(method, [1, 1000]) == (method, "asked for")
    assert WHEN[method].endswith(".")


def test_an_unknown_method_is_refused():
    with pytest.raises(RecipeError, match="method='smote' must be one of auto, none, class_weights"):
        choose("smote", COUNTS)
    with pytest.raises(
        RecipeError, match=f"method='focal' must be one of auto, {', '.join(FIXED_FEATURES)}$"
    ):
        choose("focal", COUNTS, fixed=True)
    with pytest.raises(RecipeError, match="method='auto' must be one of none, class_weights"):
        ClassLoss(AUTO, COUNTS)
    with pytest.raises(RecipeError, match="method='auto' must be one of none, class_weights"):
        epoch_rows(AUTO, np.array([0]), np.array([0]), np.random.default_rng(0))
