"""The slides of the study `kaist`."""

from __future__ import annotations

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
from knowngood.report.exhibits import Chart, Exhibit, Table
from knowngood.report.training import highest_scoring_exhibit
from knowngood.studies.kaist_measures import AUROC, HOT, Outputs, circular_distance

SMALL = ("small-0.0", "small-0.1", "small-0.2", "small-0.3")
ROTNET = ("rotnet", "rotnet-moved")
OURS = ("cnn", "rotation", "rotation-moved")

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

CENTRE_OF_MASS = (
    "The centre of mass of an MNIST digit is half a pixel off the centre of the image. In a turned image it "
    "is on the other side, and that reveals the rotation, of anomalies too: the network need not use the "
    "digit. With digits moved at random during training it must, and then it errs on anomalies, and on "
    "digits that are the same upside down."
)


def exhibits(figures: pd.DataFrame, shown: Mapping[str, Outputs]) -> Iterator[Exhibit]:
    """Make the slides from the table `figures`, and the outputs of each method's first run by its name."""
    yield _table(_agreement(figures), _comparison(figures, shown))
    yield _table("Where each number comes from", SOURCES)
    small = [shown[name] for name in SMALL]
    yield scores_exhibit(
        "Label smoothing makes the network less confident on anomalies",
        "One minus the maximum softmax probability, temperature 1, first seed.",
        small[0].digits.anomalous,
        {outputs.title: _uncertainty(outputs) for outputs in small},
    )
    yield from map(_temperatures, small)
    yield from map(_embedding, small)
    yield from map(_calibration, small[:2])
    for outputs in (shown[name] for name in ROTNET):
        value = auroc(outputs.digits.anomalous, outputs.scores["distance"])
        chart = rotations_exhibit(_by_class(outputs))
        title = f"{outputs.title}: AUROC of the circular distance {value:.3f}"
        yield replace(chart, title=title, note=f"{chart.title}. {chart.note}")
    yield _table("Cause: zeros, ones and eights are the same upside down", _distances(shown), CENTRE_OF_MASS)
    for name in OURS:
        yield from _ours(shown[name])


def conclusion(figures: pd.DataFrame) -> list[str]:
    """Say what follows from the table `figures`."""
    return [_agreement(figures), "No anomaly took part in the choice of a default."]


def _table(title: str, rows: Sequence[Sequence[str]], note: str = "") -> Table:
    """Make a table whose first row is its head, with long cells broken into lines."""
    head, *cells = [[textwrap.fill(text, 60) if "\n" not in text else text for text in row] for row in rows]
    return Table(title, head, cells, note=note)


def _by_class(outputs: Outputs) -> dict[str, NDArray[np.float32]]:
    """Separate the logits of normal digits and of anomalies."""
    anomalous = outputs.digits.anomalous
    return {"normal": outputs.logits[~anomalous], "anomaly": outputs.logits[anomalous]}


def _uncertainty(outputs: Outputs) -> NDArray[np.float64]:
    """Return one minus the maximum softmax probability `(N,)`, at temperature 1."""
    return msp(outputs.logits, 1.0).mean(axis=1)  # type: ignore[no-any-return]


def _comparison(figures: pd.DataFrame, shown: Mapping[str, Outputs]) -> list[list[str]]:
    """List the document's figures beside ours, and the best score of each of our networks."""
    scores = figures[figures["figure"].str.startswith(f"{AUROC}, ")]
    scores = scores.assign(score=scores["figure"].str.removeprefix(f"{AUROC}, "))
    task, score = scores["task"], scores["score"]
    reference = scores[(scores["document"].notna() | (score == "msp")) & (task != "cnn")]
    moved = scores[(task == "rotnet-moved") & (score == "distance")]
    best = scores.loc[scores[task.isin(OURS)].groupby("task", sort=False)["value"].idxmax()]
    table = pd.concat([reference, moved, best.assign(score=best["score"] + " (best)")])
    rows = [["network", "image AUROC of", "the document", "here, mean ± sd", "least", "seeds"]]
    for row in table.to_dict("records"):
        document, mean, sd, least = (
            "–" if np.isnan(row[name]) else f"{row[name]:.3f}"
            for name in ("document", "value", "sd", "least")
        )
        rows.append(
            [shown[row["task"]].title, row["score"], document, f"{mean} ± {sd}", least, str(row["n"])]
        )
    return rows


def _agreement(figures: pd.DataFrame) -> str:
    """Say how many of the document's figures are within two standard deviations."""
    given = figures[figures["document"].notna()]
    within = given["apart"].abs() <= 2
    return (
        f"{int(within.sum())} of the document's {len(given)} figures are within two standard deviations of "
        "the means here"
    )


def _temperatures(outputs: Outputs) -> Chart:
    """Draw histograms of the score at several temperatures."""
    temperature = outputs.classes.temperature
    return uncertainty_exhibit(
        f"{outputs.title}: AUROC {auroc(outputs.digits.anomalous, _uncertainty(outputs)):.3f}",
        f"The temperature {temperature:.3g} maximises the likelihood of held-out normal digits. It "
        "changes the score, never the network; it hardly changes the order of the digits.",
        _by_class(outputs),
        [1.0, float(f"{temperature:.3g}"), HOT],
    )


def _embedding(outputs: Outputs) -> Chart:
    """Draw the features before the last layer in two dimensions."""
    digits = outputs.digits
    names = [
        f"{'anomaly' if anomalous else 'digit'} {digit}"
        for digit, anomalous in zip(digits.labels, digits.anomalous, strict=True)
    ]
    anomalies = {name for name in names if name.startswith("anomaly")}
    title = f"Features of the test digits: {outputs.title}"
    return embedding_exhibit(title, outputs.features[:, 0], names, anomalies)


def _calibration(outputs: Outputs) -> Chart:
    """Draw the calibration on normal test digits."""
    classes, normal = outputs.classes, ~outputs.digits.anomalous
    truth = np.searchsorted([int(name) for name in classes.names], outputs.digits.labels[normal])
    before, after = (reliability(outputs.logits[normal, 0], truth, t) for t in (1.0, classes.temperature))
    note = (
        "Normal test digits; the temperature was fitted on held-out training digits. Label smoothing makes a "
        "network underconfident, and a temperature below 1 undoes that."
    )
    chart = calibration_exhibit(before, after, classes.temperature, note)
    return replace(chart, title=f"Calibration: {outputs.title}")


def _distances(shown: Mapping[str, Outputs]) -> list[list[str]]:
    """List the mean circular distance between predicted and true rotation, one row per digit."""
    networks = [shown[name] for name in (*ROTNET, *OURS[1:])]
    labels = networks[0].digits.labels
    distances = [circular_distance(one.logits.argmax(axis=2), np.arange(4)) for one in networks]
    return [
        ["digit", *(f"{one.title}:\nmean distance, quarters" for one in networks)],
        *(
            [str(digit), *(f"{distance[labels == digit].mean():.2f}" for distance in distances)]
            for digit in np.unique(labels)
        ),
    ]


def _ours(outputs: Outputs) -> Iterator[Exhibit]:
    """Show our own defaults: every score, the features, the training digits with the highest scores."""
    anomalous = outputs.digits.anomalous
    value = auroc(anomalous, outputs.scores[outputs.own])
    scores = {name: score for name, score in outputs.scores.items() if " " not in name}
    title = f"{outputs.title}: {outputs.own}, its default score, reaches AUROC {value:.3f}"
    yield scores_exhibit(title, "First seed; all scores from the same graph.", anomalous, scores)
    yield _embedding(outputs)
    chart = highest_scoring_exhibit(outputs.classes)
    yield replace(chart, title=f"Training digits with the highest scores: {outputs.title}")
