"""What slides of the study `kaist` show of one network, or of some digits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from knowngood.metrics.ranking import auroc
from knowngood.metrics.reliability import msp, reliability
from knowngood.report.class_charts import draw_losses
from knowngood.report.classification import calibration_exhibit, embedding_exhibit
from knowngood.report.confidence import scores_exhibit, uncertainty_exhibit
from knowngood.report.exhibits import Chart, Exhibit, Picture, Pictures, Table
from knowngood.report.slide import facts_table
from knowngood.report.training import highest_scoring_exhibit
from knowngood.report.words import percent
from knowngood.studies.kaist_measures import HOT, Digits, Outputs

_PICTURES = 12  # of each digit


def pictures(digits: Digits) -> Pictures:
    """Show digits of each class: those to train on, and the anomalies."""
    names, rows = [], []
    for digit in np.unique(digits.labels):
        anomaly = digit not in digits.classes
        images = digits.test[digits.labels == digit] if anomaly else digits.train[digits.classes == digit]
        names.append(f"{digit}, {'anomaly' if anomaly else 'normal'} ({len(images):,})")
        rows.append([Picture(image) for image in images[:_PICTURES]])
    normal, strange = (f"{int((digits.anomalous == one).sum()):,}" for one in (False, True))
    title = f"{len(digits.train):,} normal digits to learn; {normal} others and {strange} anomalies to test"
    return Pictures(title, rows, names, "Normal digits: the training files. Anomalies: the test files.")


def turns(digits: Digits) -> Pictures:
    """Show a digit of each class in its four rotations, as the network gets them."""
    chosen = {int(digit): digits.test[digits.labels == digit][0] for digit in np.unique(digits.labels)}
    known = [f"{digit}" if digit in digits.classes else f"{digit}, anomaly" for digit in chosen]
    rows = [
        [
            Picture(np.rot90(image, turn), "" if turn else name)
            for image, name in zip(chosen.values(), known, strict=True)
        ]
        for turn in range(4)
    ]
    names = [f"class {turn}: {90 * turn}°" for turn in range(4)]
    title = f"RotNet: {4 * len(digits.train):,} views, each digit in four rotations, which are its classes"
    return Pictures(title, rows, names, "Turned counter-clockwise. No label of a digit is needed.")


def offset(images: NDArray[np.uint8]) -> tuple[float, float]:
    """Return how far the mean centre of mass is below and to the right of the centre, in pixels."""
    mass = images.astype(np.float64)
    total = np.maximum(mass.sum(axis=(1, 2)), 1.0)
    found = []
    for axis, side in ((2, images.shape[1]), (1, images.shape[2])):
        places = np.arange(side) - (side - 1) / 2
        found.append(float((mass.sum(axis=axis) @ places / total).mean()))
    return found[0], found[1]


def settings(name: str, outputs: Outputs, score: str) -> Table:
    """List the settings of a network and of its training."""
    recipe, record, digits = outputs.recipe, outputs.record, outputs.digits
    learned = len(digits.train) - len(record.validation)
    classes = ", ".join(outputs.classes.names)
    title = f"{name}: {len(record.epochs)} epochs on {learned:,} digits, batches of {recipe['batch_size']}"
    return facts_table(
        title,
        [
            ("classes that are predicted", classes),
            ("input", f"{digits.train.shape[1]} × {digits.train.shape[2]}, grey"),
            ("loss", "cross-entropy of the softmax; the sum over classes of −target × log(probability)"),
            ("label smoothing", _smoothing_of(recipe)),
            ("optimiser", f"Adam, learning rate {record.learning_rate:g}, {recipe['schedule']}"),
            ("epoch kept", f"{record.best}, by the loss on {len(record.validation):,} held-out digits"),
            ("augmentation", f"moved by up to {recipe['shift']} pixels" if recipe["shift"] else "none"),
            ("anomaly score", score),
        ],
    )


def _smoothing_of(recipe: Mapping[str, object]) -> str:
    """Say which share of a target is spread over the classes."""
    share = float(str(recipe["label_smoothing"]))
    return f"{share:g} of each target is spread over all classes" if share else "none"


def losses(networks: Sequence[Outputs]) -> Chart:
    """Show the losses of several networks by epoch."""
    kept = {
        one.title: float(one.record.losses.set_index("epoch")["validation"][one.record.best])
        for one in networks
    }
    least, most = (end(kept, key=kept.__getitem__) for end in (min, max))
    title = f"Validation loss from {kept[least]:.3f} ({least}) to {kept[most]:.3f} ({most})"
    bounds = dict.fromkeys(filter(None, map(_least_loss, networks)))
    note = "First seed."
    if bounds:
        note += f" With smoothed targets the loss cannot be less than {', '.join(bounds)}."
    draw = partial(draw_losses, panels={one.title: one.record for one in networks})
    return Chart(title, draw, note)


def _least_loss(outputs: Outputs) -> str:
    """Say which loss a network has that predicts exactly its smoothed targets; empty without smoothing."""
    share, classes = float(outputs.recipe["label_smoothing"]), len(outputs.classes.names)
    targets = np.full(classes, share / classes) + (1 - share) * (np.arange(classes) == 0)
    return f"{-(targets * np.log(targets)).sum():.2f} (smoothing {share:g})" if share else ""


def uncertainty(outputs: Outputs) -> NDArray[np.float64]:
    """Return one minus the maximum softmax probability at temperature 1, mean over the views."""
    return np.asarray(msp(outputs.logits).mean(axis=1))


def by_class(outputs: Outputs) -> dict[str, NDArray[np.float32]]:
    """Return the logits of normal test digits and of anomalies."""
    anomalous = outputs.digits.anomalous
    return {"normal": outputs.logits[~anomalous], "anomaly": outputs.logits[anomalous]}


def temperatures(outputs: Outputs) -> Chart:
    """Draw histograms of the score at several temperatures."""
    heats = [1.0, float(f"{outputs.classes.temperature:.3g}"), HOT]
    anomalous = outputs.digits.anomalous
    areas = [auroc(anomalous, msp(outputs.logits, heat).mean(axis=1)) for heat in heats]
    note = (
        f"The temperature {heats[1]:g} maximises the likelihood of held-out normal digits. A temperature "
        f"changes the score, not the network: the AUROC is {min(areas):.3f} to {max(areas):.3f} here."
    )
    title = f"{outputs.title}: AUROC {areas[0]:.3f}"
    return uncertainty_exhibit(title, note, by_class(outputs), heats)


def embedding(outputs: Outputs) -> Chart:
    """Draw the features before the last layer in two dimensions."""
    digits = outputs.digits
    names = [
        f"{'anomaly' if anomalous else 'digit'} {digit}"
        for digit, anomalous in zip(digits.labels, digits.anomalous, strict=True)
    ]
    anomalies = {name for name in names if name.startswith("anomaly")}
    area = auroc(digits.anomalous, outputs.scores["knn"])
    title = f"{outputs.title}: the distance to the nearest training features has AUROC {area:.3f}"
    return embedding_exhibit(title, outputs.features[:, 0], names, anomalies)


def calibration(outputs: Outputs) -> Chart:
    """Draw the calibration on normal test digits."""
    classes, normal = outputs.classes, ~outputs.digits.anomalous
    truth = np.searchsorted([int(name) for name in classes.names], outputs.digits.labels[normal])
    before, after = (reliability(outputs.logits[normal, 0], truth, t) for t in (1.0, classes.temperature))
    confident = float((before.answers * before.confidence).sum() / before.answers.sum())
    accuracy = float((before.answers * before.accuracy).sum() / before.answers.sum())
    word = "underconfident" if confident < accuracy else "overconfident"
    note = (
        f"Normal test digits: mean confidence {percent(confident)}, accuracy {percent(accuracy)}: {word}. "
        "The temperature was fitted on held-out training digits."
    )
    chart = calibration_exhibit(before, after, classes.temperature, note)
    return replace(chart, title=f"{outputs.title}: {chart.title}")


def own_network(outputs: Outputs) -> Iterator[Exhibit]:
    """Show our own defaults: every score, the features, the training digits with the highest scores."""
    anomalous = outputs.digits.anomalous
    value = auroc(anomalous, outputs.scores[outputs.own])
    scores = {name: score for name, score in outputs.scores.items() if " " not in name}
    title = f"{outputs.title}: {outputs.own}, its default score, reaches AUROC {value:.3f}"
    yield scores_exhibit(title, "First seed; all scores from the same graph.", anomalous, scores)
    yield embedding(outputs)
    chart, odd = highest_scoring_exhibit(outputs.classes), outputs.classes.odd
    held_out = sum(one.held_out for one in odd)
    found = f"{held_out} of the {len(odd)} training digits with the highest scores were held out"
    yield replace(chart, title=f"{outputs.title}: {found}")
