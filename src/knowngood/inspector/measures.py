"""Figures of how well scores and maps tell defects from good parts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.images import read_mask
from knowngood.inspector.verdict import Verdict
from knowngood.metrics.defect_types import by_defect_type
from knowngood.metrics.ranking import auroc, average_precision, f1_max
from knowngood.metrics.rates import confusion
from knowngood.metrics.regions import PixelHistogram
from knowngood.types import Progress

NO_GOOD = "there is no good test image"
NO_DEFECT = "there is no defective test image"


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
