"""The slides of the study `kaist`, in the order of its document."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from knowngood.metrics.ranking import auroc
from knowngood.report.confidence import rotations_exhibit, scores_exhibit
from knowngood.report.exhibits import Exhibit, Table, Text
from knowngood.report.training import layers_exhibit
from knowngood.studies.kaist_exhibits import (
    by_class,
    calibration,
    embedding,
    losses,
    offset,
    own_network,
    pictures,
    settings,
    temperatures,
    turns,
    uncertainty,
)
from knowngood.studies.kaist_measures import (
    ACCURACY,
    ANOMALIES,
    AUROC,
    HOT,
    NORMAL_DIGITS,
    SEPARATION,
    Outputs,
    circular_distance,
    confidence_at,
)
from knowngood.studies.kaist_words import (
    ERROR,
    FITTED,
    FITTED_ERROR,
    HOT_MSP,
    MSP,
    OURS,
    Content,
    agreement,
    best_words,
    disagreements,
    most_smoothing_words,
    rotation_words,
    score_areas,
    smoothing_words,
    temperature_words,
)

_SCORES = (
    "msp: 1 − maximum softmax probability. distance: from the true to the predicted rotation, in quarter "
    "turns. (best): of the scores of this network, that with the highest AUROC on these test images."
)


def exhibits(content: Content) -> Iterator[Exhibit]:
    """Make the slides."""
    small, rotnet, ours = content.some(*content.shares), content.some(*content.rotnets), content.some(*OURS)
    yield _comparison(content)
    yield _sources(content)
    yield pictures((small or rotnet or ours)[0].digits)
    if small:
        yield from _classifiers(small)
        yield from _smoothing(content)
    if rotnet:
        yield from _rotations(content, rotnet)
    if ours:
        yield losses(ours)
    for outputs in ours:
        yield from own_network(outputs)


def conclusion(content: Content) -> list[str]:
    """Say what follows from the figures."""
    means, shares = content.means, content.shares
    said = [f"{agreement(content.figures)}.", *disagreements(content.figures, content.titles)]
    said = said if content.compared else []
    if shares:
        said += [smoothing_words(means, shares)[-1], temperature_words(means, content.smoothed, shares)[0]]
    if len(rotnets := content.rotnets) == 2:
        said += rotation_words(means, *rotnets)
    said.append(best_words(content.figures, content.titles))
    said.append(
        "No anomaly took part in the choice of a default, a temperature, a kept epoch or a threshold."
    )
    if content.compared and OURS[-1] in content.shown:
        said.append(
            f"But the number of epochs of “{content.titles[OURS[-1]]}” was raised after a look at them."
        )
    return said


def _table(title: str, rows: Sequence[Sequence[str]], note: str = "", numbers: int = 0) -> Table:
    """Make a table whose first row is its head, with long cells broken into lines."""
    head, *cells = [[textwrap.fill(text, 60) if "\n" not in text else text for text in row] for row in rows]
    return Table(title, head, cells, numbers, note)


def _comparison(content: Content) -> Table:
    """Tabulate the document's figures beside ours, and the best score of each of our own networks."""
    figures, compared = content.figures, content.compared
    scores = score_areas(figures[figures["task"].isin(list(content.shown))])
    task, score = scores["task"], scores["score"]
    own = task.map({name: one.own for name, one in content.shown.items()})
    best = scores.loc[scores[task.isin(OURS)].groupby("task", sort=False)["value"].idxmax()]
    table = pd.concat(
        [scores[(score == own) & ~task.isin(OURS)], best.assign(score=best["score"] + " (best)")]
    )
    head = ["network", f"{AUROC} of", "the document", "here, mean ± sd", "least", "seeds"]
    rows = [head if compared else [head[0], head[1], *head[3:]]]
    for row in table.to_dict("records"):
        document = "–" if np.isnan(row["document"]) else f"{row['document']:.3f}"
        mean = content.means.written(row["task"], row["figure"])
        cells = [
            content.titles[row["task"]],
            row["score"],
            document,
            mean,
            f"{row['least']:.3f}",
            str(row["n"]),
        ]
        rows.append(cells if compared else [*cells[:2], *cells[3:]])
    title = agreement(figures) if compared else best_words(figures, content.titles).removesuffix(".")
    note = _SCORES + ("\nEach of the document's figures is of one run." if compared else "")
    return _table(title, rows, note, len(rows[0]) - 2)


def _sources(content: Content) -> Table:
    """Say which images each number comes from."""
    first = next(iter(content.shown.values()))
    digits, record = first.digits, first.record
    learned = len(digits.train) - len(record.validation)
    rows = [
        ["what", "comes from"],
        ["weights of every network", f"{learned:,} normal digits of MNIST's training files"],
        ["epoch kept, fitted temperature, threshold", f"{len(record.validation):,} others of them, held out"],
        [
            "defaults of class_confidence and rotation\n(network, smoothing, moves, score)",
            "normal training digits alone: training on three of 0 to 3,\n"
            "with the fourth as the anomaly, each in turn (docs/decisions/0009)",
        ],
        [
            "every AUROC, rejects, accuracy on test digits",
            f"{len(digits.test):,} digits of MNIST's test files",
        ],
        ["pictures", "the first seed"],
    ]
    if content.compared:
        rows.insert(3, ["the document's network and its training", "the document; see its settings"])
        moved = (
            "the study's six epochs for our network with moved digits",
            "raised from three after a look at test digits; no default depends on it",
        )
        rows.insert(-1, list(moved))
    return _table(
        f"Where each number comes from: {learned:,} digits to learn, none of the {len(digits.test):,} tested",
        rows,
    )


def _classifiers(small: Sequence[Outputs]) -> Iterator[Exhibit]:
    """Show the document's classifiers: layers, settings, losses, scores, features, calibration."""
    layers = layers_exhibit(small[0].record.layers)
    yield replace(
        layers, title=f"Feature extractor and classifier: {layers.title[0].lower()}{layers.title[1:]}"
    )
    yield settings("Classifier", small[0], "1 − maximum softmax probability (msp)")
    yield losses(small)
    curves = {outputs.title: uncertainty(outputs) for outputs in small}
    areas = {title: auroc(small[0].digits.anomalous, score) for title, score in curves.items()}
    best = max(areas, key=areas.__getitem__)
    note = "1 − maximum softmax probability, temperature 1, first seed."
    yield scores_exhibit(
        f"Largest AUROC of the first seed: {areas[best]:.3f}, {best}", note, small[0].digits.anomalous, curves
    )
    yield from map(temperatures, small)
    yield from map(embedding, small)
    yield from map(calibration, small[:2])


def _smoothing(content: Content) -> Iterator[Exhibit]:
    """Tabulate what smoothing and temperature change, and say it in words."""
    means, shares = content.means, content.shares
    rows = {
        f"{AUROC}, msp": MSP,
        f"the same at temperature {HOT:g}": HOT_MSP,
        "mean confidence, normal digits": confidence_at(1.0, NORMAL_DIGITS),
        "mean confidence, anomalies": confidence_at(1.0, ANOMALIES),
        f"anomalies at temperature {HOT:g}": confidence_at(HOT, ANOMALIES),
        "accuracy on normal digits": ACCURACY,
        "calibration error": ERROR,
        "fitted temperature": FITTED,
        "calibration error at this temperature": FITTED_ERROR,
        "distance between class centres / within": SEPARATION,
    }
    head = ["mean ± sd over the seeds", *(f"smoothing {share:g}" for share in shares.values())]
    cells = [[name, *(means.written(task, figure) for task in shares)] for name, figure in rows.items()]
    best = means.best(list(shares), MSP)
    title = f"Smoothing {shares[best]:g} has the highest mean AUROC, {means(best, MSP):.3f}"
    note = "Test digits; each network with each seed is a training of its own."
    yield _table(title, [head, *cells], note, len(shares))
    sentences = smoothing_words(means, shares) + temperature_words(means, content.smoothed, shares)
    none, most = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
    plain, hot = (means(none, confidence_at(heat, ANOMALIES)) for heat in (1.0, HOT))
    title = (
        f"Mean confidence on anomalies: {plain:.2f}; with smoothing {shares[most]:g} "
        f"{means(most, confidence_at(1.0, ANOMALIES)):.2f}, at temperature {HOT:g} {hot:.2f}"
    )
    yield Text(title, sentences)
    if len(shares) > 1:
        yield Text(*most_smoothing_words(means, shares))


def _rotations(content: Content, networks: Sequence[Outputs]) -> Iterator[Exhibit]:
    """Show the document's networks that predict rotations."""
    yield turns(networks[0].digits)
    layers = layers_exhibit(networks[0].record.layers)
    yield replace(layers, title=f"RotNet: {layers.title[0].lower()}{layers.title[1:]}")
    score = "mean of min(|predicted − true|, 4 − |predicted − true|) over the four rotations"
    yield settings("RotNet", networks[0], score)
    yield losses(networks)
    for outputs in networks:
        value = auroc(outputs.digits.anomalous, outputs.scores["distance"])
        chart = rotations_exhibit(by_class(outputs))
        title = f"{outputs.title}: AUROC of the circular distance {value:.3f}"
        yield replace(chart, title=title, note=f"{chart.title}. {chart.note}")
    yield _causes(content, networks)


def _causes(content: Content, networks: Sequence[Outputs]) -> Table:
    """Find the digits whose rotation is predicted worst, and where digits have their centre of mass."""
    labels = networks[0].digits.labels
    distances = {
        one.title: circular_distance(one.logits.argmax(axis=2), np.arange(4))
        for one in [*networks, *content.some(*OURS[1:])]
    }
    by_digit = {
        title: {int(digit): float(found[labels == digit].mean()) for digit in np.unique(labels)}
        for title, found in distances.items()
    }
    rows = [["digit", *(f"{title}:\nmean distance, quarters" for title in by_digit)]]
    for digit in np.unique(labels):
        rows.append([str(digit), *(f"{found[int(digit)]:.2f}" for found in by_digit.values())])
    worst = by_digit[networks[-1].title]
    ranked = sorted(worst, key=lambda digit: -worst[digit])
    title = f"{networks[-1].title}: the rotation is predicted worst for {', '.join(map(str, ranked[:3]))}"
    down, right = offset(networks[0].digits.train)
    note = (
        f"The centre of mass of the training digits is on average {abs(right):.1f} pixels to the "
        f"{'right' if right > 0 else 'left'} of the image's centre and {abs(down):.1f} "
        f"{'below' if down > 0 else 'above'} it. In a turned image it is elsewhere, which can reveal the "
        "rotation, of anomalies too, without the shape of the digit. Digits moved at random do not offer it."
    )
    means, names = content.means, content.rotnets
    if len(names) == 2:
        note += f" {' '.join(rotation_words(means, *names))}"
    return _table(title, rows, textwrap.fill(note, 112), len(by_digit))
