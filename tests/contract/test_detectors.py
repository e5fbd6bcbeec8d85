"""What every detector in the registry must do. A new one is tested here without a line being added."""

import dataclasses

import numpy as np
import pytest
import torch

from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.detectors import DETECTORS, make_detector
from knowngood.engines.engine import ENGINES, compile_graph
from knowngood.errors import DataError
from knowngood.inspector.exporting import export

SHAPE = (96, 96)
DEFECT = (slice(28, 44), slice(52, 68))


def quick(name):
    """The default recipe; networks are trained for a few seconds, which is enough for these images."""
    if not DETECTORS[name].trains:
        return make_detector(name)
    small = {"epochs": 15, "width": 8, "folds": 2, "steps": 2}
    return make_detector(name, {key: value for key, value in small.items() if hasattr(DETECTORS[name], key)})


def fit(recipe, images, *, seed=0, shape=SHAPE, **options):
    """Learn; the good parts are of two kinds, for detectors that want to know."""
    shape = (2 * shape[0], shape[1]) if recipe.compares else shape
    classes = ["ab"[position // 2 % 2] for position in range(len(images))]
    return recipe.fit(
        ImageSet(list(images), Reading(shape), classes=classes, **options), seed=seed, device="cpu"
    )


def with_references(name, images):
    """Images, each above a second photograph of the same part where the detector compares the two."""
    if not DETECTORS[name].compares:
        return images
    noise = np.random.default_rng(7).normal(0, 4, size=images.shape)
    return np.concatenate([images, np.clip(images + noise, 0, 255).astype(np.uint8)], axis=1)


def learn(name, images, **options):
    return fit(quick(name), images, **options)


def judge(detector, images):
    """Image scores and maps as arrays; maps are None for image-only methods."""
    with torch.inference_mode():
        image, maps, *_ = detector(torch.from_numpy(np.ascontiguousarray(images)))
    return image.numpy(), None if maps is None else maps.numpy()


def trained_once(fit):
    """Whether one network was trained; several are where more is scored than one of them has held out."""
    training = fit.records.training
    return training is not None and len(training.validation) == len(fit.held_out)


def count_held_out(fit, images):
    """How many images must have a score: all of them or, where one network is trained, a fifth."""
    if not trained_once(fit):
        return len(images)
    # Of each class as near a fifth as can be, and at least one: of four images of two classes two.
    most = max(len(images) // 5 + 1, 2)
    assert len(images) // 5 <= len(fit.records.training.validation) <= most
    return len(fit.records.training.validation)


@pytest.fixture(scope="module", params=list(DETECTORS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def good(name, good_images):
    return with_references(name, good_images)


@pytest.fixture(scope="module")
def train(good):
    return good[:16]


@pytest.fixture(scope="module")
def fresh(good):
    return good[16:]


@pytest.fixture(scope="module")
def defective(fresh):
    """The fresh good parts, each with a bright patch at `DEFECT`."""
    images = fresh.copy()
    images[:, *DEFECT] = 235
    return images


@pytest.fixture(scope="module")
def fitted(name, train):
    return learn(name, train)


@pytest.fixture(scope="module")
def typical(fitted):
    """A usual score; differences are measured against it, since raw scores may pass through zero."""
    return float(np.median(np.abs(fitted.held_out)))


@pytest.fixture
def recipe(name):
    return quick(name)


class TestScores:
    def test_one_score_and_one_map_an_image(self, fitted, fresh):
        with torch.inference_mode():
            scores = fitted.fitted(torch.from_numpy(fresh))
        assert scores.image.shape == (len(fresh),)
        assert scores.image.dtype == torch.float32
        assert torch.isfinite(scores.image).all()
        if scores.map is not None:
            assert scores.map.shape[0] == len(fresh)
            assert scores.map.ndim == 3
            assert scores.map.dtype == torch.float32
            assert torch.isfinite(scores.map).all()

    def test_differ_between_images(self, fitted, fresh):
        assert len(np.unique(judge(fitted.fitted, fresh)[0])) == len(fresh)

    def test_depend_on_the_image_alone(self, fitted, fresh, typical):
        together, maps = judge(fitted.fitted, fresh)
        backwards, maps_backwards = judge(fitted.fitted, fresh[::-1])
        alone = [judge(fitted.fitted, image[None]) for image in fresh]
        close = {"rtol": 1e-4, "atol": 1e-4 * typical}
        np.testing.assert_allclose(backwards[::-1], together, **close)
        np.testing.assert_allclose(np.concatenate([image for image, _ in alone]), together, **close)
        if maps is not None:
            np.testing.assert_allclose(maps_backwards[::-1], maps, **close)
            np.testing.assert_allclose(np.concatenate([one for _, one in alone]), maps, **close)

    def test_leave_the_images_as_they_are(self, fitted, fresh):
        images = torch.from_numpy(fresh.copy())
        with torch.inference_mode():
            fitted.fitted(images)
        np.testing.assert_array_equal(images.numpy(), fresh)

    def test_a_planted_defect_outscores_every_good_image(self, fitted, fresh, defective):
        assert judge(fitted.fitted, defective)[0].min() > judge(fitted.fitted, fresh)[0].max()

    def test_the_map_peaks_on_the_planted_defect(self, fitted, defective):
        _, maps = judge(fitted.fitted, defective)
        if maps is None:
            return
        for one in maps:
            row, column = np.unravel_index(one.argmax(), one.shape)
            centre = (np.array([row, column]) + 0.5) / one.shape * SHAPE
            assert DEFECT[0].start <= centre[0] <= DEFECT[0].stop
            assert DEFECT[1].start <= centre[1] <= DEFECT[1].stop

    @pytest.mark.parametrize("engine", ENGINES)
    def test_the_graph_gives_what_torch_gives(self, fitted, fresh, defective, typical, engine):
        images = np.concatenate([fresh[:3], defective[:2]])
        with torch.inference_mode():
            scores = fitted.fitted(torch.from_numpy(images))
        expected = [part.numpy() for part in scores.given.values()]
        graph, *_ = export(fitted.fitted, images[:1], typical=1.0)
        # Between two 8-bit levels another engine may round the other way, and so on from layer to layer.
        exact = engine == "openvino" or b"QuantizeLinear" not in graph
        relative, absolute = (1e-4, 1e-4) if exact else (0.1, 0.5)
        for ours, theirs in zip(expected, compile_graph(graph, engine)(images), strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=relative, atol=absolute * typical)


class TestFit:
    def test_the_same_seed_gives_the_same_result(self, name, fitted, train, defective):
        again = learn(name, train)
        np.testing.assert_array_equal(again.held_out, fitted.held_out)
        for one, other in zip(judge(again.fitted, defective), judge(fitted.fitted, defective), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_another_seed_works(self, name, train, fresh, defective):
        other = learn(name, train, seed=1)
        assert judge(other.fitted, defective)[0].min() > judge(other.fitted, fresh)[0].max()

    def test_a_second_fit_leaves_the_first_detector_as_it_was(self, recipe, train, fresh):
        before = dataclasses.asdict(recipe)
        first = fit(recipe, train).fitted
        scores, maps = judge(first, fresh)
        second = fit(recipe, 255 - train[:6]).fitted
        assert not np.array_equal(judge(second, fresh)[0], scores)
        np.testing.assert_array_equal(judge(first, fresh)[0], scores)
        np.testing.assert_array_equal(judge(first, fresh)[1], maps)
        assert dataclasses.asdict(recipe) == before

    def test_progress_is_told_to_its_end_in_each_stage(self, recipe, train):
        told = {}

        def progress(stage, done, total):
            assert told.get(stage, 0) < done <= total
            told[stage] = done
            totals[stage] = total

        totals = {}
        images = ImageSet(list(train[:4]), Reading((64, 64)), classes=["a", "a", "b", "b"])
        recipe.fit(images, seed=0, device="cpu", progress=progress)
        assert told
        assert told == totals

    def test_two_images_of_any_aspect_ratio_are_enough(self, name, train):
        few = train[: 4 if DETECTORS[name].needs_classes else 2]  # two of each kind
        fit = learn(name, few, shape=(64, 128))
        scores, maps = judge(fit.fitted, with_references(name, np.zeros((1, 64, 128, 3), np.uint8)))
        assert fit.held_out.shape == (count_held_out(fit, few),)
        assert np.isfinite(fit.held_out).all()
        assert np.isfinite(scores).all()
        if maps is not None:
            assert 2 * maps.shape[1] == maps.shape[2]

    def test_one_image_is_too_few(self, name, train):
        with pytest.raises(DataError, match="at least 2"):
            learn(name, train[:1])

    def test_constant_images_give_finite_scores(self, name, fresh):
        fit = learn(name, np.full((6, *SHAPE, 3), 128, np.uint8))
        assert np.isfinite(fit.held_out).all()
        scores, maps = judge(fit.fitted, fresh)
        assert np.isfinite(scores).all()
        assert maps is None or np.isfinite(maps).all()

    def test_an_unreadable_image_stops_the_fit_and_is_named(self, name, train, tmp_path):
        (tmp_path / "broken.png").write_text("not an image")
        with pytest.raises(DataError, match=r"broken\.png"):
            learn(name, [train[0], tmp_path / "broken.png", *train[1:4]])

    def test_unreadable_images_can_be_skipped(self, name, train, fresh, defective, tmp_path):
        (tmp_path / "broken.png").write_text("not an image")
        sources = [*train[:5], tmp_path / "broken.png", *train[5:]]
        fit = learn(name, sources, on_unreadable=[].append)
        assert fit.held_out.shape == (count_held_out(fit, train),)
        assert np.isfinite(fit.held_out).all()
        assert judge(fit.fitted, defective)[0].min() > judge(fit.fitted, fresh)[0].max()


class TestHeldOut:
    """Thresholds are set from these scores: they must be what fresh good images would get."""

    def test_one_finite_score_an_image(self, fitted, train):
        count = count_held_out(fitted, train)
        assert fitted.held_out.shape == (count,)
        assert fitted.held_out.dtype == np.float64
        assert np.isfinite(fitted.held_out).all()
        assert len(np.unique(fitted.held_out)) == count

    def test_lie_where_fresh_good_images_lie(self, name, fitted, train, fresh):
        in_sample = judge(fitted.fitted, train)[0]
        if trained_once(fitted):  # the images themselves are held out
            of_held_out = in_sample[fitted.records.training.validation]
            np.testing.assert_allclose(fitted.held_out, of_held_out, rtol=1e-4)
            learned = np.delete(in_sample, fitted.records.training.validation)
            # What sees each image damaged anew in each step learns little by heart: 99 % of such differences.
            chance = 2.6 * np.hypot(*(few.std() / len(few) ** 0.5 for few in (learned, of_held_out)))
            assert fitted.held_out.mean() > learned.mean() - chance
            return
        of_fresh = judge(fitted.fitted, fresh)[0]
        if DETECTORS[name].compares:  # what is right is in the reference: it learns little by heart
            np.testing.assert_allclose(np.median(fitted.held_out), np.median(of_fresh), rtol=0.2)
            return
        assert fitted.held_out.mean() > in_sample.mean()
        # Nearer to the fresh ones than those are to what the detector has learned by heart.
        apart = np.median(of_fresh) - np.median(in_sample)
        # Where two networks are trained, only one has learned the image by heart, and their mean half of it.
        apart *= 1 if fitted.records.training is None else 2
        # What learns little by heart, as a single mean of all images does, leaves no room for the chance of
        # 8 and 16 images: so far apart are 99 % of such medians, which spread 1.25 times as far as means.
        chance = 2.6 * 1.25 * np.hypot(*(few.std() / len(few) ** 0.5 for few in (of_fresh, fitted.held_out)))
        assert abs(np.median(fitted.held_out) - np.median(of_fresh)) < max(apart / 2, chance)

    def test_the_same_part_photographed_twice_is_held_out_together(self, name, train):
        twice = np.concatenate([train[:8], train[:8]])
        fit = learn(name, twice, groups=[*range(8), *range(8)])
        if fit.records.training is not None:
            first, second = np.split(np.isin(np.arange(16), fit.records.training.validation), 2)
            np.testing.assert_array_equal(first, second)
            assert 0 < first.sum() < 8
            return
        if DETECTORS[name].compares:  # one model has scored both photographs
            np.testing.assert_array_equal(*np.split(fit.held_out[np.argsort(fit.places)], 2))
            return
        together = fit.held_out
        apart = learn(name, twice).held_out
        assert together.mean() > apart.mean()
        assert together.min() > apart.min()


def test_each_held_out_score_is_that_of_its_place(name, train):
    images = train.copy()
    images[3, : SHAPE[0]] = 255 - images[3, : SHAPE[0]]
    made = fit(make_detector(name, {"epochs": 1} if DETECTORS[name].trains else {}), images)
    assert made.held_out.shape == made.places.shape
    assert sorted(set(made.places.tolist())) == sorted(made.places.tolist())
    assert set(made.places.tolist()) <= set(range(len(images)))
    if DETECTORS[name].trains:
        assert len(made.places) == count_held_out(made, images)
    else:
        assert made.places[made.held_out.argmax()] == 3
