import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax

import knowngood
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.detectors import DETECTORS, make_detector
from knowngood.detectors.rotation import SCORES, CircularDistance, LogProbability, Turned
from knowngood.inspector.classification import ANSWERS
from knowngood.metrics.reliability import fit_temperature

SIDE = 28
FAST = {"network": "small", "input_size": SIDE, "epochs": 2}
NO_FEATURES = torch.zeros(0)


def numbers(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def slopes(count, *, seed=0):
    """Parts that are brighter to the right: each quarter looks different; uint8 (n, 28, 28)."""
    rng = np.random.default_rng(seed)
    x = np.mgrid[:SIDE, :SIDE][1]
    return np.clip(50 + 5 * x + rng.normal(0, 8, (count, SIDE, SIDE)), 0, 255).astype(np.uint8)


def discs(count):
    """Discs of different sizes, without noise: a turned one looks as it did."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    radius = np.hypot(y, x)
    return np.stack([np.where(radius < 6 + number, 200, 30) for number in range(count)]).astype(np.uint8)


def plain(count):
    """Constant images, each of another grey."""
    return np.stack([np.full((SIDE, SIDE), 20 + 15 * number, np.uint8) for number in range(count)])


def learn(images, **settings):
    """The result of learning from grey images."""
    colour = np.repeat(images[..., None], 3, axis=-1)
    return make_detector("rotation", FAST | settings).fit(
        ImageSet(list(colour), Reading((SIDE, SIDE))), seed=0, device="cpu"
    )


class TestTurned:
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
    def test_square_images_are_turned_like_numpy_s(self, dtype):
        images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 7, 7, 3))).to(dtype)
        views = Turned()(images)
        assert views.shape == (3, 4, 7, 7, 3)
        assert views.dtype == dtype
        for quarters in range(4):
            np.testing.assert_array_equal(views[:, quarters], np.rot90(images, quarters, axes=(1, 2)))

    @pytest.mark.parametrize("shape", [(8, 16), (20, 5), (7, 9)])
    def test_others_keep_their_shape_and_lying_ones_are_stretched(self, shape):
        images = np.random.default_rng(0).integers(0, 256, (2, *shape, 3), dtype=np.uint8)
        views = Turned()(torch.from_numpy(images)).numpy()
        assert views.shape == (2, 4, *shape, 3)
        for number, image in enumerate(images):
            for quarters in range(4):
                turned = np.rot90(image, quarters).astype(np.float32)
                wanted = cv2.resize(turned, shape[::-1], interpolation=cv2.INTER_LINEAR)
                np.testing.assert_allclose(views[number, quarters], wanted, atol=0.01)

    def test_turning_four_times_comes_back(self):
        images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 6, 6, 3)))
        turned = images
        for _ in range(4):
            turned = Turned()(turned)[:, 1]
        assert torch.equal(turned, images)


class TestScorers:
    def test_circular_distance_is_counted_round_the_circle(self):
        logits = numbers(40, 4, 4)
        wanted = []
        for image in logits.numpy():
            distances = []
            for truth, view in enumerate(image):
                found = int(view.argmax())
                clockwise, against = (found - truth) % 4, (truth - found) % 4
                distances.append(min(clockwise, against))
            wanted.append(sum(distances) / 4)
        scores = CircularDistance()(NO_FEATURES, logits)
        assert scores.dtype == torch.float32
        assert scores.tolist() == wanted

    @pytest.mark.parametrize(("shift", "distance"), [(0, 0), (1, 1), (2, 2), (3, 1)])
    def test_of_answers_that_are_all_off_by_as_much(self, shift, distance):
        logits = torch.eye(4).roll(shift, dims=1)[None]
        assert CircularDistance()(NO_FEATURES, logits).tolist() == [distance]

    @pytest.mark.parametrize("temperature", [0.1, 1.0, 30.0])
    def test_log_probability_is_minus_the_mean_of_the_true_rotations(self, temperature):
        logits = 3 * numbers(30, 4, 4)
        chances = log_softmax(logits.double().numpy() / temperature, axis=-1)
        wanted = [-np.mean([image[view, view] for view in range(4)]) for image in chances]
        np.testing.assert_allclose(LogProbability(temperature)(NO_FEATURES, logits), wanted, rtol=1e-4)

    @given(arrays(np.float32, (2, 4, 4), elements=st.floats(allow_nan=False, width=32)), st.floats(1e-3, 1e6))
    @settings(max_examples=100, deadline=None)
    def test_whatever_the_logits_scores_are_finite(self, logits, temperature):
        for scorer in (LogProbability(temperature), CircularDistance()):
            scores = scorer(NO_FEATURES, torch.from_numpy(logits))
            assert torch.isfinite(scores).all()
            assert (scores >= 0).all()


class TestInspector:
    @pytest.mark.parametrize("score", SCORES)
    def test_each_score_needs_no_classes(self, score):
        assert not DETECTORS["rotation"].needs_classes
        images = slopes(12)
        settings = FAST | {"score": score, "learning_rate": 0.01, "epochs": 4}
        inspector = knowngood.fit(images, make_detector("rotation", settings), device="cpu")
        new = np.concatenate([slopes(3, seed=4), plain(2), 255 - slopes(1, seed=5)])
        given = list(inspector.stream(list(new), extras=ANSWERS))
        logits = torch.from_numpy(np.stack([one.extras["logits"] for one in given]))
        scores = [one.score for one in given]
        assert np.isfinite(scores).all()
        assert logits.shape == (6, 4, 4)
        classes = inspector.records.classes
        assert classes.names == ["0°", "90°", "180°", "270°"]
        assert {one.label for one in classes.odd} == {""}
        if score == "distance":
            assert scores == CircularDistance()(NO_FEATURES, logits).tolist()
            assert scores[-1] == 2  # inverted, it looks turned by half
        if score == "log_probability":
            wanted = LogProbability(classes.temperature)(NO_FEATURES, logits)
            np.testing.assert_allclose(scores, wanted, rtol=1e-3)

    def test_accuracy_and_temperature_are_over_all_held_out_views(self):
        images = slopes(12)
        inspector = knowngood.fit(
            images, make_detector("rotation", FAST | {"score": "distance"}), device="cpu"
        )
        held_out = [images[row] for row in inspector.training.validation]
        logits = np.concatenate([one.extras["logits"] for one in inspector.stream(held_out, extras=ANSWERS)])
        truth = np.tile(np.arange(4), len(held_out))
        classes = inspector.records.classes
        assert classes.accuracy == pytest.approx((logits.argmax(axis=1) == truth).mean())
        assert classes.temperature == pytest.approx(fit_temperature(logits, truth), rel=1e-3)
        assert classes.before.answers.sum() == 4 * len(held_out)

    def test_a_turned_part_is_odd(self):
        fitted = learn(slopes(16), epochs=10, learning_rate=0.01)
        new = np.repeat(slopes(4, seed=4)[..., None], 3, axis=-1)
        with torch.inference_mode():
            upright = fitted.fitted(torch.from_numpy(new)).image
            turned = fitted.fitted(torch.from_numpy(np.rot90(new, 2, axes=(1, 2)).copy())).image
        assert turned.min() > upright.max()
        assert fitted.records.classes.accuracy == 1


class TestSymmetry:
    @pytest.mark.parametrize("score", SCORES)
    @pytest.mark.parametrize("make", [discs, plain])
    def test_parts_that_look_the_same_when_turned_give_finite_scores(self, make, score):
        fitted = learn(make(8), score=score, epochs=1)
        assert np.isfinite(fitted.held_out).all()
        new = np.repeat(np.concatenate([make(2), slopes(2)])[..., None], 3, axis=-1)
        with torch.inference_mode():
            scores = fitted.fitted(torch.from_numpy(new)).image
        assert torch.isfinite(scores).all()

    def test_their_network_cannot_do_better_than_guess(self):
        fitted = learn(discs(8), score="distance", epochs=3, learning_rate=0.01)
        assert fitted.records.classes.accuracy == 0.25
        assert set(fitted.held_out.tolist()) == {1.0}
        assert fitted.records.training.losses["validation"].min() > np.log(4) - 0.01
