"""Generated defects: what they are learned from, which are not taken, and that the seed decides."""

from collections import Counter

import numpy as np
import pytest
import torch

from knowngood.classifiers import generated as module
from knowngood.classifiers.generated import TRIES, learn_generator, real_patches
from knowngood.data.samples import load_samples
from knowngood.data.synthetic_defects import VISIBLE
from knowngood.errors import DataError
from knowngood.inspector.synthetic import synthetic

from ..support.parts import part, scratch


def parts(defects, masked):
    """Twelve good parts, and scratched ones of two types of which some have masks, all to train on."""
    rng = np.random.default_rng(0)
    images, masks = [part(rng) for _ in range(12 + defects)], [None] * 12
    for number in range(defects):
        mask = scratch(rng)
        images[12 + number][mask] = 235 if number % 2 else 20
        masks.append(mask if number < masked else None)
    labels = ["good"] * 12 + [("bright" if number % 2 else "dark") for number in range(defects)]
    return load_samples(images, labels=labels, masks=masks).assign(split="train")


@pytest.fixture(scope="module")
def table():
    return parts(24, 24)


@pytest.fixture(scope="module")
def generator(table):
    return learn_generator(table, epochs=3)


def test_it_learns_from_four_fifths_and_knows_how_far_the_others_are(generator):
    counts = Counter(patch.defect for patch in generator.patches)
    assert 9 <= counts["dark"] <= 10
    assert 9 <= counts["bright"] <= 10
    assert 0 < generator.farthest < np.inf
    assert generator.codes.shape == (counts.total(), 32)


def test_the_same_seed_gives_the_same_samples(table, generator):
    again = learn_generator(table, epochs=3)
    np.testing.assert_array_equal(generator.codes, again.codes)
    first, second = (
        [(sample.mask.sum(), why) for sample, why in one._samples(np.random.default_rng(1))]
        for one in (generator, again)
    )
    assert first == second


def test_a_defect_on_a_good_image_varies_a_real_one(table, generator, monkeypatch):
    real = torch.from_numpy(module._with_masks(generator.patches))

    def decoded(codes):
        """What a network that knows them by heart decodes."""
        return real[torch.cdist(codes, torch.from_numpy(generator.codes)).argmin(dim=1)]

    monkeypatch.setattr(module, "BANDWIDTH", 0)
    monkeypatch.setattr(generator.network, "decode", decoded)
    good = table["image in memory"].iloc[0]
    made = [generator(good, np.random.default_rng(seed)) for seed in range(6)]
    taken = [one for one in made if one is not None]
    assert len(taken) >= 5
    names = {patch.name: patch.defect for patch in generator.patches}
    for one in taken:
        change = np.abs(one.image.astype(int) - good).max(axis=2) >= VISIBLE
        np.testing.assert_array_equal(one.mask, change)
        assert names[one.like] == one.defect


def test_samples_unlike_real_defects_are_not_taken(table, generator, monkeypatch):
    monkeypatch.setattr(generator, "farthest", 0.0)
    reasons = Counter(why for _, why in generator._samples(np.random.default_rng(0)))
    assert reasons["unlike real defects"] + reasons["mask empty or full"] == TRIES
    assert generator(table["image in memory"].iloc[0], np.random.default_rng(0)) is None


def test_too_few_real_defects_with_masks(table):
    words = r"at least 20 with masks in the train split are needed, and there are {}; `knowngood split`"
    with pytest.raises(DataError, match=words.format(7)):
        synthetic(parts(24, 7), ["generated"])
    with pytest.raises(DataError, match=words.format(0)):
        synthetic(np.zeros((3, 32, 32), np.uint8), ["scar", "generated"])
    wide = table.copy()
    wide.loc[wide["label"] == "defect", "mask in memory"] = [np.ones((96, 96), np.bool_)] * 24
    with pytest.raises(DataError, match=r"there are 0 \(and 24 larger than 0.6 of the image"):
        real_patches(wide)
