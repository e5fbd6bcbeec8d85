"""From good parts and defects to an inspector that names the kind, and what an evaluation says of it."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    precision_recall_fscore_support,
)

import knowngood
from knowngood.classifiers import make_classifier
from knowngood.classifiers.base import held_out_scores, make_fit
from knowngood.data.labelled import with_defects_to_learn
from knowngood.data.samples import check_samples, fingerprint, load_samples
from knowngood.errors import DataError, RecipeError
from knowngood.inspector.classification import ANSWERS
from knowngood.inspector.evaluation import evaluate
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.threshold import threshold_at, threshold_by_rule
from knowngood.inspector.train import first_threshold, train
from knowngood.metrics import thresholds
from knowngood.training.classifier_record import ClassifierRecord
from knowngood.training.record import Epoch, TrainingRecord
from knowngood.training.run import Run

from ..support.parts import write_parts

SMALL = make_classifier("linear_probe", {"input_size": 64})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """As MVTec AD is laid out: all defects are test images."""
    counts = {"train/good": 12, "test/good": 6, "test/hole": 9, "test/scratch": 9}
    return write_parts(tmp_path_factory.mktemp("data") / "widget", counts)


@pytest.fixture(scope="module")
def inspector(folder):
    return train(folder, SMALL)


@pytest.fixture(scope="module")
def by_label(folder):
    return train(folder, SMALL, by="label")


@pytest.fixture(scope="module")
def evaluation(inspector, folder):
    return evaluate(inspector, folder)


@pytest.fixture(scope="module")
def divided(folder):
    """The samples with a split of their own that puts defects on both sides."""
    table = with_defects_to_learn(folder)
    table.attrs.clear()
    return table


@pytest.fixture
def test_table(divided):
    """Six good images, three with a hole, three scratched."""
    table = divided[divided["split"] == "test"].sort_values(["label", "path"], ascending=[False, True])
    assert list(table["defect"]) == [""] * 6 + ["hole"] * 3 + ["scratch"] * 3
    return table.reset_index(drop=True)


# --- the story


def test_train_and_evaluate_are_one_public_story(folder, tmp_path):
    inspector = knowngood.train(folder, knowngood.make_classifier("linear_probe", {"input_size": 64}))
    inspector.save(tmp_path / "widget.inspector")
    loaded = knowngood.Inspector.load(tmp_path / "widget.inspector")
    assert "linear_probe" in repr(loaded)
    assert "images of good parts and defects" in repr(loaded)
    assert loaded.inspect(folder / "test/scratch/000.png")[0].predicted_class == "scratch"
    metrics = knowngood.evaluate(loaded, folder).metrics
    assert metrics["image_auroc"] > 0.9
    assert metrics["classifier"]["balanced_accuracy"] > 0.7  # of the three kinds
    knowngood.write_evaluation(knowngood.evaluate(loaded, folder), tmp_path / "report")
    kept = json.loads((tmp_path / "report/metrics.json").read_text())
    assert kept["classifier"] == metrics["classifier"]
    scores = pd.read_csv(tmp_path / "report/scores.csv")
    assert list(scores.columns)[-4:] == ["predicted_class", "p_good", "p_hole", "p_scratch"]


def test_the_manifest_says_what_was_learned_from(inspector, divided):
    manifest = inspector.manifest
    learned = divided["path"][divided["split"] == "train"].tolist()
    assert manifest.training == fingerprint(learned)
    assert manifest.method == "linear_probe"
    assert manifest.recipe == {**dataclasses.asdict(SMALL), "strides": [8, 16, 32]}
    assert manifest.validation == []
    lesson = inspector.classifier
    assert lesson.names == ["good", "hole", "scratch"]
    assert lesson.counts == [12, 6, 6]
    assert len(lesson.truth) == 24


def test_the_threshold_is_where_a_defect_is_as_likely_as_a_good_part(inspector):
    lesson, chosen = inspector.classifier, inspector.threshold
    good = held_out_scores(lesson)[lesson.truth == 0]
    assert chosen == thresholds.own_odds(good)
    assert (chosen.value, chosen.rule) == (0, "a defect is likelier than a good part")
    assert (chosen.held_out, chosen.above) == (12, (good > 0).sum())
    assert inspector.manifest.held_out == np.sort(good).tolist()


def test_held_out_scores_are_the_log_odds_of_a_defect(inspector):
    lesson = inspector.classifier
    likely = np.exp((lesson.logits / lesson.temperature).astype(np.float64))
    expected = np.log(likely[:, 1:].sum(axis=1)) - np.log(likely[:, 0])
    np.testing.assert_allclose(held_out_scores(lesson), expected, rtol=1e-5)


def test_heatmaps_are_scaled_by_maps_of_good_images(inspector, folder):
    maps = [verdict.patch_map for verdict in inspector.inspect(sorted((folder / "train/good").iterdir()))]
    np.testing.assert_allclose(inspector.manifest.map_maxima, sorted(one.max() for one in maps), rtol=1e-5)


def test_the_same_seed_gives_the_same_inspector_and_another_holds_out_others(inspector, folder):
    again = train(folder, SMALL)
    assert again.manifest.graph_hash == inspector.manifest.graph_hash
    assert again.manifest.held_out == inspector.manifest.held_out
    other = train(folder, SMALL, seed=1)
    assert other.manifest.training == inspector.manifest.training
    assert other.manifest.held_out != inspector.manifest.held_out


def test_a_table_and_its_folder_are_learned_alike(inspector, divided):
    from_table = train(divided, SMALL)
    assert from_table.manifest.graph_hash == inspector.manifest.graph_hash
    assert from_table.threshold == inspector.threshold


def test_the_share_of_defects_to_learn_from(folder):
    few = train(with_defects_to_learn(folder, 0.4), SMALL)
    assert few.classifier.counts == [12, 4, 4]
    assert evaluate(few, folder).metrics["counts"] == {"good": 6, "defect": 10, "unreadable": 0}


def test_by_label(by_label, folder):
    assert by_label.classifier.names == ["good", "defect"]
    assert by_label.classifier.counts == [12, 12]
    (verdict,) = by_label.inspect(folder / "test/hole/001.png")
    assert (verdict.predicted_class, verdict.decision) == ("defect", "reject")
    assert verdict.probabilities.keys() == {"good", "defect"}


def test_progress_is_told(folder):
    told = {}
    train(folder, SMALL, progress=lambda stage, done, total: told.setdefault(stage, []).append((done, total)))
    assert told["looking at images"] == [(done, 24) for done in range(1, 25)]
    assert [done for done, _ in told["answering out of fold"]] == list(range(1, 16))
    assert told["answering out of fold"][-1] == (15, 15)


# --- verdicts


def test_the_kind_agrees_with_the_decision(inspector, folder):
    images = sorted(map(str, (folder / "test").rglob("*.png")))
    assert inspector.threshold.value == 0
    for verdict in inspector.inspect(images):
        assert (verdict.decision == "accept") == (verdict.probabilities["good"] >= 0.5)
    for line in (inspector.threshold.value, -1e6, 1e6):
        chosen = dataclasses.replace(inspector.threshold, value=line)
        for verdict in inspector.with_threshold(chosen, validation=[]).inspect(images):
            shares = verdict.probabilities
            assert sum(shares.values()) == pytest.approx(1)
            assert (verdict.decision == "reject") == (verdict.score > line)
            if verdict.decision == "accept":
                assert verdict.predicted_class == "good"
            else:
                assert verdict.predicted_class != "good"
                assert shares[verdict.predicted_class] == max(shares["hole"], shares["scratch"])


def test_score_and_probabilities_are_one(inspector, folder):
    lesson = inspector.classifier
    images = sorted(map(str, (folder / "test").rglob("*.png")))
    for answer in inspector.stream(images, extras=ANSWERS):
        scaled = answer.extras["logits"][0].astype(np.float64) / lesson.temperature
        shares = np.exp(scaled - scaled.max())
        shares /= shares.sum()
        assert list(answer.probabilities.values()) == pytest.approx(shares.tolist(), abs=1e-5)
        score = np.logaddexp.reduce(scaled[1:]) - scaled[0]
        assert answer.score == pytest.approx(score, rel=1e-3, abs=1e-3)


def test_a_row_of_a_table_holds_kind_and_probabilities(inspector, folder):
    (verdict,) = inspector.inspect(folder / "test/hole/000.png")
    row = verdict.row()
    assert list(row) == [
        "path",
        "score",
        "p_value",
        "decision",
        "predicted_class",
        "p_good",
        "p_hole",
        "p_scratch",
    ]
    assert row["predicted_class"] == verdict.predicted_class
    assert [row[f"p_{name}"] for name in verdict.probabilities] == list(verdict.probabilities.values())


def test_a_saved_classifier_says_the_same(inspector, folder, tmp_path):
    inspector.save(tmp_path / "a.inspector")
    loaded = Inspector.load(tmp_path / "a.inspector")
    images = sorted(map(str, (folder / "test/hole").iterdir()))
    for one, other in zip(inspector.inspect(images), loaded.inspect(images), strict=True):
        assert one.row() == other.row()
    np.testing.assert_array_equal(held_out_scores(loaded.classifier), held_out_scores(inspector.classifier))


# --- the evaluation


def test_test_images_that_were_learned_from_are_left_out_and_counted(evaluation, inspector, divided):
    assert evaluation.metrics["counts"] == {"good": 6, "defect": 6, "unreadable": 0}
    assert evaluation.metrics["warnings"] == [
        "12 images of the test split are left out, since the classifier learned from them."
    ]
    assert evaluation.about.test.left_out == 12
    assert not set(fingerprint(list(evaluation.scores["path"]))) & set(inspector.manifest.training)
    assert set(evaluation.scores["path"]) == set(divided["path"][divided["split"] == "test"])


def test_a_split_of_its_own_is_taken_as_it_is(inspector, evaluation, divided):
    found = evaluate(inspector, divided)
    assert found.metrics["warnings"] == []
    pd.testing.assert_frame_equal(found.scores, evaluation.scores)


def test_a_copy_of_an_image_that_was_learned_from_is_left_out(inspector, divided, test_table, tmp_path):
    learned = divided["path"][(divided["split"] == "train") & (divided["defect"] == "hole")].iloc[0]
    (tmp_path / "renamed.png").write_bytes(Path(learned).read_bytes())
    test_table.loc[7, "path"] = str(tmp_path / "renamed.png")
    found = evaluate(inspector, test_table)
    assert found.metrics["counts"]["defect"] == 5
    assert found.metrics["warnings"] == [
        "1 images of the test split are left out, since the classifier learned from them."
    ]


def test_all_images_were_learned_from(inspector, divided):
    with pytest.raises(DataError, match="the inspector learned from all of these"):
        evaluate(inspector, divided[divided["split"] == "train"].assign(split="test"))


def test_rows_are_those_of_the_verdicts(evaluation, inspector):
    scores = evaluation.scores
    verdicts = inspector.inspect(scores["path"].tolist())
    assert list(scores.columns) == [
        *("path", "label", "defect", "mask", "score", "p_value", "decision", "predicted_class"),
        *("p_good", "p_hole", "p_scratch"),
    ]
    assert scores["predicted_class"].tolist() == [verdict.predicted_class for verdict in verdicts]
    assert scores["p_hole"].tolist() == [verdict.probabilities["hole"] for verdict in verdicts]
    assert evaluation.classification.said.tolist() == [
        ["good", "hole", "scratch"].index(verdict.predicted_class) for verdict in verdicts
    ]


def test_figures_of_kinds_are_those_of_scikit_learn(inspector, test_table):
    """Some labels are wrong, so that there is something to count."""
    test_table["label"] = [*["good"] * 4, *["defect"] * 6, "good", "defect"]
    test_table["defect"] = [*[""] * 4, "hole", "scratch", "hole", "scratch", "hole", "scratch", "", "scratch"]
    evaluation = evaluate(inspector, test_table)
    names = ["good", "hole", "scratch"]
    truth = evaluation.scores["defect"].where(evaluation.scores["label"] == "defect", "good")
    said = evaluation.scores["predicted_class"]
    assert 0 < (truth != said).sum() < len(said)
    found = evaluation.metrics["classifier"]
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, said, labels=names, zero_division=np.nan
    )
    for number, name in enumerate(names):
        assert found["classes"][name] == {
            "count": support[number],
            "precision": pytest.approx(precision[number]),
            "recall": pytest.approx(recall[number]),
            "f1": pytest.approx(f1[number]),
        }
    assert found["confusion"]["classes"] == names
    assert found["confusion"]["matrix"] == confusion_matrix(truth, said, labels=names).tolist()
    assert found["class_accuracy"] == pytest.approx(accuracy_score(truth, said))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, said))
    assert found["macro_f1"] == pytest.approx(f1.mean())
    assert found["macro_precision"] == pytest.approx(precision.mean())
    assert (found["answers"], found["not_learned"]) == (12, 0)
    json.dumps(evaluation.metrics, allow_nan=False)


def test_a_kind_that_is_never_said_has_no_precision(inspector, test_table):
    nothing = dataclasses.replace(inspector.threshold, value=1e6)
    metrics = evaluate(inspector.with_threshold(nothing, validation=[]), test_table).metrics
    found = metrics["classifier"]
    assert found["classes"]["hole"] == {"count": 3, "precision": None, "recall": 0.0, "f1": 0.0}
    assert found["classes"]["good"]["precision"] == 0.5
    assert found["balanced_accuracy"] == pytest.approx(1 / 3)
    assert found["macro_precision"] == pytest.approx(0.5 / 3)
    json.dumps(metrics, allow_nan=False)


def test_types_that_were_not_learned_are_named_with_the_nearest(inspector, test_table):
    test_table.loc[6:8, "defect"] = "dent"
    test_table.loc[9:10, "defect"] = "scrach"
    evaluation = evaluate(inspector, test_table)
    [unknown, absent] = evaluation.metrics["warnings"]
    assert "dent, scrach (did you mean scratch?)" in unknown
    assert "It can reject them, but not name them" in unknown
    assert absent.startswith("The test has no image of: hole.")
    found = evaluation.metrics["classifier"]
    assert found["not_learned"] == 5
    assert np.sum(found["confusion"]["matrix"]) == found["answers"] == 7
    assert found["classes"]["hole"]["recall"] is None
    assert evaluation.metrics["per_defect"].keys() == {"dent", "scrach", "scratch"}


def test_a_defect_without_a_type_is_not_learned_either(inspector, test_table):
    test_table.loc[6, "defect"] = ""
    metrics = evaluate(inspector, test_table).metrics
    [warning] = metrics["warnings"]
    assert "which the test has: without a type." in warning
    assert metrics["classifier"]["not_learned"] == 1


def test_kinds_that_the_test_lacks_are_warned_of(inspector, test_table):
    metrics = evaluate(inspector, test_table[:9]).metrics
    assert metrics["warnings"] == ["The test has no image of: scratch. Nothing is known of these classes."]
    matrix = np.array(metrics["classifier"]["confusion"]["matrix"])
    assert matrix[2].sum() == 0
    # The mean is over the kinds that are there.
    recalls = [metrics["classifier"]["classes"][name]["recall"] for name in ("good", "hole")]
    assert metrics["classifier"]["balanced_accuracy"] == pytest.approx(np.mean(recalls))


def test_no_kind_of_the_test_was_learned(inspector, test_table):
    metrics = evaluate(inspector, test_table[6:].assign(defect="dent")).metrics
    assert metrics["classifier"]["accuracy"] is None
    assert "classes" not in metrics["classifier"]
    assert len(metrics["warnings"]) == 2


def test_to_labels_alone_every_type_is_a_defect(by_label, test_table):
    test_table.loc[6, "defect"] = "dent"
    metrics = evaluate(by_label, test_table).metrics
    assert metrics["warnings"] == []
    counted = metrics["confusion"]
    assert metrics["classifier"]["confusion"] == {
        "classes": ["good", "defect"],
        "matrix": [
            [counted["true_accept"], counted["false_reject"]],
            [counted["escape"], counted["true_reject"]],
        ],
    }


# --- the threshold moves


def test_the_threshold_moves_to_a_false_reject_rate(inspector, folder):
    moved = threshold_at(inspector, 0.2)
    assert moved.threshold == thresholds.conformal(inspector.manifest.held_out, 0.2)
    assert moved.graph == inspector.graph
    for verdict in moved.inspect(sorted((folder / "test/good").iterdir())):
        assert (verdict.decision == "reject") == (verdict.score > moved.threshold.value)
        assert (verdict.predicted_class == "good") == (verdict.decision == "accept")


@pytest.mark.parametrize(
    ("rule", "function"),
    [("even-odds", thresholds.even_odds), ("f1-max", thresholds.f1_max), ("youden", thresholds.youden)],
)
def test_the_threshold_moves_by_a_rule(inspector, divided, test_table, rule, function):
    # All samples are given; those that were learned from do not count.
    moved = threshold_by_rule(inspector, rule, divided, anyway=True)
    used = divided[divided["split"] == "test"]
    scores = [verdict.score for verdict in inspector.inspect(list(used["path"]))]
    expected = function((used["label"] == "defect").to_numpy(), scores)
    assert moved.threshold.value == expected.value
    assert moved.threshold.rule == f"{expected.rule}, on 6 good and 6 defective validation images"
    assert moved.manifest.validation == fingerprint(list(used["path"]))
    [warning] = evaluate(moved, test_table).metrics["warnings"]
    assert warning.startswith("12 of the 12 test images were used for the threshold")


def fit_of(logits, truth, training=None):
    logits = np.array(logits, np.float32)
    record = ClassifierRecord(["good", "dent"], [0, 0], logits, np.array(truth), 1.0, 0.0, 1.0, [])
    return make_fit(None, record, np.arange(len(logits)), training=training)


def test_a_classifier_that_learned_nothing_says_so():
    logits, truth = np.array([[0, 1], [0, 2], [1, 0], [2, 0]]), [0, 0, 1, 1]
    chosen = first_threshold(fit_of(logits, truth))
    assert "Held-out defects score no higher than good parts" in chosen.note
    assert (chosen.value, chosen.held_out, chosen.above) == (0, 2, 2)
    assert "learned nothing" not in first_threshold(fit_of(-logits, truth)).note


def test_images_that_chose_the_epoch_make_the_bound_lean():
    answers = [[2, 0], [1, 0], [0, 1], [0, 2]], [0, 0, 1, 1]
    assert first_threshold(fit_of(*answers)).note == ""
    training = TrainingRecord([], [Epoch(1, 0.5, 0.6)], 1, 1e-3, [0])
    assert "also chose the epoch" in first_threshold(fit_of(*answers, training)).note


# --- what cannot be done


def test_a_run_for_a_recipe_that_trains_no_network_is_refused(folder, tmp_path):
    with pytest.raises(RecipeError, match="LinearProbe trains no network; leave out the run"):
        train(folder, SMALL, run=Run(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"classifier": "linear_prob"}, "classifier 'linear_prob' is not known; choose one of"),
        ({"by": "kind"}, "by='kind' is not known"),
        ({"device": "tpu"}, "device='tpu'"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_wrong_argument_is_named(folder, arguments, words):
    with pytest.raises(RecipeError, match=words) as error:
        train(folder, **{"classifier": SMALL, **arguments})
    assert len(str(error.value).splitlines()) <= 2


@pytest.fixture
def with_broken(folder, tmp_path):
    """A table of copies, of which one hole and one good image cannot be read."""
    table = with_defects_to_learn(folder)
    table.attrs.clear()
    table = table[table["split"] == "train"].groupby(["label", "defect"]).head(4).reset_index(drop=True)
    for row, path in enumerate(table["path"]):
        (tmp_path / f"{row}.png").write_bytes(Path(path).read_bytes())
        table.loc[row, "path"] = str(tmp_path / f"{row}.png")
    for row in ((table["defect"] == "hole").idxmax(), (table["label"] == "good").idxmax()):
        Path(table["path"][row]).write_text("no image")
    return table


def test_images_that_cannot_be_read_are_named(with_broken):
    with pytest.raises(DataError, match="2 of 12 images cannot be read") as error:
        train(with_broken, SMALL)
    for path in with_broken["path"]:
        assert (repr(path) in str(error.value)) == (Path(path).read_bytes() == b"no image")


def test_images_that_cannot_be_read_are_left_out_if_that_is_wanted(with_broken):
    told = []
    inspector = train(with_broken, SMALL, on_unreadable=told.append)
    broken = [path for path in with_broken["path"] if Path(path).read_bytes() == b"no image"]
    assert sorted(failure.path for failure in told) == sorted(broken)
    assert inspector.classifier.counts == [3, 3, 4]
    assert inspector.manifest.training == fingerprint([p for p in with_broken["path"] if p not in broken])


def test_too_few_images_of_a_kind_can_be_read(with_broken):
    for path in with_broken["path"][with_broken["defect"] == "hole"][:3]:
        Path(path).write_text("no image")
    with pytest.raises(DataError, match="too few images of 'hole' can be read: 1, and at least 2"):
        train(with_broken, SMALL, on_unreadable=lambda failure: None)


def test_good_parts_alone_are_for_an_anomaly_detector(folder):
    table = load_samples(folder)
    with pytest.raises(DataError, match="there is no defect to train on"):
        train(table[table["label"] == "good"], SMALL)


def test_a_few_images_of_each_kind_are_enough(folder):
    """Of each kind one is held out, however few there are; else there would be no threshold."""
    table = check_samples(load_samples(folder).groupby(["label", "defect"]).head(2).assign(split="train"))
    quick = {"input_size": 64, "epochs": 1, "head_epochs": 0}
    inspector = train(table, make_classifier("finetune", quick))
    assert inspector.classifier.counts == [2, 2, 2]
    assert sorted(inspector.classifier.truth) == [0, 1, 2]
    assert train(table, SMALL).classifier.counts == [2, 2, 2]
