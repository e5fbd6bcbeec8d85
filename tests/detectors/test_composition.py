"""What is particular to Composition; see also the contract tests."""

import numpy as np
import pytest
import torch

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.detectors import make_detector
from knowngood.detectors.composition import FittedComposition, Shares, make_regions, make_words

LEFT, RIGHT = torch.tensor([5.0, 0, 0]), torch.tensor([0.0, 5, 0])


def maps(left, right, noise):
    """Features `(3, 8, 8)` of two parts, side by side."""
    image = torch.cat([part[:, None, None].expand(3, 8, 4) for part in (left, right)], dim=2)
    return image + 0.1 * torch.randn(3, 8, 8, generator=noise)


@pytest.fixture(scope="module")
def good():
    noise = torch.Generator().manual_seed(0)
    return [maps(LEFT, RIGHT, noise) for _ in range(12)]


@pytest.fixture(scope="module")
def words(good):
    return make_words(torch.cat([one.flatten(1).T for one in good]), 2, seed=0)


def test_each_place_belongs_to_the_nearest_word(good, words):
    shares = words(good[0][None])[0]
    torch.testing.assert_close(shares.sum(dim=0), torch.ones(8, 8))
    first = shares[0] > 0.5
    assert first[:, :4].all() != first[:, 4:].all()
    assert ((shares < 0.1) | (shares > 0.9)).all()


def test_points_that_are_all_the_same_are_one_word():
    words = make_words(torch.ones(9, 3), 4, seed=0)
    torch.testing.assert_close(words(torch.ones(1, 3, 2, 2)), torch.ones(1, 1, 2, 2))


def test_regions_are_the_image_its_quarters_and_its_sixteenths():
    regions = make_regions(8, 8).T.view(21, 8, 8)
    torch.testing.assert_close(regions[0], torch.full((8, 8), 1 / 64))
    assert (regions[1] > 0).nonzero().amax(dim=0).tolist() == [3, 3]
    assert (regions[20] > 0).nonzero().amin(dim=0).tolist() == [6, 6]


def test_parts_that_are_swapped_or_absent_are_far_though_each_patch_is_good(good, words):
    noise = torch.Generator().manual_seed(1)
    distances = Shares(words, good)
    (usual,) = distances(maps(LEFT, RIGHT, noise)[None])
    for other in (maps(RIGHT, LEFT, noise), maps(LEFT, LEFT, noise)):
        assert distances(other[None])[0] > 10 * usual


def test_only_what_is_beyond_the_usual_raises_a_score():
    combine = FittedComposition.combine
    fitted = type("Fitted", (), {"usual": 3.0, "weight": 2.0})()
    scores = combine(fitted, torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0.0, 3.0, 4.0]))
    assert scores.tolist() == [1.0, 1.0, 3.0]


def test_copies_of_one_image_are_enough(good_images):
    copies = ImageSet(list(good_images[:4]), Reading((64, 64)), augmented=[False, True, True, True])
    fit = make_detector("composition", {"coreset": 50, "words": 4}).fit(copies, seed=0, device="cpu")
    assert fit.places.tolist() == [0]
    assert np.isfinite(fit.held_out).all()
