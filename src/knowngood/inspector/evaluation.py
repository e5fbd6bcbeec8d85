"""How good an inspector is on labelled images."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.samples import check_samples, fingerprint, load_samples
from knowngood.data.splits import SPLIT_MADE
from knowngood.errors import DataError, UnreadableImage
from knowngood.inspector.classification import ANSWERS, Classification, classification
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.manifest import Manifest
from knowngood.inspector.measures import image_metrics, pixel_metrics
from knowngood.inspector.reconstructions import REBUILT, Reconstructions
from knowngood.inspector.verdict import Verdict
from knowngood.training.records import Records
from knowngood.types import Progress, silent

WORST = 10
"""Test images of which the reconstruction is kept, among the good and among the defects."""


@dataclass(frozen=True)
class Evaluation:
    """What an inspector said of labelled test images.

    Args:
        metrics: What `metrics.json` holds; a value that the data cannot give is None, with the reason under
            `notes`.
        scores: One row a judged image: path, label, defect, mask, score, p_value, decision; from a classifier
            also the kind that it takes the image for, and the probability of each kind, as `p_<kind>`.
        maps: Anomaly maps at patch resolution, float32 `(N, h, w)`, rows as in `scores`; None for image-only
            detectors.
        provenance: The inspector's manifest as plain values; long lists are counted.
        held_out: Scores of good images from which the threshold was set.
        heat_scale: What heatmaps are scaled by; see `Manifest.heat_scale`.
        unreadable: Test images that could not be read.
        records: What is kept of how the inspector learned.
        reconstructions: What `knowngood.inspector.reconstructions` says of the test images, with the images
            of the worst ten; None where the detector rebuilds none.
        classification: What a classifier, of defects or inside a detector, says of the test images, rows as
            in `scores`; None where there is none.
    """

    metrics: dict[str, Any]
    scores: pd.DataFrame
    maps: NDArray[np.float32] | None
    provenance: dict[str, Any]
    held_out: NDArray[np.float64]
    heat_scale: tuple[NDArray[np.float64], float]
    unreadable: list[UnreadableImage]
    records: Records = field(default_factory=Records)
    reconstructions: pd.DataFrame | None = None
    classification: Classification | None = None


def evaluate(
    inspector: Inspector, data: str | Path | pd.DataFrame, *, progress: Progress = silent
) -> Evaluation:
    """Judge the test images of a folder or table and compare with their labels.

    Nothing about the inspector changes: its threshold is the one it came with.

    Args:
        inspector: What to evaluate.
        data: A folder, a CSV or Parquet table, or the table itself. Its test split is used; where it has none
            of its own, all images that the inspector did not learn from. Test images that a classifier
            learned from are left out.
        progress: Called during long work.

    Raises:
        DataError: There is no test image, none can be read, or a mask has another size than its image.

    Example::

        evaluation = evaluate(Inspector.load("widget.inspector"), "widget/")
        print(evaluation.metrics["image_auroc"])
    """
    table = check_samples(data) if isinstance(data, pd.DataFrame) else load_samples(data)
    test, left_out = _test_images(table, inspector)
    if test.empty:
        raise DataError(
            "there is no test image: the inspector learned from all of these, or none is of the test split;"
            " put images into test/good and test/<defect type>, or name a folder of others"
        )

    unreadable: list[UnreadableImage] = []
    records = inspector.records
    classifies = inspector.classifies or records.classes is not None
    rebuilds = bool(records.training and records.training.rebuilt)
    rebuilt = Reconstructions(keep=WORST) if rebuilds else None
    verdicts, seconds = _judged(inspector, test, classifies, rebuilt, unreadable, progress)
    judged = test.iloc[[verdict.index for verdict in verdicts]].reset_index(drop=True)
    said = pd.DataFrame([verdict.row() for verdict in verdicts]).drop(columns="path")
    scores = pd.concat([judged[["path", "label", "defect", "mask"]], said], axis=1)
    notes: dict[str, str] = {}
    metrics = {
        **image_metrics(scores, inspector.manifest.threshold.value, notes),
        **pixel_metrics(scores, verdicts, notes, progress),
        "counts": {
            "good": int((scores["label"] == "good").sum()),
            "defect": int((scores["label"] == "defect").sum()),
            "unreadable": len(unreadable),
        },
        "images_per_second": len(verdicts) / seconds,
        "notes": notes,
        "warnings": _warnings(list(judged["digest"]), inspector.manifest, unreadable, left_out),
    }
    found = classification(records, verdicts, judged) if classifies else None
    if found:
        metrics["classifier"] = found.metrics()
        metrics["warnings"] += found.warnings(scores)
    has_maps = verdicts[0].patch_map is not None
    return Evaluation(
        metrics=metrics,
        scores=scores,
        maps=np.stack([verdict.patch_map for verdict in verdicts if verdict.patch_map is not None])
        if has_maps
        else None,
        provenance=_provenance(inspector.manifest),
        held_out=np.array(inspector.manifest.held_out),
        heat_scale=inspector.manifest.heat_scale,
        unreadable=unreadable,
        records=records,
        reconstructions=rebuilt.table() if rebuilt else None,
        classification=found,
    )


def _judged(
    inspector: Inspector,
    test: pd.DataFrame,
    classifies: bool,
    rebuilt: Reconstructions | None,
    unreadable: list[UnreadableImage],
    progress: Progress,
) -> tuple[list[Verdict], float]:
    """The verdicts of all test images that can be read, and the seconds that they took.

    Reconstructions are compared at once, since the memory would not hold them all; that is not counted.
    """
    verdicts: list[Verdict] = []
    extras = REBUILT if rebuilt else ANSWERS if classifies else ()
    labels = list(test["defect"].where(test["defect"] != "", test["label"]))
    _ = inspector.compiled  # once for an inspector, so it does not count as time for an image
    start, compared = time.perf_counter(), 0.0
    for verdict in inspector.stream(list(test["path"]), extras=extras, on_unreadable=unreadable.append):
        if rebuilt:
            before = time.perf_counter()
            rebuilt.add(verdict, labels[verdict.index])
            verdicts.append(dataclasses.replace(verdict, extras={}))
            compared += time.perf_counter() - before
        else:
            verdicts.append(verdict)
        progress("judging test images", len(verdicts), len(test))
    return verdicts, time.perf_counter() - start - compared


def _test_images(table: pd.DataFrame, inspector: Inspector) -> tuple[pd.DataFrame, int]:
    """The test split; where the user did not make one, all images that the inspector did not learn from.

    Defects are often in the test split alone, so that a classifier had to learn from some of these: they are
    left out, and counted. A column `digest` is added, the fingerprint of each file.
    """
    teaches = inspector.classifies
    split_made = table.attrs.get(SPLIT_MADE)
    if not split_made:
        table = table[table["split"] == "test"]
    test = table.assign(digest=fingerprint(list(table["path"])))
    learned = test["digest"].isin(inspector.manifest.training)
    if split_made or teaches:
        test = test[~learned]
    return test.reset_index(drop=True), 0 if split_made or not teaches else int(learned.sum())


def _provenance(manifest: Manifest) -> dict[str, Any]:
    """The manifest without what only a program reads."""
    values = dataclasses.asdict(manifest)
    del values["held_out"], values["map_maxima"]
    for name in ("training", "validation"):
        digest = hashlib.sha256("".join(values[name]).encode()).hexdigest()[:16]
        values[name] = {"images": len(values[name]), "fingerprint": digest}
    return values


def _warnings(
    digests: list[str], manifest: Manifest, unreadable: list[UnreadableImage], left_out: int
) -> list[str]:
    """What a reader must know before believing the figures."""
    warnings = []
    if left_out:
        warnings.append(
            f"{left_out} images of the test split are left out, since the classifier learned from them."
        )
    for known, use in ((manifest.training, "learned from"), (manifest.validation, "used for the threshold")):
        count = sum(map(set(known).__contains__, digests))
        if count:
            warnings.append(
                f"{count} of the {len(digests)} test images were {use}: the figures flatter the inspector."
            )
    if unreadable:
        warnings.append(f"{len(unreadable)} test images could not be read and are not counted.")
    return warnings
