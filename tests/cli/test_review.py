import csv
import json

import pytest

import knowngood

from ..support.parts import write_parts


def test_three_answers_from_good_parts(run, inspector, widget, tmp_path):
    outcome = run("threshold", inspector, "--max-false-reject", 0.2, "--max-review", 0.3)
    assert outcome.status == 0
    line = knowngood.Inspector.load(inspector).review
    assert f"review         above {line.value:.6g}, good parts to review at most 0.3\n" in outcome.out
    assert f"{line.count} of 24 held-out good parts are between the lines: {line.promise}" in outcome.out
    assert line.promise in run("info", inspector).out
    table = tmp_path / "scores.csv"
    scored = run("score", inspector, widget / "test", "--out", table, "--heatmaps", tmp_path / "heat")
    assert scored.status == 0
    assert f"review above {line.value:.4f}, good parts to review at most 0.3" in scored.err
    with table.open(encoding="utf-8-sig") as file:
        decisions = [row["decision"] for row in csv.DictReader(file)]
    rejected, reviewed = decisions.count("reject"), decisions.count("review")
    assert reviewed
    assert f"Inspected 14 images, rejected {rejected}, for review {reviewed}" in scored.err
    back = run("threshold", inspector, "--no-review")
    assert "review above" in back.out  # what it was before
    assert knowngood.Inspector.load(inspector).review is None


def test_three_answers_from_defects(run, inspector, widget, tmp_path):
    labelled = write_parts(tmp_path / "labelled", {"scratch": 9, "good": 2}, seed=5)
    out = tmp_path / "three.inspector"
    told = run(
        "threshold", inspector, "--value", 1000, "--max-escape", 0.2, "--validation", labelled, "--out", out
    )
    assert told.status == 0, told.err
    assert "escapes at most 0.2, on 9 defective validation images" in told.out
    assert (
        "1 of 9 defects are below it: at 95 % confidence at most 42.9 % of defects are accepted" in told.out
    )
    assert run("evaluate", out, widget, "--out", tmp_path / "report").status == 0
    metrics = json.loads((tmp_path / "report/metrics.json").read_text())
    assert metrics["review"] == knowngood.Inspector.load(out).review.value
    assert metrics["confusion"]["defect_review"] + metrics["confusion"]["escape"] == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give one of --max-false-reject"),
        (["--max-review", 0.1, "--no-review"], "give one of"),
        (["--max-escape", 0.1], "go together with --validation"),
        (["--max-review", 0.1, "--validation", "x"], "go together with --validation"),
        (["--max-review", 0.001], "24 held-out good parts are too few to send 0.1 % of good parts to review"),
        (["--max-review", 2], "max_review must be between 0 and 1"),
    ],
)
def test_mistakes(run, inspector, words, said):
    before = inspector.read_bytes()
    outcome = run("threshold", inspector, *words)
    assert outcome.status != 0
    assert said in " ".join(outcome.err.replace("│", "").split())
    assert inspector.read_bytes() == before
