"""What every classifier in the registry must do. A new one needs only quick settings here."""

import dataclasses
import io
import json
import re
import zipfile

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from PIL import Image

from knowngood.classifiers import CLASSIFIERS, make_classifier
from knowngood.data.images import resize
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.engines.engine import ENGINES, compile_graph
from knowngood.errors import DataError
from knowngood.features.backbones import load_backbone
from knowngood.inspector.classification import ANSWERS
from knowngood.inspector.exporting import LARGEST_DIFFERENCE, export
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.learn import image_sizes, input_shape
from knowngood.inspector.train import train
from knowngood.metrics.ranking import auroc
from knowngood.metrics.thresholds import OWN_ODDS

from ..support.parts import SIDE, Photos, photograph

KINDS = ["good", "line", "square"]
QUICK = {
    "anomaly_features": {"input_size": 128},
    "linear_probe": {"input_size": 96},
    "finetune": {"input_size": 64, "epochs": 5, "head_epochs": 1, "batch_size": 4},
    "scattering_boost": {"input_size": 64, "rounds": 10},
    "supersimplenet": {"input_size": 128, "epochs": 10, "batch_size": 8},
}
HOLD_OUT_A_FIFTH = ("finetune",)
"""Methods that answer to a fifth of the images; all others answer to each one out of fold."""
LOCATES = ("anomaly_features", "linear_probe")
"""Methods whose map is a place's share in the answer after seconds of learning; a network fine-tuned for five
epochs decides by means over large fields, and its map is as coarse."""


def quick(name, **settings):
    return make_classifier(name, QUICK[name] | settings)


def learn(recipe, photos, *, seed=0, sources=None, groups=None, shape=None, **options):
    """Learn from photographs, or from other sources in their place."""
    sources = list(photos.images) if sources is None else sources
    shape = shape or input_shape(image_sizes([photos.images[0]]), recipe.input_size, recipe.multiple)
    images = ImageSet(sources, Reading(shape), classes_by(photos.numbers), groups, **options)
    return recipe.fit(images, seed=seed, device="cpu")


def classes_by(numbers):
    return [KINDS[number] for number in numbers]


def pixels(recipe, images):
    """Images as the classifier wants them."""
    shape = input_shape(image_sizes([images[0]]), recipe.input_size, recipe.multiple)
    return np.stack([resize(image, shape) for image in images])


def judge(classifier, images):
    with torch.inference_mode():
        scores = classifier(torch.from_numpy(np.ascontiguousarray(images)))
    return {name: tensor.numpy() for name, tensor in scores.given.items()}


def right(logits, numbers):
    """Share of right answers."""
    return float((logits.argmax(axis=1) == numbers).mean())


@pytest.fixture(scope="module")
def learned():
    return photograph(10, 12, 8, 8)


@pytest.fixture(scope="module")
def fresh():
    return photograph(11, 10, 8, 8)


@pytest.fixture(scope="module")
def table(learned, tmp_path_factory):
    """The photographs to learn from as files."""
    folder = tmp_path_factory.mktemp("parts")
    rows = []
    for place, (image, number) in enumerate(zip(learned.images, learned.numbers, strict=True)):
        path = folder / f"{place:02}.png"
        Image.fromarray(image).save(path)
        defect = KINDS[number] if number else ""
        rows.append((str(path), "defect" if number else "good", defect, "train"))
    return pd.DataFrame(rows, columns=["path", "label", "defect", "split"])


@pytest.fixture(scope="module", params=list(CLASSIFIERS))
def name(request):
    return request.param


@pytest.fixture
def recipe(name):
    return quick(name)


@pytest.fixture(scope="module")
def fitted(name, learned):
    return learn(quick(name), learned)


@pytest.fixture(scope="module")
def seen(name, fresh):
    """The fresh photographs at the input shape."""
    return pixels(quick(name), fresh.images)


@pytest.fixture(scope="module")
def said(fitted, seen):
    """What the torch module says of them."""
    return judge(fitted.fitted, seen)


@pytest.fixture(scope="module")
def typical(fitted, said):
    return float(np.median(np.abs(said["image"])))


@pytest.fixture(scope="module")
def inspector(name, table):
    return train(table, quick(name), device="cpu")


@pytest.fixture(scope="module")
def classified(inspector, fresh):
    return list(inspector.stream(list(fresh.images), extras=ANSWERS))


class TestScores:
    def test_their_shapes(self, said, fresh):
        count = len(fresh.numbers)
        assert said["image"].shape == (count,)
        assert said["logits"].shape == (count, 1, len(KINDS))
        assert said["features"].ndim == 3
        assert said["features"].shape[:2] == (count, 1)
        assert "rebuilt" not in said
        if "map" in said:
            assert said["map"].ndim == 3
            assert len(said["map"]) == count
        for array in said.values():
            assert array.dtype == np.float32
            assert np.isfinite(array).all()

    def test_are_the_log_odds_of_a_defect(self, fitted, said):
        likely = np.exp(said["logits"][:, 0].astype(np.float64) / fitted.records.classifier.temperature)
        np.testing.assert_allclose(
            said["image"], np.log(likely[:, 1:].sum(axis=1) / likely[:, 0]), rtol=1e-3, atol=1e-4
        )

    def test_are_not_constant(self, name, said, fresh):
        # Trees give the same answer to all images that fall into the same leaves, as where one question does.
        assert len(np.unique(said["image"])) >= (2 if name == "scattering_boost" else len(fresh.numbers))
        assert (said["features"].std(axis=0) > 0).mean() > 0.9
        if "map" in said:
            assert (said["map"].std(axis=(1, 2)) > 0).all()

    def test_depend_on_the_image_alone(self, fitted, seen, said):
        backwards = judge(fitted.fitted, seen[::-1])
        some = judge(fitted.fitted, seen[3:8])
        alone = [judge(fitted.fitted, image[None]) for image in seen[:4]]
        for what, together in said.items():
            close = {"rtol": 1e-4, "atol": 1e-4 * float(np.abs(together).max())}
            np.testing.assert_allclose(backwards[what][::-1], together, **close)
            np.testing.assert_allclose(some[what], together[3:8], **close)
            np.testing.assert_allclose(np.concatenate([one[what] for one in alone]), together[:4], **close)

    def test_leave_the_images_as_they_are(self, fitted, seen):
        images = torch.from_numpy(seen.copy())
        with torch.inference_mode():
            fitted.fitted(images)
        np.testing.assert_array_equal(images.numpy(), seen)

    def test_planted_defects_outscore_good_parts(self, said, fresh):
        assert auroc(fresh.numbers > 0, said["image"]) > 0.9

    def test_defect_types_are_named_correctly(self, said, fresh):
        defective = fresh.numbers > 0
        assert right(said["logits"][defective, 0, 1:], fresh.numbers[defective] - 1) > 0.8

    def test_the_map_peaks_on_the_planted_defect(self, name, said, fresh):
        if name not in LOCATES:
            pytest.skip("it gives no map, or a coarse one")
        for one, box in zip(said["map"], fresh.boxes, strict=True):
            if box is None:
                continue
            size = SIDE / len(one)  # of a place on the map, in pixels
            for place, side in zip(np.unravel_index(one.argmax(), one.shape), box, strict=True):
                assert place * size < side.stop
                assert (place + 1) * size > side.start

    def test_the_map_is_hotter_where_there_is_a_defect(self, name, said, fresh):
        if name not in LOCATES:
            pytest.skip("it gives no map, or a coarse one")
        map_maxima = said["map"].max(axis=(1, 2))
        assert auroc(fresh.numbers > 0, map_maxima) > 0.9


class TestEngines:
    @pytest.mark.parametrize("engine", ENGINES)
    def test_the_graph_gives_what_torch_gives(self, fitted, seen, said, typical, engine):
        few = seen[[0, 1, 11, 20]]
        graph, difference, _ = export(fitted.fitted, few, typical=typical)
        assert difference <= LARGEST_DIFFERENCE
        compiled = compile_graph(graph, engine)
        expected = judge(fitted.fitted, few)
        outputs = [compiled(image[None]) for image in few]
        assert list(compiled.outputs) == ["score" if what == "image" else what for what in expected]
        for column, ours in zip(zip(*outputs, strict=True), expected.values(), strict=True):
            close = {"rtol": 1e-3, "atol": 1e-3 * float(np.abs(ours).max())}
            np.testing.assert_allclose(np.concatenate(column), ours, **close)

    def test_the_inspectors_answers_are_those_of_torch(self, inspector, classified, said, typical):
        assert 0 <= inspector.manifest.graph_difference <= LARGEST_DIFFERENCE
        logits = np.stack([one.extras["logits"] for one in classified])
        assert logits.shape == said["logits"].shape
        largest = float(np.abs(said["logits"]).max())
        np.testing.assert_allclose(logits, said["logits"], rtol=1e-3, atol=1e-3 * largest)
        scores = [one.score for one in classified]
        np.testing.assert_allclose(scores, said["image"], rtol=1e-3, atol=1e-3 * typical)

    def test_both_engines_give_the_same_verdicts(self, inspector, classified, fresh, typical, tmp_path):
        inspector.save(tmp_path / "part.inspector")
        other = Inspector.load(tmp_path / "part.inspector", engine="onnxruntime")
        theirs = other.inspect(list(fresh.images))
        for one, verdict in zip(classified, theirs, strict=True):
            assert verdict.score == pytest.approx(one.score, rel=1e-3, abs=1e-3 * typical)
            assert verdict.decision == one.decision
            assert verdict.predicted_class == one.predicted_class
            assert verdict.probabilities == pytest.approx(one.probabilities, abs=1e-3)


class TestFit:
    def test_the_same_seed_gives_the_same_result(self, fitted, inspector):
        one, other = fitted.records.classifier, inspector.classifier
        np.testing.assert_array_equal(one.logits, other.logits)
        np.testing.assert_array_equal(one.truth, other.truth)
        assert (one.temperature, one.train_loss, one.notes) == (
            other.temperature,
            other.train_loss,
            other.notes,
        )
        if fitted.map_maxima is not None:
            assert inspector.manifest.map_maxima == np.sort(fitted.map_maxima).tolist()

    def test_a_second_fit_leaves_the_first_and_what_it_was_given_as_they_were(
        self, recipe, fitted, said, seen, learned, fresh
    ):
        before, logits = dataclasses.asdict(recipe), fitted.records.classifier.logits.copy()
        given = Photos(learned.images[::-1].copy(), learned.numbers[::-1].copy(), [])
        second = learn(recipe, given, seed=1)
        np.testing.assert_array_equal(given.images, learned.images[::-1])
        np.testing.assert_array_equal(given.numbers, learned.numbers[::-1])
        assert dataclasses.asdict(recipe) == before
        # It is another one, and with another seed it works as well.
        assert not np.array_equal(second.records.classifier.logits, logits)
        assert auroc(fresh.numbers > 0, judge(second.fitted, seen)["image"]) > 0.9
        np.testing.assert_array_equal(fitted.records.classifier.logits, logits)
        for what, array in judge(fitted.fitted, seen).items():
            np.testing.assert_array_equal(array, said[what])

    def test_its_lesson(self, name, fitted, learned):
        lesson = fitted.records.classifier
        assert lesson.names == KINDS
        assert lesson.counts == [12, 8, 8]
        assert lesson.logits.dtype == np.float32
        assert lesson.logits.shape == (len(lesson.truth), len(KINDS))
        assert (fitted.records.training is not None) == CLASSIFIERS[name].trains
        if name in HOLD_OUT_A_FIFTH:
            validation = fitted.records.training.validation
            np.testing.assert_array_equal(lesson.truth, learned.numbers[validation])
            assert len(validation) == pytest.approx(len(learned.numbers) / 5, abs=1)
        else:
            np.testing.assert_array_equal(lesson.truth, learned.numbers)
        assert lesson.notes[0].startswith("imbalance: ")
        assert right(lesson.logits, lesson.truth) > 0.6
        assert lesson.train_accuracy > 0.6

    def test_a_few_wide_images_with_progress(self, recipe, learned):
        """Each stage of the progress is told to its end."""
        told, totals = {}, {}

        def progress(stage, done, total):
            assert told.get(stage, 0) <= done <= total
            told[stage], totals[stage] = done, total

        rows = [0, 1, 2, 3, 12, 13, 20, 21]
        images = ImageSet(list(learned.images[rows]), Reading((64, 128)), classes_by(learned.numbers[rows]))
        fit = recipe.fit(images, seed=0, device="cpu", progress=progress)
        assert told
        assert told == totals
        scores = judge(fit.fitted, np.zeros((1, 64, 128, 3), np.uint8))
        assert np.isfinite(scores["image"]).all()
        assert np.isfinite(fit.records.classifier.logits).all()
        if "map" in scores:
            assert 2 * scores["map"].shape[1] == scores["map"].shape[2]

    def test_good_parts_against_all_defects(self, recipe, learned, seen, fresh):
        two = np.where(learned.numbers == 0, "good", "defect").tolist()
        fit = recipe.fit(ImageSet(list(learned.images), Reading(seen.shape[1:3]), two), seed=0, device="cpu")
        scores = judge(fit.fitted, seen)
        assert scores["logits"].shape[2] == 2
        assert auroc(fresh.numbers > 0, scores["image"]) > 0.9

    def test_an_unreadable_image_stops_the_fit_and_is_named(self, recipe, learned, tmp_path):
        (tmp_path / "broken.png").write_text("not an image")
        sources = [*learned.images[:-1], tmp_path / "broken.png"]
        with pytest.raises(DataError, match=r"broken\.png"):
            learn(recipe, learned, sources=sources)

    @pytest.mark.parametrize("twice", [False, True])
    def test_a_kind_of_which_one_part_can_be_read_is_named(self, recipe, learned, tmp_path, twice):
        """In one photograph, or in two of the same part."""
        rows = [*range(6), *range(12, 16), 20, 21, *([22] if twice else [])]
        sources = [*learned.images[rows[:-1]], tmp_path / "missing.png"]
        few = Photos(learned.images[rows], learned.numbers[rows], [])
        groups = [*map(str, range(10)), "twice", "twice", "other"] if twice else None
        what = "groups" if twice else "images"
        with pytest.raises(DataError, match=f"too few {what} of 'square' can be read: 1"):
            learn(recipe, few, sources=sources, groups=groups, shape=(64, 64), on_unreadable=[].append)


class TestOrientation:
    @pytest.mark.parametrize("way", ["anomaly_features", "linear_probe", "scattering_boost"])
    def test_a_turned_part_has_the_same_score(self, way, learned, fresh):
        recipe = quick(way, orientation="quarter", agreement="mean", input_size=64)
        few = pixels(recipe, fresh.images[[0, 1, 10, 12, 18, 20]])
        fit = learn(recipe, learned)
        assert fit.fitted.features.views == 8
        expected = judge(fit.fitted, few)
        assert len(np.unique(expected["image"])) >= (2 if way == "scattering_boost" else len(few))
        for turned in (np.rot90(few, 1, axes=(1, 2)), few[:, ::-1], np.rot90(few, 3, axes=(1, 2))):
            scores = judge(fit.fitted, turned)
            np.testing.assert_allclose(scores["image"], expected["image"], rtol=1e-3, atol=1e-3)
            np.testing.assert_allclose(scores["logits"], expected["logits"], rtol=1e-3, atol=1e-3)
        sheet = fit.records.classifier.sheet
        assert sheet.shape[:2] == (3, 8)
        assert fit.records.classifier.rows == KINDS
        np.testing.assert_array_equal(sheet[:, 1], sheet[:, 0, :, ::-1])

    def test_without_views_it_has_not(self, learned, fresh):
        recipe = quick("linear_probe", input_size=64)
        few = pixels(recipe, fresh.images)[:4]
        classifier = learn(recipe, learned).fitted
        turned = judge(classifier, np.rot90(few, 1, axes=(1, 2)))
        assert np.abs(turned["image"] - judge(classifier, few)["image"]).min() > 1e-2


class TestInspector:
    def test_saved_and_loaded_it_is_the_same_to_the_last_bit(self, inspector, classified, fresh, tmp_path):
        inspector.save(tmp_path / "one.inspector")
        loaded = Inspector.load(tmp_path / "one.inspector")
        loaded.save(tmp_path / "other.inspector")
        assert (tmp_path / "one.inspector").read_bytes() == (tmp_path / "other.inspector").read_bytes()
        assert loaded.manifest == inspector.manifest
        assert loaded.graph == inspector.graph
        ours, theirs = inspector.classifier, loaded.classifier
        np.testing.assert_array_equal(theirs.logits, ours.logits)
        np.testing.assert_array_equal(theirs.truth, ours.truth)
        assert (theirs.temperature, theirs.names) == (ours.temperature, ours.names)
        for before, after in zip(classified, loaded.stream(list(fresh.images), extras=ANSWERS), strict=True):
            assert after.score == before.score
            assert after.probabilities == before.probabilities
            np.testing.assert_array_equal(after.extras["logits"], before.extras["logits"])
            np.testing.assert_array_equal(after.extras["features"], before.extras["features"])
            np.testing.assert_array_equal(after.map, before.map)

    def test_no_pickle_is_in_its_file(self, inspector, tmp_path):
        inspector.save(tmp_path / "part.inspector")
        with zipfile.ZipFile(tmp_path / "part.inspector") as archive:
            members = {member: archive.read(member) for member in archive.namelist()}
        assert {"manifest.json", "model.onnx", "training/classifier.json"} <= members.keys()
        for member, content in members.items():
            if member.endswith(".json"):
                json.loads(content)
            elif member.endswith(".onnx"):
                onnx.checker.check_model(onnx.load_from_string(content))
            else:
                assert member.endswith(".png")
                Image.open(io.BytesIO(content)).verify()
            assert not content.startswith((b"\x80", b"PK"))
            assert not re.search(rb"torch\._utils|sklearn|xgboost\.core|builtins", content)

    def test_what_it_says_of_an_image(self, inspector, classified, fresh):
        for one in classified:
            verdict = one
            assert list(verdict.probabilities) == KINDS
            assert sum(verdict.probabilities.values()) == pytest.approx(1)
            assert all(0 <= share <= 1 for share in verdict.probabilities.values())
            assert verdict.decision == ("reject" if verdict.score > inspector.threshold.value else "accept")
            assert (verdict.predicted_class == "good") == (verdict.decision == "accept")
            if verdict.decision == "reject":
                assert verdict.predicted_class == max(KINDS[1:], key=verdict.probabilities.get)
            assert 0 < verdict.p_value <= 1
        kinds = np.array([KINDS.index(one.predicted_class) for one in classified])
        assert (kinds == fresh.numbers).mean() > 0.8

    def test_the_thresholds_rule_is_told(self, inspector, classified):
        threshold, lesson = inspector.threshold, inspector.classifier
        assert threshold.rule == OWN_ODDS
        assert threshold.value == 0
        assert threshold.held_out == int((lesson.truth == 0).sum())
        assert threshold.above == sum(score > 0 for score in inspector.manifest.held_out)
        assert ("chose the epoch" in threshold.note) == (inspector.training is not None)
        # So the decision and the probabilities agree.
        for verdict in classified:
            assert (verdict.decision == "reject") == (verdict.probabilities["good"] < 0.5)

    def test_its_manifest(self, name, inspector, table):
        manifest = inspector.manifest
        assert manifest.method == name
        assert make_classifier(name, manifest.recipe) == quick(name)
        assert len(manifest.training) == len(table)
        assert len(manifest.held_out) == int((inspector.classifier.truth == 0).sum())
        assert manifest.held_out == sorted(manifest.held_out)
        blank = np.zeros((96, 96, 3), np.uint8)
        assert bool(manifest.map_maxima) == (inspector.inspect(blank)[0].patch_map is not None)

    def test_unreadable_files_are_left_out_and_told(self, name, table, learned, tmp_path):
        """Kinds still match: those that follow are not shifted."""
        paths = table["path"].tolist()
        for place in (0, 12, 20):
            paths[place] = str(tmp_path / f"broken{place}.png")
            (tmp_path / f"broken{place}.png").write_text("not an image")
        failures = []
        recipe = quick(name, orientation="mirrored")
        inspector = train(table.assign(path=paths), recipe, device="cpu", on_unreadable=failures.append)
        assert sorted(failure.path for failure in failures) == sorted(paths[place] for place in (0, 12, 20))
        assert len(inspector.manifest.training) == len(table) - 3
        lesson = inspector.classifier
        assert lesson.counts == [11, 7, 7]
        verdicts = inspector.inspect(list(learned.images))
        assert auroc(learned.numbers > 0, [verdict.score for verdict in verdicts]) > 0.9
        inspector.save(tmp_path / "part.inspector")
        again = Inspector.load(tmp_path / "part.inspector")
        assert again.classifier.rows == lesson.rows


class TestLearning:
    def test_the_parameters_of_all_layers_change(self, learned):
        recipe = quick("finetune")
        fit = learn(recipe, learned)
        assert fit.records.training.best > recipe.head_epochs  # else the best network is the one that came
        before = load_backbone(recipe.backbone, strides=recipe.strides).network
        after = dict(fit.fitted.network.backbone.network.named_parameters())
        same = [key for key, value in before.named_parameters() if torch.equal(value, after[key])]
        assert same == []
        assert "conv_stem.weight" in after
