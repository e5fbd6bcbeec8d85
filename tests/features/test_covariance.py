import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf

from knowngood.features.covariance import ledoit_wolf, whitening


@pytest.mark.parametrize(("count", "dimensions"), [(5, 3), (12, 40), (200, 10), (400, 80)])
@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_ledoit_wolf_is_scikit_learns(count, dimensions, offset):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(count, dimensions)) @ rng.normal(size=(dimensions, dimensions)) + offset
    expected = LedoitWolf().fit(points).covariance_
    np.testing.assert_allclose(ledoit_wolf(torch.from_numpy(points)).numpy(), expected, rtol=1e-9, atol=1e-9)
    single = ledoit_wolf(torch.from_numpy(points.astype(np.float32))).numpy()
    np.testing.assert_allclose(single, expected, rtol=1e-3, atol=1e-3 * np.diag(expected).mean())


def test_ledoit_wolf_of_identical_points_is_zero():
    torch.testing.assert_close(ledoit_wolf(torch.full((6, 4), 0.5)), torch.zeros(4, 4))


def test_whitened_length_is_the_mahalanobis_distance():
    rng = np.random.default_rng(1)
    factors = rng.normal(size=(5, 8, 8))
    covariances = factors @ factors.transpose(0, 2, 1) + 0.1 * np.eye(8)
    deviations = rng.normal(size=(5, 20, 8))
    expected = np.sqrt(
        np.einsum("pni,pij,pnj->pn", deviations, np.linalg.inv(covariances + 0.01 * np.eye(8)), deviations)
    )
    whiten = whitening(torch.from_numpy(covariances), floor=0.01)
    lengths = (torch.from_numpy(deviations) @ whiten).norm(dim=2)
    np.testing.assert_allclose(lengths.numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
def test_a_covariance_of_two_points_can_be_whitened_in_single_precision(scale):
    points = scale * torch.randn(2, 100, generator=torch.Generator().manual_seed(0))
    centred = points - points.mean(dim=0)
    whiten = whitening(centred.T @ centred, floor=0.01)
    assert torch.isfinite(whiten).all()
    unseen = torch.linalg.svd(centred).Vh[-1]  # a direction in which the points do not vary
    torch.testing.assert_close((unseen @ whiten).norm(), torch.tensor(10.0), rtol=0.1, atol=0)
