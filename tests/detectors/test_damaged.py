"""What detectors learn from damaged copies of good images; see also the contract tests."""

import numpy as np
import pytest
import torch

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.data.synthetic_defects import TYPES
from knowngood.detectors import make_detector
from knowngood.detectors.cutpaste import CutPasteNetwork
from knowngood.detectors.damaged import CHANGED, are_damaged
from knowngood.detectors.trained import store_features
from knowngood.detectors.triplet import LEAST_SCALE, MARGIN, TripletNetwork
from knowngood.errors import TrainingError
from knowngood.features.covariance import LEAST_SHARE, LEAST_VARIANCE
from knowngood.features.frozen import freeze
from knowngood.features.patches import PatchFeatures
from knowngood.training.store import Store

SIDE = 96


def silent(*_):
    pass


@pytest.fixture(scope="module")
def features():
    recipe = make_detector("cutpaste")
    return freeze(
        PatchFeatures, (SIDE, SIDE), backbone=recipe.backbone, strides=recipe.strides, neighbourhood=3
    )


@pytest.fixture(scope="module")
def images(good_images):
    return ImageSet(list(good_images[:3]), Reading((SIDE, SIDE)))


def stored(features, images, seed=0, **settings):
    recipe = make_detector("cutpaste", settings)
    with recipe.samples(features, images, seed=seed, device="cpu", progress=silent) as kept:
        return np.array(kept.samples)


def drawn(image, number, copy):
    """The damaged copy of an image, and the share of the pixels of each place that changed."""
    damage = TYPES[("cut_paste", "scar")[copy % 2]]
    copy, mask = damage(image, np.random.default_rng([0, number, copy]))
    return copy, mask.reshape(6, 16, 6, 16).mean(axis=(1, 3))


class TestSamples:
    def test_hold_the_image_and_its_copies_and_where_these_are_damaged(self, features, images, good_images):
        samples = stored(features, images, copies=3)
        assert samples.shape == (3, features.shapes[0][0] + 1, 4, 6, 6)
        with store_features(features, images, seed=0, device="cpu", progress=silent) as kept:
            np.testing.assert_allclose(samples[:, :-1, 0], kept.samples, atol=2e-3, rtol=1e-3)
        assert not samples[:, -1, 0].any()
        copy, share = drawn(good_images[2], 2, 1)
        np.testing.assert_allclose(samples[2, -1, 2], share, atol=1e-3)
        (expected,) = features(torch.from_numpy(copy[None]))
        np.testing.assert_allclose(samples[2, :-1, 2], expected[0], atol=2e-3, rtol=1e-3)

    def test_depend_on_the_seed_and_the_position_alone(self, features, images):
        samples = stored(features, images, copies=2)
        np.testing.assert_array_equal(stored(features, images, copies=2), samples)
        np.testing.assert_array_equal(stored(features, images, copies=3)[:, :, :3], samples)
        other = stored(features, images, seed=1, copies=2)
        np.testing.assert_array_equal(other[:, :, 0], samples[:, :, 0])
        assert (other[:, :, 1:] != samples[:, :, 1:]).any(axis=(1, 2, 3, 4)).all()

    def test_a_place_is_damaged_where_enough_of_it_changed(self):
        shares = torch.tensor([1.0, CHANGED, 0.9 * CHANGED, 0.0])
        samples = torch.stack([torch.ones(4), shares]).view(1, 2, 4, 1, 1)
        assert are_damaged(samples).flatten().tolist() == [True, False, False]


def samples_of(good, copies, shares, tmp_path):
    """A store of the features of good images `(n, C, h, w)` with one damaged copy each."""
    layers = np.stack([good, copies], axis=2)
    zeros = np.zeros_like(shares)
    samples = np.concatenate([layers, np.stack([zeros, shares], axis=1)[:, None]], axis=1).astype(np.float32)
    samples.tofile(tmp_path / "samples")
    every, none = np.arange(len(samples)), np.zeros(len(samples), np.int64)
    return Store(tmp_path / "samples", samples.shape[1:], "float32", every, every, every, none)


@pytest.fixture
def kept(tmp_path):
    rng = np.random.default_rng(0)
    good = rng.normal(size=(40, 2, 3, 4)) + np.arange(4)
    shares = (rng.random((40, 3, 4)) < 0.3).astype(np.float64)
    return samples_of(good, good + 5 * shares[:, None], shares, tmp_path)


def network_of(cls):
    torch.manual_seed(0)
    return cls(torch.zeros(2), torch.ones(2), (3, 4), width=8, code=3).eval().requires_grad_(False)


class TestCutPaste:
    def test_distances_are_those_of_one_covariance_and_a_mean_of_each_place(self, kept):
        network = network_of(CutPasteNetwork)
        network.settle(kept)
        good = network.good(torch.from_numpy(kept.samples.copy()))
        codes = network.layers(good).double()
        deviations = (codes - codes.mean(dim=0)).movedim(1, -1)
        covariance = deviations.flatten(0, -2).T.cov(correction=0)
        covariance += (LEAST_SHARE * covariance.diagonal().mean() + LEAST_VARIANCE) * torch.eye(3)
        expected = torch.einsum("...i,ij,...j", deviations, covariance.inverse(), deviations)
        torch.testing.assert_close(network.errors(good).square().double() * 3, expected, rtol=1e-3, atol=1e-3)

    def test_the_three_classes_count_the_same(self, kept):
        network = network_of(CutPasteNetwork)
        network.classify[1].weight.zero_()
        network.classify[1].bias.copy_(torch.tensor([2.0, 0.0, 0.0]).log_softmax(dim=0))
        batch = torch.from_numpy(kept.samples.copy())  # one copy: no scars
        losses = -network.classify[1].bias
        torch.testing.assert_close(network.losses(batch, None)["loss"], losses[:2].mean())


class TestTriplet:
    def test_the_loss_compares_the_place_with_that_of_the_next_image_and_its_copy(self, kept):
        network = network_of(TripletNetwork)
        batch = torch.from_numpy(kept.samples[:3].copy())
        good, copies = (network.embed(batch[:, :-1, view]) for view in (0, 1))
        losses = [
            (good[image] - good[image - 1])[:, row, column].square().sum()
            - (good[image] - copies[image])[:, row, column].square().sum()
            + MARGIN
            for image, row, column in np.argwhere(kept.samples[:3, -1, 1] > 0)
        ]
        expected = torch.stack(losses).clamp(min=0).mean()
        torch.testing.assert_close(network.losses(batch, None)["loss"], expected)

    def test_without_damage_there_is_no_loss(self, kept):
        batch = torch.from_numpy(kept.samples[:3].copy())
        batch[:, -1] = 0
        assert network_of(TripletNetwork).losses(batch, None)["loss"] == 0

    def test_each_place_has_its_own_centre_and_unit(self, kept):
        network = network_of(TripletNetwork)
        network.settle(kept)
        good = torch.from_numpy(kept.samples[:, :-1, 0].copy())
        embedded = network.embed(good)
        torch.testing.assert_close(embedded.norm(dim=1), torch.ones(40, 3, 4))
        torch.testing.assert_close(network.centre, embedded.mean(dim=0))
        distances = (embedded - network.centre).square().sum(dim=1)
        units = distances.mean(dim=0) + LEAST_SCALE * distances.mean()
        torch.testing.assert_close(network.errors(good), distances / units)


@pytest.mark.parametrize("cls", [CutPasteNetwork, TripletNetwork])
def test_damage_that_scores_no_higher_is_a_fault(cls, kept):
    network = network_of(cls)
    network.settle(kept)
    samples = torch.from_numpy(kept.samples.copy())
    assert not network.fault(samples)
    samples[:, :-1, 1] = samples[:, :-1, :1].mean(dim=(0, 2))
    assert "collapsed" in network.fault(samples)
    samples[:, -1] = 0
    assert not network.fault(samples)  # nothing to tell apart


@pytest.mark.parametrize(("name", "cls"), [("cutpaste", CutPasteNetwork), ("triplet", TripletNetwork)])
def test_a_collapse_is_named(name, cls, images, monkeypatch):
    monkeypatch.setattr(cls, "errors", lambda _, features: 0 * features[:, 0] + 1)
    recipe = make_detector(name, {"epochs": 1, "width": 4, "copies": 1, "folds": 2})
    with pytest.raises(TrainingError, match=rf"^{name}: it has collapsed"):
        recipe.fit(images, seed=0, device="cpu")
