"""The slides of the study `kaist`."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import SubFigure
from numpy.typing import NDArray

from knowngood.metrics.ranking import auroc
from knowngood.metrics.reliability import msp, reliability
from knowngood.report.classification import draw_embedding, draw_odd, draw_rocs
from knowngood.report.confidence import draw_reliability, draw_rotations, draw_temperatures
from knowngood.report.deck import Deck, open_deck
from knowngood.report.embedding import HOW_TO_READ, choose, embed
from knowngood.report.layout import table, type_size
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
        "normal training digits alone: three of 0 to 3 are learned,\n"
        "the fourth stands for an anomaly, each in turn (docs/decisions/0009)",
    ],
    ["every AUROC, rejects, accuracy on test digits", "MNIST's test files"],
    [
        "six epochs where our network's digits are moved",
        "raised from three after a look at test digits; no default hangs on it",
    ],
    ["pictures", "the first seed"],
]
"""Which part of the data decided what."""


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
    smoothings = [name for name in shown if name.startswith("small-")]
    with open_deck(TITLE, path) as deck:
        deck.add(TITLE, lambda body: _table(body, _beside_the_document(figures, shown)), _verdict(figures))
        deck.add("Where each number comes from", lambda body: _table(body, SOURCES))
        deck.add(
            "Label smoothing keeps the network from being sure of anomalies",
            lambda body: draw_rocs(
                body, {shown[name].title: (anomalous, _unsure(shown[name])) for name in smoothings}
            ),
            "One minus the maximum softmax probability, temperature 1, first seed.",
        )
        for name in smoothings:
            _add_scores(deck, shown[name], anomalous)
        for name in smoothings:
            _add_embedding(deck, shown[name], labels, anomalous)
        for name in (smoothings[0], smoothings[1]):
            _add_reliability(deck, shown[name], labels, anomalous)
        for name in ("rotnet", "rotnet-moved"):
            at = auroc(anomalous, shown[name].scores["distance"])
            deck.add(
                f"{shown[name].title}: AUROC of the circular distance {at:.3f}",
                lambda body, seen=shown[name]: draw_rotations(  # type: ignore[misc]
                    body, seen.logits[~anomalous], seen.logits[anomalous], NAMES
                ),
            )
        deck.add(
            "Why this happens: zeros, ones and eights look alike upside down",
            lambda body: _table(body, _distances(shown, labels)),
            "A digit of MNIST has its centre of mass half a pixel beside the middle of the image. Turned, it "
            "lies on the other side, and that gives the rotation away, of anomalies too: the network need "
            "not look at the digit. Moved at random while it learns, it must: then it errs on anomalies, and "
            "on what looks alike upside down.",
        )
        for name in ("cnn", "rotation", "rotation-moved"):
            _add_ours(deck, shown[name], labels, anomalous)


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
        f"{int(within.sum())} of the document's {len(given)} figures lie within two standard deviations of "
        "the means here. Each of its figures is of one run. No anomaly took part in the choice of a default."
    )


def _add_scores(deck: Deck, seen: Seen, anomalous: NDArray[np.bool_]) -> None:
    """Histograms of the score at several temperatures."""
    assert seen.record.classes is not None
    fitted = seen.record.classes.temperature
    at = auroc(anomalous, _unsure(seen))
    deck.add(
        f"{seen.title}: AUROC {at:.3f}",
        lambda body: draw_temperatures(
            body, seen.logits[~anomalous], seen.logits[anomalous], [1.0, float(f"{fitted:.3g}"), 3.0], NAMES
        ),
        f"The temperature {fitted:.3g} makes the classes of held-out normal digits likeliest. A temperature "
        "changes the score, never the network; it hardly changes which digits come before which.",
    )


def _add_embedding(deck: Deck, seen: Seen, labels: NDArray[np.uint8], anomalous: NDArray[np.bool_]) -> None:
    """What the network sees, in two dimensions."""
    names = [f"{'anomaly' if odd else 'digit'} {digit}" for digit, odd in zip(labels, anomalous, strict=True)]
    rows = choose(names)
    points = embed(seen.features[rows, 0])
    strange = sorted({names[row] for row in np.flatnonzero(anomalous)})
    deck.add(
        f"What it sees of the test digits: {seen.title}",
        lambda body: draw_embedding(
            body,
            points,
            [names[row] for row in rows],
            strange,
        ),
        f"The features before the last layer. {HOW_TO_READ}",
    )


def _add_reliability(deck: Deck, seen: Seen, labels: NDArray[np.uint8], anomalous: NDArray[np.bool_]) -> None:
    """How sure the network is of normal test digits, against how right."""
    assert seen.record.classes is not None
    fitted = seen.record.classes.temperature
    normal = ~anomalous
    names = [int(name) for name in seen.record.classes.names]
    truth = np.searchsorted(names, labels[normal])
    before, after = (reliability(seen.logits[normal, 0], truth, t) for t in (1.0, fitted))
    deck.add(
        f"How sure, how right: {seen.title}",
        lambda body: draw_reliability(body, before, after, fitted),
        "Normal test digits; the temperature was fitted on held-out training digits. Label smoothing makes a "
        "network less sure than it is right, and a temperature below 1 undoes that.",
    )


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


def _add_ours(deck: Deck, seen: Seen, labels: NDArray[np.uint8], anomalous: NDArray[np.bool_]) -> None:
    """Our own defaults: every score, the features, the oddest of the learned digits."""
    classes = seen.record.classes
    assert classes is not None
    at = auroc(anomalous, seen.scores[seen.own])
    curves = {name: (anomalous, score) for name, score in seen.scores.items() if " " not in name}
    deck.add(
        f"{seen.title}: {seen.own}, its default score, reaches {at:.3f}",
        lambda body: draw_rocs(body, curves),
        "First seed; all scores from the same graph.",
    )
    _add_embedding(deck, seen, labels, anomalous)
    deck.add(f"The oddest digits it learned from: {seen.title}", lambda body: draw_odd(body, classes))


def _table(body: SubFigure, rows: Sequence[Sequence[str]]) -> None:
    """A table as large as there is room for."""
    rows = [[textwrap.fill(text, 60) if "\n" not in text else text for text in row] for row in rows]
    size = type_size(rows, body.bbox.width / body.dpi, body.bbox.height / body.dpi, 15)
    table(body, rows, (0, 0, 1, 1), size=size)
