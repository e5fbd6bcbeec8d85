import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss

import knowngood
from knowngood.classifiers import make_classifier
from knowngood.data.labelled import with_defects_to_learn
from knowngood.data.samples import fingerprint
from knowngood.errors import DataError, RecipeError
from knowngood.inspector import methods
from knowngood.inspector.classification import ANSWERS
from knowngood.inspector.comparison import compare, read_grid
from knowngood.inspector.evaluation import evaluate
from knowngood.inspector.methods import main_figures
from knowngood.inspector.train import train

from ..support.parts import write_parts

GRID = {
    "classifier": "linear_probe",
    "settings": {"input_size": 64},
    "experiments": [{"imbalance": "none"}, {"orientation": "mirrored", "strides": [16, 32]}],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    counts = {"train/good": 10, "test/good": 4, "test/hole": 7, "test/scratch": 7}
    return write_parts(tmp_path_factory.mktemp("data") / "widget", counts)


@pytest.fixture(scope="module")
def experiments(folder):
    """The inspectors that were learned, and the table."""
    inspectors = []

    def kept(*arguments, **options):
        inspectors.append(train(*arguments, **options))
        return inspectors[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(methods, "train", kept)
        table = compare(folder, GRID, seed=3)
    return inspectors, table


@pytest.fixture(scope="module")
def table(experiments):
    return experiments[1]


# --- the grid


def test_changes_are_said_in_words():
    found = read_grid(GRID)
    assert [(one.name, one.method, one.change) for one in found] == [
        ("original", "linear_probe", ""),
        ("1", "linear_probe", "imbalance=auto → none"),
        ("2", "linear_probe", "orientation=fixed → mirrored, strides=(8, 16, 32) → (16, 32)"),
    ]
    assert [one.settings for one in found] == [
        {"input_size": 64},
        {"input_size": 64, "imbalance": "none"},
        {"input_size": 64, "orientation": "mirrored", "strides": [16, 32]},
    ]


def test_a_change_starts_from_what_the_original_is_set_to():
    grid = {"classifier": "finetune", "settings": {"epochs": 5}, "experiments": [{"epochs": "20"}]}
    original, changed = read_grid(grid)
    assert changed.change == "epochs=5 → 20"
    assert original.settings == {"epochs": 5}


def test_another_classifier_starts_from_its_own_defaults():
    grid = GRID | {
        "experiments": [{"classifier": "finetune", "epochs": 3}, {"classifier": "scattering_boost"}]
    }
    _, one, other = read_grid(grid)
    assert (one.method, one.settings) == ("finetune", {"epochs": 3})
    assert one.change == "classifier=linear_probe → finetune, epochs=3"
    assert (other.settings, other.change) == ({}, "classifier=linear_probe → scattering_boost")


def test_without_experiments_there_is_the_original():
    (only,) = read_grid({"classifier": "finetune"})
    assert (only.name, only.settings, only.change) == ("original", {}, "")


def test_a_grid_from_a_file(tmp_path):
    path = tmp_path / "experiments.yaml"
    path.write_text(
        "classifier: linear_probe\n"
        "settings: {input_size: 64}\n"
        "experiments: [{imbalance: none}, {orientation: mirrored, strides: [16, 32]}]\n"
    )
    assert read_grid(path) == read_grid(str(path)) == read_grid(GRID)


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"clasifier": "finetune"}, "has 'clasifier'; it may have classifier, detector, settings, exp"),
        ({"classifier": "fine_tune"}, "classifier 'fine_tune' is not known; choose one of"),
        ({"classifier": ["finetune"]}, "classifier \\['finetune'\\] is not known"),
        (
            {"classifier": "finetune", "settings": {"epoch": 3}},
            "has no setting 'epoch'; did you mean epochs?",
        ),
        ({"settings": {1: 3}}, "has no setting '1'"),
        ({"settings": [{"epochs": 3}]}, "settings must be names and values"),
        (
            {"classifier": "finetune", "experiments": [{"epocs": 3}]},
            "no setting 'epocs'; did you mean epochs?",
        ),
        ({"classifier": "finetune", "experiments": [{"epochs": 0}]}, "epochs=0 must be at least 1"),
        ({"experiments": [{"classifier": "trees"}]}, "classifier 'trees' is not known"),
        ({"experiments": [{True: 3}]}, "has no setting 'True'"),
        ({"experiments": {"epochs": 3}}, "experiments a list of such"),
        ({"experiments": ["epochs"]}, "experiments a list of such"),
        ({"experiments": [{}]}, "experiments a list of such"),
        ({"experiments": [{"detector": "knn"}]}, "names detectors in its experiments alone; name the one"),
    ],
)
def test_a_grid_that_cannot_be_understood(grid, words):
    with pytest.raises(RecipeError, match=words) as error:
        read_grid(grid)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("classifier: [", "is not YAML"),
        ("- epochs: 3", "must hold settings"),
        ("", "must hold settings"),
        ("experiment: [{epochs: 3}]", "has 'experiment'; it may have"),
    ],
)
def test_a_file_that_cannot_be_understood_is_named(tmp_path, content, words):
    path = tmp_path / "grid.yaml"
    path.write_text(content)
    with pytest.raises(RecipeError, match=words) as error:
        read_grid(path)
    assert "grid.yaml" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.yaml' cannot be read"):
        read_grid(tmp_path / "none.yaml")


def test_every_recipe_is_checked_before_the_first_is_learned(folder, monkeypatch):
    monkeypatch.setattr(methods, "train", lambda *_, **__: pytest.fail("it must not learn"))
    with pytest.raises(RecipeError, match="no setting 'rounds'"):
        compare(folder, GRID | {"experiments": [{"imbalance": "none"}, {"rounds": 3}]})


# --- the table


def test_the_columns_are_those_promised(table):
    assert knowngood.compare is compare
    assert list(table.columns) == [
        *("experiment", "change", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"),
        *("test_class_accuracy", "test_balanced_accuracy", "test_macro_precision", "test_macro_f1"),
        *("test_image_auroc", "seconds"),
    ]
    assert table["experiment"].tolist() == ["original", "1", "2"]
    assert table["change"].tolist() == [one.change for one in read_grid(GRID)]
    assert (table["seconds"] > 0).all()


def test_each_experiment_has_its_recipe_and_the_same_images_and_seed(experiments, folder):
    inspectors, _ = experiments
    for inspector, one in zip(inspectors, read_grid(GRID), strict=True):
        recipe = make_classifier(one.method, one.settings)
        assert inspector.manifest.recipe["imbalance"] == recipe.imbalance
        assert inspector.manifest.recipe["orientation"] == recipe.orientation
        assert inspector.manifest.seed == 3
    divided = with_defects_to_learn(folder)
    learned = fingerprint(divided["path"][divided["split"] == "train"].tolist())
    assert [inspector.manifest.training for inspector in inspectors] == [learned] * 3


def test_validation_figures_come_from_held_out_answers(experiments):
    inspectors, table = experiments
    for inspector, row in zip(inspectors, table.itertuples(), strict=True):
        lesson = inspector.classifier
        shares = softmax(lesson.logits.astype(np.float64), axis=1)
        assert row.validation_loss == pytest.approx(
            log_loss(lesson.truth, shares, labels=[0, 1, 2]), rel=1e-4
        )
        assert row.validation_accuracy == (lesson.logits.argmax(axis=1) == lesson.truth).mean()


def test_train_figures_come_from_the_images_learned_from_and_are_measured_alike(experiments, folder):
    """Loss beside loss: neither is divided by a temperature."""
    inspectors, table = experiments
    divided = with_defects_to_learn(folder)
    learned = divided["path"][divided["split"] == "train"].tolist()
    for inspector, row in zip(inspectors, table.itertuples(), strict=True):
        truth = inspector.classifier.truth
        logits = np.stack(
            [answer.extras["logits"][0] for answer in inspector.stream(learned, extras=ANSWERS)]
        )
        expected = log_loss(truth, softmax(logits.astype(np.float64), axis=1), labels=[0, 1, 2])
        assert row.train_loss == pytest.approx(expected, rel=0.02)
        assert row.train_accuracy == (logits.argmax(axis=1) == truth).mean()


def test_test_figures_are_those_of_an_evaluation(experiments, folder):
    inspectors, table = experiments
    for inspector, row in zip(inspectors, table.to_dict("records"), strict=True):
        for name, value in main_figures(evaluate(inspector, folder)).items():
            assert row[f"test_{name}"] == value


def test_experiments_differ(table):
    assert table["train_loss"].nunique() == 3
    assert table["test_image_auroc"].min() > 0.8


def test_data_without_defects(folder):
    with pytest.raises(DataError, match="there is no defect to train on"):
        compare(folder / "train", GRID)


def test_without_defects_to_test_with_a_figure_is_missing(folder):
    table = with_defects_to_learn(folder)
    table.attrs.clear()
    table = table[(table["split"] == "train") | (table["label"] == "good")]
    (row,) = compare(table, GRID | {"experiments": []}).to_dict("records")
    assert pd.isna(row["test_image_auroc"])
    assert 0 <= row["test_class_accuracy"] <= 1
