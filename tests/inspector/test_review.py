"""Three answers: accept, review, reject."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import knowngood
from knowngood.data.samples import fingerprint
from knowngood.errors import DataError, InspectorError
from knowngood.inspector.evaluation import evaluate
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.threshold import review_at, review_by_defects, threshold_at, threshold_by_value
from knowngood.metrics.review import review_by_escapes, review_by_rate

from ..support.parts import photograph


@pytest.fixture(scope="module")
def strict(inspector):
    """An inspector whose threshold few scratches reach: they come to a review."""
    return threshold_by_value(inspector, 1e3)


@pytest.fixture(scope="module")
def labelled():
    """Good and scratched photographs that no inspector has seen, with their labels."""
    photos = photograph(11, good=6, line=9, square=0)
    return list(photos.images), ["good"] * 6 + ["line"] * 9


def test_from_held_out_good_scores(inspector, saved):
    three = review_at(inspector, 0.2)
    held_out = inspector.manifest.held_out
    assert three.review == review_by_rate(held_out, inspector.threshold.value, 0.2)
    assert (three.threshold, three.graph) == (inspector.threshold, inspector.graph)
    assert inspector.review is None
    three.save(saved)
    assert Inspector.load(saved).manifest == three.manifest
    assert f"review above {three.review.value:.4g}, threshold" in repr(three)
    assert knowngood.without_review(three).manifest == inspector.manifest


def test_from_defects(strict, labelled):
    three = review_by_defects(strict, 0.2, *labelled)
    images, labels = labelled
    scores = [verdict.score for verdict in strict.inspect(images[6:])]
    expected = review_by_escapes(scores, 1e3, 0.2)
    assert expected.count == 1
    rule = "escapes at most 0.2, on 9 defective validation images"
    assert three.review == dataclasses.replace(expected, rule=rule)
    assert three.manifest.validation == fingerprint(images[6:])
    with pytest.raises(DataError, match="needs scores of defects; got none"):
        review_by_defects(strict, 0.2, images[:6], labels[:6])
    with pytest.raises(DataError, match=r"the threshold .* alone lets at most 20 % of the 9 defects escape"):
        review_by_defects(threshold_by_value(strict, min(scores) - 1), 0.2, *labelled)


def test_the_images_that_it_was_set_on_are_warned_of(strict, labelled):
    images, labels = labelled
    three = threshold_at(review_by_defects(strict, 0.2, *labelled), 0.01)
    assert three.review is None or three.manifest.validation == fingerprint(images[6:])
    three = threshold_by_value(review_by_defects(strict, 0.2, *labelled), 999.0)
    [warning] = evaluate(three, images, labels).metrics["warnings"]
    assert warning.startswith("9 of the 15 test images were used for the threshold")


def test_test_images_are_refused(strict, widget):
    with pytest.raises(DataError, match="are of the test split"):
        review_by_defects(strict, 0.2, widget)
    assert review_by_defects(strict, 0.2, widget, anyway=True).review.total == 6


def test_the_decisions(inspector, test_images):
    three = review_at(inspector, 0.5)
    verdicts = three.inspect(test_images)
    for verdict, before in zip(verdicts, inspector.inspect(test_images), strict=True):
        assert verdict.score == before.score
        if before.decision == "reject":
            assert verdict.decision == "reject"
        else:
            assert verdict.decision == ("review" if verdict.score > three.review.value else "accept")
    assert {verdict.decision for verdict in verdicts} == {"accept", "review", "reject"}
    reviewed = next(verdict for verdict in verdicts if verdict.decision == "review")
    assert reviewed.row()["decision"] == "review"
    assert ", review, score" in repr(reviewed)
    assert "review" in reviewed._repr_html_()


def test_the_threshold_moves(inspector):
    three = review_at(inspector, 0.2)
    moved = threshold_at(three, 0.2)
    assert moved.review == review_by_rate(moved.manifest.held_out, moved.threshold.value, 0.2)
    assert moved.review.value < three.review.value
    low = threshold_by_value(three, inspector.manifest.held_out[2])
    assert low.review is None
    assert low.threshold.note == (
        f"The line for review at {three.review.value:.4g} does not fit below it, and was removed."
    )


def test_the_line_for_escapes_stays(strict, labelled):
    three = review_by_defects(strict, 0.2, *labelled)
    assert threshold_by_value(three, 500.0).review == three.review
    assert threshold_by_value(three, three.review.value).review is None


def test_what_an_evaluation_says(strict, labelled):
    images, labels = labelled
    three = review_by_defects(strict, 0.2, images[6:], labels[6:])
    found = evaluate(three, images, labels)
    metrics, reviewed = found.metrics, (found.scores["decision"] == "review").to_numpy()
    defect = (found.scores["label"] == "defect").to_numpy()
    assert metrics["review"] == three.review.value
    assert metrics["defect_review_rate"] == reviewed[defect].mean() == 8 / 9
    assert metrics["escape_rate"] == 1 / 9
    assert metrics["good_review_rate"] == reviewed[~defect].mean()
    assert metrics["defect_review_rate_low"] < 8 / 9 < metrics["defect_review_rate_high"]
    assert metrics["confusion"]["defect_review"] == 8
    assert metrics["per_defect"]["line"]["escape_rate"] == 1 / 9
    assert "defect_review_rate 0.8889" in repr(found)
    two = evaluate(strict, images, labels).metrics
    assert "review" not in two
    assert (two["escape_rate"], len(two["confusion"])) == (1.0, 4)
    only_good = evaluate(three, images[:6], labels[:6]).metrics
    assert only_good["defect_review_rate"] is None
    assert only_good["notes"]["defect_review_rate"] == "there is no defective test image"


def test_a_classifier_predicts_good_for_a_review(widget, test_images, tmp_path):
    """A defect type is predicted for rejected images alone."""
    table = knowngood.load_samples(widget)
    scratches = np.flatnonzero(table["defect"] == "scratch")[:4]
    table.loc[scratches, "split"] = "train"
    learned = knowngood.train(table, "linear_probe", input_size=64)
    low, high = min(learned.manifest.held_out) - 1e3, 1e6
    three = threshold_by_value(learned, high)
    line = dataclasses.replace(review_by_escapes([low, low + 1], high, 0.5), value=low)
    for verdict in three.with_manifest(review=line).inspect(test_images):
        assert (verdict.decision, verdict.predicted_class) == ("review", "good")


@pytest.mark.parametrize(
    "change",
    [
        lambda name: review_at(name, 0.1),
        lambda name: review_by_defects(name, 0.1, pd.DataFrame()),
        knowngood.without_review,
    ],
)
def test_a_path_is_no_inspector(change):
    with pytest.raises(InspectorError, match="is no inspector"):
        change("widget.inspector")
