"""The training of a network or a classifier: data, layers, losses, and results on held-out images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from knowngood.report.charts import draw_epochs
from knowngood.report.exhibits import Chart, Exhibit, Picture, Pictures, Table, Text
from knowngood.report.optimisation import optimisation_exhibits
from knowngood.report.pictures import pixels
from knowngood.report.style import short
from knowngood.report.words import MISSING, count, percent, score
from knowngood.training.classes_record import Classes
from knowngood.training.classifier_record import ClassifierRecord
from knowngood.training.record import Layer, TrainingRecord
from knowngood.training.records import Records

_MOST_EPOCHS = 20  # whose reconstructions are shown
_ROWS = 8  # classes of which augmented samples are shown; those of more would be too small


def training_exhibits(records: Records) -> list[Exhibit]:
    """Show how the network of a detector, or a classifier, was trained, if it was."""
    classifier, training = records.classifier, records.training
    exhibits: list[Exhibit] = []
    if classifier is not None:
        sentences = classifier_words(classifier, training)
        exhibits.append(Text("Training data and automatic choices", sentences))
        if classifier.sheet is not None:
            exhibits.append(_augmented(classifier.sheet, classifier.rows))
        if training is not None:
            exhibits += [_epoch_table(training), losses_exhibit(training, "held-out images")]
            exhibits += optimisation_exhibits(training)
            exhibits += _class_accuracies(training, classifier)
    elif training is not None:
        exhibits += [layers_exhibit(training.layers), losses_exhibit(training, "held-out good images")]
        if training.originals is not None:
            exhibits.append(epochs_exhibit(training.originals, training.rebuilt))
    if records.classes is not None and records.classes.odd:
        exhibits.append(highest_scoring_exhibit(records.classes))
    return exhibits


def layers_exhibit(layers: Sequence[Layer]) -> Table:
    """Show the layers of a network.

    Example:
        >>> table = layers_exhibit([Layer("encoder", "Linear 4 → 2", (2,), 10)])
        >>> table.title, table.rows[0]
        ('The network has 10 trainable parameters', ['encoder', 'Linear 4 → 2', '2', '10'])
    """
    total = f"{sum(layer.parameters for layer in layers):,}"
    rows = [
        [layer.name, layer.type, " × ".join(map(str, layer.output)), f"{layer.parameters:,}"]
        for layer in layers
    ]
    rows.append(["total", "", "", total])
    columns = ["layer", "type", "output", "parameters"]
    return Table(f"The network has {total} trainable parameters", columns, rows, 1)


def losses_exhibit(record: TrainingRecord, held_out: str) -> Chart:
    """Show the training loss and, unless it is NaN throughout, the validation loss on held-out images.

    Example:
        >>> from knowngood.training.record import Epoch
        >>> record = TrainingRecord([], [Epoch(1, 0.5, 0.6), Epoch(2, 0.4, 0.7)], 1, 0.001, [0])
        >>> losses_exhibit(record, "held-out good images").title
        'Training loss 0.500, validation loss 0.600'
    """
    losses = record.losses.set_index("epoch")
    kept = losses.loc[record.best]
    title = f"Training loss {kept['train']:#.3g}"
    if np.isfinite(kept["validation"]):
        title += f", validation loss {kept['validation']:#.3g}"
    epochs = f"{count(len(losses), 'epoch')}, initial learning rate {record.learning_rate:.2g}"
    note = f"{epochs}. The weights of epoch {record.best} were kept"
    if kept["validation"] == losses["validation"].min():
        note += f": the lowest loss on {held_out}"
    series = {"training": losses["train"].to_numpy(np.float64)}
    if losses["validation"].notna().any():
        series[f"validation ({held_out})"] = losses["validation"].to_numpy(np.float64)
    draw = partial(draw_epochs, epochs=list(losses.index), series=series, label="loss", kept=record.best)
    return Chart(title, draw, f"{note}.")


def epochs_exhibit(originals: NDArray[np.uint8], rebuilt: dict[int, NDArray[np.uint8]]) -> Pictures:
    """Show the reconstructions of held-out images `(n, h, w, c)` by epoch.

    Up to twenty epochs are all shown; of more, twenty are chosen evenly, with the first and the last.
    """
    epochs = sorted(rebuilt)
    places = np.linspace(0, len(epochs) - 1, min(_MOST_EPOCHS, len(epochs))).round().astype(int)
    shown = [epochs[place] for place in places]
    columns = {"input": originals} | {f"epoch\n{epoch}": rebuilt[epoch] for epoch in shown}
    rows = [
        [Picture(pixels(images[number]), name if number == 0 else "") for name, images in columns.items()]
        for number in range(len(originals))
    ]
    note = "Each row is a held-out good image that the network was not trained on."
    if len(shown) < len(epochs):
        note += f" {len(shown)} of the {len(epochs)} recorded epochs are shown, chosen evenly."
    return Pictures("Reconstructions during training", rows, note=note)


def highest_scoring_exhibit(classes: Classes) -> Pictures:
    """Show the good training images with the highest scores."""
    labelled = any(odd.label for odd in classes.odd)
    row = []
    for odd, image in zip(classes.odd, classes.pictures, strict=True):
        name = PurePath(odd.name).name
        lines = [f"{short(odd.label)} {score(odd.score)}".strip(), "held out" if odd.held_out else "training"]
        row.append(Picture(pixels(image), "\n".join([*lines, name if len(name) < 16 else "…" + name[-15:]])))
    note = (
        f"Above each: {'its class and ' if labelled else ''}its score, whether it was held out or used for "
        "training, and its file name."
    )
    return Pictures("Good training images with the highest scores: check their labels", [row], note=note)


def classifier_words(record: ClassifierRecord, training: TrainingRecord | None = None) -> list[str]:
    """Describe the training data of a classifier, its accuracy on them, its network and automatic choices.

    Example:
        >>> logits, truth, names = np.eye(2, dtype=np.float32), np.array([0, 1]), ["good", "cut"]
        >>> record = ClassifierRecord(names, [3, 2], logits, truth, 1.0, 0.25, 1.0, ["balance: none"])
        >>> classifier_words(record)[0]
        '5 training images, held-out ones included: 3 good, 2 cut.'
    """
    classes = ", ".join(map("{} {}".format, record.counts, record.names))
    said = [f"{sum(record.counts)} training images, held-out ones included: {classes}."]
    if len(record.truth):
        said.append(
            f"Accuracy {percent(record.train_accuracy)} on the training images (cross-entropy "
            f"{record.train_loss:.3g}), {percent(record.held_out_accuracy)} on "
            f"{count(len(record.truth), 'held-out image')}."
        )
    if training is not None:
        layers = count(len(training.layers), "layer")
        parameters = sum(layer.parameters for layer in training.layers)
        said.append(f"The network has {layers} with {parameters:,} trained parameters.")
    said += [note[:1].upper() + note[1:] + "." * (not note.endswith(".")) for note in record.notes]
    return said


def _augmented(sheet: NDArray[np.uint8], names: Sequence[str]) -> Pictures:
    """Show samples as they are and augmented."""
    rows = []
    for line, images in enumerate(sheet[:_ROWS]):
        captions = ["original", *(["augmented"] * (len(images) - 1))] if line == 0 else [""] * len(images)
        rows.append([Picture(pixels(image), text) for image, text in zip(images, captions, strict=True)])
    note = (
        "Check that these could be real pictures of the product and that every defect is still visible; if "
        "not, augment less."
    )
    if len(names) > _ROWS:
        note += f" {_ROWS} of {len(names)} rows are shown."
    return Pictures("Augmented training images", rows, names[:_ROWS], note)


def _epoch_table(training: TrainingRecord) -> Table:
    """Show the losses, error rate and time of each epoch."""
    epochs, best, rows = training.epochs, training.best, []
    for epoch in epochs:
        name = f"{epoch.epoch} (kept)" if epoch.epoch == best else str(epoch.epoch)
        error = MISSING if epoch.error is None else f"{epoch.error:.3f}"
        seconds = None if epoch.seconds is None else round(epoch.seconds)
        time = MISSING if seconds is None else f"{seconds // 60}:{seconds % 60:02}"
        rows.append([name, f"{epoch.train:.4f}", f"{epoch.validation:.4f}", error, time])
    total = sum(epoch.seconds or 0 for epoch in epochs)
    title = f"{count(len(epochs), 'epoch')} in {total // 60:.0f} min {total % 60:.0f} s"
    kept = next(epoch.error for epoch in epochs if epoch.epoch == best)
    if kept is not None:
        title = f"Epoch {best} was kept: error rate {percent(kept)} on held-out images"
    columns = ["epoch", "training loss", "validation loss", "error rate", "time"]
    note = "Error rate: share of held-out images that are misclassified. Time in minutes and seconds."
    return Table(title, columns, rows, 4, note)


def _class_accuracies(training: TrainingRecord, record: ClassifierRecord) -> Iterator[Chart]:
    """Show the accuracy on held-out images of each class, by epoch, if it is known."""
    epochs, best, classes = training.epochs, training.best, len(record.names)
    if not any(epoch.accuracies for epoch in epochs):
        return
    # Where an accuracy is unknown, NumPy makes NaN of None.
    shares = np.array([epoch.accuracies or [None] * classes for epoch in epochs], dtype=np.float64)
    numbers = [epoch.epoch for epoch in epochs]
    kept = shares[numbers.index(best)]
    title = "Accuracy of each class by epoch"
    if np.isfinite(kept).any():
        least = int(np.nanargmin(kept))
        alike = int((kept == kept[least]).sum())
        several = "all classes" if alike == classes else f"{alike} of {classes} classes"
        who = record.names[least] if alike == 1 else several
        title = f"Lowest class accuracy at epoch {best}: {who} ({percent(kept[least])})"
    held_out = np.bincount(record.truth, minlength=classes)
    few = int(held_out[held_out > 0].min(initial=len(record.truth)))
    note = (
        f"Held-out images by their most probable class. The rarest class has {few}: its curve moves in steps "
        f"of {percent(1 / max(1, few))}."
    )
    series = dict(zip(record.names, shares.T, strict=True))
    draw = partial(draw_epochs, epochs=numbers, series=series, label="accuracy, %", kept=best, share=True)
    yield Chart(title, draw, note)
