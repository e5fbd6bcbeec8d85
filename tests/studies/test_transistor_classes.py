import pandas as pd
import pytest

from knowngood.data.kinds import kind_of_each
from knowngood.data.samples import fingerprint, load_samples
from knowngood.errors import DataError
from knowngood.inspector.comparison import read_grid
from knowngood.inspector.inspector import Inspector
from knowngood.studies import transistor_classes as study
from knowngood.studies.registry import run_study

from .test_supervised import check_again, check_inspectors, check_tables, pages

KINDS = ["bent_lead", "cut_lead", "damaged_case", "good", "misplaced"]


@pytest.fixture(scope="module")
def table(shared_data):
    return load_samples(shared_data / "mvtec/transistor")


@pytest.fixture(scope="module")
def out(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "study"
    run_study("transistor_classes", shared_data, folder, quick=True)
    return folder


@pytest.fixture(scope="module")
def chosen(table):
    return study.drawn(table, seed=0, quick=True)


@pytest.fixture(scope="module")
def draws(table, chosen):
    always = table[table["split"] == "train"].head(study.QUICK_GOOD)
    return study.parts(always, chosen, seed=0, quick=True)


def sizes(table):
    return kind_of_each(table).value_counts().to_dict()


# --- the full one, without learning


def test_ten_images_of_each_kind_take_turns(table):
    chosen = study.drawn(table, seed=0, quick=False)
    assert sizes(chosen) == dict.fromkeys(KINDS, 10)
    assert (chosen["split"] == "test").all()
    assert chosen["path"].is_unique
    other = study.drawn(table, seed=1, quick=False)
    assert sizes(other) == dict.fromkeys(KINDS, 10)
    # All defects are taken; which ten of the good ones is drawn.
    assert set(chosen["path"]) != set(other["path"])


def test_each_is_tested_once_in_five_folds_two_of_each_kind(table):
    always = table[table["split"] == "train"]
    chosen = study.drawn(table, seed=0, quick=False)
    draws = study.parts(always, chosen, seed=0, quick=False)
    assert [(part.name, part.seed) for part in draws] == [(f"fold{fold}", fold) for fold in range(5)]
    tested = []
    for part in draws:
        test = part.table[part.table["split"] == "test"]
        assert sizes(test) == dict.fromkeys(KINDS, 2)
        learned = part.table[part.table["split"] == "train"]
        assert sizes(learned) == dict.fromkeys(KINDS, 8) | {"good": 213 + 8}
        assert set(always["path"]) < set(learned["path"])
        assert not set(fingerprint(list(test["path"]))) & set(fingerprint(list(learned["path"])))
        assert part.table.attrs == {}
        tested += list(test["path"])
    assert sorted(tested) == sorted(chosen["path"])


def test_what_is_known_of_the_product():
    assert {method.recipe.orientation for method in study.methods()} == {"fixed"}


# --- the quick one


def test_everything_is_written(out):
    methods = study.methods(quick=True)
    assert {path.name for path in out.iterdir()} == {
        *(method.name for method in methods),
        *("runs.csv", "summary.csv", "figures.csv", "experiments.csv", "slides.pdf"),
    }
    assert all((out / method.name / "fold1.inspector").exists() for method in methods)


def test_tables_are_consistent_and_the_best_by_held_out_images_is_chosen(out, draws):
    check_tables(out, study.methods(quick=True), draws, "held_out_kinds", study.DOCUMENT)


def test_no_test_image_is_learned_from_and_each_is_tested_once(out, draws, chosen):
    check_inspectors(out, study.methods(quick=True), draws)
    tested = [path for part in draws for path in part.table["path"][part.table["split"] == "test"]]
    assert sorted(tested) == sorted(chosen["path"])
    assert sizes(chosen) == dict.fromkeys(KINDS, 4)


def test_types_are_told_apart(out):
    inspector = Inspector.load(out / "linear_probe" / "fold0.inspector")
    assert inspector.training.lesson.names == ["good", *sorted(set(KINDS) - {"good"})]


def test_experiments_change_one_thing_each(out):
    table = pd.read_csv(out / "experiments.csv")
    assert table["experiment"].tolist() == ["original", *map(str, range(1, len(table)))]
    changes = table["change"].fillna("").tolist()
    assert changes[0] == ""
    assert changes[1:3] == ["epochs=1 → 2", "batch_size=32 → 8"]
    assert changes[-1] == "learning_rate=0.001 → 0.0001"
    assert all(", " not in change for change in changes)
    assert ((table["test_kind_accuracy"] >= 0) & (table["test_kind_accuracy"] <= 1)).all()
    assert (table["validation_loss"] > 0).all()


def test_the_experiments_of_the_full_study_are_those_of_the_document(monkeypatch):
    grids = []
    monkeypatch.setattr(study, "compare", lambda table, grid, **_: grids.append(grid))
    study.experiments(pd.DataFrame(), quick=False, seed=0, device="cpu", progress=lambda *_: None)
    original, *changed = read_grid(grids[0])
    assert original.settings["epochs"] == 10
    assert changed[0].change == "epochs=10 → 40"
    assert changed[1].change == "batch_size=32 → 8"
    assert changed[-1].change == "learning_rate=0.001 → 0.0001"


def test_slides(out):
    assert pages(out / "slides.pdf") > 10


def test_a_study_that_was_finished_is_not_learned_again(shared_data, out):
    check_again("transistor_classes", shared_data, out)


def test_data_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="holds no folder mvtec/transistor or transistor"):
        run_study("transistor_classes", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
