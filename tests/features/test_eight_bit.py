import numpy as np
import pytest
import torch

from knowngood.engines.quantise import quantise
from knowngood.features import eight_bit as module
from knowngood.features.eight_bit import eight_bit, plant
from knowngood.features.frozen import freeze
from knowngood.features.nearest import MemoryBank
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
    assert rounded is not None
    assert b"QuantizeLinear" in rounded.graph
    others = torch.from_numpy(good_images[12:16])
    for given, wanted in zip(rounded(others), features(others), strict=True):
        error = (given - wanted).abs().mean() / wanted.std()
        assert 0 < error < 0.15


def test_the_same_images_and_seed_give_the_same_graph(features, images):
    first, again = (eight_bit(features, images, seed=0) for _ in range(2))
    assert first is not None
    assert again is not None
    assert first.graph == again.graph


def test_it_is_refused_where_planted_defects_are_found_less_well(features, images, monkeypatch):
    # Ranges that were observed on black images alone cut off all that others show.
    blind, _ = quantise(features.graph, np.zeros_like(images))
    monkeypatch.setattr(module, "quantise", lambda graph, sample: (blind, quantise(graph, sample)[1]))
    assert eight_bit(features, images, seed=0) is None


def test_it_is_refused_where_a_bank_in_eight_bits_finds_less(features, images, monkeypatch):
    class Blunt(MemoryBank):
        def forward(self, queries):
            distances = super().forward(queries)
            return distances if self.step is None else distances * 0

    monkeypatch.setattr(module, "MemoryBank", Blunt)
    assert eight_bit(features, images, seed=0) is None


def test_images_too_small_to_try_are_not_rounded(images):
    options = {"scales": 2, "neighbourhood": 3, "spacing": 32}
    tiny = freeze(PatchFeatures, (64, 64), backbone="tf_efficientnet_lite0", strides=(16, 32), **options)
    assert eight_bit(tiny, np.ascontiguousarray(images[:, :64, :64]), seed=0) is None


def test_planted_squares_are_where_the_mask_says(images):
    planted, where = plant(images, 20, np.random.default_rng(0))
    changed = (planted != images).any(axis=3)
    assert where.sum(axis=(1, 2)).tolist() == [400] * len(images)
    assert not (changed & ~where).any()
    assert changed.sum() > 0.5 * where.sum()
    assert planted.dtype == np.uint8
