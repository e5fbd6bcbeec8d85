"""What a report of an inspector with three answers says besides."""

import dataclasses

import numpy as np
import pytest

from knowngood.inspector.evaluation import evaluate
from knowngood.inspector.fit import fit
from knowngood.inspector.threshold import review_at
from knowngood.report.advice import advice
from knowngood.report.cards import card
from knowngood.report.detection import detection_exhibits, key_figures, samples
from knowngood.report.gallery import rows_of
from knowngood.report.page import write_report
from knowngood.report.trade_off import stops, trade_off_exhibit
from knowngood.report.words import review_basis, verdict


@pytest.fixture(scope="module")
def reviewing(widget):
    return review_at(fit(widget, "gaussian", input_size=64), 0.5)


@pytest.fixture(scope="module")
def evaluation(reviewing, widget):
    return evaluate(reviewing, widget)


def test_the_table_of_decisions_has_three_columns(evaluation):
    table = next(one for one in detection_exhibits(evaluation) if one.title == "Decisions")
    found = evaluation.metrics["confusion"]
    assert table.columns == ["label", "accepted", "for review", "rejected"]
    assert [row[2] for row in table.rows] == [str(found["good_review"]), str(found["defect_review"])]
    assert "Of the parts that were decided, " in table.note


def test_the_share_is_a_key_figure(evaluation):
    [figure] = [one for one in key_figures(evaluation.metrics) if one.name == "Reviewed"]
    reviewed = (evaluation.scores["decision"] == "review").mean()
    assert figure.value == f"{100 * reviewed:.1f} %"


def test_the_samples_for_review_have_no_error(evaluation):
    rows = rows_of(evaluation)
    [group] = [one for one in samples(rows, 20) if one.title == "For review"]
    assert len(group.rows) == (evaluation.scores["decision"] == "review").sum() > 0
    assert {row.error for row in group.rows} == {""}
    assert {row.decided for row in group.rows} == {"for review"}


def test_other_thresholds_say_what_is_reviewed(evaluation):
    table = trade_off_exhibit(evaluation)
    assert table.columns[-2:] == ["good parts reviewed", "defects reviewed"]
    assert "moves with the threshold" in table.note
    counted = evaluation.metrics["confusion"]
    assert table.rows[0][-2].startswith(f"{counted['good_review']}\u00a0of\u00a08: ")
    assert any("to a review" in stop.sentence for stop in stops(evaluation))


def test_the_words(evaluation, reviewing):
    metrics = evaluation.metrics
    number = metrics["confusion"]["good_review"]
    assert f", and {number} w" in verdict(metrics)
    assert "left to a review (" in verdict(metrics)
    line = dataclasses.asdict(reviewing.review)
    assert review_basis(line).startswith(
        f"Parts above {reviewing.review.value:.4g} are reviewed, by the rule"
    )
    assert f"above {reviewing.review.value:.4g}, good parts to review at most 0.5" in card(reviewing)
    assert "good parts reviewed" in card(evaluation)


def test_most_good_parts_for_review_is_doubtful(evaluation):
    metrics = evaluation.metrics | {
        "good_review_rate": 0.6,
        "false_reject_rate": 0.0,
        "false_reject_rate_low": 0.0,
        "false_reject_rate_high": 0.1,
        "escape_rate": 0.0,
        "escape_rate_high": 0.1,
    }
    found = advice(dataclasses.replace(evaluation, metrics=metrics))
    assert (found.level, found.headline.partition(": ")[2]) == (
        "doubtful",
        "60 % of the good parts are left to a review.",
    )


def test_the_page_and_the_charts(evaluation, reviewing, tmp_path):
    write_report(evaluation, tmp_path / "report.html", examples=2)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<option>for review</option>" in page
    assert f"review above {reviewing.review.value:.4g}" in page
    assert "line for review" in page
    assert 'data-decision="for review"' in page
    axes = evaluation.plot_confusion()
    assert [text.get_text() for text in axes.get_xticklabels()] == ["accept", "review", "reject"]
    assert len(axes.texts) == 6
    curve = evaluation.plot_roc()
    points = {line.get_label(): line.get_xydata()[0] for line in curve.lines if line.get_marker() in "os"}
    found = evaluation.metrics["confusion"]
    np.testing.assert_allclose(points["threshold in use"][1], 100 * found["true_reject"] / 6)
    np.testing.assert_allclose(points["line for review"][1], 100 * (1 - found["escape"] / 6))
