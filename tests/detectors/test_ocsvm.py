import numpy as np
import pytest
import torch
from sklearn.svm import OneClassSVM

from knowngood.detectors.ocsvm import FittedOcsvm


def draw(count, seed, far=0.0):
    rng = torch.Generator().manual_seed(seed)
    return [
        5 * torch.randn(count, 6, generator=rng) + 100 + far,
        0.1 * torch.randn(count, 9, generator=rng) + 1,
    ]


def scaled(levels, known):
    """Levels side by side, each about the mean of the known ones, in units of its size."""
    means = [level.mean(dim=0) for level in known]
    parts = [(level - mean) / mean.square().mean().sqrt() for level, mean in zip(levels, means, strict=True)]
    return torch.cat(parts, dim=1).double().numpy()


@pytest.mark.parametrize("nu", [0.1, 0.5])
def test_scores_are_those_of_scikit_learn_by_logarithm(nu):
    points, queries = draw(40, seed=0), draw(15, seed=1, far=4)
    scores = FittedOcsvm(None, points, nu=nu).score_features(queries)
    machine = OneClassSVM(nu=nu, gamma="scale").fit(scaled(points, points))
    boundary = -machine.intercept_[0]
    sums = machine.decision_function(scaled(queries, points)) + boundary
    assert scores.map is None
    np.testing.assert_allclose(scores.image, np.log(boundary / sums), rtol=1e-3, atol=1e-4)
    outside = machine.decision_function(scaled(points, points)) < -1e-6
    on_points = FittedOcsvm(None, points, nu=nu).score_features(points).image
    np.testing.assert_array_equal(on_points[torch.from_numpy(outside)] > 0, True)


def test_far_outside_scores_still_differ():
    fitted = FittedOcsvm(None, draw(30, seed=0), nu=0.1)
    near, far, farther = (fitted.score_features(draw(1, 1, far)).image.item() for far in (1e2, 1e4, 1e5))
    assert near < far < farther < np.inf


@pytest.mark.parametrize("count", [1, 3])
def test_equal_images_have_a_boundary(count):
    points = [level[:1].repeat(count, 1) for level in draw(1, seed=0)]
    scores = FittedOcsvm(None, points, nu=0.1).score_features(draw(2, seed=1))
    assert torch.isfinite(scores.image).all()
