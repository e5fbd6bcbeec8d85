import numpy as np
import pytest
import torch

from knowngood.engines.quantise import quantise
from knowngood.features import eight_bit as module
from knowngood.features.eight_bit import eight_bit, plant
from knowngood.features.frozen import freeze
from knowngood.features.patches import PatchFeatures

SHAPE = (96, 96)


@pytest.fixture(scope="module")
def features():
    options = {"scales": 2, "neighbourhood": 3, "spacing": 16}
    return freeze(PatchFeatures, SHAPE, backbone="tf_efficientnet_lite0", strides=(8, 16), **options)


@pytest.fixture(scope="module")
def images(good_images):
    return good_images[:12]


def test_rounded_features_are_nearly_the_same(features, images, good_images):
    rounded = eight_bit(features, images, seed=0)
    assert b"QuantizeLinear" in rounded.graph
    others = torch.from_numpy(good_images[12:16])
    for given, wanted in zip(rounded(others), features(others), strict=True):
        error = (given - wanted).abs().mean() / wanted.std()
        assert 0 < error < 0.15


def test_the_same_images_and_seed_give_the_same_graph(features, images):
    assert eight_bit(features, images, seed=3).graph == eight_bit(features, images, seed=3).graph


def test_it_is_refused_where_planted_defects_are_found_less_well(features, images, monkeypatch):
    # Ranges that were observed on black images alone cut off all that others show.
    blind, _ = quantise(features.graph, np.zeros_like(images))
    monkeypatch.setattr(module, "quantise", lambda graph, sample: (blind, quantise(graph, sample)[1]))
    assert eight_bit(features, images, seed=0) is features


def test_planted_squares_are_where_the_mask_says(images):
    planted, where = plant(images, 20, np.random.default_rng(0))
    changed = (planted != images).any(axis=3)
    assert where.sum(axis=(1, 2)).tolist() == [400] * len(images)
    assert not (changed & ~where).any()
    assert changed.sum() > 0.5 * where.sum()
    assert planted.dtype == np.uint8
