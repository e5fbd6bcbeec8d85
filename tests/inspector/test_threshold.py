import shutil

import numpy as np
import pandas as pd
import pytest

from knowngood.data.samples import fingerprint
from knowngood.errors import DataError, InspectorError, RecipeError
from knowngood.inspector.evaluation import evaluate
from knowngood.inspector.manifest import Manifest
from knowngood.inspector.threshold import threshold_at, threshold_by_rule, threshold_by_value
from knowngood.metrics import thresholds
from knowngood.metrics.rates import clopper_pearson_upper


@pytest.fixture
def labelled(test_images, tmp_path):
    """Eight good and six scratched images in a folder of their own, as a table without splits."""
    paths = [shutil.copy(path, tmp_path / f"{number}.png") for number, path in enumerate(test_images)]
    return pd.DataFrame({"path": list(map(str, paths)), "label": ["good"] * 8 + ["defect"] * 6})


@pytest.mark.parametrize("rate", [0.01, 0.2])
def test_for_a_false_reject_rate(inspector, rate):
    moved = threshold_at(inspector, rate)
    assert moved.manifest.threshold == thresholds.conformal(inspector.manifest.held_out, rate)
    assert moved.manifest.threshold.requested == rate
    assert moved.graph == inspector.graph
    assert inspector.manifest.threshold.requested == 0.05


def test_a_false_reject_rate_out_of_range(inspector):
    with pytest.raises(RecipeError, match="max_false_reject must be between 0 and 1"):
        threshold_at(inspector, 1.0)


@pytest.mark.parametrize(
    ("rule", "function"),
    [
        ("f1-max", thresholds.f1_max),
        ("youden", thresholds.youden),
        ("recall=0.5", lambda defect, scores: thresholds.recall(defect, scores, 0.5)),
        ("cost=1:20", lambda defect, scores: thresholds.lowest_cost(defect, scores, 1, 20)),
    ],
)
def test_by_a_rule_on_labelled_images(inspector, labelled, rule, function):
    defect = (labelled["label"] == "defect").to_numpy()
    scores = [verdict.score for verdict in inspector.inspect(list(labelled["path"]))]
    moved = threshold_by_rule(inspector, rule, labelled).manifest
    expected = function(defect, scores)
    assert moved.threshold.value == expected.value
    assert moved.threshold.rule == f"{expected.rule}, on 8 good and 6 defective validation images"
    assert moved.validation == fingerprint(list(labelled["path"]))


def test_training_images_do_not_count(inspector, labelled, widget):
    learned = [str(path) for path in sorted((widget / "train/good").iterdir())]
    with_learned = pd.concat([pd.DataFrame({"path": learned, "label": "good"}), labelled])
    moved, expected = (
        threshold_by_rule(inspector, "f1-max", table.assign(split="train"))
        for table in (with_learned, labelled)
    )
    assert moved.manifest == expected.manifest


def test_evaluating_on_the_same_images_is_warned_of(inspector, labelled):
    moved = threshold_by_rule(inspector, "f1-max", labelled)
    [warning] = evaluate(moved, labelled.assign(split="test")).metrics["warnings"]
    assert warning.startswith("14 of the 14 test images were used for the threshold")
    reset = threshold_at(moved, 0.05)
    assert evaluate(reset, labelled.assign(split="test")).metrics["warnings"] == []


@pytest.mark.parametrize(
    "rule", ["", "f1", "f1-max=1", "recall", "recall=high", "recall=0.9:1", "cost=1", "cost=1:", "cost=a:b"]
)
def test_an_unknown_rule(inspector, labelled, rule):
    with pytest.raises(RecipeError, match="is not known; take f1-max, youden, even-odds, recall="):
        threshold_by_rule(inspector, rule, labelled)


def test_mistakes_of_a_program(inspector, saved, labelled):
    for moved in (
        lambda name: threshold_at(name, 0.01),
        lambda name: threshold_by_value(name, 3.5),
        lambda name: threshold_by_rule(name, "youden", labelled),
        lambda name: evaluate(name, labelled),
    ):
        with pytest.raises(
            InspectorError, match=r"is no inspector; give .* or Inspector\.load\(\.\.\.\) of its"
        ):
            moved(str(saved))
    with pytest.raises(RecipeError, match=r"rule \['a.png'\] is not known; take f1-max"):
        threshold_by_rule(inspector, ["a.png"], ["good"])
    with pytest.raises(RecipeError, match=r"a threshold must be a finite number; got '3.5'"):
        threshold_by_value(inspector, "3.5")
    with pytest.raises(RecipeError, match=r"must be between 0 and 1, .*; got '1%'"):
        threshold_at(inspector, "1%")


def test_the_message_of_a_long_rule_is_short(inspector, labelled):
    with pytest.raises(RecipeError) as refused:
        threshold_by_rule(inspector, "x" * 10**6, labelled)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(("rule", "name"), [("recall=0", "out of range"), ("cost=-1:1", "out of range")])
def test_a_number_out_of_range(inspector, labelled, rule, name):
    with pytest.raises(RecipeError, match=name):
        threshold_by_rule(inspector, rule, labelled)


def test_defects_and_good_images_are_needed(inspector, labelled, widget):
    with pytest.raises(DataError, match="got 8 good and 0 defects"):
        threshold_by_rule(inspector, "youden", labelled[:8])
    learned = sorted((widget / "train/good").iterdir())
    table = pd.DataFrame({"path": list(map(str, learned)), "label": "good"})
    with pytest.raises(DataError, match="the inspector learned from all of these images; name others"):
        threshold_by_rule(inspector, "youden", table)


def test_given_by_hand(inspector):
    moved = threshold_by_value(inspector, 3.5).manifest
    held_out = np.array(moved.held_out)
    above = int((held_out > 3.5).sum())
    assert (moved.threshold.value, moved.threshold.rule) == (3.5, "given by hand")
    assert (moved.threshold.above, moved.threshold.held_out) == (above, len(held_out))
    assert moved.threshold.upper_bound == clopper_pearson_upper(above, len(held_out))
    assert Manifest.from_json(moved.to_json(), name="x") == moved
    for value in (np.nan, np.inf):
        with pytest.raises(RecipeError, match="a threshold must be a finite number; got"):
            threshold_by_value(inspector, value)


def test_images_of_a_test_split_are_refused(inspector, widget, labelled, test_images):
    told = "14 of the 14 validation images {}: evaluating on them"
    in_folder = labelled.assign(path=list(map(str, test_images)))
    learned = [str(path) for path in sorted((widget / "train/good").iterdir())]
    fitted_to = pd.concat([labelled, pd.DataFrame({"path": learned, "label": "good"})])
    for validation, reason in (
        (widget, "are of the test split"),
        (labelled.assign(split="test"), "are of the test split"),
        (widget / "test", "are in a folder of test images"),
        (in_folder, "are in a folder of test images"),
        (fitted_to, "are the test images of the data set that the inspector was fitted to"),
    ):
        with pytest.raises(DataError, match=told.format(reason)):
            threshold_by_rule(inspector, "youden", validation)
        moved = threshold_by_rule(inspector, "youden", validation, anyway=True)
        assert "on 8 good and 6 defective" in moved.threshold.rule
    # A split that says so is believed.
    threshold_by_rule(inspector, "youden", in_folder.assign(split="train"))


def test_progress_reaches_its_end(inspector, labelled):
    told = []
    threshold_by_rule(inspector, "youden", labelled, progress=lambda *told_now: told.append(told_now))
    assert told[-1] == ("inspecting validation images", 14, 14)
    assert [done for _, done, _ in told] == 2 * list(range(1, 15))  # the files are identified first


def test_a_type_whose_escape_costs_more(inspector, labelled):
    labelled["defect"] = np.where(labelled["label"] == "defect", "scratch", "")
    cheap = threshold_by_rule(inspector, "cost=1:1", labelled)
    dear = threshold_by_rule(inspector, "cost=1:1,scratch:1000", labelled)
    same = threshold_by_rule(inspector, "cost=1:1000", labelled)
    assert dear.threshold.value == same.threshold.value  # all defects are scratches
    assert dear.threshold.value <= cheap.threshold.value
    with pytest.raises(DataError, match="no validation image is of the defect type 'dent'"):
        threshold_by_rule(inspector, "cost=1:1,dent:5", labelled)
    with pytest.raises(RecipeError, match="is not known"):
        threshold_by_rule(inspector, "youden,dent:5", labelled)
