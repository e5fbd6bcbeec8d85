from __future__ import annotations

from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from knowngood.report.figures import DEFECT, GOOD, histogram_range, roc, score_histogram

SOME = np.array([1.0, 1.5, 2.0])
NONE = np.array([])


def words_of(svg: bytes) -> str:
    """Return the text of a valid SVG document."""
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return " ".join(text.strip() for text in root.itertext() if text.strip())


def test_the_histogram_names_its_groups_and_the_threshold() -> None:
    svg = score_histogram(SOME, SOME + 3, SOME[:2], threshold=3.25)
    text = words_of(svg)
    for expected in ("good (3)", "defect (3)", "held-out good (2)", "threshold 3.25", "image score"):
        assert expected in text
    assert GOOD.encode() in svg
    assert DEFECT.encode() in svg


def test_an_empty_group_is_left_out() -> None:
    text = words_of(score_histogram(SOME, NONE, NONE, threshold=3.0))
    assert "good (3)" in text
    assert "defect" not in text
    assert "held-out" not in text


@pytest.mark.parametrize("scores", [np.full(3, 2.0), np.array([1.0, np.inf]), NONE])
def test_the_histogram_of_odd_scores(scores: np.ndarray) -> None:
    assert "threshold 2" in words_of(score_histogram(scores, scores, scores, threshold=2.0))


def test_scores_beyond_the_axis_are_counted_not_lost() -> None:
    text = words_of(score_histogram(SOME, np.array([3.0, 900.0, np.inf]), NONE, threshold=2.0))
    assert "last bar: 2 beyond 5" in text


@pytest.mark.parametrize(
    ("scores", "threshold", "expected"),
    [
        ([0.0, 10.0], 5.0, (0.0, 10.0)),
        ([0.0, 1000.0], 5.0, (0.0, 20.0)),
        ([4.0, 9.0], 1.0, (1.0, 9.0)),
        ([4.0, 9.0], 20.0, (4.0, 20.0)),
        ([-np.inf, 3.0, np.inf], 2.0, (2.0, 3.0)),
    ],
)
def test_the_axis_shows_the_threshold(
    scores: list[float], threshold: float, expected: tuple[float, float]
) -> None:
    assert histogram_range(np.array(scores), threshold) == expected


def test_the_roc_marks_the_threshold() -> None:
    defect = np.array([False, False, True, True])
    scores = np.array([1.0, 3.0, 2.0, 4.0])
    text = words_of(roc(defect, scores, operating_point=(0.5, 1.0)))
    for expected in ("good parts rejected, %", "defects found, %", "at the threshold"):
        assert expected in text


def test_the_roc_needs_both_kinds() -> None:
    with pytest.raises(ValueError, match="good"):
        roc(np.array([True, True]), np.array([1.0, 2.0]), operating_point=(0.0, 1.0))


def test_figures_are_the_same_whatever_the_users_settings() -> None:
    plain = score_histogram(SOME, SOME, SOME, threshold=1.2)
    with matplotlib.rc_context({"lines.linewidth": 9, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert score_histogram(SOME, SOME, SOME, threshold=1.2) == plain
        assert matplotlib.rcParams["axes.facecolor"] == "red"
