"""Heatmaps: where the anomaly map of an image is high, drawn over the image, and what that means below it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from knowngood.data.decoding import name_of
from knowngood.data.reading import map_rows, strips
from knowngood.data.roi import Roi
from knowngood.errors import escaped
from knowngood.inspector.regions import HeatScale, above, hottest
from knowngood.inspector.verdict import Verdict
from knowngood.metrics.review import ACCEPT, REJECT, REVIEW
from knowngood.report.pictures import full_heat, heat, line_weight, outline, overlay
from knowngood.report.words import score

LINE = (255, 255, 255)
"""RGB of the contour at the line, and of the ticks around the maximum."""

NARROWEST = 360
"""Pixels that the text below a picture needs; smaller pictures are enlarged, or get a margin."""

_PAPER, _INK, _FAINT = (246, 247, 248), (51, 58, 69), (104, 112, 124)
_DECISIONS = {ACCEPT: (22, 110, 75), REVIEW: (138, 90, 0), REJECT: (190, 18, 50)}
_BAR_GREY = 150
_DIMMED = 2
_BOLD = 700


def draw_heat(
    image: NDArray[np.uint8], patch_map: NDArray[np.float32], scale: HeatScale, roi: Roi | None = None
) -> NDArray[np.uint8]:
    """Draw an anomaly map over its image: a wash, a contour at the line, and four ticks around the maximum.

    None of these hides what is there: the wash is faint, and the contour surrounds what is above the line.
    Within it the wash turns to another colour where the map is higher. What is outside the region that was
    inspected is dimmed.

    Args:
        image: RGB `(H, W, 3)`, at any size.
        patch_map: Its anomaly map `(h, w)`, which covers the whole image.
        scale: See `Manifest.heat_scale`.
        roi: The region that was inspected; None for all of the image.

    Example:
        >>> spot = np.array([[1, 1, 1], [1, 9, 1], [1, 1, 1]], np.float32)
        >>> draw_heat(np.zeros((90, 90, 3), np.uint8), spot, HeatScale(2.0, 5.0)).shape
        (90, 90, 3)
    """
    height, width = size = image.shape[0], image.shape[1]
    typical, line = scale
    washed = np.empty_like(image)
    for begin, end in strips(size):
        level = heat(map_rows(patch_map, size, begin, end), typical, line)
        washed[begin:end] = overlay(image[begin:end], level)
    if roi is not None:
        outside = ~roi.inside(size)
        washed[outside] = image[outside] // _DIMMED
    drawn = outline(washed, above(patch_map, line, size, roi), LINE)
    _draw_ticks(drawn, hottest(patch_map, size), max(height / patch_map.shape[0], width / patch_map.shape[1]))
    return drawn


def heatmap(
    image: NDArray[np.uint8],
    verdict: Verdict,
    threshold: float,
    review: float | None = None,
    *,
    beside: bool = False,
) -> NDArray[np.uint8]:
    """Draw the heatmap of an inspected image, with its decision, name, score and scale below it.

    Args:
        image: RGB `(H, W, 3)`; a small one is enlarged by a whole factor, to about `NARROWEST`.
        verdict: Its verdict.
        threshold: The threshold of its score.
        review: The line for review of its score, if there is one.
        beside: Put the heatmap beside the image.

    Raises:
        RecipeError: There is no map.
    """
    patch_map, scale = verdict.checked_map()
    lines = f"threshold {score(threshold)}"
    if review is not None:
        lines = f"review above {score(review)}, {lines}"
    image = magnified(image)
    drawn = draw_heat(image, patch_map, scale, verdict.roi)
    height, width = image.shape[:2]
    if beside:
        gap = np.full((height, max(4, width // 100), 3), _PAPER, np.uint8)
        drawn = np.hstack([image, gap, drawn])
    free = max(0, NARROWEST - drawn.shape[1])
    if free:
        margins = ((0, 0), (free // 2, free - free // 2), (0, 0))
        drawn = np.pad(drawn, margins, constant_values=_PAPER[0])
    return np.vstack([drawn, _legend(drawn.shape[1], verdict, scale, lines)])


def magnified(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Enlarge a small RGB image `(H, W, 3)` by a whole factor, to about `NARROWEST` on the longer side.

    Example:
        >>> magnified(np.zeros((28, 14, 3), np.uint8)).shape
        (364, 182, 3)
    """
    factor = max(1, round(NARROWEST / max(image.shape[:2])))
    return image if factor == 1 else image.repeat(factor, axis=0).repeat(factor, axis=1)


def _draw_ticks(image: NDArray[np.uint8], place: tuple[int, int], patch: float) -> None:
    """Draw four ticks around a place, its column and row, that leave room for a patch."""
    weight = line_weight(image)
    begin = max(round(patch), 8 * weight)
    end = begin + max(round(patch / 2), 6 * weight)
    x, y = place
    for right, down in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        near, far = ((x + right * step, y + down * step) for step in (begin, end))
        _draw_line(image, near, far, weight)


def _draw_line(image: NDArray[np.uint8], begin: tuple[int, int], end: tuple[int, int], weight: int) -> None:
    """Draw a line that can be seen on any colour, between two columns and rows."""
    cv2.line(image, begin, end, (0, 0, 0), 3 * weight, cv2.LINE_AA)
    cv2.line(image, begin, end, LINE, weight, cv2.LINE_AA)


def _legend(width: int, verdict: Verdict, scale: HeatScale, lines: str) -> NDArray[np.uint8]:
    """Draw what is below a heatmap: the verdict in words with the lines, and the colours' values."""
    text = max(12, round(width / 48))  # pixels of a line of text
    left, right = text, width - text
    paper = np.full((7 * text, width, 3), _PAPER, np.uint8)
    decision = " ".join(filter(None, [verdict.decision.upper(), verdict.predicted_class]))
    end = _write(paper, escaped(decision), (left, 1.8 * text), text, _DECISIONS[verdict.decision], _BOLD)
    name = escaped(name_of(verdict.source, verdict.index).replace("\\", "/").rpartition("/")[2])
    _write(paper, _shortened(name, right - end - text, text), (end + text, 1.8 * text), text, _INK)
    facts = f"score {score(verdict.score)}, {lines}, p-value {verdict.p_value:.2g}"
    _write(paper, facts, (left, 3.4 * text), text, _INK)
    typical, line = scale
    if line <= typical:
        words = f"contour at {score(line)}, not above the median of good parts, {score(typical)}"
        _write(paper, words, (left, 5.4 * text), text, _FAINT)
        return paper
    bar = paper[round(4.2 * text) : round(5 * text), left:right]
    bar[:] = overlay(np.full_like(bar, _BAR_GREY), np.linspace(0, 1, right - left, dtype=np.float32)[None])
    middle = bar.shape[1] // 2
    _draw_line(bar, (middle, 0), (middle, len(bar)), line_weight(paper))
    labels = (
        f"{score(typical)} median of good",
        f"contour at {score(line)}",
        f"{score(full_heat(typical, line))} or more",
    )
    for place, label in zip((0.0, 0.5, 1.0), labels, strict=True):
        at = left + place * (right - left), 6.2 * text
        _write(paper, label, at, round(0.92 * text), _FAINT, before=place)
    return paper


def _write(
    image: NDArray[np.uint8],
    words: str,
    at: tuple[float, float],
    size: int,
    colour: tuple[int, int, int],
    weight: int = 400,
    *,
    before: float = 0.0,
) -> int:
    """Write words at a column and a base line, of which a share is before the column; return their end."""
    x = round(at[0] - before * _length(words, size, weight))
    end, _ = cv2.putText(image, words, (x, round(at[1])), colour, cv2.FontFace("sans"), size, weight)
    return int(end[0])


def _length(words: str, size: int, weight: int = 400) -> int:
    """The pixels from the beginning of words to their end."""
    _, _, length, _ = cv2.getTextSize((1, 1), words, (0, 0), cv2.FontFace("sans"), size, weight)
    return length


def _shortened(name: str, most: int, size: int) -> str:
    """A name without its beginning where it is too long: the end of a name has the number."""
    shown = name
    while len(name) > 1 and _length(shown, size) > most:
        name = name[1:]
        shown = f"…{name}"
    return shown
