from __future__ import annotations

from typing import Any

import pytest

from knowngood.metrics.thresholds import conformal
from knowngood.report.words import basis, percent, score, verdict


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0.0 %"),
        (1.0, "100.0 %"),
        (0.0731, "7.3 %"),
        (0.0005, "0.1 %"),
        (0.00049, "0.05 %"),
        (None, "–"),
    ],
)
def test_a_small_share_is_never_shown_as_zero(share: float | None, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-2.5, "-2.5"),
        (9999.4, "9999"),
        (9999.6, "10,000"),
        (1e-7, "1e-07"),
        (float("inf"), "inf"),
    ],
)
def test_scores_of_any_size_are_readable(value: float, text: str) -> None:
    assert score(value) == text


def test_the_verdict_names_counts_rates_and_intervals(judged: Any) -> None:
    assert verdict(judged.metrics) == (
        "Of 8 good parts 1 was rejected (12.5 %, 95 % interval 0.3–52.6 %). "
        "Of 6 defects 2 escaped (33.3 %, 95 % interval 4.3–77.7 %)."
    )


def test_the_verdict_says_none_when_there_are_no_errors(judged: Any) -> None:
    metrics = judged.metrics | {
        "confusion": {"true_accept": 8, "false_reject": 0, "escape": 0, "true_reject": 6},
        "counts": {"good": 8, "defect": 6, "unreadable": 2},
    }
    text = verdict(metrics)
    assert "8 good parts none were rejected" in text
    assert "6 defects none escaped" in text
    assert text.endswith("2 images could not be read and were not inspected.")


def test_the_verdict_without_one_kind_of_parts(only_good: Any, only_defects: Any) -> None:
    assert verdict(only_good.metrics).endswith("There were no defects to inspect.")
    assert verdict(only_defects.metrics).startswith(
        "There were no good parts to inspect. Of 6 defects 2 escaped"
    )


def test_the_basis_carries_the_note_of_the_threshold(judged: Any) -> None:
    threshold = conformal([float(number) for number in range(60)], max_false_reject=0.01)
    text = basis(judged.metrics, vars(threshold))
    assert text.startswith("The threshold 59 was set from 60 held-out good parts by the rule")
    assert "at most 4.9 % of good parts" in text
    assert text.endswith(threshold.note)


def test_a_threshold_without_held_out_scores_promises_nothing(judged: Any) -> None:
    threshold = {"value": 2.0, "rule": "given by hand", "held_out": 0, "upper_bound": None, "note": ""}
    assert basis(judged.metrics, threshold) == "The threshold 2 was given by hand."
    threshold |= {"held_out": 60, "upper_bound": 0.05}
    assert basis(judged.metrics, threshold).startswith(
        "The threshold 2 was given by hand; from 60 held-out good parts, with 95 % confidence it rejects at "
        "most 5.0 % of good parts."
    )


@pytest.mark.parametrize(("low", "warned"), [(0.19, True), (0.18, False), (None, False)])
def test_a_broken_promise_is_said(judged: Any, low: float | None, warned: bool) -> None:
    metrics = judged.metrics | {"false_reject_rate_low": low}
    assert (
        "rate on the test images is above this bound" in basis(metrics, judged.provenance["threshold"])
    ) is warned
