import numpy as np
import pytest
import torch
from sklearn.svm import OneClassSVM

from knowngood.detectors.ocsvm import SHARE, Ocsvm
from knowngood.features.covariance import halfway_axes


def draw(count, seed=0, far=0.0):
    """Points `(count, 6)` whose spread falls from channel to channel."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, 6, generator=random) * 0.5 ** torch.arange(6) + far


def scores(model, points):
    with torch.inference_mode():
        return model(points[:, :, None, None]).flatten().numpy()


@pytest.mark.parametrize(("nu", "gamma"), [(0.1, 1.0), (0.5, 4.0)])
def test_scores_are_those_of_scikit_learn_by_logarithm(nu, gamma):
    points, queries = draw(40), draw(15, seed=1, far=0.5)
    model = Ocsvm(nu=nu, gamma=gamma).fit_patches(points, seed=0)
    mean, axes = halfway_axes(points, SHARE)
    reduced, of_queries = (((some - mean) @ axes).double().numpy() for some in (points, queries))
    # All points are fitted to, and what scikit-learn calls "scale" is the inverse of their total variance.
    machine = OneClassSVM(nu=nu, gamma=gamma / (reduced.shape[1] * reduced.var())).fit(reduced)
    boundary = -machine.intercept_[0]
    expected = np.log(boundary / (machine.decision_function(of_queries) + boundary))
    np.testing.assert_allclose(scores(model, queries), expected, rtol=1e-3, atol=1e-3)
    outside = machine.decision_function(reduced) < -1e-4
    assert (scores(model, points)[outside] > 0).all()


def test_far_outside_scores_still_differ():
    model = Ocsvm().fit_patches(draw(30), seed=0)
    near, far, farther = (float(scores(model, draw(1, 1, away))[0]) for away in (1e1, 1e2, 1e3))
    assert near < far < farther < np.inf


@pytest.mark.parametrize("count", [1, 3])
def test_equal_patches_have_a_boundary(count):
    model = Ocsvm().fit_patches(draw(1).repeat(count, 1), seed=0)
    assert np.isfinite(scores(model, draw(2, seed=1))).all()
    assert scores(model, draw(1))[0] == pytest.approx(0, abs=1e-4)


def test_what_is_rare_but_good_is_inside():
    points = torch.cat([draw(2000), draw(3, seed=2, far=20.0)])
    model = Ocsvm(patches=50).fit_patches(points, seed=0)
    assert scores(model, draw(3, seed=2, far=20.0)).max() < scores(model, draw(3, seed=3, far=10.0)).min()
