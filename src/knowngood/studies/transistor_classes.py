"""Five kinds of transistor of MVTec AD (homework, "Deep Learning and Industrial Applications", NTHU 2024).

Ten images of each of five kinds. The document learns from 40 and tests with 10, and changes one thing at a
time: epochs, batch size, network, learning rate; its best run classifies 70 % correctly. Here each image is
tested once, in five folds, and methods that know what a good transistor looks like learn that from the good
training images.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from knowngood.classifiers.anomaly_features import AnomalyFeatures
from knowngood.classifiers.finetune import FineTune
from knowngood.classifiers.linear_probe import LinearProbe
from knowngood.classifiers.scattering_boost import ScatteringBoost
from knowngood.data.class_names import class_of_each
from knowngood.data.samples import load_samples
from knowngood.data.splits import folds
from knowngood.features.weights import EMBEDDED
from knowngood.studies.study import Method, find
from knowngood.studies.supervised import ClassifierStudy, Draw, given_split

LARGER = "tf_efficientnet_lite2"


def draws(data: Path, seed: int, *, per_kind: int, runs: int, known_good: int | None = None) -> list[Draw]:
    """Draw images of each kind and divide them into folds.

    Args:
        data: It holds `mvtec/transistor` or `transistor`.
        seed: Draws the images and the folds; fold k is learned with the seed plus k.
        per_kind: Images of each kind, which take turns in the test.
        runs: Number of folds.
        known_good: Number of good training images, learned from in every fold; None for all.
    """
    table = load_samples(find(data, "mvtec/transistor", "transistor"))
    mixed = table[table["split"] == "test"].sample(frac=1, random_state=seed)
    place = mixed.groupby(class_of_each(mixed)).cumcount()
    drawn = mixed[place < per_kind].sort_values("path").reset_index(drop=True)
    fold_of = folds(len(drawn), runs, seed, classes=class_of_each(drawn).tolist())
    good = table[table["split"] == "train"][:known_good]
    return [
        Draw(
            f"fold{fold}",
            seed + fold,
            given_split(drawn.assign(split=np.where(fold_of == fold, "test", "train"))),
            known_good=good,
        )
        for fold in range(runs)
    ]


def experiments(epochs: int, more: int) -> dict[str, Any]:
    """The document's table, one thing changed at a time; the larger network where it is installed."""
    return {
        "classifier": "finetune",
        "settings": {
            "orientation": "fixed",
            "input_size": 128,
            "head_epochs": 0,
            "learning_rate": 1e-3,
            "batch_size": 32,
            "epochs": epochs,
        },
        "experiments": [
            {"epochs": more},
            {"batch_size": 8},
            *([{"backbone": LARGER}] if EMBEDDED[LARGER].file() else []),
            {"learning_rate": 1e-4},
        ],
    }


STUDY = ClassifierStudy(
    name="transistor_classes",
    title="Transistors: which of five kinds, from ten images of each",
    methods=[
        Method("anomaly_features", AnomalyFeatures()),
        Method("linear_probe", LinearProbe()),
        Method("finetune", FineTune()),
        Method("scattering_boost", ScatteringBoost()),
    ],
    draws=partial(draws, per_kind=10, runs=5),
    by="type",
    choose_by="held_out_classes",
    metrics=["class_accuracy", "macro_f1", "image_auroc", "held_out_classes"],
    facts=[
        ("images", "MVTec AD, transistor, 384 × 384, colour"),
        ("classes", "good, bent lead, cut lead, damaged case, misplaced; ten images of each"),
        ("training images, good ones beside the ten", "{train}"),
        ("test", "{runs} folds: every image is tested once, by what learned from the others"),
        ("the document", "40 images to learn from, 10 to test with: accuracy 30 to 70 %"),
    ],
    choices=[
        "Images: all 40 defects and ten good test images of MVTec AD; each is tested once, in five folds.",
        "The 213 good training images are learned from in every fold, beside eight of the ten others.",
        "Method: the highest balanced accuracy over the kinds on held-out training images.",
        "Regularisation, temperature, epoch: on held-out training images. Threshold: the classifier's own "
        "odds.",
        "Orientation `fixed`: a transistor always lies the same way. This is known of the product.",
        "The features of anomaly_features were designed while looking at cross-validation on these same "
        "images and on screws (docs/decisions/0010): its figure leans high by an unknown amount.",
    ],
    document={"class_accuracy": 0.70},  # the best of its five runs: 7 of 10 test images
    # An epoch of so few images is ten steps here, two in the document: these are its 50 and 200 epochs.
    experiments=experiments(10, 40),
)
QUICK = STUDY.quick(partial(draws, per_kind=4, runs=2, known_good=12), experiments(1, 2))
