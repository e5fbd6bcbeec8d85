import re

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from knowngood.classifiers import make_classifier
from knowngood.data.imageset import ImageSet
from knowngood.data.reading import Reading
from knowngood.errors import DataError, RecipeError
from knowngood.features.backbones import load_backbone
from knowngood.features.views import EightViews
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.train import train
from knowngood.metrics.reliability import fit_temperature
from knowngood.training import journal
from knowngood.training.imbalance import METHODS
from knowngood.training.run import Run

SHAPE = (32, 32)
NAMES = ["good", "line", "square"]
NUMBERS = np.repeat([0, 1, 2], [8, 5, 5])
QUICK = {"input_size": 32, "epochs": 1, "head_epochs": 0, "batch_size": 4}


@pytest.fixture(scope="module")
def parts(good_images):
    """Good parts, then parts with a bright line, then with a dark square, and where these are."""
    images, masks = good_images[: len(NUMBERS)].copy(), np.zeros((len(NUMBERS), 96, 96), bool)
    for place, (image, mask) in enumerate(zip(images, masks, strict=True)):
        if NUMBERS[place] == 1:
            mask[40 + place % 5 : 46 + place % 5, 30:66] = True
            image[mask] = 250
        elif NUMBERS[place] == 2:
            mask[40:56, 34 + place % 9 : 50 + place % 9] = True
            image[mask] = 20
    return images, masks


def learn(parts, *, masks=None, seed=0, shape=SHAPE, run=None, progress=None, **settings):
    recipe = make_classifier("finetune", QUICK | settings)
    more = {"progress": progress} if progress else {}
    classes = [NAMES[number] for number in NUMBERS]
    images = ImageSet(list(parts[0]), Reading(shape), classes, masks=masks)
    return recipe.fit(images, seed=seed, device="cpu", run=run, **more)


def shrunk(parts, shape=SHAPE):
    return torch.from_numpy(
        np.concatenate([batch.images for batch in ImageSet(list(parts[0]), Reading(shape)).batches()])
    )


def judge(fit, images):
    with torch.inference_mode():
        return fit.fitted(images)


def same_weights(one, other):
    theirs = other.fitted.network.state_dict()
    return all(torch.equal(value, theirs[key]) for key, value in one.fitted.network.state_dict().items())


@pytest.fixture(scope="module")
def plain(parts):
    return learn(parts)


@pytest.fixture(scope="module")
def eight(parts):
    """By how eight views agree."""
    return {how: learn(parts, views=8, agreement=how, orientation="quarter") for how in ("vote", "mean")}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A ResNet with weights drawn at random, for which nothing has to be downloaded."""
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        save_file(timm.create_model("resnet18", pretrained=False).state_dict(), path)
    return str(path)


class TestLesson:
    def test_answers_to_held_out_images_are_those_of_the_classifier(self, plain, parts):
        lesson, record = plain.records.classifier, plain.records.training
        said = judge(plain, shrunk(parts)).extras["logits"][:, 0].numpy()
        np.testing.assert_allclose(lesson.logits, said[record.validation], rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(lesson.truth, NUMBERS[record.validation])
        doubt = 1 / (2 + len(lesson.truth))
        assert lesson.temperature == fit_temperature(lesson.logits, lesson.truth, doubt=doubt)
        assert plain.fitted.temperature == lesson.temperature
        learned = np.setdiff1d(np.arange(len(NUMBERS)), record.validation)
        right = said[learned].argmax(axis=1) == NUMBERS[learned]
        assert lesson.train_accuracy == pytest.approx(right.mean())
        assert lesson.counts == [8, 5, 5]
        assert plain.map_maxima is None

    def test_what_was_chosen_is_noted(self, plain):
        real = np.bincount(np.delete(NUMBERS, plain.records.training.validation))
        [note] = plain.records.classifier.notes
        assert re.match(r"imbalance: (none|class_weights) \(the largest class is 1\.\d times the", note)
        assert f"({real.max()} and {real.min()} images)" in note

    def test_the_sheet_shows_each_kind_as_it_is_and_changed(self, plain, parts):
        lesson, images = plain.records.classifier, shrunk(parts).numpy()
        assert lesson.rows == NAMES
        assert lesson.sheet.shape == (3, 6, *SHAPE, 3)
        for number, row in enumerate(lesson.sheet):
            learned = np.setdiff1d(np.flatnonzero(number == NUMBERS), plain.records.training.validation)
            assert any(np.array_equal(row[0], images[place]) for place in learned)
            assert len({picture.tobytes() for picture in row}) == 6
            assert np.abs(row[1:].mean(axis=(1, 2, 3)) / row[0].mean() - 1).max() < 0.5

    def test_pictures_of_large_images_are_made_smaller(self, parts):
        lesson = learn(parts, shape=(32, 160)).records.classifier
        assert lesson.sheet.shape == (3, 6, 16, 80, 3)

    def test_there_is_none_where_nothing_is_changed(self, parts):
        still = dict.fromkeys(("zoom", "shift", "contrast", "brightness", "blur"), 0.0)
        lesson = learn(parts, **still).records.classifier
        assert lesson.sheet is None
        assert lesson.rows == []


class TestMethods:
    @pytest.mark.parametrize("method", METHODS)
    def test_each_learns_for_an_epoch(self, parts, method):
        fit = learn(parts, imbalance=method, label_smoothing=0.1)
        assert len(fit.records.training.epochs) == 1
        assert np.isfinite(fit.records.training.epochs[0][1:4]).all()
        assert fit.records.classifier.notes == [f"imbalance: {method} (asked for)"]
        assert fit.fitted.network.loss.method == method
        before = load_backbone(strides=(16, 32)).network
        after = dict(fit.fitted.network.backbone.network.named_parameters())
        assert not any(torch.equal(value, after[key]) for key, value in before.named_parameters())

    def test_the_metric_chooses_the_epoch(self, parts):
        fit = learn(parts, metric="balanced_error", epochs=2)
        balanced = [1 - np.mean(epoch.accuracies) for epoch in fit.records.training.epochs]
        assert len(balanced) == 2
        assert fit.records.training.best == 1 + int(np.argmin(np.round(balanced, 6)))

    def test_pasted_defects_are_learned_from(self, parts, tmp_path):
        masks = []
        for place, mask in enumerate(parts[1]):
            Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / f"{place}.png")
            masks.append(str(tmp_path / f"{place}.png") if NUMBERS[place] else "")
        fit = learn(parts, masks=masks, shape=(64, 64), pasted=4)
        lesson = fit.records.classifier
        [told] = re.findall(r"of (\d+) made images (\d+) were plausible", lesson.notes[1])
        made, plausible = map(int, told)
        assert 0 < plausible <= made <= 8
        # What is held out and counted are real images alone.
        assert lesson.counts == [8, 5, 5]
        np.testing.assert_array_equal(lesson.truth, NUMBERS[fit.records.training.validation])
        # But what the losses weigh are all that are learned from.
        share = fit.fitted.network.loss.log_share.exp()
        real = np.bincount(np.delete(NUMBERS, fit.records.training.validation))
        assert float(share[0]) == pytest.approx(real[0] / (real.sum() + plausible))

    def test_pasting_needs_masks(self, parts):
        with pytest.raises(DataError, match="masks of defects to learn from, and there are none"):
            learn(parts, pasted=4)

    def test_one_epoch_at_the_end_is_for_all_layers(self, parts):
        before = torch.get_rng_state()
        fit = learn(parts, epochs=1, head_epochs=5)
        assert fit.fitted.network.settings.head_epochs == 0
        assert torch.equal(torch.get_rng_state(), before)  # chance elsewhere is left as it was

    def test_a_learning_rate_is_found(self, parts, monkeypatch):
        monkeypatch.setattr("knowngood.training.train.STEPS", 60)
        fit = learn(parts, learning_rate=None)
        assert 1e-6 < fit.records.training.learning_rate < 0.1
        assert fit.records.training.learning_rate != make_classifier("finetune").learning_rate
        assert np.isfinite(fit.records.training.epochs[0].validation)

    def test_another_schedule(self, parts, plain):
        fit = learn(parts, schedule="cosine")
        assert fit.records.training.learning_rate == plain.records.training.learning_rate == 3e-4
        assert not same_weights(fit, plain)


def views_of(fit, images):
    """Logits of each of the eight views (N, 8, C)."""
    network = fit.fitted.network
    with torch.inference_mode():
        pixels = EightViews("quarter")(network.backbone.normalise(images))
        return network(pixels.flatten(0, 1))[2].reshape(len(images), 8, 3)


class TestViews:
    def test_a_majority_decides(self, eight, parts):
        images = shrunk(parts)
        each, said = views_of(eight["vote"], images), judge(eight["vote"], images).extras["logits"][:, 0]
        shares = said.exp()
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(len(images)))
        for view, share in zip(each, shares, strict=True):
            votes = np.bincount(view.argmax(dim=1).numpy(), minlength=3)
            expected = (votes + view.softmax(dim=1).mean(dim=0).numpy()) / 9
            np.testing.assert_allclose(share.numpy(), expected, rtol=1e-3, atol=1e-5)

    def test_or_the_mean_probability(self, eight, parts):
        images = shrunk(parts)
        expected = views_of(eight["mean"], images).softmax(dim=2).mean(dim=1)
        torch.testing.assert_close(judge(eight["mean"], images).extras["logits"][:, 0].exp(), expected)

    def test_they_differ_in_how_they_agree_alone(self, eight):
        assert same_weights(eight["vote"], eight["mean"])
        assert not np.array_equal(
            eight["vote"].records.classifier.logits, eight["mean"].records.classifier.logits
        )

    def test_a_turned_part_has_the_same_answer(self, eight, parts):
        images = shrunk(parts)
        before, after = judge(eight["mean"], images), judge(eight["mean"], torch.rot90(images, 1, (1, 2)))
        torch.testing.assert_close(after.extras["logits"], before.extras["logits"], rtol=1e-3, atol=1e-3)
        assert before.map.shape == (len(images), 2, 2)  # of the image as it is
        assert not torch.allclose(after.map, before.map, rtol=1e-2)

    def test_the_map_of_one_place_is_the_score(self, parts):
        scores = judge(learn(parts, strides=(32,)), shrunk(parts))
        assert scores.map.shape == (len(NUMBERS), 1, 1)
        torch.testing.assert_close(scores.map[:, 0, 0], scores.image, rtol=1e-3, atol=1e-3)


class TestGoingOn:
    def test_after_it_was_cut_off_it_ends_as_if_it_had_not_been(self, parts, tmp_path, monkeypatch):
        monkeypatch.setattr(journal, "SECONDS", 0)

        def cut_off(stage, done, _):
            if stage == "training" and done == 1:
                raise KeyboardInterrupt

        settings = {"epochs": 3, "head_epochs": 1}
        with pytest.raises(KeyboardInterrupt):
            learn(parts, **settings, run=Run(tmp_path), progress=cut_off)
        assert len(pd.read_csv(tmp_path / "losses.csv")) == 1
        fit, whole = learn(parts, **settings, run=Run(tmp_path)), learn(parts, **settings)
        assert [epoch[:4] for epoch in fit.records.training.epochs] == [
            epoch[:4] for epoch in whole.records.training.epochs
        ]
        assert len(fit.records.training.epochs) == 3
        assert fit.records.training.best == whole.records.training.best
        assert same_weights(fit, whole)
        np.testing.assert_array_equal(fit.records.classifier.logits, whole.records.classifier.logits)
        assert fit.records.classifier.temperature == whole.records.classifier.temperature
        with pytest.raises(RecipeError, match=r"holds a training with dropout=0\.2, not 0\.5"):
            learn(parts, **settings, dropout=0.5, run=Run(tmp_path))

    def test_other_recipes_take_no_run(self, tmp_path):
        with pytest.raises(RecipeError, match="LinearProbe trains no network; leave out the run"):
            train(tmp_path, "linear_probe", run=Run(tmp_path))


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"views": 4}, "FineTune: views=4 must be one of 1, 8"),
            ({"strides": ()}, "FineTune: strides=() must name at least one stride, each once, finest first"),
            ({"strides": (32, 16)}, "FineTune: strides=(32, 16) must name"),
            ({"batch_size": 1}, "FineTune: batch_size=1 must be between 2 and 4096"),
            ({"learning_rate": 0.0}, "FineTune: learning_rate=0.0 must be between 1e-08 and 1"),
            ({"layer_decay": 1.5}, "FineTune: layer_decay=1.5 must be between 0.01 and 1"),
            ({"dropout": 1.0}, "FineTune: dropout=1.0 must be between 0 and 0.9"),
            ({"pasted": -1}, "FineTune: pasted=-1 must be at least 0"),
            ({"metric": "f1"}, "FineTune: metric='f1' must be one of loss, error, balanced_error"),
            ({"imbalance": "magic"}, "FineTune: imbalance='magic' must be one of auto, none, class_weights"),
            (
                {"schedule": "linear"},
                "FineTune: schedule='linear' must be one of cosine, constant, one_cycle",
            ),
            ({"orientation": "upside"}, "FineTune: orientation='upside' must be one of fixed, mirrored"),
            ({"agreement": "max"}, "FineTune: agreement='max' must be one of mean, vote"),
            ({"zoom": 2.0}, "FineTune: zoom=2.0 must be between 0 and 1"),
            ({"epochs": 0}, "FineTune: epochs=0 must be at least 1"),
        ],
    )
    def test_what_is_wrong_is_named(self, settings, message):
        with pytest.raises(RecipeError, match=re.escape(message)):
            make_classifier("finetune", settings)

    def test_a_stride_that_the_network_lacks(self, parts):
        with pytest.raises(RecipeError, match=r"strides=\(16, 64\) asks for a stride that"):
            learn(parts, strides=(16, 64))

    def test_a_network_that_is_not_known(self, parts):
        with pytest.raises(RecipeError, match="backbone='resnet1' is not a timm model"):
            learn(parts, backbone="resnet1")


class TestAnotherNetwork:
    def test_a_resnet_from_a_file(self, parts, checkpoint, tmp_path):
        rows = []
        for place, image in enumerate(parts[0]):
            Image.fromarray(image).save(tmp_path / f"{place}.png")
            defect = NAMES[NUMBERS[place]] if NUMBERS[place] else ""
            rows.append((str(tmp_path / f"{place}.png"), "defect" if defect else "good", defect, "train"))
        table = pd.DataFrame(rows, columns=["path", "label", "defect", "split"])
        settings = {"backbone": "resnet18", "weights": checkpoint, "strides": (16, 32)}
        inspector = train(table, make_classifier("finetune", QUICK | settings), device="cpu")
        convolutions = [layer.name for layer in inspector.training.layers if layer.type.startswith("Conv2d")]
        assert convolutions[0] == "backbone.network.conv1"
        inspector.save(tmp_path / "part.inspector")
        verdicts = Inspector.load(tmp_path / "part.inspector").inspect(list(parts[0]))
        assert len(verdicts) == len(NUMBERS)
        for verdict in verdicts:
            assert list(verdict.probabilities) == NAMES
            assert sum(verdict.probabilities.values()) == pytest.approx(1)
            assert verdict.patch_map.shape == (2, 2)
        assert len({verdict.score for verdict in verdicts}) > len(NUMBERS) / 2

    def test_its_layers_learn_by_blocks(self, parts, checkpoint):
        fit = learn(parts, backbone="resnet18", weights=checkpoint, layer_decay=0.5)
        network = fit.fitted.network
        groups = network.groups(1.0)
        assert [group["lr"] for group in groups] == [0.5**depth for depth in range(7)]
        trunk = network.backbone.network
        blocks = [getattr(trunk, name) for name in ("layer4", "layer3", "layer2", "layer1", "bn1", "conv1")]
        for group, module in zip(groups, [network.head, *blocks], strict=True):
            assert {id(p) for p in group["params"]} == {id(p) for p in module.parameters()}
        before = load_backbone("resnet18", strides=(16, 32), weights=checkpoint).network
        assert not torch.equal(before.conv1.weight, trunk.conv1.weight)
