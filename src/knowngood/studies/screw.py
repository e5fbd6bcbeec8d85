"""Good and defective screws of MVTec AD: imbalanced classification (D. Yang, "ML-AI assignment", 2023).

250 good screws and 50 defective ones, ten per type, are for training; 55 and 55 are for testing. The document
fine-tunes a ResNet34 with a weighted sampler and reaches an accuracy of 79.1 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from knowngood.data.class_names import class_of_each
from knowngood.data.samples import load_samples
from knowngood.report.balance import loss_exhibit, weights_exhibit
from knowngood.report.exhibits import Exhibit
from knowngood.report.formulas import f1_exhibit
from knowngood.report.hyperparameters import settings_exhibit
from knowngood.report.problems import problems_exhibit
from knowngood.report.supervised_slides import Decisions, decisions_of, named, validation_exhibit
from knowngood.studies.draw import Draw
from knowngood.studies.findings import Findings
from knowngood.studies.origins import MVTEC
from knowngood.studies.study import find
from knowngood.studies.supervised import ClassifierStudy, classifier
from knowngood.studies.supervised_tables import HELD_OUT


def draws(data: Path, seed: int, *, train: tuple[int, int], test: tuple[int, int], runs: int) -> list[Draw]:
    """Draw training and test images anew for each seed: so many good screws, and so many per defect type."""
    table = load_samples(find(data, "mvtec/screw", "screw"))
    drawn = []
    for number in range(seed, seed + runs):
        mixed = table.sample(frac=1, random_state=number)
        classes = class_of_each(mixed)
        place = mixed.groupby(classes).cumcount()
        trained, tested = (np.where(classes == "good", *counts) for counts in (train, test))
        split = np.select([place < trained, place < trained + tested], ["train", "test"], "")
        chosen = mixed.assign(split=split)[split != ""].sort_values("path").reset_index(drop=True)
        drawn.append(Draw(f"seed{number}", number, chosen))
    return drawn


SETTINGS = {
    "network": "ResNet34",
    "weights at the start": "torchvision's IMAGENET1K_V1",
    "epochs": "60 epochs",
    "batch size": "64",
    "learning rate": "1e-4",
    "optimiser": "AdamW, weight decay 1e-3",
    "loss": "cross-entropy",
    "imbalance": "weighted sampler",
    "augmentation": "horizontal and vertical flips, Gaussian blur, rotation, and others",
    "held out for validation": "10 %",
}
"""The settings of the document."""

DECISIONS = Decisions(60, 57, 9, 2, 1), Decisions(110, 87, 44, 12, 11)
"""The document's decisions on its 60 validation and 110 test images, from accuracy, precision and F1."""


def answers(found: Findings) -> Iterator[Exhibit]:
    """Answer the questions of both parts of the assignment."""
    compared = not found.is_quick
    name, trained = found.trained
    record = trained.records.classifier
    assert record is not None
    yield from named("1", found.data())
    yield from named("1 f", [f1_exhibit(found.chosen[0], decisions_of(found.chosen[1]))])
    yield from named("1 f", [weights_exhibit(record.names, record.counts)])
    yield from named("1 f", [loss_exhibit(record.names, record.counts)])
    yield from named("2", [settings_exhibit(trained, SETTINGS if compared else {})])
    yield from named("2", found.training())
    yield from named("2", [validation_exhibit(found.evaluations, DECISIONS if compared else None)])
    yield from named("2", found.outcome())
    yield from named("2", found.predictions())
    chosen, evaluation = found.chosen
    spread = float(found.means["accuracy_sd"].iloc[0])
    methods = {chosen: evaluation, name: trained}
    yield from named("2", [problems_exhibit(methods, None if np.isnan(spread) else spread)])


STUDY = ClassifierStudy(
    name="screw",
    title="Screws: good or not?",
    course='D. Yang, "ML-AI assignment", 2023',
    data_set=MVTEC,
    methods=[
        classifier("anomaly_features", orientation="any"),
        classifier("linear_probe", orientation="any"),
        classifier("finetune", "finetune, weighted sampler", orientation="any", imbalance="weighted_sampler"),
        classifier("scattering_boost", orientation="any"),
    ],
    draws=partial(draws, train=(250, 10), test=(55, 11), runs=5),
    by="label",
    choose_by=HELD_OUT,
    metrics=["accuracy", "f1", "precision", "recall", "image_auroc", HELD_OUT],
    facts=[
        ("product", "MVTec AD, screw"),
        ("size of an image in pixels", "{size}"),
        ("training images", "{train}"),
        ("test images", "{test}"),
        ("runs", "{runs} seeds, each with its own images and initial weights"),
        ("the document", "ResNet34, weighted sampler, 60 epochs: accuracy 79.1 %, F1 0.793"),
    ],
    choices=[
        ("images", "drawn by the seed from all of MVTec AD's screws; no test image is a training image"),
        ("method", "the highest image AUROC on held-out training images, mean over the seeds"),
        ("regularisation, temperature, epoch", "on held-out training images"),
        ("threshold", "where a defect is as probable as a good part"),
        ("orientation", "any: a screw may have any orientation; this is known of the product, not learned"),
        ("other settings", "the same for all products"),
        (
            "features of anomaly_features",
            "designed with cross-validation on such training images (docs/decisions/0010)",
        ),
        ("test images", "took part in no choice of this table"),
    ],
    answers=answers,
    document={"accuracy": 87 / 110, "precision": 0.7857, "f1": 0.7928},  # on its test images, one run
)
QUICK = STUDY.quick(partial(draws, train=(24, 4), test=(20, 4), runs=2))
