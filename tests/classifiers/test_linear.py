import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from knowngood.classifiers import linear
from knowngood.classifiers.linear import (
    STRENGTHS,
    HeadSettings,
    Linear,
    Samples,
    as_rows,
    balance,
    fit_linear,
    out_of_fold,
    record_of_head,
    select_linear,
)
from knowngood.metrics.classification import losses
from knowngood.metrics.reliability import fit_temperature
from knowngood.types import silent

BLOCKS = [2, 6]
NAMES = ["good", "dent", "hole"]


def draw(counts, *, views=1, seed=0, apart=1.5, groups=None):
    """Samples of kinds whose features overlap, of other means and spreads, in two blocks."""
    rng = np.random.default_rng(seed)
    numbers = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    centres = rng.normal(size=(len(counts), sum(BLOCKS)))
    features = apart * centres[numbers][:, None] + rng.normal(size=(len(numbers), views, sum(BLOCKS)))
    scale, offset = rng.uniform(0.1, 20, sum(BLOCKS)), rng.uniform(-5, 5, sum(BLOCKS))
    return Samples((features * scale + offset).astype(np.float32), numbers, BLOCKS, groups)


def head_settings(imbalance="class_weights", *, agreement="mean", synthetic=False, seed=0):
    return HeadSettings(imbalance, agreement, synthetic, seed)


def shares(head, features):
    return head(torch.from_numpy(features)).softmax(dim=-1).numpy()


class TestFitLinear:
    @pytest.mark.parametrize("counts", [[30, 9], [40, 10, 6]])
    @pytest.mark.parametrize("strength", [1.0, 30.0])
    def test_is_scikit_learns_logistic_regression(self, counts, strength):
        samples = draw(counts)
        rows = samples.features[:, 0].astype(np.float64)
        standard = (rows - rows.mean(axis=0)) / (rows.std(axis=0) + 1e-3)
        scaled = np.concatenate([standard[:, :2] / np.sqrt(2), standard[:, 2:] / np.sqrt(6)], axis=1)
        given = shares(fit_linear(samples, len(counts), strength, head_settings()), samples.features)[:, 0]
        for most, tolerance in ((1e-3, 2e-3), (1e-8, 0.03)):  # stopped as early, and at the optimum
            theirs = LogisticRegression(C=strength, class_weight="balanced", tol=most, max_iter=10_000)
            expected = theirs.fit(scaled, samples.numbers).predict_proba(scaled)
            np.testing.assert_allclose(given, expected, atol=tolerance)
            assert expected.std(axis=0).min() > 0.1

    def test_without_weights_it_leans_to_the_frequent_kind(self):
        samples = draw([60, 6], apart=0.5)
        rows = samples.features[:, 0]
        plain = shares(fit_linear(samples, 2, 1.0, head_settings("none")), rows)
        weighted = shares(fit_linear(samples, 2, 1.0, head_settings()), rows)
        assert plain[:, 1].mean() == pytest.approx(0.1, abs=0.03)
        assert weighted[:, 1].mean() > 0.2

    def test_views_of_an_image_count_as_one_sample(self):
        one = draw([20, 8, 5])
        thrice = one._replace(features=np.repeat(one.features, 3, axis=1))
        rows = one.features[:, 0]
        expected = shares(fit_linear(one, 3, 10.0, head_settings()), rows)
        np.testing.assert_allclose(
            shares(fit_linear(thrice, 3, 10.0, head_settings()), rows), expected, atol=5e-3
        )

    def test_the_size_of_a_block_does_not_matter(self):
        """A block of the same feature many times says no more than the feature alone."""
        rng = np.random.default_rng(3)
        numbers = np.repeat([0, 1], 30)
        two = (rng.normal(size=(60, 1, 2)) + numbers[:, None, None]).astype(np.float32)
        wide = np.concatenate([two[:, :, :1], np.repeat(two[:, :, 1:], 50, axis=2)], axis=2)
        narrow = fit_linear(Samples(two, numbers, [1, 1], None), 2, 1.0, head_settings())
        broad = fit_linear(Samples(wide, numbers, [1, 50], None), 2, 1.0, head_settings())
        np.testing.assert_allclose(shares(broad, wide[:, 0]), shares(narrow, two[:, 0]), atol=5e-3)

    def test_a_constant_feature_does_no_harm(self):
        samples = draw([20, 10])
        samples.features[..., 3] = 7
        head = fit_linear(samples, 2, 1.0, head_settings())
        assert torch.isfinite(head(torch.from_numpy(samples.features))).all()
        assert head.weight[:, 3].abs().max() < 1e-6

    def test_a_kind_that_is_not_there_is_never_said(self):
        samples = draw([20, 10])
        moved = samples._replace(numbers=np.where(samples.numbers == 1, 2, 0))
        head = fit_linear(moved, 3, 10.0, head_settings())
        said = shares(head, samples.features[:, 0])
        assert said[:, 1].max() < 1e-6
        whole = fit_linear(samples, 2, 10.0, head_settings())
        np.testing.assert_allclose(said[:, [0, 2]], shares(whole, samples.features[:, 0]), atol=1e-5)

    def test_features_of_any_shape_before_the_last(self):
        head = fit_linear(draw([20, 10, 8]), 3, 1.0, head_settings())
        many = torch.randn(2, 4, 5, 8, generator=torch.Generator().manual_seed(0))
        logits = head(many)
        assert logits.shape == (2, 4, 5, 3)
        torch.testing.assert_close(logits[1, 2, 3], head(many[1, 2, 3]))

    def test_made_samples_change_it(self):
        samples = draw([40, 6], apart=1.0)
        plain, filled = (
            shares(fit_linear(samples, 2, 1.0, head_settings("none", synthetic=made)), samples.features[:, 0])
            for made in (False, True)
        )
        assert filled[:, 1].mean() > plain[:, 1].mean() + 0.02


class TestImbalance:
    def test_undersampling_keeps_as_many_of_each_and_the_seed_decides_which(self):
        samples = draw([30, 9, 4])
        found = balance(samples, 3, head_settings("undersampling"))
        assert np.bincount(found.numbers).tolist() == [4, 4, 4]
        assert found.images == len(np.unique(found.rows, axis=0)) == 12
        np.testing.assert_array_equal(balance(samples, 3, head_settings("undersampling")).rows, found.rows)
        assert not np.array_equal(
            balance(samples, 3, head_settings("undersampling", seed=1)).rows, found.rows
        )

    @pytest.mark.parametrize("method", ["none", "class_weights", "logit_adjustment", "auto"])
    def test_all_others_keep_all_in_their_order(self, method):
        samples = draw([30, 9], views=2)
        found = balance(samples, 2, head_settings(method))
        np.testing.assert_array_equal(found.rows, samples.features.reshape(78, -1))
        np.testing.assert_array_equal(found.numbers, np.repeat(samples.numbers, 2))
        assert found.images == 39

    @pytest.mark.parametrize("method", ["class_weights", "auto"])
    def test_weights_make_kinds_equal(self, method):
        found = balance(draw([30, 9, 4]), 3, head_settings(method))
        np.testing.assert_allclose(np.bincount(found.numbers, found.weights), 43 / 3)
        assert balance(draw([30, 9, 4]), 3, head_settings("none")).weights.tolist() == [1] * 43

    def test_undersampling_learns_from_what_is_kept_alone(self):
        samples = draw([30, 9])
        kept = balance(samples, 2, head_settings("undersampling", seed=5))
        part = samples._replace(features=kept.rows[:, None], numbers=kept.numbers)
        one = fit_linear(samples, 2, 1.0, head_settings("undersampling", seed=5))
        other = fit_linear(part, 2, 1.0, head_settings("none", seed=5))
        for name, tensor in one.state_dict().items():
            assert torch.equal(tensor, other.state_dict()[name])

    def test_logit_adjustment_takes_the_log_share_from_the_plain_answer(self):
        samples = draw([30, 9, 4])
        rows = torch.from_numpy(samples.features[:, 0])
        plain = fit_linear(samples, 3, 1.0, head_settings("none"))(rows)
        adjusted = fit_linear(samples, 3, 1.0, head_settings("logit_adjustment"))(rows)
        expected = -np.log(np.array([30, 9, 4]) / 43)
        np.testing.assert_allclose((adjusted - plain).numpy(), np.tile(expected, (43, 1)), atol=1e-4)
        np.testing.assert_allclose(balance(samples, 3, head_settings("logit_adjustment")).shift, -expected)
        assert balance(samples, 3, head_settings()).shift.tolist() == [0, 0, 0]

    def test_rare_kinds_are_filled_up_behind_the_real_samples(self):
        samples = draw([30, 6], views=2)
        rows, numbers = as_rows(samples, head_settings(synthetic=True))
        np.testing.assert_array_equal(rows[:72].reshape(samples.features.shape), samples.features)
        np.testing.assert_array_equal(numbers[:72], np.repeat(samples.numbers, 2))
        assert len(rows) == len(numbers) > 72
        assert set(numbers[72:].tolist()) == {1}
        assert np.isfinite(rows).all()
        assert len(as_rows(samples, head_settings())[0]) == 72


class Memory(nn.Module):
    """Says the second kind of features that it has learned from, else the first."""

    def __init__(self, part):
        super().__init__()
        self.known = torch.from_numpy(part.features.reshape(-1, part.features.shape[2]))

    def forward(self, features):
        known = (features[..., None, :] == self.known).all(dim=-1).any(dim=-1).float()
        return torch.stack([1 - known, known], dim=-1)


class TestOutOfFold:
    def test_no_answer_is_of_a_classifier_that_learned_from_the_image(self):
        samples = draw([23, 8], views=2)
        learned = []

        def learn(part):
            learned.append(len(part.numbers))
            return Memory(part)

        answers = out_of_fold(samples, 2, learn, head_settings(), silent)
        assert answers.dtype == np.float32
        assert answers.argmax(axis=1).tolist() == [0] * 31
        # Each was learned from by all the others, so the memory works.
        assert sum(31 - count for count in learned) == 31
        assert len(learned) == 5
        assert Memory(samples)(torch.from_numpy(samples.features)).argmax(dim=-1).all()

    def test_nor_of_one_that_learned_from_the_same_part(self):
        samples = draw([24, 8])
        twins = samples._replace(
            features=np.repeat(samples.features[:16], 2, axis=0),
            numbers=np.repeat(samples.numbers[:16], 2),
            groups=[str(place // 2) for place in range(32)],
        )
        apart = out_of_fold(twins, 2, Memory, head_settings(), silent)
        assert apart.argmax(axis=1).tolist() == [0] * 32
        careless = out_of_fold(twins._replace(groups=None), 2, Memory, head_settings(), silent)
        assert careless.argmax(axis=1).sum() > 10

    def test_an_images_own_kind_has_no_part_in_its_answer(self, monkeypatch):
        samples = draw([20, 10])
        fold_of = np.arange(30) % 5  # else other kinds would divide the images in another way
        monkeypatch.setattr(linear, "folds", lambda *_: fold_of)

        def answers(numbers):
            return out_of_fold(
                samples._replace(numbers=numbers),
                2,
                lambda part: fit_linear(part, 2, 1.0, head_settings("none")),
                head_settings("none"),
                silent,
            )

        before = answers(samples.numbers)
        for place in (0, 7, 29):
            numbers = samples.numbers.copy()
            numbers[place] = 1 - numbers[place]
            after = answers(numbers)
            own = fold_of == fold_of[place]
            np.testing.assert_array_equal(after[own], before[own])
            assert (after[~own] != before[~own]).any(axis=1).all()

    @pytest.mark.parametrize("agreement", ["mean", "vote"])
    def test_views_become_one_answer(self, agreement):
        samples = draw([20, 10], views=4)
        answers = out_of_fold(
            samples,
            2,
            lambda part: fit_linear(part, 2, 1.0, head_settings()),
            head_settings(agreement=agreement),
            silent,
        )
        assert answers.shape == (30, 2)
        total = np.exp(answers.astype(np.float64)).sum(axis=1)  # they are logarithms of shares
        np.testing.assert_allclose(total, 1, rtol=1e-5)

    def test_progress_is_told(self):
        told = []
        out_of_fold(draw([20, 10]), 2, Memory, head_settings(), lambda *what: told.append(what))
        assert told == [("answering out of fold", done, 5) for done in range(1, 6)]


class TestSelectLinear:
    @pytest.fixture
    def samples(self):
        return draw([40, 12, 8], apart=0.8)

    def test_the_strength_with_the_least_balanced_loss_is_taken(self, samples):
        head, learned = select_linear(samples, NAMES, head_settings(), silent)
        loss = {}
        for strength in STRENGTHS:
            logits = out_of_fold(
                samples,
                3,
                lambda part, c=strength: fit_linear(part, 3, c, head_settings()),
                head_settings(),
                silent,
            )
            each = losses(logits, samples.numbers, fit_temperature(logits, samples.numbers))
            loss[strength] = np.mean([each[samples.numbers == number].mean() for number in range(3)])
            if f"C = {strength:g} " in learned.notes[-1]:
                np.testing.assert_array_equal(learned.logits, logits)
                expected = fit_linear(samples, 3, strength, head_settings())
                assert torch.equal(head.weight, expected.weight)
        best = min(loss, key=loss.get)
        assert f"C = {best:g} (of 1, 10, 100 " in learned.notes[-1]
        assert len(set(loss.values())) == 3

    def test_what_is_kept_of_it(self, samples):
        head, learned = select_linear(samples, NAMES, head_settings(), silent)
        assert isinstance(head, Linear)
        assert learned.names == NAMES
        assert learned.counts == [40, 12, 8]
        np.testing.assert_array_equal(learned.truth, samples.numbers)
        said = head(torch.from_numpy(samples.features[:, 0])).numpy()
        assert learned.train_accuracy == pytest.approx((said.argmax(axis=1) == samples.numbers).mean())
        assert learned.train_accuracy > (learned.logits.argmax(axis=1) == samples.numbers).mean() - 0.05
        doubt = 1 / (2 + len(samples.numbers))
        assert learned.temperature == fit_temperature(learned.logits, samples.numbers, doubt=doubt)
        assert learned.notes[0].startswith("imbalance: class_weights (asked for)")
        again = record_of_head(samples, NAMES, learned.logits, head, head_settings("auto"), ["and more"])
        assert again.notes[0].startswith("imbalance: class_weights (the largest class is 5.0 times")
        assert again.notes[1:] == ["and more"]

    def test_progress_is_told_to_its_end(self, samples):
        told = []
        select_linear(samples, NAMES, head_settings(), lambda *what: told.append(what))
        assert told == [("answering out of fold", done, 15) for done in range(1, 16)]
