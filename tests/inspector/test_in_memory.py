"""Images that a program holds, beside the same as files: everything comes out the same."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import knowngood
from knowngood.data.images import read_image, read_mask
from knowngood.data.samples import load_samples
from knowngood.errors import DataError, RecipeError


@pytest.fixture(scope="module")
def test_table(widget):
    samples = load_samples(widget)
    return samples[samples["split"] == "test"].reset_index(drop=True)


@pytest.fixture(scope="module")
def photos(test_table):
    return [read_image(path) for path in test_table["path"]]


@pytest.fixture(scope="module")
def labels(test_table):
    return [defect or "good" for defect in test_table["defect"]]


@pytest.fixture(scope="module")
def masks(test_table):
    return [read_mask(mask, (96, 96)) if mask else None for mask in test_table["mask"]]


@pytest.fixture(scope="module")
def in_memory(inspector, photos, labels, masks):
    return knowngood.evaluate(inspector, photos, labels, masks)


def comparable(metrics):
    return {name: value for name, value in metrics.items() if name != "images_per_second"}


def test_an_evaluation_is_that_of_the_files(in_memory, evaluation, test_table):
    pd.testing.assert_frame_equal(
        in_memory.scores.drop(columns=["path", "mask"]), evaluation.scores.drop(columns=["path", "mask"])
    )
    assert comparable(in_memory.metrics) == comparable(evaluation.metrics)
    assert in_memory.metrics["pixel_aupro"] is not None
    assert in_memory.scores["path"].tolist() == [f"[{place}]" for place in range(len(test_table))]
    assert evaluation.image(0) == (evaluation.scores["path"][0], evaluation.scores["mask"][0])
    image, mask = in_memory.image(len(test_table) - 1)
    np.testing.assert_array_equal(image, read_image(test_table["path"].iloc[-1]))
    assert mask.any()


@pytest.mark.parametrize("form", ["batch", "pillow", "tensors", "generator", "bytes"])
def test_all_forms_of_images(inspector, in_memory, photos, labels, form):
    given = {
        "batch": np.stack(photos),
        "pillow": [Image.fromarray(photo) for photo in photos],
        "tensors": torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2),
        "generator": (photo for photo in photos),
        "bytes": [Image.fromarray(photo)._repr_png_() for photo in photos],
    }[form]
    found = knowngood.evaluate(inspector, given, labels)
    assert found.scores["score"].tolist() == in_memory.scores["score"].tolist()
    assert found.metrics["pixel_aupro"] is None


def test_a_report_shows_images_from_memory(in_memory, evaluation, tmp_path):
    pages = [
        knowngood.write_evaluation(one, tmp_path / name).read_text()
        for name, one in (("memory", in_memory), ("files", evaluation))
    ]
    assert pages[0].count("data:image") == pages[1].count("data:image") > 5
    assert "could not be" not in pages[0]


def test_images_that_it_learned_from_take_no_part(inspector, good_images, photos, labels):
    given = [*good_images[:3], *photos]
    found = knowngood.evaluate(inspector, given, ["good"] * 3 + labels)
    assert len(found.scores) == len(given)  # its training images were files: other bytes
    own = knowngood.fit(good_images, "gaussian", input_size=64)
    found = knowngood.evaluate(own, given, ["good"] * 3 + labels)
    assert found.scores["path"].tolist() == [f"[{place}]" for place in range(3, len(given))]


def test_a_mask_of_another_size_is_named(inspector, photos, labels, masks):
    wrong = [*masks[:-1], np.ones((9, 8))]
    with pytest.raises(DataError, match=r"mask 'of \[13\]' is 9 x 8 but its image is 96 x 96"):
        knowngood.evaluate(inspector, photos, labels, wrong)


def test_images_without_labels(inspector, photos):
    with pytest.raises(DataError, match=r"a list came without labels; .* or images with labels=\.\.\."):
        knowngood.evaluate(inspector, photos)


def test_a_threshold_on_validation_images(inspector, test_table, photos, labels):
    files = knowngood.threshold_by_rule(inspector, "youden", test_table, anyway=True)
    held = knowngood.threshold_by_rule(inspector, "youden", photos, labels)
    assert held.threshold == files.threshold
    assert len(held.manifest.validation) == len(photos)


def test_a_classifier_learns_from_all_images_that_it_is_given(test_table, photos, labels):
    settings = {"input_size": 64}
    held = knowngood.train(photos, "linear_probe", labels=labels, **settings)
    files = knowngood.train(test_table.assign(split="train"), "linear_probe", **settings)
    assert len(held.manifest.training) == len(photos)
    assert held.classifier.names == files.classifier.names == ["good", "scratch"]
    assert held.manifest.held_out == files.manifest.held_out


def test_cross_validation_of_a_classifier(test_table, photos, labels):
    options = {"count": 2, "input_size": 64}
    held = knowngood.cross_validate(photos, "linear_probe", labels=labels, **options)
    files = knowngood.cross_validate(test_table.drop(columns="split"), "linear_probe", **options)
    pd.testing.assert_frame_equal(held.folds, files.folds)


def test_cross_validation_of_a_detector(photos, labels):
    found = knowngood.cross_validate(photos, "gaussian", labels=labels, count=2, input_size=64)
    assert sorted(found.scores["path"]) == sorted(f"[{place}]" for place in range(len(photos)))
    assert list(found.folds.columns) == [
        *("fold", "images", "image_auroc", "image_ap", "false_reject_rate", "escape_rate"),
        *("pixel_auroc", "pixel_aupro"),
    ]
    assert found.figures["figure"].tolist() == list(found.folds.columns)[2:]
    for fold, evaluation in enumerate(found.evaluations):
        rows = found.scores[found.scores["fold"] == fold]
        good = rows["label"] == "good"
        assert good.sum() == 4
        assert evaluation.provenance["training"]["images"] == 4  # the good images of the other fold
        row = found.folds.iloc[fold]
        assert row["false_reject_rate"] == (rows.loc[good, "decision"] == "reject").mean()
        assert row["escape_rate"] == (rows.loc[~good, "decision"] == "accept").mean()
        assert evaluation.metrics["warnings"] == []


def test_a_detector_has_no_classes(photos, labels):
    with pytest.raises(RecipeError, match="by='type' is for classifiers; Gaussian learns from good images"):
        knowngood.cross_validate(photos, "gaussian", labels=labels, by="type")
    with pytest.raises(DataError, match=r"'defect' has 6 image\(s\), too few for 7 folds") as error:
        knowngood.cross_validate(photos, "gaussian", labels=labels, count=7)
    assert "by=label" not in str(error.value)


def test_detectors_are_compared(widget):
    grid = {
        "detector": "gaussian",
        "settings": {"input_size": 64},
        "experiments": [{"folds": 2}, {"detector": "knn", "input_size": 64}],
    }
    table = knowngood.compare(widget, grid)
    assert table["change"].tolist() == ["", "folds=5 → 2", "detector=gaussian → knn, input_size=64"]
    assert list(table.columns) == [
        *("experiment", "change", "test_image_auroc", "test_image_ap", "test_false_reject_rate"),
        *("test_escape_rate", "test_pixel_auroc", "test_pixel_aupro", "seconds"),
    ]
    assert table["test_image_auroc"].min() > 0.9
    with pytest.raises(RecipeError, match="has a classifier and a detector; it compares methods of one"):
        knowngood.compare(widget, grid | {"classifier": "finetune"})
    with pytest.raises(RecipeError, match="by='label' is for classifiers"):
        knowngood.compare(widget, grid, by="label")


@pytest.mark.parametrize("given", [str, list])
def test_a_folder_is_inspected_as_its_images_are(inspector, widget, given):
    folder = widget / "test" / "scratch"
    images = sorted(folder.iterdir())
    found = inspector.inspect(str(folder) if given is str else [folder, images[0]])
    expected = inspector.inspect(images)
    assert [verdict.source for verdict in found][:6] == list(map(str, images))
    assert [verdict.score for verdict in found][:6] == [verdict.score for verdict in expected]


def test_settings_are_keywords(widget, good_images):
    inspector = knowngood.fit(good_images, "gaussian", input_size=64, folds="2")
    assert inspector.manifest.recipe["folds"] == 2
    recipe = knowngood.make_detector("gaussian", {"input_size": 64})
    assert knowngood.fit(good_images, recipe, folds=3).manifest.recipe == inspector.manifest.recipe | {
        "folds": 3
    }
    with pytest.raises(RecipeError, match="PatchCore has no setting 'corset'; did you mean coreset"):
        knowngood.fit(good_images, "patchcore", corset=500)
    with pytest.raises(DataError, match="fit takes no labels: give the good images alone, or load_samples"):
        knowngood.fit(good_images, "gaussian", labels=["good"] * len(good_images))
    with pytest.raises(RecipeError, match="LinearProbe has no setting 'imbalanc'; did you mean imbalance"):
        knowngood.train(widget, "linear_probe", imbalanc="auto")
    with pytest.raises(RecipeError, match="method 'patchkore' is not known; choose a detector"):
        knowngood.cross_validate(widget, "patchkore")


def test_results_are_copied_and_pickled(in_memory, inspector, photos, saved):
    loaded = knowngood.Inspector.load(saved)
    assert copy.copy(loaded).file == pickle.loads(pickle.dumps(loaded)).file == str(saved)  # noqa: S301
    verdict = inspector.inspect(photos[0])[0]
    for one in (in_memory, verdict, inspector):
        assert pickle.loads(pickle.dumps(one))  # noqa: S301
        assert copy.deepcopy(one)


def test_an_inspector_is_pickled_while_it_inspects(inspector, photos):
    stream = inspector.stream(photos)
    first = next(stream)
    other = pickle.loads(pickle.dumps(inspector))  # noqa: S301
    assert other.inspect(photos[0])[0].score == first.score
    stream.close()
