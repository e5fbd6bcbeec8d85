import numpy as np
import pytest
import torch

from knowngood.classifiers import anomaly_features, make_classifier
from knowngood.classifiers.anomaly_features import LEAST_GOOD
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.detectors.patchcore import PatchCore
from knowngood.errors import DataError, RecipeError
from knowngood.features.backbones import load_backbone
from knowngood.features.patches import halve

SHAPE = (64, 64)
GOOD, BAD = 9, 6


@pytest.fixture(scope="module")
def parts(good_images, defect_images):
    """Nine good parts, then six scratched ones, each an array of its own."""
    return [image.copy() for image in np.concatenate([good_images[:GOOD], defect_images])]


def learn(parts, counts=(GOOD, BAD), groups=None, *, seed=0, **settings):
    recipe = make_classifier("anomaly_features", {"input_size": 64} | settings)
    images = ImageSet(parts, Reading(SHAPE), np.repeat(["good", "scratch"], counts).tolist(), groups)
    return recipe.fit(images, seed=seed, device="cpu")


@pytest.fixture
def seen(monkeypatch):
    """In order: which images detectors learned from, and which they described."""
    events = []
    fit, extract_views = PatchCore.fit, anomaly_features.extract_views

    def spy_on_fit(self, good, **options):
        events.append(("learned", {id(source) for source in good.sources}, self, good))
        return fit(self, good, **options)

    def spy_on_views(features, images, **options):
        events.append(("described", {id(source) for source in images.sources}, None, images))
        return extract_views(features, images, **options)

    monkeypatch.setattr(PatchCore, "fit", spy_on_fit)
    monkeypatch.setattr(anomaly_features, "extract_views", spy_on_views)
    return events


class TestDescriptions:
    @pytest.mark.parametrize("parts_of_it", [2, 3])
    def test_are_by_detectors_that_did_not_learn_from_the_image(self, parts, seen, parts_of_it):
        learn(parts, folds=parts_of_it)
        good = {id(part) for part in parts[:GOOD]}
        assert [what for what, *_ in seen] == ["learned", "described"] * parts_of_it + ["learned"]
        described = []
        for (_, learned, *_), (_, looked_at, *_) in zip(seen[:-1:2], seen[1::2], strict=True):
            assert learned < good
            assert learned == good - looked_at
            # In each part of the images there are good ones and defects.
            assert looked_at & good
            assert looked_at - good
            described += looked_at
        assert sorted(described) == sorted(map(id, parts))
        assert seen[-1][1] == good  # the detector that ships knows all good parts
        # None rounds to 8 bits: each would in its own way, which would tell folds apart.
        recipes = [recipe for what, _, recipe, _ in seen if what == "learned"]
        assert {recipe.eight_bit for recipe in recipes} == {False}
        assert {recipe.input_size for recipe in recipes} == {64}

    def test_photographs_of_one_part_stay_together(self, parts, seen):
        groups = [*"aabbccdde", *"uvwxyz"]
        learn(parts, groups=groups)
        of = {id(part): group for part, group in zip(parts, groups, strict=True)}
        for what, _, _, batches in seen:
            if what == "learned":  # the detector is told as well, for its own folds
                assert batches.groups == [of[id(source)] for source in batches.sources]
        for (_, learned, *_), (_, looked_at, *_) in zip(seen[:-1:2], seen[1::2], strict=True):
            assert not {of[image] for image in learned} & {of[image] for image in looked_at}

    def test_of_good_parts_look_like_those_of_new_ones(self, parts, good_images):
        """The heat of an image that was learned from would be far lower."""
        fit = learn(parts)
        descriptor = fit.fitted.descriptor
        channels = sum(shape[0] for shape in descriptor.detector.features.shapes)
        assert len(fit.fitted.head.standardise.mean) == (4 + 2) + 16 + 4 * channels + 3 * 320
        with torch.inference_mode():
            fresh = fit.fitted(torch.from_numpy(shrunk(good_images[GOOD:]))).map.amax(dim=(1, 2)).numpy()
            known = fit.fitted(torch.from_numpy(shrunk(parts[:GOOD]))).map.amax(dim=(1, 2)).numpy()
        assert fit.map_maxima.shape == (GOOD,)
        assert known.max() < fit.map_maxima.min()
        apart = np.median(fresh) - np.median(known)
        assert abs(np.median(fit.map_maxima) - np.median(fresh)) < apart / 2
        assert descriptor.spread > 0

    def test_end_with_the_deepest_features_at_half_the_size(self, parts):
        seen = torch.from_numpy(shrunk(parts[:2]))
        backbone = load_backbone("tf_efficientnet_lite0", strides=(32,))
        with torch.inference_mode():
            features = learn(parts).fitted.features(seen)
            (maps,) = backbone(halve(backbone.normalise(seen)))
        torch.testing.assert_close(features[-1], maps, rtol=1e-3, atol=1e-3)
        assert maps.shape == (2, 320, 1, 1)  # an image has 64 pixels

    def test_pool_features_where_the_map_is_hot(self):
        maps = torch.zeros(1, 2, 4, 4)
        maps[0, 0, 1, 2], maps[0, 1] = 5, 1
        heat = torch.zeros(1, 4, 4)
        heat[0, 1, 2] = 10
        narrow = anomaly_features._pool(maps, heat, 0.2)
        torch.testing.assert_close(narrow, torch.tensor([[5.0, 1.0]]))
        even = anomaly_features._pool(maps, 0 * heat, 0.2)
        torch.testing.assert_close(even, maps.mean(dim=(2, 3)))
        finer = heat.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
        torch.testing.assert_close(anomaly_features._pool(maps, finer, 0.2), narrow)


def shrunk(images):
    return np.concatenate([batch.images for batch in ImageSet(list(images), Reading(SHAPE)).batches()])


class TestSettings:
    def test_another_detector_with_a_map(self, parts, defect_images):
        fit = learn(parts, detector="padim")
        lesson = fit.records.classifier
        assert (lesson.logits.argmax(axis=1) == lesson.truth).mean() > 0.8
        with torch.inference_mode():
            scores = fit.fitted(torch.from_numpy(shrunk(defect_images)))
        assert (scores.image > 0).float().mean() > 0.8
        assert scores.map.shape[0] == len(defect_images)

    def test_a_detector_without_a_map_is_refused(self, parts):
        with pytest.raises(
            RecipeError, match="detector=Gaussian gives no map of patch features; take patchcore"
        ):
            learn(parts, detector="gaussian")

    def test_a_detector_that_is_not_known(self):
        with pytest.raises(RecipeError, match="detector='magic' must be one of patchcore, "):
            make_classifier("anomaly_features", {"detector": "magic"})

    @pytest.mark.parametrize("folds", [1, 21])
    def test_folds_out_of_range(self, folds):
        with pytest.raises(RecipeError, match=f"AnomalyFeatures: folds={folds} must be between 2 and 20"):
            make_classifier("anomaly_features", {"folds": folds})


class TestFewImages:
    @pytest.mark.parametrize("good", [2, LEAST_GOOD - 1])
    def test_too_few_good_ones(self, parts, good):
        few = parts[:good] + parts[GOOD:]
        with pytest.raises(
            DataError, match=f"{good} good images are too few for anomaly_features.*at least 4"
        ):
            learn(few, (good, BAD))

    def test_the_least_will_do(self, parts):
        few = parts[:LEAST_GOOD] + parts[GOOD : GOOD + 2]
        fit = learn(few, (LEAST_GOOD, 2))
        assert np.isfinite(fit.records.classifier.logits).all()
        assert fit.map_maxima.shape == (LEAST_GOOD,)
        assert np.isfinite(fit.map_maxima).all()
