"""What cases start from: a small set of images, and three small inspectors fitted to it."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import knowngood
from knowngood.detectors import make_detector
from knowngood.engines.export import blank, to_onnx
from knowngood.engines.resizing import with_resizing
from knowngood.inspector.file import write_inspector
from knowngood.metrics.reliability import BINS, Reliability
from knowngood.training.classes_record import Classes, Odd
from knowngood.training.classifier_record import ClassifierRecord
from knowngood.training.records import Records
from knowngood.training.run import Run

from ..engines.test_vetting import SIDE, Small
from ..support.parts import write_parts

INSPECTORS = {"patchcore": (128, 128), "autoencoder": (64, 64), "small": (SIDE, SIDE)}
"""The inspectors, and the shapes of their inputs; `small` is not fitted, and has records of every type."""

TRAINED = {"epochs": 1, "input_size": 64}
IMAGES = {"train/good": 8, "test/good": 2, "test/scratch": 3, "test/hole": 3}


def detector(name: str) -> object:
    """The recipe of a fitted inspector."""
    return make_detector(name, TRAINED if name == "autoencoder" else {"input_size": 128, "coreset": 50})


def prepare(base: Path) -> None:
    """Make the images `widget`, the inspectors, and the folder `run` of a training."""
    data = write_parts(base / "widget", IMAGES)
    masks = base / "widget/ground_truth/scratch"
    masks.mkdir(parents=True)
    for place in range(3):
        Image.fromarray(np.eye(96, dtype=np.uint8) * 255).save(masks / f"{place:03}_mask.png")
    knowngood.fit(data, detector("patchcore")).save(base / "patchcore.inspector")
    trained = knowngood.fit(data, detector("autoencoder"), run=Run(base / "run"))
    trained.save(base / "autoencoder.inspector")
    core = to_onnx(Small(), {"images": blank((SIDE, SIDE))}, ["score", "map", "logits"])
    graph = with_resizing(core, (SIDE, SIDE))
    manifest = dataclasses.replace(
        trained.manifest,
        task="classification",
        method="linear_probe",
        input_shape=(SIDE, SIDE),
        graph_hash=hashlib.sha256(graph).hexdigest(),
    )
    records = dataclasses.replace(trained.records, classes=_classes(), classifier=_classifier())
    write_inspector(base / "small.inspector", manifest.to_json(), graph, Records.to_members(records))


def _classes() -> Classes:
    counts = Reliability(np.arange(BINS), np.linspace(0, 1, BINS), np.linspace(0, 1, BINS))
    odd = [Odd("parts/7.png", "b", 31.5, True), Odd("[3]", "", -1.0, False)]
    return Classes(["a", "b"], 1.5, True, 0.75, counts, counts, odd, np.zeros((2, 8, 8, 3), np.uint8))


def _classifier() -> ClassifierRecord:
    truth = np.arange(6) % 3
    return ClassifierRecord(
        names=["good", "hole", "scratch"],
        counts=[8, 2, 2],
        logits=np.eye(3, dtype=np.float32)[truth],
        truth=truth,
        temperature=1.25,
        train_loss=0.5,
        train_accuracy=0.75,
        notes=["chosen by cross-validation"],
        sheet=np.zeros((2, 3, 8, 8, 3), np.uint8),
        rows=["original", "turned"],
        files={"model.json": b"{}"},
    )


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
