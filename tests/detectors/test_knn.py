import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.data.splits import folds
from knowngood.detectors.knn import FittedKnn, Knn


def draw(count, seed):
    """Two levels of features of other spreads."""
    rng = torch.Generator().manual_seed(seed)
    return [5 * torch.randn(count, 6, generator=rng) + 100, 0.1 * torch.randn(count, 9, generator=rng)]


def expected(points, queries, neighbours):
    """The same by scikit-learn, in double precision."""
    scaled = []
    for level, of_queries in zip(points, queries, strict=True):
        mean = level.double().mean(dim=0)
        spread = (level.double() - mean).square().mean().sqrt()
        scaled.append([((rows.double() - mean) / spread).numpy() for rows in (level, of_queries)])
    known, asked = (np.concatenate(side, axis=1) for side in zip(*scaled, strict=True))
    return NearestNeighbors(n_neighbors=neighbours).fit(known).kneighbors(asked)[0].mean(axis=1)


@pytest.mark.parametrize("neighbours", [1, 2, 7])
def test_scores_are_mean_distances_to_the_nearest(neighbours):
    points, queries = draw(40, seed=0), draw(15, seed=1)
    scores = FittedKnn(None, points, neighbours=neighbours, bank=100, seed=0).score_features(queries)
    assert scores.map is None
    np.testing.assert_allclose(scores.image, expected(points, queries, neighbours), rtol=1e-3)


def test_with_fewer_images_than_neighbours_all_count():
    points, queries = draw(3, seed=0), draw(4, seed=1)
    scores = FittedKnn(None, points, neighbours=5, bank=100, seed=0).score_features(queries)
    np.testing.assert_allclose(scores.image, expected(points, queries, 3), rtol=1e-3)


def test_the_bank_has_a_bound_and_covers_the_others():
    points = draw(200, seed=0)
    few = FittedKnn(None, points, neighbours=1, bank=50, seed=0)
    assert few.points.shape == (50, 15)
    scores = few.score_features(points).image
    assert (scores < 1e-2).sum() >= 50
    drawn = FittedKnn(None, [level[:50] for level in points], neighbours=1, bank=50, seed=0)
    assert scores.max() < drawn.score_features(points).image.max()


def test_held_out_scores_are_by_the_other_folds(good_images):
    images = np.ascontiguousarray(good_images[:12, 16:80, 16:80])
    fit = Knn().fit(ImageSet(list(images), Reading((64, 64))), seed=3, device="cpu")
    levels = fit.fitted.features(torch.from_numpy(images))
    fold_of = folds(12, 5, seed=3)
    for index in (0, 5, 11):
        inside = fold_of == fold_of[index]
        others, own = [level[~inside] for level in levels], [level[[index]] for level in levels]
        assert fit.held_out[index] == pytest.approx(expected(others, own, 2)[0], rel=5e-3)


def test_equal_images_leave_no_spread_to_divide_by():
    points = [level[:1].repeat(4, 1) for level in draw(1, seed=0)]
    scores = FittedKnn(None, points, neighbours=2, bank=10, seed=0).score_features(draw(2, seed=1))
    assert torch.isfinite(scores.image).all()
