import pandas as pd
import pytest

from knowngood.data.class_names import class_of_each
from knowngood.data.samples import fingerprint
from knowngood.errors import DataError
from knowngood.studies.registry import run_study
from knowngood.studies.screw import DECISIONS, QUICK, STUDY
from knowngood.studies.supervised_tables import HELD_OUT

from .test_supervised import FILES, check_again, check_inspectors, check_tables, pages

TYPES = ["manipulated_front", "scratch_head", "scratch_neck", "thread_side", "thread_top"]


@pytest.fixture(scope="module")
def out(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "study"
    run_study("screw", shared_data, folder, quick=True)
    return folder


@pytest.fixture(scope="module")
def draws(shared_data):
    return QUICK.draws(shared_data, 0)


def counted(table):
    return table.groupby([table["split"], class_of_each(table)]).size().to_dict()


# --- the full one, without learning


def test_each_seed_draws_250_and_50_to_learn_from_and_55_and_55_to_test(shared_data):
    draws = STUDY.draws(shared_data, 0)
    assert [(part.name, part.seed) for part in draws] == [(f"seed{seed}", seed) for seed in range(5)]
    for part in draws:
        assert counted(part.table) == (
            {("train", "good"): 250, ("test", "good"): 55}
            | {("train", name): 10 for name in TYPES}
            | {("test", name): 11 for name in TYPES}
        )
        learned = part.table["split"] == "train"
        digests = pd.Series(fingerprint(part.table["path"].tolist()))
        assert not set(digests[learned]) & set(digests[~learned])
        assert part.table["path"].is_unique
        assert part.table.attrs == {}
        assert part.validation is None


def test_seeds_draw_other_images_and_the_same_seed_the_same(shared_data):
    first, second, *_ = STUDY.draws(shared_data, 0)
    (again, *_) = STUDY.draws(shared_data, 1)
    pd.testing.assert_frame_equal(again.table, second.table)
    tested = [set(part.table["path"][part.table["split"] == "test"]) for part in (first, second)]
    assert tested[0] != tested[1]


def test_what_is_known_of_the_product_and_of_the_document():
    full = STUDY.methods
    assert [method.name for method in full] == [
        *("anomaly_features", "linear_probe", "finetune", "scattering_boost")
    ]
    assert all(method.recipe.orientation == "any" for method in full)
    assert full[2].recipe.imbalance == "weighted_sampler"
    assert STUDY.document["accuracy"] == pytest.approx(0.791, abs=5e-4)


# --- the quick one


def test_everything_is_written(out, draws):
    methods = QUICK.methods
    assert {path.name for path in out.iterdir()} == {
        *(method.name for method in methods),
        *("runs.csv", "summary.csv", "figures.csv", *FILES),
    }
    for method in methods:
        names = {f"{part.name}.inspector" for part in draws}
        if method.recipe.trains:
            names |= {f"{part.name}.training" for part in draws}
        assert {path.name for path in (out / method.name).iterdir()} == names


def test_tables_are_consistent_and_the_best_by_held_out_images_is_chosen(out, draws):
    assert QUICK.choose_by == HELD_OUT
    check_tables(out, QUICK, draws)


def test_no_test_image_is_learned_from(out, draws):
    check_inspectors(out, QUICK.methods, draws)


def test_slides(out):
    """Title, data, both parts of the assignment, and a conclusion; see docs/studies.md."""
    assert pages(out / "slides.pdf") == 30


def test_the_document_s_decisions_give_its_figures():
    validation, test = DECISIONS
    assert validation.cells[1:] == ["0.950", "0.818", "0.857"]
    assert test.right / test.images == pytest.approx(STUDY.document["accuracy"])
    assert test.cells[2:] == ["0.786", "0.793"]


def test_features_of_a_network_tell_screws_apart_better_than_chance(out):
    means = pd.read_csv(out / "summary.csv").set_index("method")
    assert means.loc["linear_probe", "image_auroc"] > 0.65


def test_a_study_that_was_finished_is_not_learned_again(shared_data, out):
    check_again("screw", shared_data, out)


def test_data_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="holds no folder mvtec/screw or screw"):
        run_study("screw", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
