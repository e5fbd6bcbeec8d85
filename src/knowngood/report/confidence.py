"""The predictions of the classifier inside a detector: features, rotations, uncertainty, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from knowngood.inspector.evaluation import Evaluation
from knowngood.metrics.classification import confusion_matrix
from knowngood.metrics.ranking import auroc, cut
from knowngood.metrics.reliability import msp
from knowngood.report.charts import Group, draw_histograms, draw_ranking
from knowngood.report.class_charts import draw_rotations
from knowngood.report.classification import calibration_on_images, confusion_exhibit, features_exhibit
from knowngood.report.exhibits import Chart, Exhibit
from knowngood.report.style import DEFECT, GOOD
from knowngood.report.words import percent

Logits = NDArray[np.floating[Any]]

_QUARTERS = 4
_BINS = 30
_LARGEST, _TINY = 1e30, 1e-30  # logits are cut off as in the detectors


def confidence_exhibits(evaluation: Evaluation) -> list[Exhibit]:
    """Show the predictions of the classifier inside a detector for the test images."""
    classes, found = evaluation.records.classes, evaluation.classification
    assert classes is not None
    assert found is not None
    defect = (evaluation.scores["label"] == "defect").to_numpy()
    logits = {"good": found.logits[~defect], "defect": found.logits[defect]}
    exhibits: list[Exhibit] = [features_exhibit(evaluation, found)]
    if found.logits.shape[1] > 1:
        exhibits.append(rotations_exhibit(logits))
    temperatures = sorted({1.0, float(f"{found.temperature:.3g}"), 3.0})
    note = f"The temperature {found.temperature:.3g} was fitted on held-out images." if classes.fitted else ""
    title = "Uncertainty of the classifier at several temperatures"
    exhibits.append(uncertainty_exhibit(title, note, logits, temperatures))
    if all(map(len, logits.values())):
        own = {"this inspector": evaluation.scores["score"].to_numpy(np.float64)}
        scores = own | logit_scores(found.logits, found.temperature)
        exhibits.append(scores_exhibit("ROC curves of other scores of the same network", "", defect, scores))
    held_out, fitted = (classes.before, classes.after), classes.fitted
    exhibits.append(calibration_on_images(found, held_out, "good ", fitted=fitted))
    known = found.truth >= 0
    if known.any():
        predicted = found.logits[known].argmax(axis=-1)
        counts = confusion_matrix(found.truth[known], predicted, len(found.names))
        note = "Confusion matrix of the good test images."
        exhibits.append(confusion_exhibit(counts, found.names, note))
    return exhibits


def rotations_exhibit(groups: Mapping[str, Logits]) -> Chart:
    """Show the predicted rotations of images that were turned by 0, 1, 2 and 3 quarters.

    Logits are `(N, 4, 4)`, the true rotation before the predicted one, by group; one at least has images.

    Example:
        >>> half_wrong = np.stack([np.eye(4), np.roll(np.eye(4), 2, axis=1)])
        >>> rotations_exhibit({"defect": half_wrong}).note
        'Mean error in quarter turns: defect 1.00. By chance: 25.0 % correct, mean error 1.00.'
    """
    predicted = {name: logits.argmax(axis=-1) for name, logits in groups.items() if len(logits)}
    right, errors = [], []
    for name, turns in predicted.items():
        apart = np.abs(turns - np.arange(_QUARTERS))
        right.append(f"{percent(float((apart == 0).mean()))} of {name} views")
        errors.append(f"{name} {np.minimum(apart, _QUARTERS - apart).mean():.2f}")
    note = f"Mean error in quarter turns: {', '.join(errors)}. By chance: 25.0 % correct, mean error 1.00."
    draw = partial(draw_rotations, groups=predicted)
    return Chart(f"Rotation predicted correctly in {', '.join(right)}", draw, note, (10.8, 3.4))


def uncertainty_exhibit(
    title: str, note: str, groups: Mapping[str, Logits], temperatures: Sequence[float]
) -> Chart:
    """Show the distribution of one minus the maximum softmax probability at each temperature.

    Logits are `(N, V, C)` for V views, of good images and of defects, by name.
    """
    panels = {}
    for temperature in temperatures:
        values = [msp(logits, temperature).mean(axis=-1) for logits in groups.values()]
        panel = f"temperature {temperature:g}"
        if all(map(len, values)):
            defect = np.repeat([False, True], list(map(len, values)))
            panel += f"\nAUROC {auroc(defect, np.concatenate(values)):.3f}"
        panels[panel] = list(map(Group, groups, values, (GOOD, DEFECT)))
    # The maximum probability is never below that of a guess.
    highest = max(1 - 1 / max(logits.shape[-1] for logits in groups.values()), 0.01)
    label = "1 − maximum softmax probability"
    draw = partial(draw_histograms, panels=panels, label=label, limits=(0, highest), bins=_BINS)
    return Chart(title, draw, note, (10.8, 3.4))


def scores_exhibit(
    title: str, note: str, defect: NDArray[np.bool_], scores: Mapping[str, NDArray[np.float64]]
) -> Chart:
    """Show the ROC curves of several scores `(N,)` of the same images, the largest area first.

    Both good images and defects must occur.
    """
    curves = {name: cut(defect, values) for name, values in scores.items()}
    curves = dict(sorted(curves.items(), key=lambda curve: -curve[1].auroc()))
    return Chart(title, partial(draw_ranking, curves=curves), note, (10.8, 4.2))


def logit_scores(logits: Logits, temperature: float) -> dict[str, NDArray[np.float64]]:
    """Compute the scores of `knowngood.detectors.confidence` that need logits `(N, V, C)` alone.

    The scores `(N,)` by name are means over the V views.

    Example:
        >>> logit_scores(np.array([[[0.0, 0.0]], [[0.0, 300.0]]]), 1.0)["msp"].round(4)
        array([  -0.6931, -300.    ])
    """
    values = np.clip(logits.astype(np.float64), -_LARGEST, _LARGEST)
    scaled = np.sort(values / temperature, axis=-1)
    largest = scaled[..., -1:]
    rest = logsumexp(scaled[..., :-1], axis=-1, keepdims=True) - largest  # log odds against the largest
    certain = np.logaddexp(0, rest)
    surprise = largest - scaled + certain
    # Where the network is certain the surprise is zero, but its logarithm is known.
    logarithm = np.where(surprise > _TINY, np.log(np.maximum(surprise, _TINY)), rest)
    highest = values.max(axis=-1)
    found = {
        "msp": (rest - certain)[..., 0],
        "max_logit": -highest,
        "energy": -highest - temperature * certain[..., 0],
        "entropy": logsumexp(logarithm - surprise, axis=-1),
    }
    return {name: score.mean(axis=1) for name, score in found.items()}
