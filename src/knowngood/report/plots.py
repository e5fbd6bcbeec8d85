"""Charts of results on axes of a user, who composes figures of them; without axes, on those of a new figure.

These are the charts of the report. Methods of the results call them: see `knowngood.inspector.display`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import singledispatch
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from knowngood.data.images import image_size, read_mask
from knowngood.errors import DataError
from knowngood.inspector.evaluation import Evaluation
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.verdict import Verdict
from knowngood.metrics.ranking import cut
from knowngood.metrics.review import DECISIONS, LABELS
from knowngood.report.cards import pictures, pictures_of_row
from knowngood.report.charts import SHARE, Group, draw_histogram, draw_roc, finish_roc, last_bar
from knowngood.report.class_charts import draw_confusion_on
from knowngood.report.detection import limits_of, lines_in_use, score_groups
from knowngood.report.pictures import outline
from knowngood.report.style import DEFECT, FAINT, style
from knowngood.report.words import score

_SIZE = 5.2, 3.6  # inches of a chart


def scores(subject: Evaluation, axes: Axes | None) -> Axes:
    """Draw the histogram of the scores, with the threshold."""
    metrics = subject.metrics
    return _histogram(score_groups(subject), (metrics["threshold"], metrics.get("review")), axes)


def roc(subject: Evaluation, axes: Axes | None) -> Axes:
    """Draw the ROC curve, with the threshold in use; a DataError without both good parts and defects."""
    metrics, defect = subject.metrics, (subject.scores["label"] == "defect").to_numpy()
    if metrics["image_auroc"] is None:
        raise DataError(f"there is no ROC curve: {metrics['notes']['image_auroc']}")
    found = cut(defect, subject.scores["score"].to_numpy(np.float64))
    with _on(axes) as axes:
        draw_roc(axes, found, color=DEFECT, linewidth=2, clip_on=False, label=f"AUROC {found.auroc():.3f}")
        finish_roc(axes, lines_in_use(metrics))
        axes.legend(loc="lower right")
    return axes


def confusion(subject: Evaluation, axes: Axes | None) -> Axes:
    """Draw the confusion matrix: of the classes of a classifier, else of good parts and defects."""
    found = subject.classification
    matrix = None if found is None else found.matrix
    with _on(axes) as axes:
        if found is not None and matrix is not None:
            draw_confusion_on(axes, matrix, found.names)
        else:
            counts = subject.metrics["confusion"]
            three = subject.metrics.get("review") is not None
            rows = [
                ("true_accept", "good_review", "false_reject"),
                ("escape", "defect_review", "true_reject"),
            ]
            shown = [row if three else row[::2] for row in rows]
            draw_confusion_on(axes, np.array([[counts[name] for name in row] for row in shown]), LABELS)
            decisions = DECISIONS if three else DECISIONS[::2]
            axes.set(xlabel="decision", ylabel="label")
            axes.set_xticks(range(len(decisions)), decisions)
    return axes


def image(subject: Evaluation, axes: Axes | None, row: int) -> Axes:
    """Draw the image of a row of `scores`: its heatmap where there are maps, and the outline of its mask."""
    source, mask = subject.image(row)
    facts = subject.scores.iloc[row]
    drawn = list(pictures_of_row(subject, row).values())[-1]
    if len(mask):
        drawn = outline(drawn, read_mask(mask, image_size(source)))
    title = f"{facts['defect'] or facts['label']}: {facts['decision']}, score {score(facts['score'])}"
    return _picture(drawn, title, axes)


def verdict(subject: Verdict, axes: Axes | None) -> Axes:
    """Draw an image with its heatmap; without a map, the image alone."""
    shown = pictures(subject.source, subject.patch_map, subject.heat_scale, subject.roi)
    found = " ".join(filter(None, [subject.decision, subject.predicted_class]))
    title = f"{found}: score {score(subject.score)}, p-value {subject.p_value:.2g}"
    return _picture(list(shown.values())[-1], title, axes)


def held_out(subject: Inspector, axes: Axes | None) -> Axes:
    """Draw the histogram of the held-out scores, with the threshold that was set from them."""
    groups = [Group("held-out good", np.array(subject.manifest.held_out), FAINT)]
    review = subject.review.value if subject.review else None
    return _histogram(groups, (subject.threshold.value, review), axes)


@singledispatch
def show(subject: Any) -> None:
    """Show the charts of a result in a new figure."""
    raise TypeError(f"there is no chart of {type(subject).__name__}")


@show.register
def _(subject: Evaluation) -> None:
    drawings = [scores, confusion] if subject.metrics["image_auroc"] is None else [scores, roc, confusion]
    _shown(subject, drawings)


@show.register
def _(subject: Inspector) -> None:
    _shown(subject, [held_out])


@show.register
def _(subject: Verdict) -> None:
    _shown(subject, [verdict])


def _shown(subject: Any, drawings: Sequence[Callable[[Any, Axes], Axes]]) -> None:
    """Show charts beside each other."""
    from matplotlib import pyplot

    width, height = _SIZE
    with style():
        size = len(drawings) * width, height
        _, plots = pyplot.subplots(1, len(drawings), figsize=size, layout="constrained", squeeze=False)
        for draw, axes in zip(drawings, plots[0], strict=True):
            draw(subject, axes)
    pyplot.show()


@contextmanager
def _on(axes: Axes | None) -> Iterator[Axes]:
    """Draw on axes as their owner has styled them, or on new ones in our style."""
    if axes is not None:
        with matplotlib.rc_context({"text.parse_math": False}):  # a class may be called a$b$
            yield axes
        return
    from matplotlib import pyplot

    with style():
        yield pyplot.subplots(figsize=_SIZE, layout="constrained")[1]


def _histogram(groups: Sequence[Group], lines: tuple[float, float | None], axes: Axes | None) -> Axes:
    """Draw a histogram of scores with its legend and labels, the threshold and the line for review."""
    threshold, review = lines
    limits = limits_of(groups, threshold)
    with _on(axes) as axes:
        draw_histogram(axes, groups, limits, threshold=threshold, review=review)
        axes.set(xlabel=f"image score{last_bar(groups, limits)}", ylabel=SHARE)
        # Room above the bars: the last one stands for all that are beyond it, and is often a high one.
        axes.set_ylim(top=1.45 * axes.get_ylim()[1])
        far = threshold > sum(limits) / 2
        axes.legend(handlelength=1.4, loc="upper left" if far else "upper right")
    return axes


def _picture(pixels: NDArray[np.uint8], title: str, axes: Axes | None) -> Axes:
    """Draw a picture without ticks."""
    with _on(axes) as axes:
        axes.imshow(pixels)
        axes.set_title(title)
        axes.set_axis_off()
    return axes
