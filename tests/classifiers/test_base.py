import numpy as np
import pytest
import torch

from knowngood.classifiers.base import check_readable, class_activation, combine_views, log_odds, score_views
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.errors import DataError

RNG = np.random.default_rng(0)
WEIGHT, BIAS = RNG.normal(size=(3, 9)).astype(np.float32), RNG.normal(size=3).astype(np.float32)


def maps(*sides):
    return [RNG.normal(size=(2, 4 + i, *side)).astype(np.float32) for i, side in enumerate(sides)]


def activate(levels):
    weight = torch.from_numpy(WEIGHT[:, : sum(level.shape[1] for level in levels)])
    return class_activation(list(map(torch.from_numpy, levels)), weight, torch.from_numpy(BIAS)).numpy()


class TestClassActivation:
    def test_each_place_is_what_the_classifier_says_of_its_features(self):
        [level] = maps((3, 5))
        places = activate([level])
        assert places.shape == (2, 3, 3, 5)
        for image in range(2):
            for row in range(3):
                for column in range(5):
                    expected = WEIGHT[:, :4] @ level[image, :, row, column] + BIAS
                    np.testing.assert_allclose(places[image, :, row, column], expected, rtol=1e-4, atol=1e-5)

    def test_their_mean_is_the_answer_where_all_maps_are_of_one_size(self):
        levels = maps((4, 6), (4, 6))
        means = np.concatenate([level.mean(axis=(2, 3)) for level in levels], axis=1)
        np.testing.assert_allclose(
            activate(levels).mean(axis=(2, 3)), means @ WEIGHT.T + BIAS, rtol=1e-4, atol=1e-5
        )

    def test_coarser_maps_are_brought_to_the_finest(self):
        fine, _ = maps((4, 8), (2, 4))
        coarse = np.tile(
            RNG.normal(size=(2, 5, 1, 1)).astype(np.float32), (1, 1, 2, 4)
        )  # the same everywhere
        places = activate([fine, coarse])
        assert places.shape == (2, 3, 4, 8)
        finely = np.tile(coarse, (1, 1, 2, 2))
        np.testing.assert_allclose(places, activate([fine, finely]), rtol=1e-4, atol=1e-5)

    def test_what_is_at_a_coarse_place_is_seen_there(self):
        fine = np.zeros((1, 4, 8, 8), np.float32)
        coarse = np.zeros((1, 5, 4, 4), np.float32)
        coarse[0, :, 1, 3] = WEIGHT[0, 4:]  # evidence for the first class
        row, column = np.unravel_index(activate([fine, coarse])[0, 0].argmax(), (8, 8))
        assert row // 2 == 1
        assert column // 2 == 3


class TestLogOdds:
    def test_are_those_of_the_softmax(self):
        logits = RNG.normal(size=(6, 4)) * 3
        shares = np.exp(logits / 2.5) / np.exp(logits / 2.5).sum(axis=1, keepdims=True)
        given = log_odds(torch.from_numpy(logits), 2.5).numpy()
        np.testing.assert_allclose(given, np.log((1 - shares[:, 0]) / shares[:, 0]))

    def test_of_each_place_are_those_of_its_logits(self):
        logits = torch.from_numpy(RNG.normal(size=(2, 4, 3, 5)))
        places = log_odds(logits, 0.7)
        assert places.shape == (2, 3, 5)
        torch.testing.assert_close(places[:, 1, 2], log_odds(logits[:, :, 1, 2], 0.7))

    def test_of_two_kinds_are_the_difference(self):
        logits = torch.tensor([[1.0, 3.0], [2.0, -6.0]])
        torch.testing.assert_close(log_odds(logits, 2.0), torch.tensor([1.0, -4.0]))

    def test_of_large_logits_are_finite(self):
        given = log_odds(torch.tensor([[3e4, -3e4, -2e4], [-3e4, 2e4, 3e4]]), 0.05)
        torch.testing.assert_close(given, torch.tensor([-1e6, 1.2e6]))


class TestAgreement:
    VIEWS = torch.tensor([[[0.0, 1.0], [0.0, 1.0], [9.0, 0.0]]])

    def test_by_mean_probability_or_by_majority(self):
        assert combine_views(self.VIEWS, "mean").argmax(dim=1).tolist() == [0]
        assert combine_views(self.VIEWS, "vote").argmax(dim=1).tolist() == [1]
        expected = self.VIEWS.softmax(dim=2).mean(dim=1).log()
        torch.testing.assert_close(combine_views(self.VIEWS, "mean"), expected)

    def test_one_view_is_taken_as_it_is(self):
        for how in ("mean", "vote"):
            assert torch.equal(combine_views(self.VIEWS[:, :1], how), self.VIEWS[:, 0])

    def test_an_answer_has_one_row_an_image(self):
        features = torch.arange(6.0).reshape(1, 3, 2)
        scores = score_views(self.VIEWS, features, 2.0, "mean", None)
        torch.testing.assert_close(scores.extras["logits"], combine_views(self.VIEWS, "mean")[:, None])
        torch.testing.assert_close(scores.image, log_odds(combine_views(self.VIEWS, "mean"), 2.0))
        assert scores.extras["features"].tolist() == [[[2.0, 3.0]]]
        assert scores.map is None


class TestCheckReadable:
    @staticmethod
    def images(groups=None):
        """Three good images and three dents."""
        sources = [f"{number}.png" for number in range(6)]
        return ImageSet(sources, Reading((8, 8)), ["good", "dent"] * 3, groups)

    def test_two_of_each_are_enough(self):
        check_readable(self.images(), [0, 1, 2, 3])
        check_readable(self.images(["a", "b", "a", "b", "c", "d"]), [0, 1, 3, 4, 5])

    @pytest.mark.parametrize(
        ("places", "groups", "message"),
        [
            ([0, 2, 1], None, "too few images of 'dent' can be read: 1, and at least 2 are needed"),
            ([0, 2], None, "too few images of 'dent' can be read: 0"),
            ([0, 2, 1, 3], ["a", "c", "b", "c", "d", "e"], "too few groups of 'dent' can be read: 1"),
        ],
    )
    def test_fewer_are_named(self, places, groups, message):
        with pytest.raises(DataError, match=message):
            check_readable(self.images(groups), places)
