"""What is to be shown of a classifier of defects: on the report page and on slides, in words and figures.

An exhibit is a figure with a finding in words; page and slides are two places for the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from knowngood.data.images import read_resized
from knowngood.errors import UnreadableImage
from knowngood.metrics.classification import class_figures, losses
from knowngood.metrics.ranking import auroc
from knowngood.metrics.reliability import reliability
from knowngood.report.classification import draw_confusion, draw_embedding
from knowngood.report.classified import draw_classes, draw_curves, draw_top_losses
from knowngood.report.confidence import draw_reliability
from knowngood.report.costs import costs, draw_costs
from knowngood.report.embedding import HOW_TO_READ, choose, embed
from knowngood.report.words import count, percent

if TYPE_CHECKING:
    from knowngood.inspector.classification import Classification
    from knowngood.inspector.evaluation import Evaluation
    from knowngood.training.lesson import Lesson

PRICES = ((1.0, 1.0), (1.0, 10.0))
"""What a false reject and an escape may cost."""

_TOP = 10
"""Pictures of the largest losses."""

_SIDE = 224
"""Their longer side, in pixels."""


class Exhibit(NamedTuple):
    """A figure and what it shows.

    Attributes:
        finding: What is to be seen, in words, without a full stop: a title.
        remark: How to read it.
        draw: Draws it; what it says of itself belongs to the remark.
        height: Inches that it needs on a page.
        loose: Whether somebody has to make room for its labels.
    """

    finding: str
    remark: str
    draw: Callable[[Figure | SubFigure], str | None]
    height: float
    loose: bool = False

    def drawn(self, place: Figure | SubFigure) -> str:
        """Draw it, and give the whole remark."""
        return " ".join(filter(None, (self.remark, self.draw(place))))


def answers_shown(evaluation: Evaluation) -> list[Exhibit]:
    """What the classifier says of the test images, and what its decisions cost.

    Args:
        evaluation: Of a classifier of defects.
    """
    return list(_answers_shown(evaluation))


def _answers_shown(evaluation: Evaluation) -> Iterator[Exhibit]:
    """An exhibit after the other."""
    found, lesson = _of(evaluation)
    matrix = found.matrix
    if matrix is not None and matrix.any():
        rows = len(found.names) + 1
        below = -(-rows // -(-rows // 24))
        yield Exhibit(
            _kinds_found(matrix, found.names),
            "Precision: the share of the answers with this kind that are right; recall: the share of its "
            "images that are found. Decided at this inspector's threshold.",
            partial(draw_classes, names=found.names, matrix=matrix),
            0.34 * (1 + below),
        )
        yield Exhibit(
            _confused(matrix, found.names),
            "Which kind the test images are taken for, at this inspector's threshold.",
            partial(draw_confusion, counts=matrix, names=found.names),
            4.0,
        )
        yield _curves(evaluation, found)
    yield _calibration(found, lesson)
    yield from _costs(evaluation, lesson)
    if matrix is not None and matrix.any():
        yield _top_losses(evaluation, found)
    groups = found.groups(evaluation.scores)
    shown = choose(groups)
    defects = set(evaluation.scores.loc[evaluation.scores["label"] == "defect"].index)
    yield Exhibit(
        "What the classifier sees of the test images",
        HOW_TO_READ,
        partial(
            draw_embedding,
            points=embed(found.features[shown, 0]),
            groups=[groups[row] for row in shown],
            anomalies=sorted({groups[row] for row in range(len(groups)) if row in defects}),
        ),
        4.6,
    )


def _of(evaluation: Evaluation) -> tuple[Classification, Lesson]:
    """What a classifier of defects said and learned."""
    assert evaluation.classification is not None
    assert evaluation.training is not None
    assert evaluation.training.lesson is not None
    return evaluation.classification, evaluation.training.lesson


def _kinds_found(matrix: NDArray[np.int64], names: list[str]) -> str:
    """How many images are told rightly, and of which kind the fewest."""
    figures = class_figures(matrix)
    images, right = int(matrix.sum()), int(matrix.trace())
    said = f"The right kind is said of {right:,} of {count(images, 'test image')}"
    if right == images:
        return said
    present = np.flatnonzero(figures.support)
    least = int(present[np.argmin(figures.recall[present])])
    return f"{said}, of {names[least]} least often ({percent(float(figures.recall[least]))})"


def _confused(matrix: NDArray[np.int64], names: list[str]) -> str:
    """Which kind is most often taken for which other."""
    wrong = matrix - np.diag(matrix.diagonal())
    if not wrong.any():
        return "No kind is taken for another"
    true, said = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return (
        f"Most frequent error: {int(wrong[true, said]):,} of {int(matrix[true].sum()):,} {names[int(true)]} "
        f"taken for {names[int(said)]}"
    )


def _curves(evaluation: Evaluation, found: Classification) -> Exhibit:
    """One kind against the rest, by its probability."""
    known = found.truth[:, 0] >= 0
    truth = found.truth[known, 0]
    shares = evaluation.scores[[f"p_{name}" for name in found.names]].to_numpy(np.float64)[known]
    areas = {
        name: auroc(truth == number, shares[:, number])
        for number, name in enumerate(found.names)
        if (truth == number).any() and not (truth == number).all()
    }
    finding = "ROC and precision-recall curve of each kind"
    if areas:
        worst = min(areas, key=lambda name: areas[name])
        finding = f"Hardest to tell from the rest: {worst} (AUROC {areas[worst]:.3f})"
    return Exhibit(
        finding,
        "Each kind against all others by its probability, whatever the threshold.",
        partial(draw_curves, names=found.names, truth=truth, probabilities=shares),
        3.8,
    )


def _calibration(found: Classification, lesson: Lesson) -> Exhibit:
    """How sure, how right; of held-out images where nothing is known of test images."""
    before, after = found.reliability(1.0), found.reliability(found.temperature)
    whose = "test images"
    if before is None or after is None:
        before, after = (reliability(lesson.logits, lesson.truth, t) for t in (1.0, lesson.temperature))
        whose = "held-out images"
    off, still = 100 * before.expected_error, 100 * after.expected_error
    verb = (
        "brings how sure it is nearer to how right" if still < off else "does not bring sure nearer to right"
    )
    return Exhibit(
        f"The temperature {verb}: off by {off:.1f} %, then {still:.1f} %",
        f"Answers to {whose}: how sure against how right, without and with the temperature "
        f"{found.temperature:.3g}, which was fitted on held-out images.",
        partial(draw_reliability, before=before, after=after, temperature=found.temperature),
        3.8,
    )


def _costs(evaluation: Evaluation, lesson: Lesson) -> Iterator[Exhibit]:
    """What decisions on held-out images cost; nothing where these are all good or all defects."""
    # Importing it imports torch, for which a report of a detector need not wait.
    from knowngood.inspector.train import held_out_scores

    defect = lesson.truth > 0
    if defect.all() or not defect.any():
        return
    own = float(evaluation.metrics["threshold"])
    panels = [costs(defect, held_out_scores(lesson), prices, own) for prices in PRICES]
    dear = panels[-1]
    finding = f"If an escape costs as much as {dear.prices[1]:g} false rejects, "
    finding += (
        f"the threshold {dear.best:.3g} is cheapest"
        if dear.lowest < dear.paid
        else "this inspector's threshold is as cheap as any"
    )
    yield Exhibit(
        finding,
        f"Reckoned from the {len(defect):,} held-out images ({int((~defect).sum()):,} good), as many of each "
        "kind as there are; no test image took part. The command knowngood threshold moves the line.",
        partial(draw_costs, panels=panels),
        3.9,
    )


def _top_losses(evaluation: Evaluation, found: Classification) -> Exhibit:
    """The images whose true kind is held least likely."""
    known = np.flatnonzero(found.truth[:, 0] >= 0)
    truth = found.truth[known, 0]
    loss = losses(found.logits[known, 0], truth, found.temperature)
    height, width = evaluation.provenance["input_shape"]
    shape = (max(1, _SIDE * height // max(height, width)), max(1, _SIDE * width // max(height, width)))
    pictures, captions = [], []
    for place in np.argsort(-loss, kind="stable"):
        row = evaluation.scores.iloc[known[place]]
        try:
            picture, _ = read_resized(row["path"], shape, bits=evaluation.provenance["bits"])
        except UnreadableImage:
            continue
        true, said = found.names[truth[place]], row["kind"]
        pictures.append(picture)
        captions.append(f"{true} {_whole(row[f'p_{true}'])}\nsaid: {said} {_whole(row[f'p_{said}'])}")
        if len(pictures) == _TOP:
            break
    return Exhibit(
        "Where it was furthest from the truth",
        "Above each: the true kind and the probability that it was given, then the same of what was said at "
        "the inspector's threshold.",
        partial(
            draw_top_losses, pictures=np.array(pictures, np.uint8).reshape(-1, *shape, 3), captions=captions
        ),
        4.4,
    )


def _whole(share: float) -> str:
    """A probability in whole percent, of which no digit is lost where a caption is shortened."""
    return f"{100 * share:.0f} %"
