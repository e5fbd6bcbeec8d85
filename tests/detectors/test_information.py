import numpy as np
import pytest
import torch

from knowngood.detectors.information import CodeLength, Information


def bits(model, points):
    with torch.inference_mode():
        return model(torch.tensor(np.array(points)).float().T[None, :, :, None])[0, :, 0].numpy()


def test_the_code_is_the_shortest_of_a_word_and_a_deviation():
    words, shares, variances = (
        np.array([[0.0, 0.0], [4.0, 0.0]]),
        np.array([0.75, 0.25]),
        np.array([1.0, 4.0]),
    )
    model = CodeLength(torch.zeros(2), torch.eye(2), *map(torch.from_numpy, (words, shares, variances)))
    points = np.array([[0.0, 0.0], [1.0, 1.0], [4.0, 0.0], [9.0, 2.0]])
    squared = ((points[:, None] - words) ** 2).sum(axis=2)
    density = np.exp(-squared / (2 * variances)) / (2 * np.pi * variances)
    expected = (-np.log2(shares * density)).min(axis=1)
    np.testing.assert_allclose(bits(model, points), expected, rtol=1e-5)


def test_a_word_that_is_used_half_as_often_costs_a_bit_more():
    random = np.random.default_rng(0)
    often, seldom = random.normal(0, 0.1, (2000, 3)), random.normal(0, 0.1, (1000, 3)) + 10
    points = torch.from_numpy(np.concatenate([often, seldom])).float()
    model = Information(words=2).fit_patches(points, seed=0)
    centres = bits(model, [often.mean(axis=0), seldom.mean(axis=0)])
    assert centres[1] - centres[0] == pytest.approx(1, abs=0.1)


def test_a_word_of_few_patches_has_the_spread_of_all():
    points = np.concatenate([np.random.default_rng(0).normal(0, 1, (999, 2)), [[50.0, 50.0]]])
    model = Information(words=2).fit_patches(torch.from_numpy(points).float(), seed=0)
    lone = bits(model, [[50.0, 50.0], [51.0, 50.0]])
    # Without a prior the lone patch would have no spread, and one beside it would cost without end.
    assert 0 < lone[1] - lone[0] < 30
