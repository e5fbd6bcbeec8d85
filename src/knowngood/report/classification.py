"""The predictions of a classifier of good parts and defects, its calibration, and its costs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from knowngood.data.images import read_resized
from knowngood.errors import UnreadableImage
from knowngood.inspector.classification import Classification
from knowngood.inspector.evaluation import Evaluation
from knowngood.inspector.verdict import probability_column
from knowngood.metrics.classification import losses
from knowngood.metrics.ranking import Cuts, cut
from knowngood.metrics.reliability import Reliability, reliability
from knowngood.report.charts import draw_costs, draw_ranking
from knowngood.report.class_charts import draw_confusion, draw_embedding, draw_reliability
from knowngood.report.costs import costs
from knowngood.report.embedding import HOW_TO_READ, choose, embed
from knowngood.report.exhibits import Chart, Exhibit, Picture, Pictures, Table
from knowngood.report.style import short
from knowngood.report.words import count, decimal, percent
from knowngood.training.classifier_record import ClassifierRecord, held_out_scores

PRICES = ((1.0, 1.0), (1.0, 10.0))  # of a false reject and of an escape

_LARGEST_LOSSES = 10  # pictures
_SIDE = 224  # pixels on the longer side of these pictures


def classification_exhibits(evaluation: Evaluation) -> list[Exhibit]:
    """Show the predictions of a classifier of defects for the test images, and the costs of its decisions."""
    record, found = evaluation.records.classifier, evaluation.classification
    assert record is not None
    assert found is not None
    matrix = found.matrix
    assert matrix is not None
    exhibits: list[Exhibit] = []
    if matrix.any():
        note = "Confusion matrix of the test images, at this inspector's threshold."
        exhibits += [_classes(found, matrix), confusion_exhibit(matrix, found.names, note)]
        exhibits.append(_one_against_rest(evaluation, found))
    held_out = (reliability(record.logits, record.truth, t) for t in (1.0, record.temperature))
    exhibits.append(calibration_on_images(found, held_out))
    exhibits += _costs(record, float(evaluation.metrics["threshold"]))
    if matrix.any():
        exhibits += _largest_losses(evaluation, found)
    return [*exhibits, features_exhibit(evaluation, found)]


def confusion_exhibit(counts: NDArray[np.int64], names: Sequence[str], note: str) -> Chart:
    """Show a confusion matrix `(C, C)`, true classes down, under its most frequent error.

    Example:
        >>> confusion_exhibit(np.array([[3, 1], [0, 2]]), ["bolt", "nut"], "").title
        'Most frequent error: 1 of 4 bolt predicted as nut'
    """
    title = "No class is confused with another"
    wrong = counts - np.diag(counts.diagonal())
    if wrong.any():
        true, other = map(int, np.unravel_index(int(wrong.argmax()), wrong.shape))
        images = f"{wrong[true, other]:,} of {counts[true].sum():,} {names[true]}"
        title = f"Most frequent error: {images} predicted as {names[other]}"
    return Chart(title, partial(draw_confusion, counts=counts, names=names), note, (10.8, 4.0))


def calibration_exhibit(before: Reliability, after: Reliability, temperature: float, note: str) -> Chart:
    """Show reliability diagrams without and with temperature scaling; the note names the images."""
    error, scaled = 100 * before.expected_error, 100 * after.expected_error
    verb = "lowers" if scaled < error else "does not lower"
    errors = f"{error:.1f} % before, {scaled:.1f} % after"
    title = f"Temperature scaling {verb} the calibration error (ECE): {errors}"
    draw = partial(draw_reliability, panels={1.0: before, temperature: after})
    return Chart(title, draw, f"{note} ECE: mean gap between confidence and accuracy.", (10.8, 3.8))


def calibration_on_images(
    found: Classification, held_out: Iterable[Reliability], good: str = "", *, fitted: bool = True
) -> Chart:
    """Show the calibration on test images, or on held-out images if no class of a test image is known."""
    before, after, images = found.reliability(1.0), found.reliability(found.temperature), f"{good}test"
    if before is None or after is None:
        before, after, images = *held_out, f"held-out {good}".strip()
    note = f"On {images} images."
    if fitted:
        note += f" The temperature {found.temperature:.3g} was fitted on held-out {good}images."
    return calibration_exhibit(before, after, found.temperature, note)


def embedding_exhibit(
    title: str, features: NDArray[np.float32], groups: Sequence[str], anomalies: Collection[str]
) -> Chart:
    """Show features `(N, D)` as a map, in the colours of their groups `(N,)`, some of which are anomalies."""
    rows = choose(groups)
    points, shown = embed(features[rows]), [groups[row] for row in rows]
    draw = partial(draw_embedding, points=points, groups=shown, anomalies=sorted(anomalies))
    return Chart(title, draw, HOW_TO_READ, (10.8, 4.6))


def features_exhibit(evaluation: Evaluation, found: Classification) -> Chart:
    """Show the features of the test images."""
    groups = found.groups(evaluation.scores)
    defect = evaluation.scores["label"] == "defect"
    anomalies = {group for group, bad in zip(groups, defect, strict=True) if bad}
    return embedding_exhibit("Features of the test images", found.features[:, 0], groups, anomalies)


def _classes(found: Classification, matrix: NDArray[np.int64]) -> Table:
    """Show precision, recall and F1 of each class, and their means over the classes that occur."""
    metrics, images, right = found.metrics(), int(matrix.sum()), int(matrix.trace())
    rows = [
        [short(name), f"{its['count']:,}", *(decimal(its[key], 3) for key in ("precision", "recall", "f1"))]
        for name, its in metrics["classes"].items()
    ]
    means = (metrics[key] for key in ("macro_precision", "balanced_accuracy", "macro_f1"))
    rows.append(["macro mean", f"{images:,}", *(decimal(mean, 3) for mean in means)])
    title = f"{right:,} of {count(images, 'test image')} classified correctly"
    if right < images:
        recalls = {name: its["recall"] for name, its in metrics["classes"].items() if its["count"]}
        least = min(recalls, key=lambda name: recalls[name])
        title += f"; lowest recall: {least} ({percent(recalls[least])})"
    note = (
        "Precision: share of the predictions of a class that are correct. Recall: share of the images of a "
        "class that are predicted as it. At this inspector's threshold."
    )
    return Table(title, ["class", "images", "precision", "recall", "F1"], rows, 4, note)


def _one_against_rest(evaluation: Evaluation, found: Classification) -> Chart:
    """Show ROC and precision-recall curves of each class, by its probability."""
    known = found.truth[:, 0] >= 0
    truth = found.truth[known, 0]
    curves: dict[str, Cuts | None] = {}
    for number, name in enumerate(found.names):
        positive, shares = (
            truth == number,
            evaluation.scores[probability_column(name)].to_numpy(np.float64)[known],
        )
        curves[name] = cut(positive, shares) if positive.any() and not positive.all() else None
    areas = {name: curve.auroc() for name, curve in curves.items() if curve is not None}
    worst = min(areas, key=lambda name: areas[name], default="")
    title = f"Lowest AUROC: {worst} ({areas[worst]:.3f})" if areas else "ROC curves of each class"
    draw = partial(draw_ranking, curves=curves, precision_recall=True)
    note = "Each class against all others, by its probability; independent of the threshold."
    return Chart(title, draw, note, (10.8, 3.8))


def _costs(record: ClassifierRecord, own: float) -> Iterator[Chart]:
    """Show the costs of decisions on held-out images, unless these are all good or all defects."""
    defect = record.truth > 0
    if defect.all() or not defect.any():
        return
    log_odds = held_out_scores(record)
    panels = [costs(defect, log_odds, prices, own) for prices in PRICES]
    last = panels[-1]
    finding = "no threshold costs less than this inspector's"
    if last.lowest < last.paid:
        finding = f"the threshold {last.best:.3g} costs least"
    title = f"With an escape as costly as {last.prices[1]:g} false rejects, {finding}"
    note = (
        f"Costs on the {len(defect):,} held-out images ({int((~defect).sum()):,} good), as many of each "
        "class as there are; test images are not used. Change the threshold with: knowngood threshold."
    )
    yield Chart(title, partial(draw_costs, panels=panels), note, (10.8, 3.9))


def _largest_losses(evaluation: Evaluation, found: Classification) -> Iterator[Pictures]:
    """Show the images whose true class has the lowest probability."""
    known = np.flatnonzero(found.truth[:, 0] >= 0)
    truth = found.truth[known, 0]
    loss = losses(found.logits[known, 0], truth, found.temperature)
    height, width = evaluation.provenance["input_shape"]
    shape = tuple(max(1, _SIDE * side // max(height, width)) for side in (height, width))
    pictures: list[Picture] = []
    for place in np.argsort(-loss, kind="stable"):
        row = evaluation.scores.iloc[known[place]]
        try:
            image, _ = read_resized(
                evaluation.image(known[place])[0], shape, bits=evaluation.provenance["bits"]
            )
        except UnreadableImage:
            continue
        classes = {"": found.names[truth[place]], "→ ": row["predicted_class"]}
        captions = [
            f"{word}{name} {100 * row[probability_column(name)]:.0f} %" for word, name in classes.items()
        ]
        pictures.append(Picture(image, "\n".join(captions), str(row["path"])))
        if len(pictures) == _LARGEST_LOSSES:
            break
    if pictures:
        note = (
            "Test images whose true class has the lowest probability: check their labels. Above each: the "
            "true class, and after → the class predicted at this inspector's threshold, with probabilities."
        )
        yield Pictures("Largest losses", [pictures], note=note)
