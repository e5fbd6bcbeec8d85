import numpy as np
import pytest
import torch

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.detectors import patchcore
from knowngood.detectors.at_scales import COARSER
from knowngood.detectors.patchcore import PatchCore
from knowngood.errors import RecipeError
from knowngood.features.backbones import load_backbone
from knowngood.features.patches import PatchFeatures
from knowngood.features.refined import RefinedBank

SHAPE = (64, 64)


def fit(images, **settings):
    return PatchCore(eight_bit=False, **settings).fit(
        ImageSet(list(images), Reading(SHAPE)), seed=0, device="cpu"
    )


@pytest.fixture(scope="module")
def images(good_images):
    return np.ascontiguousarray(good_images[:, 16:80, 16:80])


@pytest.fixture(scope="module")
def patches(images):
    """Patch features of each image, (N, 16, C) float64."""
    features = PatchFeatures(load_backbone(strides=(8, 16)), scales=1, neighbourhood=3, spacing=16)
    with torch.inference_mode():
        (maps,) = features(torch.from_numpy(images))
    return maps.half().flatten(2).transpose(1, 2).double()  # as they are gathered


def nearest(patches, bank):
    """Distance of each patch to the nearest patch of the bank's images, (N, 4, 4)."""
    return torch.cdist(patches, bank.flatten(0, 1)[None]).amin(dim=2).reshape(-1, 4, 4).numpy()


def test_with_room_for_all_patches_a_score_is_the_standardised_distance_to_the_nearest(images, patches):
    learned = fit(images[:10], scales=1, smoothing=0)
    ((mean, spread),) = learned.fitted.standards
    with torch.inference_mode():
        scores = learned.fitted(torch.from_numpy(images[10:14]))
    expected = (nearest(patches[10:14], patches[:10]) - mean) / spread
    np.testing.assert_allclose(scores.map, expected, rtol=5e-3, atol=5e-3)
    torch.testing.assert_close(scores.image, scores.map.amax(dim=(1, 2)))


def test_held_out_scores_are_distances_to_the_other_folds(images, patches):
    learned = fit(images[:10], scales=1, smoothing=0, folds=10)
    ((mean, spread),) = learned.fitted.standards
    distances = np.concatenate(
        [
            nearest(patches[[index]], patches[[other for other in range(10) if other != index]])
            for index in range(10)
        ]
    )
    assert mean == pytest.approx(distances.mean(), rel=5e-3)
    assert spread == pytest.approx(distances.std(), rel=5e-3)
    expected = (distances.max(axis=(1, 2)) - mean) / spread
    np.testing.assert_allclose(np.sort(learned.held_out), np.sort(expected), rtol=1e-2)


@pytest.mark.parametrize(("small", "refined"), [(40, False), (20, True)])
def test_the_bank_is_refined_where_those_of_the_folds_are(images, monkeypatch, small, refined):
    # Of 6 images of 16 patches, 64 or 80 are in the bank of all folds but one, and 96 in that of all.
    monkeypatch.setattr(patchcore, "SMALL", small)
    learned = fit(images[:6])
    bank = learned.fitted.models[0]
    assert isinstance(bank, RefinedBank) == refined
    assert np.isfinite(learned.held_out).all()
    if refined:
        assert len(bank.small.points) == 20
        assert len(bank.large.points) == 96
        assert 0 < bank.ratio < 1


def test_a_patch_is_as_anomalous_as_its_most_anomalous_scale(images):
    detector = fit(images[:6], smoothing=0).fitted
    (fine_mean, fine_spread), (coarse_mean, coarse_spread) = detector.standards
    fine = torch.full((1, 8, 8), fine_mean + 2 * fine_spread)
    coarse = torch.full((1, 4, 4), coarse_mean + 3 * coarse_spread)
    assert detector.combine([fine, coarse]).image.item() == pytest.approx(3 * COARSER, abs=1e-3)
    fine[0, 5, 2] = fine_mean + 7 * fine_spread
    scores = detector.combine([fine, coarse])
    assert scores.image.item() == pytest.approx(7, abs=1e-3)
    assert divmod(int(scores.map.argmax()), 8) == (5, 2)


def test_the_banks_hold_what_was_asked_for(images):
    detector = fit(images[:8], coreset=50, scales=3).fitted
    assert [len(bank.points) for bank in detector.models] == [50, 8 * 4, 8]


def test_a_smaller_coreset_is_farther_from_good_patches(images):
    small, large = fit(images[:12], coreset=20), fit(images[:12], coreset=1000)
    for (small_mean, _), (large_mean, _) in zip(small.fitted.standards, large.fitted.standards, strict=True):
        assert small_mean > large_mean


@pytest.mark.parametrize("coreset", [1, 2])
def test_the_smallest_coresets_work(images, coreset):
    assert np.isfinite(fit(images[:5], coreset=coreset).held_out).all()


def test_held_out_may_be_fewer(images):
    assert len(fit(images[:12], held_out=5).held_out) == 5


def test_an_even_neighbourhood_has_no_middle():
    with pytest.raises(RecipeError, match="PatchCore: neighbourhood=4 must be one of 1, 3, 5, 7"):
        PatchCore(neighbourhood=4)
