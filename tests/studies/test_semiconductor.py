from importlib.util import find_spec

import pandas as pd
import pytest

from knowngood.data.elpv import load_elpv
from knowngood.data.samples import fingerprint
from knowngood.errors import DataError
from knowngood.inspector.inspector import Inspector
from knowngood.studies.registry import run_study
from knowngood.studies.semiconductor import QUICK, STUDY

from .test_supervised import FILES, TABLES, check_again, check_inspectors, check_tables, pages


@pytest.fixture(scope="module")
def cells():
    if find_spec("elpv_dataset") is None:
        pytest.skip("the solar cells (pip install elpv-dataset) are not on this machine")
    return load_elpv(None)


@pytest.fixture(scope="module")
def out(cells, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "study"
    run_study("semiconductor", folder.parent, folder, quick=True)
    return folder


@pytest.fixture(scope="module")
def draws(cells, tmp_path_factory):
    return QUICK.draws(tmp_path_factory.mktemp("nothing"), 0)


def of_each(part):
    """Train, validation and test images of a part."""
    table = part.table
    return table[table["split"] == "train"], part.validation, table[table["split"] == "test"]


# --- the full one, without learning


def test_cells_are_divided_70_15_15_stratified_by_crystal_and_label(cells, tmp_path):
    draws = STUDY.draws(tmp_path, 0)
    assert [(part.name, part.seed) for part in draws] == [(f"seed{seed}", seed) for seed in range(5)]
    whole = cells.groupby(["class", "label"]).size()
    assert len(whole) == 4
    for part in draws:
        pieces = of_each(part)
        assert sorted(path for piece in pieces for path in piece["path"]) == sorted(cells["path"])
        for piece, share in zip(pieces, (0.70, 0.15, 0.15), strict=True):
            counts = piece.groupby(["class", "label"]).size()
            assert (counts - share * whole).abs().max() <= 1
        assert part.table.attrs == {}


def test_train_validation_and_test_are_disjoint(cells, tmp_path):
    part, *others = STUDY.draws(tmp_path, 0)
    train, validation, test = (set(fingerprint(list(piece["path"]))) for piece in of_each(part))
    assert not train & validation
    assert not train & test
    assert not validation & test
    assert all(set(of_each(other)[2]["path"]) != set(of_each(part)[2]["path"]) for other in others)


def test_what_is_known_of_the_product_and_of_the_document():
    full = {method.name: method.recipe for method in STUDY.methods}
    assert full["anomaly_features"].orientation == full["finetune"].orientation == "quarter"
    assert full["finetune"].views == 8


# --- the quick one


def test_everything_is_written(out, draws):
    methods = QUICK.methods
    assert {path.name for path in out.iterdir()} == {
        *(method.name for method in methods),
        *TABLES,
        *FILES,
    }
    assert all(
        (out / method.name / f"{part.name}.inspector").exists()
        for method in QUICK.classifiers
        for part in draws
    )
    assert (out / "gaussian" / "good.inspector").exists()


def test_tables_are_consistent_and_the_best_by_validation_images_is_chosen(out, draws):
    assert QUICK.choose_by == "validation_balanced_accuracy"
    check_tables(out, QUICK, draws)


def test_no_test_or_validation_image_is_learned_from(out, draws):
    assert all(len(part.table) + len(part.validation) == 90 for part in draws)
    check_inspectors(out, QUICK.classifiers, draws)


def test_slides(out):
    """Title, data, the sections of the report, and a conclusion; see docs/studies.md."""
    assert pages(out / "slides.pdf") in (32, 33)  # a conclusion may take two


def test_the_range_test_is_kept(out):
    training = Inspector.load(out / "experiments" / "1.inspector").records.training
    assert training.learning_rate in [rate for rate, _ in training.range_test]


def test_features_of_a_network_tell_cells_apart_better_than_chance(out):
    means = pd.read_csv(out / "summary.csv").set_index("method")
    assert means.loc["linear_probe", "image_auroc"] > 0.65


def test_a_study_that_was_finished_is_not_learned_again(out):
    check_again("semiconductor", out.parent, out)


def test_a_package_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match="`pip install elpv-dataset`"):
        run_study("semiconductor", tmp_path, tmp_path / "out", quick=True)
    assert not (tmp_path / "out").exists()
