import dataclasses
import importlib

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.special import log_softmax

import knowngood
from knowngood.detectors import make_detector
from knowngood.detectors.class_confidence import ODIN_TEMPERATURE, SCORES
from knowngood.errors import DataError, InspectorError, RecipeError
from knowngood.inspector.classification import ANSWERS
from knowngood.metrics.reliability import msp, reliability

SIDE = 28
FAST = {"network": "small", "input_size": SIDE, "epochs": 2}
FITTING = importlib.import_module("knowngood.inspector.exporting")


def striped(rng, kind):
    """A part of kind `a` is brighter below, one of kind `b` to the right; uint8 (28, 28)."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return np.clip(60 + 4 * (y if kind == "a" else x) + rng.normal(0, 8, (SIDE, SIDE)), 0, 255).astype(
        np.uint8
    )


def parts(count, *, seed=0):
    """So many grey images of each kind, and their kinds."""
    rng = np.random.default_rng(seed)
    kinds = ["a", "b"] * count
    return np.stack([striped(rng, kind) for kind in kinds]), kinds


def odd_ones(seed=9):
    """Two images of white noise and two good ones inverted."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (2, SIDE, SIDE), dtype=np.uint8)
    return np.concatenate([noise, 255 - parts(1, seed=seed)[0]])


def learn(images, kinds, **settings):
    return knowngood.fit(
        images, make_detector("class_confidence", FAST | settings), classes=kinds, device="cpu"
    )


def watched(images, kinds, **settings):
    """An inspector, and the fitted detector in torch that its graph was exported from."""
    exported = []
    with pytest.MonkeyPatch.context() as patch:
        export = FITTING.export
        patch.setattr(
            FITTING, "export", lambda fitted, *a, **k: exported.append(fitted) or export(fitted, *a, **k)
        )
        return learn(images, kinds, **settings), exported[0]


def in_torch(fitted, images):
    with torch.inference_mode():
        return fitted(torch.from_numpy(np.repeat(images[..., None], 3, axis=-1)))


@pytest.fixture(scope="module")
def good():
    return parts(10)


@pytest.fixture(scope="module")
def new():
    return np.concatenate([parts(2, seed=5)[0], odd_ones()])


@pytest.fixture(scope="module")
def confident(good):
    """An inspector by msp, trained long enough that it is sure of most parts and wrong about some."""
    images, kinds = good
    muddled = list(kinds)
    muddled[:4] = "bbaa"
    return learn(images, muddled, score="msp", network="cnn", learning_rate=0.003, epochs=3)


class TestScores:
    @pytest.mark.parametrize(
        ("score", "network"),
        [*((score, "small") for score in SCORES), ("odin", "cnn"), ("msp", "cnn"), ("knn", "cnn")],
    )
    def test_the_shipped_graph_gives_what_torch_gives(self, score, network, good, new):
        inspector, fitted = watched(*good, score=score, network=network)
        wanted = in_torch(fitted, new)
        given = list(inspector.stream(list(new), extras=ANSWERS))
        scores = np.array([one.score for one in given])
        assert np.isfinite(scores).all()
        assert len(np.unique(scores)) == len(new)
        np.testing.assert_allclose(scores, wanted.image, rtol=1e-3)
        np.testing.assert_allclose(
            [one.extras["logits"] for one in given], wanted.extras["logits"], rtol=1e-3, atol=1e-5
        )
        np.testing.assert_allclose(
            [one.extras["features"] for one in given], wanted.extras["features"], rtol=1e-3, atol=1e-5
        )
        assert inspector.records.classes.names == ["a", "b"]
        assert all(verdict.map is None for verdict in inspector.inspect(list(new)))

    def test_only_the_score_differs_between_scores(self, good, new):
        images, kinds = good
        few = images[:8], kinds[:8]
        one, other = (watched(*few, score=score)[1] for score in ("max_logit", "odin"))
        torch.testing.assert_close(in_torch(one, new).extras["logits"], in_torch(other, new).extras["logits"])
        assert not torch.equal(in_torch(one, new).image, in_torch(other, new).image)

    def test_odin_scores_by_the_moved_image_at_its_own_temperature(self, good, new):
        from knowngood.detectors.input_gradient import towards_confidence

        _, fitted = watched(*good, score="odin", epsilon=0.2)
        network = fitted.network
        layers = [*network.trunk, network.head]
        images = torch.from_numpy(new)[:, None].float() / 255
        with torch.inference_mode():
            moved = towards_confidence(layers, images, step=0.2, temperature=ODIN_TEMPERATURE)
            logits = network.head(network.trunk(moved))
            unmoved = network.head(network.trunk(images))
        scores = in_torch(fitted, new).image
        np.testing.assert_allclose(np.exp(scores.numpy()), msp(logits.numpy(), ODIN_TEMPERATURE), rtol=1e-5)
        assert (np.exp(scores.numpy()) < msp(unmoved.numpy(), ODIN_TEMPERATURE)).any()

    def test_odin_needs_the_gradient_of_a_network_on_pixels(self):
        with pytest.raises(RecipeError, match=r"score='odin' needs the gradient .* take network=cnn"):
            make_detector("class_confidence", {"score": "odin"})
        assert make_detector("class_confidence", {"score": "odin", "network": "cnn"}).step == 0.0014
        assert make_detector("class_confidence", {"score": "msp", "network": "cnn"}).step == 0

    @pytest.mark.parametrize(
        "settings",
        [
            {"score": "softmax"},
            {"temperature": 0},
            {"temperature": -1.0},
            {"label_smoothing": 1.0},
            {"neighbours": 0},
            {"bank": 0},
            {"epsilon": 0.0},
            {"schedule": "linear"},
        ],
    )
    def test_a_setting_out_of_range_is_named(self, settings):
        with pytest.raises(RecipeError, match=next(iter(settings))):
            make_detector("class_confidence", settings)

    @pytest.mark.parametrize("name", ["class_confidence", "rotation"])
    def test_a_network_that_timm_does_not_know_is_named_as_the_setting(self, name, good):
        images, kinds = good
        recipe = make_detector(name, {"input_size": 64, "network": "resnet99"})
        with pytest.raises(RecipeError, match=r"^network='resnet99' is not a timm model; ") as refused:
            knowngood.fit(images, recipe, classes=kinds if recipe.needs_classes else None, device="cpu")
        assert (refused.value.setting, refused.value.value) == ("network", "resnet99")


class TestTemperature:
    def test_what_is_given_is_used_and_changes_scores_alone(self, good, new):
        given = {}
        for temperature in (1.0, 50.0):
            inspector = learn(*good, score="msp", temperature=temperature)
            assert inspector.records.classes.temperature == temperature
            assert not inspector.records.classes.fitted
            given[temperature] = list(inspector.stream(list(new), extras=ANSWERS))
            logits = np.stack([one.extras["logits"][0] for one in given[temperature]])
            scores = [one.score for one in given[temperature]]
            np.testing.assert_allclose(np.exp(scores), msp(logits, temperature), rtol=1e-4)
        for one, other in zip(given[1.0], given[50.0], strict=True):
            np.testing.assert_array_equal(one.extras["logits"], other.extras["logits"])
            np.testing.assert_array_equal(one.extras["features"], other.extras["features"])
            assert one.score != other.score

    def test_what_is_fitted_makes_held_out_classes_likeliest(self, confident, good):
        logits, truth = held_out_answers(confident, good)
        classes = confident.records.classes
        assert classes.fitted

        def surprise(temperature):
            return -log_softmax(logits / temperature, axis=1)[np.arange(len(truth)), truth].mean()

        grid = np.geomspace(0.05, 20, 4001)
        best = grid[np.argmin([surprise(temperature) for temperature in grid])]
        assert classes.temperature == pytest.approx(best, rel=3e-3)
        assert surprise(classes.temperature) <= surprise(best) + 1e-6

    def test_scores_use_it(self, confident, new):
        given = list(confident.stream(list(new), extras=ANSWERS))
        wanted = msp(
            np.stack([one.extras["logits"][0] for one in given]), confident.records.classes.temperature
        )
        np.testing.assert_allclose(np.exp([one.score for one in given]), wanted, rtol=1e-3)


def held_out_answers(inspector, good):
    """Logits and true classes of the held-out images, with the labels that the inspector learned from."""
    images, kinds = good
    muddled = list(kinds)
    muddled[:4] = "bbaa"
    rows = inspector.training.validation
    logits = np.stack(
        [one.extras["logits"][0] for one in inspector.stream([images[row] for row in rows], extras=ANSWERS)]
    )
    return logits, np.array(["ab".index(muddled[row]) for row in rows])


class TestRecord:
    def test_accuracy_and_calibration_are_of_the_held_out_images(self, confident, good):
        logits, truth = held_out_answers(confident, good)
        classes = confident.records.classes
        assert classes.accuracy == pytest.approx((logits.argmax(axis=1) == truth).mean())
        for found, temperature in ((classes.before, 1.0), (classes.after, classes.temperature)):
            wanted = reliability(logits, truth, temperature)
            np.testing.assert_array_equal(found.answers, wanted.answers)
            np.testing.assert_allclose(found.confidence, wanted.confidence, atol=1e-4)
            np.testing.assert_allclose(found.accuracy, wanted.accuracy)
        assert classes.before.answers.sum() == len(truth)

    def test_the_oddest_come_first_with_their_pictures(self, confident, good):
        images, _ = good
        odd = confident.records.classes.odd
        assert len(odd) == 8
        assert [one.score for one in odd] == sorted((one.score for one in odd), reverse=True)
        for one, picture in zip(odd, confident.records.classes.pictures, strict=True):
            row = int(one.name.strip("[]"))
            np.testing.assert_array_equal(picture, np.repeat(images[row][..., None], 3, axis=-1))
            assert one.held_out == (row in confident.training.validation)
            (verdict,) = confident.inspect(images[row])
            assert one.score == pytest.approx(verdict.score, rel=1e-3)

    def test_it_survives_a_file(self, confident, tmp_path):
        confident.save(tmp_path / "parts.inspector")
        again = knowngood.Inspector.load(tmp_path / "parts.inspector").records.classes
        ours = confident.records.classes
        assert (again.names, again.temperature, again.odd) == (ours.names, ours.temperature, ours.odd)
        np.testing.assert_array_equal(again.pictures, ours.pictures)

    @pytest.mark.parametrize("score", ["mahalanobis", "knn"])
    def test_mislabelled_anomalies_are_the_oddest(self, score, good):
        images, kinds = good
        mixed = np.concatenate([images, odd_ones()])
        inspector = learn(mixed, kinds + ["a"] * 4, score=score)
        odd = inspector.records.classes.odd
        found = [int(one.name.strip("[]")) for one in odd]
        assert {20, 21, 22, 23} <= set(found)
        assert {one.label for one in odd[:2]} == {"a"}
        assert found[0] >= 20


class TestClassify:
    def test_logits_of_one_view_and_what_is_seen_in_it(self, confident, good):
        images, _ = good
        given = list(confident.stream(list(images[:3]), extras=ANSWERS))
        assert [one.extras["logits"].shape for one in given] == [(1, 2)] * 3
        assert [one.extras["features"].shape for one in given] == [(1, 128)] * 3
        assert {one.extras["logits"].dtype for one in given} == {np.dtype(np.float32)}
        assert [one.index for one in given] == [0, 1, 2]
        assert [one.score for one in given] == [
            pytest.approx(verdict.score, rel=1e-3) for verdict in confident.inspect(list(images[:3]))
        ]

    def test_answers_are_copies(self, confident, good):
        images, _ = good
        first, second, *_ = confident.stream(list(images[:4]), extras=ANSWERS)
        assert not np.array_equal(first.extras["logits"], second.extras["logits"])
        assert not np.shares_memory(first.extras["features"], second.extras["features"])

    def test_other_detectors_do_not_classify(self, good):
        images, _ = good
        recipe = make_detector("autoencoder", {"input_size": SIDE, "epochs": 1, "width": 2})
        inspector = knowngood.fit(images[:4], recipe, device="cpu")
        message = "autoencoder gives no logits; it gives map, pixels, rebuilt, score"
        with pytest.raises(InspectorError, match=message):
            list(inspector.stream(list(images[:1]), extras=ANSWERS))


class TestClasses:
    @pytest.mark.parametrize(
        ("kinds", "message"),
        [
            (
                None,
                r"the classes of the good images are not known; .*classes=.*patchcore or rotation",
            ),
            (["", None] * 3, "the classes of the good images are not known"),
            (["a"] * 6, "all good images are of one class, 'a'.* take patchcore, or rotation"),
            (["a", "a", "a", "b", "b", "c"], "class 'c' has one good part; .*add images of it or leave"),
            (["a", "b", "a", "b", None, ""], r"2 of 6 good images have no class, such as '\[4\]'; fill in"),
            (["a", "b", "a", "b"], "4 classes came for 6 good images"),
        ],
    )
    def test_that_will_not_do(self, kinds, message):
        with pytest.raises(DataError, match=message):
            learn(parts(3)[0], kinds)

    def test_of_any_kind_are_taken_as_text(self):
        images, _ = parts(3)
        recipe = dataclasses.replace(make_detector("class_confidence", FAST), epochs=1)
        inspector = knowngood.fit(images, recipe, classes=np.array([10, 9] * 3), device="cpu")
        assert inspector.records.classes.names == ["10", "9"]

    def test_from_a_table(self, tmp_path):
        images, kinds = parts(5)
        names = [f"{number}.png" for number in range(10)]
        for name, image in zip(names, images, strict=True):
            Image.fromarray(image).save(tmp_path / name)
        table = pd.DataFrame({"path": names, "label": "good", "split": "train", "class": kinds})
        table.to_csv(tmp_path / "parts.csv", index=False)
        recipe = make_detector("class_confidence", FAST | {"score": "max_logit"})
        inspector = knowngood.fit(tmp_path / "parts.csv", recipe, device="cpu")
        alone = learn(images, kinds, score="max_logit")
        assert inspector.records.classes.names == ["a", "b"]
        for one in inspector.records.classes.odd:
            assert one.label == kinds[int(one.name.rpartition("/")[2].removesuffix(".png"))]
        np.testing.assert_allclose(
            [verdict.score for verdict in inspector.inspect(list(images))],
            [verdict.score for verdict in alone.inspect(list(images))],
            rtol=1e-5,
        )

    def test_a_table_without_the_column(self, tmp_path):
        table = pd.DataFrame({"path": ["0.png", "1.png"], "label": "good", "split": "train"})
        for name, image in zip(table["path"], parts(1)[0], strict=True):
            Image.fromarray(image).save(tmp_path / name)
        table.to_csv(tmp_path / "parts.csv", index=False)
        with pytest.raises(DataError, match="give a table with a column 'class'"):
            knowngood.fit(tmp_path / "parts.csv", make_detector("class_confidence", FAST), device="cpu")
