import hashlib

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

import knowngood
from knowngood.classifiers import make_classifier
from knowngood.data.samples import fingerprint, load_samples
from knowngood.errors import DataError, RecipeError
from knowngood.inspector.cross_validation import CrossValidation, cross_validate
from knowngood.inspector.methods import CLASS_FIGURES

from ..support.parts import write_parts

SMALL = make_classifier("linear_probe", {"input_size": 64})
TURNS = {"good": 4, "hole": 6, "scratch": 6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A train split of good parts, which is always learned from; test images of three kinds take turns."""
    counts = {"train/good": 8} | {f"test/{kind}": count for kind, count in TURNS.items()}
    return write_parts(tmp_path_factory.mktemp("data") / "widget", counts)


@pytest.fixture(scope="module")
def table(folder):
    return load_samples(folder)


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def found(table, told):
    """Two folds."""
    return cross_validate(
        table, SMALL, count=2, seed=5, progress=lambda stage, done, total: told.append((stage, done, total))
    )


def learned(table, tested):
    """The provenance of an inspector that learned from all but the images tested."""
    digests = fingerprint(table["path"][~table["path"].isin(tested)].tolist())
    digest = hashlib.sha256("".join(digests).encode()).hexdigest()[:16]
    return {"images": len(digests), "fingerprint": digest}


def test_it_is_public(found):
    assert knowngood.cross_validate is cross_validate
    assert isinstance(found, knowngood.CrossValidation)


def test_every_image_that_takes_turns_is_judged_once(found, table):
    turns = table["path"][table["split"] == "test"]
    assert sorted(found.scores["path"]) == sorted(turns)
    assert found.folds["fold"].tolist() == [0, 1]
    assert found.folds["images"].tolist() == [8, 8]


def test_each_kind_is_spread_over_the_folds(found):
    kinds = found.scores["defect"].replace("", "good")
    counted = pd.crosstab(kinds, found.scores["fold"])
    assert counted.to_numpy().tolist() == [[count // 2] * 2 for count in TURNS.values()]


def test_no_image_is_judged_by_what_learned_from_it(found, table):
    """The train split and the other folds are learned from, all of them and nothing else."""
    turns = table[table["split"] == "test"]
    always = table[table["split"] == "train"]
    for fold, evaluation in enumerate(found.evaluations):
        tested = found.scores["path"][found.scores["fold"] == fold]
        assert set(tested) == set(evaluation.scores["path"])
        in_order = pd.concat([always, turns])
        assert evaluation.provenance["training"] == learned(in_order, tested)
        assert evaluation.metrics["warnings"] == []


def test_each_fold_has_its_seed(found):
    assert [evaluation.provenance["seed"] for evaluation in found.evaluations] == [5, 6]


def test_the_figures_of_a_fold_are_those_of_scikit_learn(found):
    for row in found.folds.itertuples():
        scores = found.scores[found.scores["fold"] == row.fold]
        truth = scores["defect"].replace("", "good")
        assert row.class_accuracy == pytest.approx((truth == scores["predicted_class"]).mean())
        assert row.balanced_accuracy == pytest.approx(
            balanced_accuracy_score(truth, scores["predicted_class"])
        )
        assert row.image_auroc == pytest.approx(roc_auc_score(scores["label"] == "defect", scores["score"]))
        assert row.image_auroc > 0.8


def test_the_summary_is_mean_and_deviation_over_the_folds(found):
    assert found.figures["figure"].tolist() == [*CLASS_FIGURES, "image_auroc"]
    for row in found.figures.itertuples():
        assert row.mean == pytest.approx(np.mean(found.folds[row.figure]))
        assert row.sd == pytest.approx(np.std(found.folds[row.figure], ddof=1))


def test_a_figure_that_the_data_cannot_give_is_missing():
    folds = pd.DataFrame({"fold": [0, 1], "images": [3, 3], "macro_f1": [0.5, 1.0], "image_auroc": np.nan})
    figures = CrossValidation(pd.DataFrame(), folds, []).figures.set_index("figure")
    assert figures.loc["macro_f1", "mean"] == 0.75
    assert np.isnan(figures.loc["image_auroc", "mean"])


def test_progress_names_the_fold(found, told):
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages[0].startswith("fold 1 of 2: ")
    assert "fold 1 of 2: looking at images" in stages
    assert stages[-1].startswith("fold 2 of 2: ")
    assert ("fold 2 of 2: inspecting test images", 8, 8) in told


def test_where_the_data_have_no_split_all_images_take_turns(table):
    without = table.drop(columns="split")
    found = cross_validate(without, SMALL, count=2)
    assert sorted(found.scores["path"]) == sorted(without["path"])
    for fold, evaluation in enumerate(found.evaluations):
        tested = found.scores["path"][found.scores["fold"] == fold]
        assert evaluation.provenance["training"] == learned(without, tested)


def test_photographs_of_one_part_are_never_apart(table):
    number = table.groupby(["split", "defect"]).cumcount().clip(upper=5).map([0, 0, 1, 1, 2, 3].__getitem__)
    group = (table["split"] + table["defect"] + number.astype(str)).tolist()
    found = cross_validate(table.assign(group=group), SMALL, count=2)
    part_of = dict(zip(table["path"], group, strict=True))
    parts = found.scores["path"].map(part_of)
    assert (found.scores.groupby(parts)["fold"].nunique() == 1).all()


def test_where_one_type_is_missing_labels_are_told_apart_in_every_fold(table):
    """Also in the fold in which the defect without a type is a test image."""
    some = table.copy()
    some.loc[(some["defect"] == "hole").idxmax(), "defect"] = ""
    found = cross_validate(some, SMALL, count=2)
    assert [list(one.metrics["classifier"]["classes"]) for one in found.evaluations] == [
        ["good", "defect"]
    ] * 2
    assert found.scores["p_defect"].notna().all()
    assert all(one.metrics["warnings"] == [] for one in found.evaluations)


# --- what cannot be done


@pytest.mark.parametrize("count", [1, 0, -3])
def test_too_few_folds(table, count):
    with pytest.raises(RecipeError, match=f"folds={count}: at least 2 are needed"):
        cross_validate(table, SMALL, count=count)


def test_more_folds_than_images_of_a_kind(table):
    with pytest.raises(DataError, match=r"'good' has 4 image\(s\), too few for 5 folds") as error:
        cross_validate(table, SMALL, count=5)
    message = str(error.value)
    assert "take at most 4 folds, add images" in message
    assert "by=label" in message
    assert len(message.splitlines()) == 1


def test_photographs_of_one_part_count_once(table):
    group = table["path"].where(table["defect"] != "hole", "the same part")
    with pytest.raises(DataError, match=r"'hole' has 1 image\(s\), too few for 2 folds") as error:
        cross_validate(table.assign(group=group), SMALL, count=2)
    assert "take at most" not in str(error.value)


def test_missing_types_where_types_are_asked_for(table):
    with pytest.raises(DataError, match="12 of 12 defects have no type"):
        cross_validate(table.assign(defect=""), SMALL, count=2, by="type")


def test_a_classifier_that_is_not_known(table):
    with pytest.raises(RecipeError, match="method 'linear' is not known"):
        cross_validate(table, "linear", count=2)
