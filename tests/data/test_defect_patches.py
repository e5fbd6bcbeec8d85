"""Real defects cut out of their images, and put into others."""

import numpy as np
import pandas as pd
import pytest

from knowngood.data.defect_patches import (
    LARGEST,
    Marked,
    box_of,
    cut_out,
    masked_defects,
    put_on,
    read_marked,
    square_at,
)
from knowngood.data.samples import load_samples
from knowngood.data.synthetic_defects import VISIBLE


def dented(side=96, top=40, height=16, grey=60):
    """A grey plate with a darker rectangle."""
    image, mask = np.full((side, side, 3), 200, np.uint8), np.zeros((side, side), np.bool_)
    mask[top : top + height, 30:40] = True
    image[mask] = grey
    return Marked("dent.png", "dent", "part 1", image, mask)


def test_a_patch_shows_the_defect_and_what_is_around_it():
    patch = cut_out(dented())
    assert patch.pixels.shape == (64, 64, 3)
    assert (patch.name, patch.defect, patch.group) == ("dent.png", "dent", "part 1")
    assert patch.side == pytest.approx(24 / 96)
    assert patch.pixels[patch.mask].max() < 130
    assert np.median(patch.pixels[~patch.mask]) == 200
    assert 0.15 < patch.mask.mean() < 0.4


@pytest.mark.parametrize("height", [0, round(96 * LARGEST) + 1])
def test_what_is_too_large_or_nowhere_is_no_patch(height):
    assert cut_out(dented(top=0, height=height)) is None


def test_a_hair_is_not_lost():
    image, mask = np.full((200, 200, 3), 200, np.uint8), np.zeros((200, 200), np.bool_)
    mask[50:150, 100] = True
    assert cut_out(Marked("a", "hair", "a", image, mask)).mask.sum() >= 30


def test_it_is_pasted_near_its_place_with_the_pixels_that_changed():
    good = np.full((96, 96, 3), 190, np.uint8)
    made = put_on(good, cut_out(dented()), np.random.default_rng(0))
    change = np.abs(made.image.astype(int) - good).max(axis=2) >= VISIBLE
    np.testing.assert_array_equal(made.mask, change)
    top, left, height, width = box_of(made.mask)
    assert abs(top + height / 2 - 48) < 8
    assert abs(left + width / 2 - 35) < 8
    assert 100 < made.mask.sum() < 300


def test_nothing_is_pasted_where_it_is_not_seen_or_nothing_is_similar():
    faint = cut_out(dented(grey=197))
    assert put_on(np.full((96, 96, 3), 200, np.uint8), faint, np.random.default_rng(0)) is None
    assert put_on(np.zeros((96, 96, 3), np.uint8), cut_out(dented()), np.random.default_rng(0)) is None


def test_a_square_stays_in_the_image():
    mask = np.zeros((50, 80), np.bool_)
    mask[0, 79] = True
    assert square_at(mask, 20) == (slice(0, 20), slice(60, 80))
    assert square_at(mask, 60) == (slice(0, 50), slice(20, 80))


def test_defects_of_the_train_split_with_a_mask():
    marked = dented()
    images = [marked.image] * 4
    table = load_samples(
        images, labels=["good", "dent", "dent", "dent"], masks=[None, None, *[marked.mask] * 2]
    )
    table = table.assign(split=["train", "train", "train", "test"])
    found = masked_defects(table)
    assert len(found) == 1
    read = read_marked(found, 0, bits=None, side=48)
    assert (read.defect, read.image.shape, box_of(read.mask)) == ("dent", (48, 48, 3), (20, 15, 8, 5))
    assert masked_defects(images).equals(pd.DataFrame())
