"""The drawings on the report page of whatever was trained, classifies or rebuilds images."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from knowngood.metrics.classification import confusion_matrix
from knowngood.report import classification, confidence, figures, reconstruction, training
from knowngood.report.embedding import HOW_TO_READ, choose, embed
from knowngood.report.learned import learning_shown, lesson_words
from knowngood.report.reconstruction_words import is_sum, likeness, loss_words
from knowngood.report.supervised import Exhibit, answers_shown

if TYPE_CHECKING:
    from knowngood.inspector.evaluation import Evaluation
    from knowngood.training.record import TrainingRecord

_WIDTH = 10.8
"""Inches across the page."""

_PLOT = _WIDTH, 3.6

_ODD_HEIGHT = 2.3


class Drawing(NamedTuple):
    """A figure of how a network was trained or what it rebuilds, and what it shows; or words alone."""

    text: str
    uri: str = ""


def training_drawings(evaluation: Evaluation) -> list[Drawing]:
    """How the network was trained: its layers, its losses, and how its reconstructions improved."""
    record = evaluation.training
    if record is None:
        return []
    if record.lesson is not None:
        return [*map(Drawing, lesson_words(record)), *map(_exhibited, learning_shown(record))]
    drawings = [
        _drawing("Layers.", lambda figure: training.draw_layers(figure, record), (_WIDTH, _height(record))),
        _drawing(
            ". ".join(loss_words(record, "good")),
            lambda figure: training.draw_losses(figure, record),
            _PLOT,
            layout="constrained",
        ),
    ]
    if record.originals is not None:
        drawings.append(
            _drawing(
                "Reconstructions while it learned.",
                lambda figure: training.draw_epochs(figure, record),
                (_WIDTH, training.epochs_height(record, _WIDTH)),
            )
        )
    if record.classes is not None:
        classes = record.classes
        drawings.append(
            _drawing("", lambda figure: classification.draw_odd(figure, classes), (_WIDTH, _ODD_HEIGHT))
        )
    return drawings


def classified_drawings(evaluation: Evaluation) -> list[Drawing]:
    """What the detector's classifier says of the test images."""
    found = evaluation.classification
    if found is None:
        return []
    assert evaluation.training is not None
    if evaluation.training.lesson is not None:
        return list(map(_exhibited, answers_shown(evaluation)))
    assert evaluation.training.classes is not None
    classes = evaluation.training.classes
    defect = (evaluation.scores["label"] == "defect").to_numpy()
    good, bad = found.logits[~defect], found.logits[defect]
    groups = found.groups(evaluation.scores)
    shown = choose(groups)
    points = embed(found.features[shown, 0])
    drawings = [
        _drawing(
            f"What the classifier sees of the test images. {HOW_TO_READ}",
            lambda figure: classification.draw_embedding(
                figure,
                points,
                [groups[row] for row in shown],
                sorted({groups[row] for row in np.flatnonzero(defect)}),
            ),
            (_WIDTH, 4.6),
        )
    ]
    if found.logits.shape[1] > 1:
        drawings.append(
            _drawing("", lambda figure: confidence.draw_rotations(figure, good, bad), (_WIDTH, 3.4))
        )
    temperatures = sorted({1.0, float(f"{found.temperature:.3g}"), 3.0})
    drawings.append(
        _drawing(
            "How unsure the classifier is, at several temperatures; with "
            f"{found.temperature:.3g} the classes of held-out images were likeliest."
            if classes.fitted
            else "How unsure the classifier is, at several temperatures.",
            lambda figure: confidence.draw_temperatures(figure, good, bad, temperatures),
            (_WIDTH, 3.4),
        )
    )
    if len(good) and len(bad):
        drawings.append(
            _drawing(
                "Other scores of the same network beside this inspector's.",
                lambda figure: classification.draw_rocs(figure, score_curves(evaluation)),
                (_WIDTH, 4.2),
            )
        )
    return drawings + _calibration_drawings(evaluation)


def score_curves(evaluation: Evaluation) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    """What every score that needs logits alone makes of the test images, and the inspector's own score.

    Returns:
        By name: which images are defects, bool `(N,)`, and their scores `(N,)`.
    """
    import torch

    from knowngood.detectors.confidence import LOGIT_SCORES, LogitScore

    found = evaluation.classification
    assert found is not None
    defect = (evaluation.scores["label"] == "defect").to_numpy()
    logits = torch.from_numpy(found.logits)
    curves = {"this inspector": (defect, evaluation.scores["score"].to_numpy(np.float64))}
    for name in LOGIT_SCORES:
        score = LogitScore(name, found.temperature)(logits[:, 0], logits)
        curves[name] = (defect, score.double().numpy())
    return curves


def _calibration_drawings(evaluation: Evaluation) -> list[Drawing]:
    """How sure the classifier is against how right; on test images if their classes are known."""
    found = evaluation.classification
    assert found is not None
    before, after = found.reliability(1.0), found.reliability(found.temperature)
    whose = "the good test images"
    if not (before and after):
        assert evaluation.training is not None
        assert evaluation.training.classes is not None
        before, after = evaluation.training.classes.before, evaluation.training.classes.after
        whose = "held-out good images, on which the temperature was fitted,"
    drawings = [
        _drawing(
            f"How sure the classifier is of {whose} against how right, without and with the temperature.",
            lambda figure: confidence.draw_reliability(figure, before, after, found.temperature),
            (_WIDTH, 3.8),
        )
    ]
    known = found.truth >= 0
    if known.any():
        said = found.logits[known].argmax(axis=-1)
        counts = confusion_matrix(found.truth[known], said, len(found.names))
        drawings.append(
            _drawing(
                "Which class the good test images are taken for.",
                lambda figure: classification.draw_confusion(figure, counts, found.names),
                (_WIDTH, 4.0),
            )
        )
    return drawings


def _height(record: TrainingRecord) -> float:
    """Inches that a table of layers needs, unless there are too many for one column."""
    return min(8.0, 0.3 * (len(record.layers) + 2))


def rebuilt_drawings(evaluation: Evaluation) -> list[Drawing]:
    """What the network could not rebuild of the test images."""
    table = evaluation.reconstructions
    if table is None:
        return []
    names = ("good", "defect")
    good, defect = table[table["label"] == "good"], table[table["label"] != "good"]
    largest = reconstruction.largest_difference(good, defect)
    drawings = [
        _drawing(
            f"The {name} parts that are rebuilt worst; above each, its sum of absolute differences. The "
            "difference maps, summed over the channels, are on one scale for good and defective parts.",
            lambda figure, part=part: reconstruction.draw_worst(figure, part, largest),  # type: ignore[misc]
            (_WIDTH, 3.1),
        )
        for part, name in ((good, "good"), (defect, "defective"))
        if len(part)
    ]
    line = evaluation.metrics["threshold"] if is_sum(good, defect) else None
    finding, numbers = likeness(good, defect, names)
    drawings.append(
        _drawing(
            f"{finding}. {' '.join(numbers)}",
            lambda figure: reconstruction.draw_histogram(figure, good, defect, names, line),
            _PLOT,
            layout="constrained",
        )
    )
    return drawings


def _exhibited(exhibit: Exhibit) -> Drawing:
    """Draw an exhibit for the page."""
    layout: Literal["constrained"] | None = "constrained" if exhibit.loose else None
    text = f"{exhibit.finding}. {exhibit.remark}"
    return _drawing(text, exhibit.draw, (_WIDTH, exhibit.height), layout)


def _drawing(
    text: str,
    draw: Callable[[Figure], str | None],
    size: tuple[float, float],
    layout: Literal["constrained"] | None = None,
) -> Drawing:
    """Draw a figure for the page.

    Args:
        text: What it shows.
        draw: Draws it; what it says of itself is added to the text.
        size: Width and height in inches.
        layout: `constrained` makes room for the labels of a plot; images and tables have their places.
    """
    with figures.style():
        figure = Figure(figsize=size, layout=layout)
        said = draw(figure)
        image = figures.svg(figure)
    uri = "data:image/svg+xml;base64," + b64encode(image).decode("ascii")
    return Drawing(" ".join(filter(None, (text, said))), uri)
