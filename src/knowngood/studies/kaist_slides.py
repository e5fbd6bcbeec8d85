"""The slides of the study `kaist`."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.metrics.ranking import auroc
from knowngood.metrics.reliability import msp, reliability
from knowngood.report.classification import calibration_exhibit, embedding_exhibit
from knowngood.report.confidence import rotations_exhibit, scores_exhibit, uncertainty_exhibit
from knowngood.report.deck import write_deck
from knowngood.report.exhibits import Chart, Exhibit, Table
from knowngood.report.training import highest_scoring_exhibit
from knowngood.studies.kaist_measures import Seen

TITLE = "Classification tasks for anomaly detection: MNIST, 0 to 3 against 7 to 9"
NAMES = ("normal", "anomaly")

SOURCES = [
    ["what", "comes from"],
    ["weights of every network", "four fifths of the normal digits in MNIST's training files"],
    ["epoch kept, fitted temperature, threshold", "the other fifth of them"],
    ["the document's network and its training", "the document: 5 epochs, batches of 32, Adam with 0.001"],
    [
        "defaults of class_confidence and rotation\n(network, smoothing, moves, score)",
        "normal training digits alone: training on three of 0 to 3,\n"
        "with the fourth as the anomaly, each in turn (docs/decisions/0009)",
    ],
    ["every AUROC, rejects, accuracy on test digits", "MNIST's test files"],
    [
        "six epochs where our network's digits are moved",
        "raised from three after a look at test digits; no default depends on it",
    ],
    ["pictures", "the first seed"],
]
"""The data that each choice was made on."""


def write_kaist_slides(
    figures: pd.DataFrame,
    shown: Mapping[str, Seen],
    labels: NDArray[np.uint8],
    anomalous: NDArray[np.bool_],
    path: str | os.PathLike[str],
) -> None:
    """Write the slides.

    Args:
        figures: As the study gives them.
        shown: What is drawn of each experiment, by its name.
        labels: Which digit each test image is.
        anomalous: Which of them are anomalies.
        path: The file to write or replace.
    """
    write_deck(TITLE, path, _exhibits(figures, shown, labels, anomalous))


def _exhibits(
    figures: pd.DataFrame,
    shown: Mapping[str, Seen],
    labels: NDArray[np.uint8],
    anomalous: NDArray[np.bool_],
) -> Iterator[Exhibit]:
    """One exhibit after the other."""
    smoothings = [name for name in shown if name.startswith("small-")]
    yield _table(TITLE, _beside_the_document(figures, shown), _verdict(figures))
    yield _table("Where each number comes from", SOURCES)
    yield scores_exhibit(
        "Label smoothing makes the network less confident on anomalies",
        "One minus the maximum softmax probability, temperature 1, first seed.",
        anomalous,
        {shown[name].title: _unsure(shown[name]) for name in smoothings},
    )
    for name in smoothings:
        yield _scores(shown[name], anomalous)
    for name in smoothings:
        yield _embedding(shown[name], labels, anomalous)
    for name in smoothings[:2]:
        yield _calibration(shown[name], labels, anomalous)
    for name in ("rotnet", "rotnet-moved"):
        seen = shown[name]
        at = auroc(anomalous, seen.scores["distance"])
        chart = rotations_exhibit(dict(zip(NAMES, _by_class(seen, anomalous), strict=True)))
        title = f"{seen.title}: AUROC of the circular distance {at:.3f}"
        yield replace(chart, title=title, note=f"{chart.title}. {chart.note}")
    yield _table(
        "Cause: zeros, ones and eights look alike upside down",
        _distances(shown, labels),
        "The centre of mass of an MNIST digit is half a pixel off the centre of the image. In a turned "
        "image it is on the other side, and that reveals the rotation, of anomalies too: the network need "
        "not look at the digit. With digits moved at random during training it must, and then it errs on "
        "anomalies, and on what looks alike upside down.",
    )
    for name in ("cnn", "rotation", "rotation-moved"):
        yield from _ours(shown[name], labels, anomalous)


def _by_class(seen: Seen, anomalous: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The logits of normal digits and of anomalies."""
    return seen.logits[~anomalous], seen.logits[anomalous]


def _unsure(seen: Seen, temperature: float = 1.0) -> NDArray[np.float64]:
    """One minus the maximum softmax probability `(N,)`."""
    return msp(seen.logits, temperature).mean(axis=1)  # type: ignore[no-any-return]


def _number(value: float) -> str:
    """A figure that may be missing."""
    return "–" if np.isnan(value) else f"{value:.3f}"


def _beside_the_document(figures: pd.DataFrame, shown: Mapping[str, Seen]) -> list[list[str]]:
    """The document's figures beside ours, and the best of ours."""
    rows = [["network", "image AUROC of", "the document", "here, mean ± sd", "least", "seeds"]]
    scores = figures[figures["figure"].str.startswith("image AUROC, ")]
    best = scores.loc[scores.groupby("task", sort=False)["value"].idxmax()]
    reference = scores[scores["document"].notna() | scores["figure"].str.endswith(", msp")]
    reference = reference[reference["task"] != "cnn"]
    moved = scores[(scores["task"] == "rotnet-moved") & scores["figure"].str.endswith(", distance")]
    ours = best[best["task"].isin(["cnn", "rotation", "rotation-moved"])]
    for row in pd.concat([reference, moved, ours]).itertuples():
        score = str(row.figure).removeprefix("image AUROC, ")
        rows.append(
            [
                shown[str(row.task)].title,
                f"{score} (best)" if row.Index in ours.index else score,
                _number(row.document),  # type: ignore[arg-type]
                f"{_number(row.value)} ± {_number(row.sd)}",  # type: ignore[arg-type]
                _number(row.least),  # type: ignore[arg-type]
                str(row.n),
            ]
        )
    return rows


def _verdict(figures: pd.DataFrame) -> str:
    """Which of the document's figures lie within two standard deviations."""
    given = figures[figures["document"].notna()]
    within = given["apart"].abs() <= 2
    return (
        f"{int(within.sum())} of the document's {len(given)} figures are within two standard deviations of "
        "the means here. Each of its figures is of one run. No anomaly took part in the choice of a default."
    )


def _scores(seen: Seen, anomalous: NDArray[np.bool_]) -> Chart:
    """Histograms of the score at several temperatures."""
    assert seen.records.classes is not None
    fitted = seen.records.classes.temperature
    return uncertainty_exhibit(
        f"{seen.title}: AUROC {auroc(anomalous, _unsure(seen)):.3f}",
        f"The temperature {fitted:.3g} maximises the likelihood of held-out normal digits. A temperature "
        "changes the score, never the network; it hardly changes the order of the digits.",
        dict(zip(NAMES, _by_class(seen, anomalous), strict=True)),
        [1.0, float(f"{fitted:.3g}"), 3.0],
    )


def _embedding(seen: Seen, labels: NDArray[np.uint8], anomalous: NDArray[np.bool_]) -> Chart:
    """The features before the last layer, in two dimensions."""
    names = [f"{'anomaly' if odd else 'digit'} {digit}" for digit, odd in zip(labels, anomalous, strict=True)]
    strange = {names[row] for row in np.flatnonzero(anomalous)}
    return embedding_exhibit(
        f"Features of the test digits: {seen.title}", seen.features[:, 0], names, strange
    )


def _calibration(seen: Seen, labels: NDArray[np.uint8], anomalous: NDArray[np.bool_]) -> Chart:
    """The calibration on normal test digits."""
    assert seen.records.classes is not None
    fitted = seen.records.classes.temperature
    names = [int(name) for name in seen.records.classes.names]
    truth = np.searchsorted(names, labels[~anomalous])
    before, after = (reliability(seen.logits[~anomalous, 0], truth, t) for t in (1.0, fitted))
    note = (
        "Normal test digits; the temperature was fitted on held-out training digits. Label smoothing makes a "
        "network underconfident, and a temperature below 1 undoes that."
    )
    chart = calibration_exhibit(before, after, fitted, note)
    return replace(chart, title=f"Calibration: {seen.title}")


def _distances(shown: Mapping[str, Seen], labels: NDArray[np.uint8]) -> list[list[str]]:
    """Mean circular distance between predicted and true rotation, a row a digit."""
    names = ("rotnet", "rotnet-moved", "rotation", "rotation-moved")
    rows = [["digit", *(f"{shown[name].title}:\nmean distance, quarters" for name in names)]]
    for digit in np.unique(labels):
        row = [str(digit)]
        for name in names:
            predicted = shown[name].logits[labels == digit].argmax(axis=2)
            steps = np.abs(predicted - np.arange(4))
            row.append(f"{np.minimum(steps, 4 - steps).mean():.2f}")
        rows.append(row)
    return rows


def _ours(seen: Seen, labels: NDArray[np.uint8], anomalous: NDArray[np.bool_]) -> Iterator[Exhibit]:
    """Our own defaults: every score, the features, the training digits with the highest scores."""
    classes = seen.records.classes
    assert classes is not None
    at = auroc(anomalous, seen.scores[seen.own])
    scores = {name: score for name, score in seen.scores.items() if " " not in name}
    title = f"{seen.title}: {seen.own}, its default score, reaches AUROC {at:.3f}"
    yield scores_exhibit(title, "First seed; all scores from the same graph.", anomalous, scores)
    yield _embedding(seen, labels, anomalous)
    yield replace(
        highest_scoring_exhibit(classes), title=f"Training digits with the highest scores: {seen.title}"
    )


def _table(title: str, rows: Sequence[Sequence[str]], note: str = "") -> Table:
    """A table whose first row is its head, with long cells broken into lines."""
    head, *cells = [[textwrap.fill(text, 60) if "\n" not in text else text for text in row] for row in rows]
    return Table(title, head, cells, note=note)
