"""Methods that learn from good images alone, and images that are made where defects are few."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.class_names import class_of_each
from knowngood.data.images import read_image
from knowngood.data.paste import paste_many
from knowngood.inspector.evaluation import Evaluation
from knowngood.report.annotations import marked_images
from knowngood.report.exhibits import Picture, Pictures, Table
from knowngood.report.pictures import SLIDE_WEIGHT, outline, shrink
from knowngood.report.style import short
from knowngood.report.words import decimal, percent

_SIDE = 320  # pixels on the longer side of a picture

HOW = {
    "patchcore": "distance: patches far from all patches of good images",
    "padim": "probability: a Gaussian at each place of aligned parts",
    "gaussian": "probability, one class: a Gaussian around the features of good images (Mahalanobis)",
    "knn": "distance: features far from those of the nearest good images",
    "feature_autoencoder": "reconstruction: features that cannot be rebuilt",
    "autoencoder": "reconstruction: pixels that cannot be rebuilt",
    "vae": "reconstruction: pixels that a variational autoencoder cannot rebuild",
    "ganomaly": "reconstruction: a GAN whose code of the image is not found again",
}
"""How a detector models what is normal, by the name of its method."""


def detectors_exhibit(evaluations: Mapping[str, Evaluation], *, defects_seen: Mapping[str, float]) -> Table:
    """Show methods that learned from good images alone, at the threshold that good images gave them.

    Args:
        evaluations: By the name of the method.
        defects_seen: Image AUROC on the test of methods that also learned from defects.
    """
    rows, areas = [], {}
    for name, evaluation in evaluations.items():
        metrics = evaluation.metrics
        areas[name] = metrics["image_auroc"]
        rows.append(
            [
                name,
                textwrap.fill(HOW.get(name, ""), 44),
                f"{evaluation.provenance['training']['images']:,}",
                decimal(metrics["image_auroc"], 3),
                percent(metrics["false_reject_rate"]),
                percent(metrics["escape_rate"]),
            ]
        )
    for name, area in defects_seen.items():
        rows.append([name, "classifier: learned from defects too", "", f"{area:.3f}", "", ""])
    known = {name: area for name, area in areas.items() if area is not None}
    title = "Learned from good images alone"
    if known:
        best = max(known, key=lambda name: known[name])
        title = f"From good images alone: {best} has the highest image AUROC, {known[best]:.3f}"
    note = (
        "The threshold is set on held-out good images for 5 % false rejects; no defect is needed to learn or "
        "to set it, only to measure escapes."
    )
    columns = [
        "method",
        "what it takes as normal",
        "good\nimages",
        "image\nAUROC",
        "false\nrejects",
        "escapes",
    ]
    return Table(title, columns, rows, 4, note)


def pasted_exhibit(table: pd.DataFrame, *, seed: int, turn: bool, mirror: bool) -> Pictures:
    """Show a real defect of each type, and an image made of it: the defect pasted onto a good part.

    Only training images are used; nothing is shown where no defect has a mask.

    Args:
        table: Samples with masks.
        seed: Chooses the place of the defect.
        turn: Whether the product may have any orientation.
        mirror: Whether it may be mirrored.
    """
    train = table[table["split"] == "train"]
    classes = class_of_each(train)
    goods = [shrink(read_image(path), _SIDE) for path in train["path"][classes == "good"][:3]]
    real: list[Picture] = []
    made: list[Picture] = []
    for name in sorted(set(classes) - {"good"}):
        defects = _defects(train[classes == name])
        if not defects or not goods:
            continue
        pasted, _ = paste_many(goods, defects, 1, seed=seed, turn=turn, mirror=mirror)
        real.append(Picture(outline(*defects[0], weight=SLIDE_WEIGHT), short(name)))
        made.append(Picture(pasted[0] if len(pasted) else None, "", "no place found"))
    found = sum(picture.image is not None for picture in made)
    title = f"Made defects: for {found} of {len(made)} types a place on a good part was found"
    note = (
        "Above: a training image of each type, its mask outlined. Below: the defect cut out and pasted where "
        "a good part has similar surroundings (Dwibedi et al., arXiv:1708.01642)."
    )
    return Pictures(title, [real, made] if real else [], ["real", "made"] if real else [], note)


def _defects(samples: pd.DataFrame) -> list[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """Read the first image with a usable mask, small, with its mask."""
    for image, marked in marked_images(samples):
        small = shrink(image, _SIDE)
        resized = cv2.resize(marked.astype(np.uint8), small.shape[1::-1], interpolation=cv2.INTER_AREA) > 0
        return [(small, np.asarray(resized, np.bool_))]
    return []
