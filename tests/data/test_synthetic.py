"""Synthetic defects: true masks, the same seed gives the same ones, and any image will do."""

import cv2
import numpy as np
import pytest

from knowngood.data.perlin import perlin_noise
from knowngood.data.synthetic_defects import TYPES, VISIBLE, check_types
from knowngood.errors import DataError, RecipeError
from knowngood.inspector.synthetic import synthetic

SIZES = [(16, 16, 1), (16, 16, 3), (17, 40, 3), (64, 48, 1), (96, 96, 3)]


def picture(content, shape):
    """An image of noise, of one grey level, or of a part on an even background."""
    if content == "noise":
        return np.random.default_rng(5).integers(0, 256, shape, np.uint8)
    image = np.full(shape, 200 if content == "part" else content, np.uint8)
    if content == "part":
        image[shape[0] // 4 : -shape[0] // 4, shape[1] // 4 : -shape[1] // 4] = 60
    return image


@pytest.fixture(params=TYPES)
def name(request):
    return request.param


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("content", ["noise", "part", 0, 128, 255])
def test_the_mask_is_what_changed_visibly(name, shape, content):
    image = picture(content, shape)
    before = image.copy()
    for seed in range(8):
        damaged = TYPES[name](image, np.random.default_rng(seed))
        assert damaged.image.shape == shape
        assert damaged.image.dtype == np.uint8
        difference = np.abs(damaged.image.astype(int) - image).max(axis=2)
        np.testing.assert_array_equal(damaged.mask, difference >= VISIBLE)
        assert damaged.mask.any()
        assert damaged.mask.mean() < 0.5
    np.testing.assert_array_equal(image, before)


def test_the_same_numbers_give_the_same_defect_and_others_another(name):
    image = picture("noise", (64, 64, 3))
    first, again, other = (TYPES[name](image, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert not np.array_equal(first.mask, other.mask)


def test_a_grey_image_of_three_channels_stays_grey(name):
    image = np.repeat(picture("noise", (64, 64, 1)), 3, axis=2)
    damaged = TYPES[name](image, np.random.default_rng(0)).image
    assert np.ptp(damaged.astype(int), axis=2).max() <= 1


def test_they_are_on_the_part_where_the_background_is_even(name):
    image = picture("part", (128, 128, 3))
    on_part = cv2.dilate((image[..., 0] == 60).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    for seed in range(8):
        assert (TYPES[name](image, np.random.default_rng(seed)).mask & on_part).any()


def test_perlin_noise_is_smooth_centred_and_of_the_fineness_asked_for():
    noise = perlin_noise((96, 64), np.random.default_rng(0), coarsest=8)
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 0.1
    assert 0.4 < np.abs(noise).max() <= 1
    assert np.abs(np.diff(noise, axis=0)).max() < 0.5
    corners = perlin_noise((8, 8), np.random.default_rng(0))  # one cell, at whose corners it is 0
    assert np.abs(corners[[0, 0, -1, -1], [0, -1, 0, -1]]).max() < 0.15


class TestOfADataSet:
    def test_each_type_on_each_image(self):
        images = np.random.default_rng(0).integers(0, 256, (5, 32, 48), np.uint8)
        defects = list(synthetic(images, ["scar", "blur"], count=3, seed=4))
        assert [defect.type for defect in defects] == ["scar", "blur"] * 3
        assert len({defect.name for defect in defects}) == 3
        for defect in defects:
            original = images[int(defect.name[1:-1])]
            changed = np.abs(defect.image.astype(int) - original[..., None]).max(axis=2) >= VISIBLE
            np.testing.assert_array_equal(changed, defect.mask)

    def test_a_defect_depends_on_no_other_type_and_on_the_seed(self):
        images = np.random.default_rng(0).integers(0, 256, (2, 32, 32), np.uint8)
        alone, beside, other = (
            [defect.mask for defect in synthetic(images, types, count=2, seed=seed) if defect.type == "blur"]
            for types, seed in ((["blur"], 0), (None, 0), (["blur"], 1))
        )
        np.testing.assert_array_equal(alone, beside)
        assert not np.array_equal(alone, other)

    def test_few_images_are_used_more_than_once_and_large_ones_are_shrunk(self):
        image = np.random.default_rng(0).integers(0, 256, (1, 64, 128, 3), np.uint8)
        defects = list(synthetic(image, ["scar"], count=3, side=64))
        assert [defect.image.shape for defect in defects] == [(32, 64, 3)] * 3
        assert not np.array_equal(defects[0].mask, defects[1].mask)

    def test_mistakes(self):
        images = np.zeros((2, 12, 32), np.uint8)
        with pytest.raises(RecipeError, match="'rust' is not known; choose one of cut_paste, scar"):
            synthetic(images, ["rust"])
        with pytest.raises(DataError, match="count=0 images; draw on at least 1"):
            synthetic(images, count=0)
        with pytest.raises(DataError, match=r"'\[\d\]' has 32 x 12 pixels, and a synthetic defect needs 16"):
            next(synthetic(images))


def test_all_names_are_known():
    check_types(list(TYPES))
