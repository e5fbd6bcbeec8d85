import numpy as np
import pytest
import torch
from sklearn.decomposition import sparse_encode

from knowngood.detectors import sparse
from knowngood.detectors.sparse import STEPS, Sparse, SparseCodes, Unusual, as_map, learn_atoms


def codes_of(seed=0, penalty=0.5):
    random = np.random.default_rng(seed)
    atoms = random.normal(size=(12, 6))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = SparseCodes(torch.zeros(6), torch.eye(6), torch.from_numpy(atoms).float(), penalty)
    return atoms, codes, random.normal(size=(40, 6)) * 2


@pytest.mark.parametrize(("steps", "within"), [(1000, 1e-3), (STEPS, 0.35)])
def test_codes_approach_those_of_scikit_learn(monkeypatch, steps, within):
    monkeypatch.setattr(sparse, "STEPS", steps)
    atoms, codes, points = codes_of()
    exact = sparse_encode(points, atoms, algorithm="lasso_cd", alpha=0.5)
    residual, size = codes(as_map(torch.from_numpy(points).float()))[0, :, :, 0].numpy()
    best = ((points - exact @ atoms) ** 2).sum(axis=1) / 2 + 0.5 * np.abs(exact).sum(axis=1)
    np.testing.assert_allclose(residual**2 / 2 + 0.5 * size, best, rtol=within)
    assert (residual**2 / 2 + 0.5 * size >= best - 1e-4).all()


def test_norms_below_the_mean_of_good_patches_add_nothing():
    _, codes, points = codes_of()
    good = codes(as_map(torch.from_numpy(points).float()))[0, :, :, 0]
    model = Unusual(codes, good)
    several = np.concatenate([np.zeros((1, 6)), points, 10 * points])
    distances = model(as_map(torch.from_numpy(several).float()))[0, :, 0].numpy()
    assert distances[0] == 0
    below = (good < good.mean(dim=1, keepdim=True)).all(dim=0).numpy()
    assert below.any()
    np.testing.assert_array_equal(distances[1:41][below], 0)
    assert distances[41:].min() > np.median(distances[1:41])


def test_a_patch_of_other_directions_is_unusual():
    random = np.random.default_rng(1)
    plane = random.normal(size=(3, 8))
    good = torch.from_numpy(random.normal(size=(600, 3)) @ plane).float()
    model = Sparse(atoms=6, dimensions=8, penalty=0.1).fit_patches(good, seed=0)
    inside = model(good.T[None, :, :, None])[0, :, 0]
    outside = model(torch.from_numpy(random.normal(size=(50, 8))).float().T[None, :, :, None])[0, :, 0]
    assert outside.min() > inside.quantile(0.99)


def test_learned_atoms_serve_better_than_those_they_began_as():
    random = np.random.default_rng(2)
    made_of = random.normal(size=(5, 10))
    codes = random.normal(size=(2000, 5)) * (random.random((2000, 5)) < 0.25)
    points = torch.from_numpy(codes @ made_of).float()

    def costs(atoms):
        residual, size = SparseCodes(torch.zeros(10), torch.eye(10), atoms, 0.05)(as_map(points))[0, :, :, 0]
        return float((residual.square() / 2 + 0.05 * size).mean())

    began = torch.nn.functional.normalize(points[:5], dim=1)
    learned = learn_atoms(points, 5, 0.05)
    np.testing.assert_allclose(learned.norm(dim=1), 1, rtol=1e-5)
    assert costs(learned) < 0.5 * costs(began)


def test_fewer_points_than_atoms_and_points_that_are_all_zero():
    assert learn_atoms(torch.ones(3, 4), 8, 0.1).shape == (3, 4)
    assert torch.isfinite(learn_atoms(torch.zeros(9, 4), 8, 0.1)).all()
