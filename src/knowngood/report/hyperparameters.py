"""The settings of a fine-tuned network on one slide, beside those of a document."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from knowngood.features.weights import EMBEDDED
from knowngood.inspector.evaluation import Evaluation
from knowngood.report.exhibits import Table
from knowngood.report.words import MISSING, count
from knowngood.training.data import LEAST_STEPS

_VALUE = 46  # letters of a line of a value


def settings_exhibit(evaluation: Evaluation, document: Mapping[str, str]) -> Table:
    """Show the settings of a fine-tuned network, and those of a document, by the same names.

    Without a document there is no column for it.
    """
    ours = _in_words(evaluation)
    rows = []
    for name in dict.fromkeys([*ours, *document]):
        texts = [ours.get(name, MISSING), *([document.get(name, "not stated")] if document else [])]
        rows.append([name, *(textwrap.fill(text, _VALUE if document else 2 * _VALUE) for text in texts)])
    title = f"Hyper-parameters: {ours['epochs']}, batches of {ours['batch size']}, learning rate "
    title += ours["learning rate"].partition(";")[0]
    return Table(title, ["setting", "here", *(["the document"] if document else [])], rows)


def _in_words(evaluation: Evaluation) -> dict[str, str]:
    """Write the settings by name."""
    recipe: dict[str, Any] = evaluation.provenance["recipe"]
    training, record = evaluation.records.training, evaluation.records.classifier
    assert training is not None
    assert record is not None
    height, width = evaluation.provenance["input_shape"]
    trained = sum(layer.parameters for layer in training.layers)
    head = recipe["head_epochs"]
    stages = f"the head alone for {count(head, 'epoch')}, then all layers" if head else "all layers at once"
    decay = recipe["weight_decay"]
    rate = f"{training.learning_rate:.2g} for the head; {recipe['layer_decay']:g} times as much in each block"
    rate += " before" + ("" if recipe["learning_rate"] else "; chosen by a range test")
    augmentation = [
        f"{name} {recipe[name]:g}"
        for name in ("zoom", "shift", "contrast", "brightness", "blur")
        if recipe[name]
    ]
    balance = [note for note in record.notes if note.startswith("imbalance")]
    smoothing = f", label smoothing {recipe['label_smoothing']:g}" if recipe["label_smoothing"] else ""
    views = recipe["views"]
    return {
        "network": f"{recipe['backbone']}, {trained:,} trained parameters",
        "weights at the start": _source(recipe),
        "input": f"{height} × {width} pixels",
        "trained": stages,
        "epochs": count(recipe["epochs"], "epoch"),
        "steps of an epoch": f"at least {LEAST_STEPS}: a small set is passed several times",
        "batch size": str(recipe["batch_size"]),
        "learning rate": f"{rate}, schedule {recipe['schedule']}",
        "optimiser": f"AdamW, weight decay {decay:g}" if decay else "Adam",
        "loss": f"cross-entropy{smoothing}, dropout {recipe['dropout']:g}",
        "imbalance": (balance[0].partition(": ")[2] if balance else MISSING),
        "augmentation": f"orientation {recipe['orientation']}, "
        + ", ".join(augmentation or ["nothing else"]),
        "held out for validation": f"{len(record.truth):,} of {sum(record.counts):,} images",
        "views of a test image": f"{views}, combined by {recipe['agreement']}" if views > 1 else "1",
    }


def _source(recipe: Mapping[str, Any]) -> str:
    """Say where the first weights came from."""
    if recipe["weights"]:
        return f"file {PurePath(recipe['weights']).name}"
    known = EMBEDDED.get(recipe["backbone"])
    return f"ImageNet, package {known.requirement}" if known else "as timm downloads them"
