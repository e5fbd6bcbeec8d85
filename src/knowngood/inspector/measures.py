"""Metrics of scores and anomaly maps against labels and masks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import compress
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

MapAndMask = tuple[NDArray[np.float32], NDArray[np.bool_]]

NO_GOOD = "there is no good test image"
NO_DEFECT = "there is no defective test image"

_RANKING: dict[str, Callable[..., float]] = {
    "image_auroc": auroc,
    "image_ap": average_precision,
    "image_f1_max": lambda defect, score: f1_max(defect, score)[0],
}
_PIXELS = {
    "pixel_auroc": PixelHistogram.auroc,
    "pixel_ap": PixelHistogram.average_precision,
    "pixel_aupro": PixelHistogram.aupro,
}


def image_metrics(scores: pd.DataFrame, threshold: float, notes: dict[str, str]) -> dict[str, Any]:
    """Ranking, error rates and figures per defect type; the reasons for missing ones go to the notes."""
    defect = (scores["label"] == "defect").to_numpy()
    score = scores["score"].to_numpy()
    no_defect, no_good = "" if defect.any() else NO_DEFECT, NO_GOOD if defect.all() else ""
    lacking = no_defect or no_good
    metrics: dict[str, Any] = {
        name: None if lacking else float(metric(defect, score)) for name, metric in _RANKING.items()
    }
    notes |= dict.fromkeys(metrics, lacking) if lacking else {}
    metrics["threshold"] = threshold
    counted = confusion(defect, score, threshold)
    for name, lacking, measure in (
        ("false_reject_rate", no_good, counted.false_reject_rate),
        ("escape_rate", no_defect, counted.escape_rate),
    ):
        keys = (name, f"{name}_low", f"{name}_high")
        if lacking:
            metrics |= dict.fromkeys(keys)
            notes |= dict.fromkeys(keys, lacking)
        else:
            rate = measure()
            metrics |= zip(keys, (rate.value, rate.low, rate.high), strict=True)
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
    """Metrics over the pixels of good images and of defects with a mask; notes say why there are none."""
    defect = (scores["label"] == "defect").to_numpy()
    known = ~defect | (scores["mask"] != "").to_numpy()
    maps = [verdict.patch_map for verdict in verdicts if verdict.patch_map is not None]
    low, high = (float(min(map(np.min, maps))), float(max(map(np.max, maps)))) if maps else (0.0, 0.0)
    reasons = {
        "the detector gives no map": not maps,
        NO_DEFECT: not defect.any(),
        "no defect has a mask": not (defect & known).any(),
        "all maps are constant": low == high,
    }
    lacking = next((reason for reason, holds in reasons.items() if holds), "")
    if not lacking:
        histogram = PixelHistogram(low, high)
        pairs = _maps_and_masks(compress(verdicts, known), scores["mask"][known])
        for done, (anomaly_map, mask) in enumerate(pairs, 1):
            histogram.update(anomaly_map, mask)
            progress("comparing maps with masks", done, int(known.sum()))
        try:
            histogram.cuts()
        except ValueError:
            lacking = "the masks mark no pixel at all, or every one"
    if lacking:
        notes |= dict.fromkeys(_PIXELS, lacking)
        return dict.fromkeys(_PIXELS)
    if not known.all():
        notes |= dict.fromkeys(_PIXELS, f"{(~known).sum()} defects have no mask and are left out")
    return {name: metric(histogram) for name, metric in _PIXELS.items()}


def _maps_and_masks(verdicts: Iterable[Verdict], masks: Iterable[str]) -> Iterator[MapAndMask]:
    """The anomaly map and the true defect of each image, in its own pixels."""
    with ThreadPoolExecutor(1) as reader:
        # One image ahead, so that memory has a bound whatever the number of images.
        waiting: Future[MapAndMask] | None = None
        for verdict, mask in zip(verdicts, masks, strict=True):
            following = reader.submit(_map_and_mask, verdict, mask)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


def _map_and_mask(verdict: Verdict, mask: str) -> MapAndMask:
    """The map and the mask of one image."""
    anomaly_map = verdict.map
    assert anomaly_map is not None
    return anomaly_map, read_mask(mask, verdict.size) if mask else np.zeros(verdict.size, dtype=np.bool_)
