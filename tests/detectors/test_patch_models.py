"""Detectors of one model of patches at each scale: subspace, mixture of Gaussians, dictionary, SVM."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.data.splits import folds
from knowngood.data.tiling import Tiling
from knowngood.detectors import make_detector
from knowngood.detectors.gmm import FLOOR, Gmm, Mixture
from knowngood.detectors.patch_dictionary import PatchDictionary, Words
from knowngood.detectors.subspace import Subspace
from knowngood.features.covariance import LEAST_SHARE, halfway_axes, principal_axes, that_hold
from knowngood.features.patches import smooth

NAMES = "subspace", "gmm", "patch_dictionary", "ocsvm"


def draw(count, seed=0, channels=6):
    """Points whose spread falls from channel to channel, turned."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(np.random.default_rng(9).normal(size=(channels, channels)))[0]
    return rng.normal(3, 0.5 ** np.arange(channels), size=(count, channels)) @ turn


def as_maps(points):
    """Points `(4 * n, C)` as maps `(n, C, 2, 2)`."""
    maps = torch.from_numpy(points).float().reshape(-1, 2, 2, points.shape[1])
    return maps.permute(0, 3, 1, 2).contiguous()


def distances(model, points):
    with torch.inference_mode():
        return model(as_maps(points)).flatten().numpy()


def test_principal_axes_are_those_of_scikit_learn():
    points = draw(200)
    mean, axes, variances = principal_axes(torch.from_numpy(points))
    known = PCA().fit(points)
    np.testing.assert_allclose(mean, known.mean_)
    np.testing.assert_allclose(variances, known.explained_variance_ * 199 / 200)
    np.testing.assert_allclose((axes.T.numpy() * known.components_).sum(axis=1) ** 2, 1)
    assert that_hold(variances, 0.9) == PCA(0.9).fit(points).n_components_


def test_halfway_axes_weigh_each_component_by_the_root_of_its_spread():
    points = draw(200)
    mean, axes = halfway_axes(torch.from_numpy(points), 0.9)
    known = PCA(0.9).fit(points)
    variances = PCA().fit(points).explained_variance_ * 199 / 200
    spread = np.sqrt(variances + LEAST_SHARE * variances.mean())[: known.n_components_]
    reduced = (points - mean.numpy()) @ axes.numpy()
    np.testing.assert_allclose(abs(reduced), abs(known.transform(points)) / np.sqrt(spread), rtol=1e-6)


def test_a_subspace_measures_what_principal_components_leave():
    points, queries = draw(200), draw(12, seed=1)
    model = Subspace(variance=0.9).fit_patches(torch.from_numpy(points).float(), seed=0)
    inside = PCA(0.9).fit(points).n_components_
    known = PCA().fit(points)
    variances = known.explained_variance_ * 199 / 200
    spread = np.sqrt(variances + LEAST_SHARE * variances.mean())
    rest = (known.transform(queries) / spread)[:, inside:]
    np.testing.assert_allclose(distances(model, queries), np.linalg.norm(rest, axis=1), rtol=1e-3)


def test_a_mixture_gives_the_density_of_scikit_learn():
    points, queries = draw(300), draw(12, seed=1)
    mixture = GaussianMixture(3, random_state=0).fit(points @ np.diag([1, 2, 3, 4, 5, 6]) - 1)
    learned = (mixture.weights_, mixture.means_, mixture.precisions_cholesky_)
    model = Mixture(
        torch.full((6,), 1.0),
        torch.diag(torch.tensor([1.0, 2, 3, 4, 5, 6])),
        *(torch.from_numpy(array) for array in learned),
    )
    expected = -mixture.score_samples((queries - 1) @ np.diag([1, 2, 3, 4, 5, 6]))
    np.testing.assert_allclose(distances(model, queries), expected, rtol=1e-3)


def test_few_patches_have_one_gaussian():
    points, queries = draw(100), draw(8, seed=1)
    model = Gmm(dimensions=4).fit_patches(torch.from_numpy(points).float(), seed=0)
    known = PCA().fit(points)
    variances = known.explained_variance_ * 99 / 100
    kept, scale = variances[:4], (variances + LEAST_SHARE * variances.mean())[:4]
    within = kept / scale + FLOOR
    lengths = (known.transform(queries)[:, :4] ** 2 / scale / within).sum(axis=1)
    expected = lengths / 2 + np.log(2 * np.pi * within).sum() / 2
    np.testing.assert_allclose(distances(model, queries), expected, rtol=1e-3)


@pytest.mark.parametrize("neighbours", [1, 3])
def test_words_are_asked_for_the_mean_distance_to_the_nearest(neighbours):
    words, queries = draw(20), draw(8, seed=1)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(6, 6)))[0]
    model = Words(
        torch.full((6,), 2.0),
        torch.from_numpy(turn).float(),
        torch.from_numpy((words - 2) @ turn).float(),
        neighbours=neighbours,
    )
    between = np.linalg.norm(queries[:, None] - words, axis=2)
    expected = np.sort(between, axis=1)[:, :neighbours].mean(axis=1)
    np.testing.assert_allclose(distances(model, queries), expected, rtol=1e-3)


def test_what_is_rare_but_good_has_a_word():
    points = np.concatenate([draw(2000), draw(3, seed=2) + 20])
    model = PatchDictionary(words=20, neighbours=1).fit_patches(torch.from_numpy(points).float(), seed=0)
    assert distances(model, draw(4, seed=2) + 20).max() < 5


@pytest.mark.parametrize("name", NAMES)
def test_held_out_scores_are_by_models_of_the_other_folds(name, good_images):
    images = list(good_images[:6, :64, :64])
    recipe = make_detector(name, {"folds": 3})
    fit = recipe.fit(ImageSet(images, Reading((64, 64))), seed=3, device="cpu")
    with torch.inference_mode():
        in_sample = fit.fitted(torch.from_numpy(np.stack(images))).image.numpy()
    order = np.argsort(fit.places)
    assert (fit.held_out[order] > in_sample).all()
    assert fit.map_maxima.shape == fit.held_out.shape
    fold_of = folds(6, 3, seed=3)
    np.testing.assert_array_equal(np.sort(fold_of), fold_of[fit.places])


@pytest.mark.parametrize("name", NAMES)
def test_the_rim_of_a_tile_takes_no_part_in_its_score(name, good_images):
    tiling = Tiling(64, 16)
    tiles = ImageSet(list(good_images[:3]), Reading((64, 64), tiling=tiling)).tiled()
    fit = make_detector(name, {"folds": 2, "scales": 1}).fit(tiles, seed=0, device="cpu")
    with torch.inference_mode():
        image, maps, *_ = fit.fitted(torch.from_numpy(next(tiles.batches(2)).images))
    rim = tiling.rim_of(maps.shape[-1])
    assert rim > 0
    smoothed = smooth(maps, fit.fitted.smoothing)
    torch.testing.assert_close(image, smoothed[:, rim:-rim, rim:-rim].amax(dim=(1, 2)))
    assert len(fit.held_out) == len(tiles) > 3
