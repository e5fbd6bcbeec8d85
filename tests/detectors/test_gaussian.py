import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.data.splits import folds
from knowngood.detectors.gaussian import Gaussian
from knowngood.features.backbones import load_backbone
from knowngood.features.covariance import LEAST_VARIANCE

SHAPE = (64, 64)


def image_features(images):
    """The mean of each feature map, `(N, C)` float64, for each level."""
    backbone = load_backbone()
    with torch.inference_mode():
        levels = backbone(backbone.normalise(torch.from_numpy(images)))
    return [level.mean(dim=(2, 3)).double().numpy() for level in levels]


def distances(learned, new):
    """Mahalanobis distances of `new`, summed over the levels, the covariance being shrunk."""
    total = np.zeros(len(new[0]))
    for known, unknown in zip(learned, new, strict=True):
        covariance = LedoitWolf().fit(known).covariance_ + LEAST_VARIANCE * np.eye(known.shape[1])
        inverse = np.linalg.inv(covariance)
        total += [mahalanobis(row, known.mean(axis=0), inverse) for row in unknown]
    return total


@pytest.fixture(scope="module")
def images(good_images):
    return np.ascontiguousarray(good_images[:, 16:80, 16:80])


@pytest.fixture(scope="module")
def fit(images):
    return Gaussian().fit(ImageSet(list(images[:18]), Reading(SHAPE)), seed=3, device="cpu")


def test_the_score_is_the_sum_of_mahalanobis_distances(fit, images):
    with torch.inference_mode():
        scores = fit.fitted(torch.from_numpy(images[18:]))
    assert scores.map is None
    expected = distances(image_features(images[:18]), image_features(images[18:]))
    np.testing.assert_allclose(scores.image, expected, rtol=5e-3)


def test_held_out_scores_are_in_order_and_by_the_other_folds(fit, images):
    levels = image_features(images[:18])
    fold_of = folds(18, 5, seed=3)
    for index in (0, 9, 17):
        inside = fold_of == fold_of[index]
        expected = distances([level[~inside] for level in levels], [level[[index]] for level in levels])
        assert fit.held_out[index] == pytest.approx(expected[0], rel=5e-3)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_very_few_images_still_give_a_gaussian(good_images, count):
    fit = Gaussian().fit(ImageSet(list(good_images[:count]), Reading(SHAPE)), seed=0, device="cpu")
    assert fit.held_out.shape == (count,)
    assert np.isfinite(fit.held_out).all()
