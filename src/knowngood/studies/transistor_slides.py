"""The slides of the study `transistor_classes`, question by question."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

import numpy as np

from knowngood.report.annotations import annotation_exhibits
from knowngood.report.balance import tail_exhibit, totals_of, weights_exhibit
from knowngood.report.exhibits import Exhibit, Table
from knowngood.report.experiments import TEST, VALIDATION, Published, experiment_exhibits
from knowngood.report.good_alone import detectors_exhibit, pasted_exhibit
from knowngood.report.hyperparameters import settings_exhibit
from knowngood.report.supervised_slides import named
from knowngood.report.words import percent
from knowngood.studies.findings import Findings

LEARNED, NEVER_LEARNED = "linear_probe", "scattering_boost"
"""Methods whose features were learned from ImageNet, and from nothing."""


def answers(
    found: Findings, *, runs: Mapping[str, Published], settings: Mapping[str, str]
) -> Iterator[Exhibit]:
    """Answer the five questions of the homework."""
    compared = not found.is_quick
    yield from named("1", found.data())
    if found.experiments is not None:
        original = next(iter(found.experimented.values()))
        record, tested = original.records.classifier, len(original.scores)
        assert record is not None
        document = runs if compared else {}
        table = found.one_change_at_a_time
        assert table is not None
        yield from named("2", [settings_exhibit(original, settings if compared else {})])
        yield from named("2", experiment_exhibits(table, document, (len(record.truth), tested)))
    yield from named("2", found.training())
    yield from named("2", found.outcome())
    yield from named("2", found.predictions())
    yield from named("3 (i)", _long_tail(found))
    yield from named("3 (ii)", _augmentation(found))
    alone = detectors_exhibit(found.detectors, defects_seen=found.defects_seen)
    yield from named("4", [alone, _strategies(found)])
    yield from named("5 (i)", annotation_exhibits(found.draw.table))
    yield from named("5 (ii)", [_pretrained(found)])


def _long_tail(found: Findings) -> Iterator[Exhibit]:
    """Define the long tail, with the classes of this study, and what weights do about it."""
    yield tail_exhibit(totals_of(found.draw.counts))
    record = found.chosen[1].records.classifier
    assert record is not None
    yield weights_exhibit(record.names, record.counts)


def _augmentation(found: Findings) -> Iterator[Exhibit]:
    """Summarise the paper on data imbalance that the document cites, and apply it."""
    rows = [
        (
            "paper",
            "X. Jiang and Z. Ge, IEEE Trans. Autom. Sci. Eng. 18 (3), 2021, doi 10.1109/TASE.2020.2998467",
        ),
        ("problem", "Faults of an industrial process are rare: a classifier favours the large classes."),
        (
            "method",
            "Data augmentation classifier (DAC): samples of rare classes are generated, and those of "
            "poor quality filtered out; the classifier learns from real and generated samples.",
        ),
        (
            "in our case",
            "pasted=N: real defects are cut out by their masks and pasted onto good parts, N per "
            "type; an image is left out unless a linear classifier of real images predicts its type.",
        ),
    ]
    title = "A paper of 2021 on imbalance: make samples of rare classes, and filter them"
    table = found.experiments
    if table is not None and table["change"].str.startswith("pasted").any():
        first, made = table.iloc[0], table[table["change"].str.startswith("pasted")].iloc[0]
        record = found.experimented[made["change"]].records.classifier
        assert record is not None
        rows += [("here", note.partition(": ")[2]) for note in record.notes if note.startswith("pasted")]
        validation, test = (f"{percent(first[name])} to {percent(made[name])}" for name in (VALIDATION, TEST))
        rows.append(
            (
                "result, one run",
                f"accuracy on validation images from {validation}, on test images from {test}",
            )
        )
        title = (
            f"With {made['change'].partition(' → ')[2]} made images per type the validation accuracy goes "
        )
        title += f"from {validation}"
    yield Table(title, (), [[name, textwrap.fill(text, 84)] for name, text in rows])
    yield pasted_exhibit(found.draw.table, seed=found.draw.seed, turn=False, mirror=False)


def _strategies(found: Findings) -> Table:
    """List strategies for a training set of good images, with what each reaches here."""

    def area(name: str) -> str:
        value = found.image_auroc(name)
        return "not measured" if value is None else f"image AUROC {value:.3f}"

    rows = [
        (
            "one-class classification",
            "learn the region of good images and reject what is outside",
            "gaussian",
        ),
        (
            "pretrained features, memory bank",
            "transfer learning: compare patches with good ones",
            "patchcore",
        ),
        ("reconstruction", "rebuild good images; what is rebuilt badly is a defect", "feature_autoencoder"),
        ("a few defects as well", "a detector's map as features of a classifier", "anomaly_features"),
        ("made defects", "cut out the few defects there are and paste them, see question 3 (ii)", ""),
    ]
    shown = [
        [
            name,
            textwrap.fill(how, 50),
            method or "finetune, pasted=N",
            area(method) if method else "see 3 (ii)",
        ]
        for name, how, method in rows
    ]
    known = {method: area(method) for _, _, method in rows if method and area(method) != "not measured"}
    title = f"{len(rows)} strategies for few or no defects; {len(known)} were measured on these images"
    columns = ["strategy", "how", "method here", "result"]
    note = (
        "Detectors are tested on all images of the classes, classifiers on those of the first fold: their "
        "figures have different precision."
    )
    return Table(title, columns, shown, 0, note)


def _pretrained(found: Findings) -> Table:
    """Say why pretrained models suit fine-tuning, with what pretrained features are worth here."""
    accuracies = dict(zip(found.means["method"], found.means["class_accuracy"].astype(float), strict=True))
    title = "Why pretrained models can be fine-tuned on few images"
    rows = [
        (
            "YOLO-World",
            "detection; pretrained on boxes with texts, so that a class can be named before it is learned",
        ),
        ("SAM", "segmentation; pretrained on a billion masks, so that a box or a point gives the outline"),
        (
            "fine-tuning",
            "edges, textures and shapes are already learned: only the last layers must adapt to "
            "our few boxes and masks",
        ),
    ]
    if {LEARNED, NEVER_LEARNED} <= accuracies.keys():
        ours, other = accuracies[LEARNED], accuracies[NEVER_LEARNED]
        comparison = f"{ours:.3f} with features learned from ImageNet ({LEARNED}), {other:.3f} with features "
        comparison += f"learned from nothing ({NEVER_LEARNED})"
        rows.append(("evidence here", f"accuracy over the classes {comparison}"))
        title = f"Accuracy {ours:.3f} with pretrained features, {other:.3f} with untrained ones"
    boxes = int(np.count_nonzero(found.draw.table["mask"] != ""))
    rows.append(("our labels", f"{boxes} images with a mask, from which boxes follow (question 5 (i))"))
    return Table(title, (), [[name, textwrap.fill(text, 84)] for name, text in rows])
