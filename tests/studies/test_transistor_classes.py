import pandas as pd
import pytest

from knowngood.data.class_names import class_of_each
from knowngood.data.samples import fingerprint, load_samples
from knowngood.errors import DataError, WeightsError
from knowngood.inspector.comparison import read_grid
from knowngood.inspector.inspector import Inspector
from knowngood.studies.registry import run_study
from knowngood.studies.transistor_classes import QUICK, STUDY

from .test_supervised import FILES, TABLES, check_again, check_inspectors, check_tables, pages

CLASSES = ["bent_lead", "cut_lead", "damaged_case", "good", "misplaced"]


@pytest.fixture(scope="module")
def out(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "study"
    run_study("transistor_classes", shared_data, folder, quick=True)
    return folder


@pytest.fixture(scope="module")
def draws(shared_data):
    return QUICK.draws(shared_data, 0)


def sizes(table):
    return class_of_each(table).value_counts().to_dict()


# --- the full one, without learning


def test_ten_images_of_each_class_are_drawn(shared_data):
    drawn, other = (STUDY.draws(shared_data, seed)[0].table for seed in (0, 1))
    assert sizes(drawn) == sizes(other) == dict.fromkeys(CLASSES, 10)
    assert drawn["path"].is_unique
    # All defects are taken; which ten of the good ones is drawn.
    assert set(drawn["path"]) != set(other["path"])


def test_each_is_tested_once_in_five_folds_two_of_each_class(shared_data):
    draws = STUDY.draws(shared_data, 0)
    assert [(draw.name, draw.seed) for draw in draws] == [(f"fold{fold}", fold) for fold in range(5)]
    always = load_samples(shared_data / "mvtec/transistor").query("split == 'train'")
    tested = []
    for draw in draws:
        samples = draw.samples
        test = samples[samples["split"] == "test"]
        assert sizes(test) == dict.fromkeys(CLASSES, 2)
        learned = samples[samples["split"] == "train"]
        assert sizes(learned) == dict.fromkeys(CLASSES, 8) | {"good": 213 + 8}
        assert set(always["path"]) < set(learned["path"])
        assert not set(fingerprint(list(test["path"]))) & set(fingerprint(list(learned["path"])))
        assert samples.attrs == draw.table.attrs == {}
        assert set(draw.table["path"]) == set(draws[0].table["path"])
        tested += list(test["path"])
    assert sorted(tested) == sorted(draws[0].table["path"])


def test_what_is_known_of_the_product():
    assert {method.recipe.orientation for method in STUDY.classifiers} == {"fixed"}


# --- the quick one


def test_everything_is_written(out):
    methods = QUICK.methods
    assert {path.name for path in out.iterdir()} == {
        *(method.name for method in methods),
        *TABLES,
        *FILES,
    }
    assert all((out / method.name / "fold1.inspector").exists() for method in QUICK.classifiers)
    assert (out / "patchcore" / "good.inspector").exists()


def test_tables_are_consistent_and_the_best_by_held_out_images_is_chosen(out, draws):
    assert QUICK.choose_by == "held_out_classes"
    assert (STUDY.document, QUICK.document) == ({"class_accuracy": 0.7}, {})
    check_tables(out, QUICK, draws)


def test_no_test_image_is_learned_from_and_each_is_tested_once(out, draws):
    check_inspectors(out, QUICK.classifiers, draws)
    tested = [path for draw in draws for path in draw.table["path"][draw.table["split"] == "test"]]
    assert sorted(tested) == sorted(draws[0].table["path"])
    assert sizes(draws[0].table) == dict.fromkeys(CLASSES, 4)


def test_the_types_are_classes(out):
    inspector = Inspector.load(out / "linear_probe" / "fold0.inspector")
    assert inspector.classifier.names == ["good", *sorted(set(CLASSES) - {"good"})]


def test_experiments_change_one_thing_each(out):
    table = pd.read_csv(out / "experiments.csv")
    assert table["experiment"].tolist() == ["original", *map(str, range(1, len(table)))]
    changes = table["change"].fillna("").tolist()
    assert changes[0] == ""
    assert changes[1:3] == ["epochs=1 → 4", "batch_size=32 → 8"]
    assert changes[-2:] == ["learning_rate=0.001 → 0.0001", "pasted=0 → 2"]
    assert all(", " not in change for change in changes)
    assert ((table["test_class_accuracy"] >= 0) & (table["test_class_accuracy"] <= 1)).all()
    assert (table["validation_loss"] > 0).all()


def test_experiments_learn_from_the_images_of_the_document_alone(out, draws):
    table = draws[0].table
    learned = fingerprint(table["path"][table["split"] == "train"].tolist())
    files = list((out / "experiments").glob("*.inspector"))
    assert len(files) == len(pd.read_csv(out / "experiments.csv"))
    assert all(Inspector.load(file).manifest.training == learned for file in files)


def test_the_experiments_of_the_full_study_are_those_of_the_document():
    original, *changed = read_grid(STUDY.experiments({}))
    assert original.settings["epochs"] == 10
    assert changed[0].change == "epochs=10 → 40"
    assert changed[1].change == "batch_size=32 → 8"
    assert changed[-2].change == "learning_rate=0.001 → 0.0001"
    assert changed[-1].change == "pasted=0 → 16"


def test_the_document_s_networks_where_their_weights_are_given(tmp_path):
    own = {"backbone": "resnet18", "weights": str(tmp_path), "epochs": 50, "coreset": 100}
    with pytest.raises(WeightsError, match="a folder without weights of resnet50; put a file resnet50"):
        STUDY.experiments(own)
    (tmp_path / "resnet50-11ad3fa6.pth").touch()
    original, *changed = read_grid(STUDY.experiments(own))
    assert (original.settings["backbone"], original.settings["epochs"]) == ("resnet18", 50)
    assert changed[2].change == "backbone=resnet18 → resnet50"
    (tmp_path / "resnet18.pth").touch()  # a file has the weights of one network
    one = read_grid(STUDY.experiments(own | {"weights": str(tmp_path / "resnet18.pth")}))
    assert not any("backbone" in experiment.change for experiment in one)


def test_slides(out):
    """Title, data, the five questions, and a conclusion; see docs/studies.md."""
    assert pages(out / "slides.pdf") in (36, 37)  # a conclusion may take two


def test_a_study_that_was_finished_is_not_learned_again(shared_data, out):
    check_again("transistor_classes", shared_data, out)


def test_data_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="holds no folder mvtec/transistor or transistor"):
        run_study("transistor_classes", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
