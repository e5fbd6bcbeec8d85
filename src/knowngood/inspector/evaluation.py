"""How good an inspector is on labelled images."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.images import read_mask
from knowngood.data.samples import check_samples, fingerprint, load_samples
from knowngood.data.splits import SPLIT_MADE
from knowngood.errors import DataError, UnreadableImage
from knowngood.inspector.classification import Classification, classification
from knowngood.inspector.inspector import Inspector
from knowngood.inspector.manifest import Manifest
from knowngood.inspector.reconstructions import reconstructions
from knowngood.inspector.verdict import Classified, Verdict
from knowngood.metrics.defect_types import by_defect_type
from knowngood.metrics.ranking import auroc, average_precision, f1_max
from knowngood.metrics.rates import confusion
from knowngood.metrics.regions import PixelHistogram
from knowngood.training.record import TrainingRecord
from knowngood.types import Progress, silent

WORST = 10
"""Test images of which the reconstruction is kept, among the good and among the defects."""

NO_GOOD = "there is no good test image"
NO_DEFECT = "there is no defective test image"


@dataclass(frozen=True)
class Evaluation:
    """What an inspector said of labelled test images.

    Args:
        metrics: What `metrics.json` holds; a value that the data cannot give is None, with the reason under
            `notes`.
        scores: One row a judged image: path, label, defect, mask, score, p_value, decision.
        maps: Anomaly maps at patch resolution, float32 `(N, h, w)`, rows as in `scores`; None for image-only
            detectors.
        provenance: The inspector's manifest as plain values; long lists are counted.
        held_out: Scores of good images from which the threshold was set.
        heat_scale: What heatmaps are scaled by; see `Manifest.heat_scale`.
        unreadable: Test images that could not be read.
        training: How the inspector's network was trained; None where none was.
        reconstructions: What `knowngood.inspector.reconstructions` says of the test images, with the images
            of the worst ten; None where the detector rebuilds none.
        classification: What the detector's classifier says of the test images, rows as in `scores`; None
            where it has none.
    """

    metrics: dict[str, Any]
    scores: pd.DataFrame
    maps: NDArray[np.float32] | None
    provenance: dict[str, Any]
    held_out: NDArray[np.float64]
    heat_scale: tuple[NDArray[np.float64], float]
    unreadable: list[UnreadableImage]
    training: TrainingRecord | None = None
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
            of its own, all images that the inspector did not learn from.
        progress: Called during long work.

    Raises:
        DataError: There is no test image, none can be read, or a mask has another size than its image.

    Example::

        evaluation = evaluate(Inspector.load("widget.inspector"), "widget/")
        print(evaluation.metrics["image_auroc"])
    """
    table = check_samples(data) if isinstance(data, pd.DataFrame) else load_samples(data)
    test = _test_images(table, inspector.manifest)
    if test.empty:
        raise DataError(
            "there is no test image: the inspector learned from all of these, or none is of the test split;"
            " put images into test/good and test/<defect type>, or name a folder of others"
        )

    unreadable: list[UnreadableImage] = []
    verdicts: list[Verdict] = []
    classified: list[Classified] = []
    classes = inspector.training.classes if inspector.training else None
    look = inspector.classify if classes else inspector.stream
    _ = inspector.compiled  # once for an inspector, so it does not count as time for an image
    start = time.perf_counter()
    for seen in look(list(test["path"]), on_unreadable=unreadable.append):
        if isinstance(seen, Classified):
            classified.append(seen)
        verdicts.append(seen.verdict if isinstance(seen, Classified) else seen)
        progress("judging test images", len(verdicts), len(test))
    seconds = time.perf_counter() - start

    judged = test.iloc[[verdict.index for verdict in verdicts]].reset_index(drop=True)
    scores = judged[["path", "label", "defect", "mask"]].assign(
        score=[verdict.score for verdict in verdicts],
        p_value=[verdict.p_value for verdict in verdicts],
        decision=[verdict.decision for verdict in verdicts],
    )
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
        "warnings": _warnings(list(judged["digest"]), inspector.manifest, unreadable),
    }
    found = classification(classes, classified, judged) if classes else None
    if found:
        metrics["classifier"] = found.metrics()
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
        training=inspector.training,
        reconstructions=reconstructions(inspector, judged, keep=WORST, progress=progress)
        if inspector.training and inspector.training.rebuilt
        else None,
        classification=found,
    )


def image_metrics(scores: pd.DataFrame, threshold: float, notes: dict[str, str]) -> dict[str, Any]:
    """Ranking, error rates and per-defect figures; why one cannot be given goes to the notes."""
    defect = (scores["label"] == "defect").to_numpy()
    score = scores["score"].to_numpy()
    lacking = NO_DEFECT if not defect.any() else NO_GOOD if defect.all() else None

    def ranking(name: str, function: Callable[[], float]) -> float | None:
        if lacking:
            notes[name] = lacking
            return None
        return float(function())

    counted = confusion(defect, score, threshold)
    metrics: dict[str, Any] = {
        "image_auroc": ranking("image_auroc", lambda: auroc(defect, score)),
        "image_ap": ranking("image_ap", lambda: average_precision(defect, score)),
        "image_f1_max": ranking("image_f1_max", lambda: f1_max(defect, score)[0]),
        "threshold": threshold,
    }
    for name, possible, reason, rate in (
        ("false_reject_rate", not defect.all(), NO_GOOD, counted.false_reject_rate),
        ("escape_rate", bool(defect.any()), NO_DEFECT, counted.escape_rate),
    ):
        if possible:
            measured = rate()
            low, high = measured.low, measured.high
            metrics |= {name: measured.value, f"{name}_low": low, f"{name}_high": high}
        else:
            keys = (name, f"{name}_low", f"{name}_high")
            metrics |= dict.fromkeys(keys)
            notes |= dict.fromkeys(keys, reason)
    metrics["confusion"] = dict(zip(counted._fields, map(int, counted), strict=True))
    metrics["per_defect"] = {
        name: {
            "count": int(defect[chosen].sum()),
            "image_auroc": None if defect.all() else float(auroc(defect[chosen], score[chosen])),
            "escape_rate": confusion(defect[chosen], score[chosen], threshold).escape_rate().value,
        }
        for name, chosen in by_defect_type(defect, scores["defect"].to_numpy(dtype=object)).items()
    }
    return metrics


def pixel_metrics(
    scores: pd.DataFrame, verdicts: list[Verdict], notes: dict[str, str], progress: Progress
) -> dict[str, float | None]:
    """Figures over the pixels of all images whose truth is known: good ones, and defects with a mask."""
    names = ("pixel_auroc", "pixel_ap", "pixel_aupro")
    defect = scores["label"] == "defect"
    known = ~defect | (scores["mask"] != "")
    unmasked = int((~known).sum())
    maps = [verdict.patch_map for verdict in verdicts if verdict.patch_map is not None]
    reason = (
        "the detector gives no map"
        if not maps
        else NO_DEFECT
        if not defect.any()
        else "no defect has a mask"
        if not (defect & known).any()
        else None
    )
    if reason:
        notes |= dict.fromkeys(names, reason)
        return dict.fromkeys(names)
    if unmasked:
        notes |= dict.fromkeys(names, f"{unmasked} defects have no mask and are left out")

    def truth(row: int) -> tuple[NDArray[np.float32] | None, NDArray[np.bool_]]:
        verdict, mask = verdicts[row], scores["mask"].iloc[row]
        blank = np.zeros(verdict.size, dtype=np.bool_)
        return verdict.map, read_mask(mask, verdict.size) if mask else blank

    low, high = float(min(map(np.min, maps))), float(max(map(np.max, maps)))
    if low == high:
        notes |= dict.fromkeys(names, "all maps are constant")
        return dict.fromkeys(names)
    histogram = PixelHistogram(low, high)
    rows = np.flatnonzero(known)
    with ThreadPoolExecutor(1) as reader:
        # One image ahead, so that memory has a bound whatever the number of images.
        ahead = reader.submit(truth, rows[0])
        for done, following in enumerate([*rows[1:], None], 1):
            anomaly_map, mask = ahead.result()
            if following is not None:
                ahead = reader.submit(truth, following)
            assert anomaly_map is not None
            histogram.update(anomaly_map, mask)
            progress("comparing maps with masks", done, len(rows))
    try:
        histogram.cuts()
    except ValueError:
        notes |= dict.fromkeys(names, "the masks mark no pixel at all, or every one")
        return dict.fromkeys(names)
    return {
        "pixel_auroc": histogram.auroc(),
        "pixel_ap": histogram.average_precision(),
        "pixel_aupro": histogram.aupro(),
    }


def _test_images(table: pd.DataFrame, manifest: Manifest) -> pd.DataFrame:
    """The test split; where the user did not make one, all images that the inspector did not learn from.

    A column `digest` is added, the fingerprint of each file.
    """
    split_made = table.attrs.get(SPLIT_MADE)
    if not split_made:
        table = table[table["split"] == "test"]
    test = table.assign(digest=fingerprint(list(table["path"])))
    if split_made:
        test = test[~test["digest"].isin(manifest.training)]
    return test.reset_index(drop=True)


def _provenance(manifest: Manifest) -> dict[str, Any]:
    """The manifest without what only a program reads."""
    values = dataclasses.asdict(manifest)
    del values["held_out"], values["peaks"]
    for name in ("training", "validation"):
        digest = hashlib.sha256("".join(values[name]).encode()).hexdigest()[:16]
        values[name] = {"images": len(values[name]), "fingerprint": digest}
    return values


def _warnings(digests: list[str], manifest: Manifest, unreadable: list[UnreadableImage]) -> list[str]:
    """What a reader must know before believing the figures."""
    warnings = []
    for known, use in ((manifest.training, "learned from"), (manifest.validation, "used for the threshold")):
        count = sum(map(set(known).__contains__, digests))
        if count:
            warnings.append(
                f"{count} of the {len(digests)} test images were {use}: the figures flatter the inspector."
            )
    if unreadable:
        warnings.append(f"{len(unreadable)} test images could not be read and are not counted.")
    return warnings
