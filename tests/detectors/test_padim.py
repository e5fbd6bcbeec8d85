import numpy as np
import pytest
import torch

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.detectors.padim import REGULARISATION, Padim, _Moments
from knowngood.features.backbones import load_backbone
from knowngood.features.patches import PatchFeatures

SHAPE = (64, 64)


def patch_features(images):
    """Features `(N, P, C)` of images at SHAPE."""
    features = PatchFeatures(load_backbone(strides=(8, 16)), scales=1, neighbourhood=1, spacing=8)
    with torch.inference_mode():
        (maps,) = features(torch.from_numpy(images))
    return maps.flatten(2).transpose(1, 2).double().numpy()


@pytest.fixture(scope="module")
def images(good_images):
    return np.ascontiguousarray(good_images[:14, 16:80, 16:80])


@pytest.fixture(scope="module")
def fit(images):
    return Padim(dimensions=20, smoothing=0).fit(ImageSet(list(images), Reading(SHAPE)), seed=0, device="cpu")


def test_each_position_has_the_mean_and_covariance_of_all_images(fit, images):
    drawn = fit.fitted.drawn.numpy()
    assert len(np.unique(drawn)) == 20
    points = patch_features(images)[:, :, drawn]
    np.testing.assert_allclose(fit.fitted.mean, points.mean(axis=0), rtol=1e-3, atol=1e-3)
    for position in (0, 13, 27, 63):
        covariance = np.cov(points[:, position], rowvar=False) + REGULARISATION * np.eye(20)
        whiten = fit.fitted.whiten[position].double().numpy()
        np.testing.assert_allclose(whiten @ whiten.T @ covariance, np.eye(20), atol=0.02)


def test_a_patch_is_scored_by_its_mahalanobis_distance(fit, images, good_images):
    fresh = np.ascontiguousarray(good_images[14:17, 16:80, 16:80])
    drawn = fit.fitted.drawn.numpy()
    learned, new = patch_features(images)[:, :, drawn], patch_features(fresh)[:, :, drawn]
    expected = np.empty(new.shape[:2])
    for position in range(new.shape[1]):
        covariance = np.cov(learned[:, position], rowvar=False) + REGULARISATION * np.eye(20)
        deviations = new[:, position] - learned[:, position].mean(axis=0)
        expected[:, position] = np.sqrt(
            np.einsum("ni,ij,nj->n", deviations, np.linalg.inv(covariance), deviations)
        )
    with torch.inference_mode():
        scores = fit.fitted(torch.from_numpy(fresh))
    np.testing.assert_allclose(scores.map.flatten(1), expected, rtol=1e-2)
    torch.testing.assert_close(scores.image, scores.map.amax(dim=(1, 2)))


def test_held_out_scores_are_those_of_a_detector_that_never_saw_the_image(images):
    recipe = Padim(dimensions=20, smoothing=0, folds=14)
    held_out = recipe.fit(ImageSet(list(images), Reading(SHAPE)), seed=0, device="cpu").held_out
    left_out = []
    for index in range(3):
        others = recipe.fit(
            ImageSet(list(np.delete(images, index, axis=0)), Reading(SHAPE)), seed=0, device="cpu"
        )
        with torch.inference_mode():
            left_out.append(others.fitted(torch.from_numpy(images[index][None])).image.item())
    for score in left_out:
        assert np.min(np.abs(held_out / score - 1)) < 0.01


def test_features_are_drawn_by_the_seed(images, fit):
    other = Padim(dimensions=20).fit(ImageSet(list(images[:3]), Reading(SHAPE)), seed=1, device="cpu").fitted
    assert not torch.equal(other.drawn, fit.fitted.drawn)


def test_asked_for_more_features_than_there_are_it_takes_all(images):
    detector = (
        Padim(dimensions=2000).fit(ImageSet(list(images[:2]), Reading(SHAPE)), seed=0, device="cpu").fitted
    )
    assert detector.drawn.tolist() == list(range(152))


def test_held_out_may_be_fewer(images):
    assert (
        len(Padim(held_out=4).fit(ImageSet(list(images), Reading(SHAPE)), seed=0, device="cpu").held_out) == 4
    )


def test_moments_that_are_merged_are_those_of_all_points():
    rng = torch.Generator().manual_seed(0)
    images = [torch.randn(3, 4, generator=rng) + 5 for _ in range(7)]
    together, one, other = _Moments(torch.zeros(3, 4)), _Moments(images[0]), _Moments(images[4])
    for place, points in enumerate(images):
        together.add(points)
        (one if place < 4 else other).add(points)
    one.merge(other)
    assert one.count == 7
    everything = _Moments(torch.zeros(3, 4))
    everything.merge(one)
    torch.testing.assert_close(everything.total, together.total, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(everything.products, together.products, rtol=1e-4, atol=1e-3)
