"""Metrics of scores and anomaly maps against labels and masks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.data.decoding import Mask
from knowngood.data.held import masks_of, sources_of
from knowngood.data.images import image_size, read_mask, read_masks, wrong_size
from knowngood.data.masks import several
from knowngood.data.runs import is_runs, read_runs
from knowngood.data.saturation import CONFIG, Saturation
from knowngood.errors import DataError, UnreadableImage
from knowngood.inspector.manifest import Manifest
from knowngood.inspector.notes import SHAPE
from knowngood.inspector.verdict import Verdict
from knowngood.metrics.defect_types import by_defect_type
from knowngood.metrics.ranking import auroc, average_precision, f1_max
from knowngood.metrics.rates import Confusion, confusion
from knowngood.metrics.regions import PixelHistogram, Region
from knowngood.types import Progress

Compared = tuple[NDArray[np.float32], NDArray[np.bool_], list[Region] | None]
Saturations = Mapping[int, Saturation]

NO_GOOD = "there is no good test image"
NO_DEFECT = "there is no defective test image"

_RANKING: dict[str, Callable[..., float]] = {
    "image_auroc": auroc,
    "image_ap": average_precision,
    "image_f1_max": lambda defect, score: f1_max(defect, score)[0],
}
_PIXELS: dict[str, Callable[[PixelHistogram], float]] = {
    "pixel_auroc": PixelHistogram.auroc,
    "pixel_ap": PixelHistogram.average_precision,
    "pixel_f1_max": lambda pixels: pixels.f1_max()[0],
    "pixel_f1_max_threshold": lambda pixels: pixels.f1_max()[1],
    "pixel_aupro": PixelHistogram.aupro,
    "pixel_aupro_5": lambda pixels: pixels.aupro(0.05),
    "pixel_spro_5": lambda pixels: pixels.spro(0.05),
    "pixel_aupimo": PixelHistogram.aupimo,
}


def figures(
    manifest: Manifest,
    scores: pd.DataFrame,
    verdicts: list[Verdict],
    masks: Sequence[Mask],
    saturations: Saturations,
    broken_masks: list[UnreadableImage],
    progress: Progress,
) -> dict[str, Any]:
    """All that is measured of verdicts, whose rows are those of `scores`; see `Evaluation.metrics`.

    The reasons for missing figures are under `notes`. Masks that cannot be read are added to `broken_masks`.
    """
    notes: dict[str, str] = {}
    review = manifest.review.value if manifest.review else None
    return {
        **image_metrics(scores, manifest.threshold.value, notes, review),
        **pixel_metrics(scores, verdicts, masks, saturations, notes, broken_masks, progress),
        "counts": {label: int((scores["label"] == label).sum()) for label in ("good", "defect")},
        "other_shape": sum(SHAPE in verdict.notes for verdict in verdicts),
        "outside_region": outside_region(verdicts, masks),
        "notes": notes,
    }


def image_metrics(
    scores: pd.DataFrame, threshold: float, notes: dict[str, str], review: float | None = None
) -> dict[str, Any]:
    """Ranking, error rates and figures per defect type; the reasons for missing ones go to the notes.

    With a line for review, it and the shares of good parts and of defects that are reviewed are there too.
    """
    defect = (scores["label"] == "defect").to_numpy()
    score = scores["score"].to_numpy()
    lacking = NO_GOOD if defect.all() else "" if defect.any() else NO_DEFECT
    metrics: dict[str, Any] = {
        name: None if lacking else float(metric(defect, score)) for name, metric in _RANKING.items()
    }
    notes |= dict.fromkeys(metrics, lacking) if lacking else {}
    metrics["threshold"] = threshold
    counted = confusion(defect, score, threshold, review)
    if review is not None:
        metrics["review"] = review
    metrics |= decision_metrics(counted, notes, reviews=review is not None)
    metrics["per_defect"] = {
        name: {
            "count": int(defect[chosen].sum()),
            "image_auroc": None if defect.all() else float(auroc(defect[chosen], score[chosen])),
            "escape_rate": confusion(defect[chosen], score[chosen], threshold, review).escape_rate().value,
        }
        for name, chosen in by_defect_type(defect, scores["defect"].to_numpy(dtype=object)).items()
    }
    return metrics


def decision_metrics(counted: Confusion, notes: dict[str, str], *, reviews: bool) -> dict[str, Any]:
    """Error rates with their 95 % intervals, and the counts of decisions; see `image_metrics`."""
    of_good, of_defects = ((NO_GOOD, counted.good), (NO_DEFECT, counted.defects))
    rates = [
        ("false_reject_rate", of_good, counted.false_reject_rate),
        ("escape_rate", of_defects, counted.escape_rate),
    ]
    if reviews:
        rates += [
            ("good_review_rate", of_good, counted.good_review_rate),
            ("defect_review_rate", of_defects, counted.defect_review_rate),
        ]
    metrics: dict[str, Any] = {}
    for name, (lacking, number), measure in rates:
        keys = (name, f"{name}_low", f"{name}_high")
        if number:
            rate = measure()
            metrics |= zip(keys, (rate.value, rate.low, rate.high), strict=True)
        else:
            metrics |= dict.fromkeys(keys)
            notes |= dict.fromkeys(keys, lacking)
    metrics["confusion"] = {
        name: int(number)
        for name, number in counted._asdict().items()
        if reviews or not name.endswith("_review")
    }
    return metrics


def pixel_metrics(
    scores: pd.DataFrame,
    verdicts: list[Verdict],
    masks: Sequence[Mask],
    saturations: Saturations,
    notes: dict[str, str],
    broken_masks: list[UnreadableImage],
    progress: Progress,
) -> dict[str, float | None]:
    """Metrics over the pixels of good images and of defects with a mask; notes say why there are none.

    Maps are interpolated to the size of their image, which a mask has too: no mask is resized. Masks that
    cannot be read are added to `broken_masks`, and their images are left out. `saturations` are those of the
    values of masks, see `knowngood.data.saturation`.
    """
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
        pairs = _maps_and_masks(compress(verdicts, known), compress(masks, known), saturations)
        for done, pair in enumerate(pairs, 1):
            if isinstance(pair, UnreadableImage):
                broken_masks.append(pair)
            else:
                histogram.update(*pair)
            progress("comparing maps with masks", done, int(known.sum()))
        try:
            histogram.cuts()
        except ValueError:
            lacking = "the masks that can be read mark no pixel at all, or every one"
    if lacking:
        notes |= dict.fromkeys(_PIXELS, lacking)
        return dict.fromkeys(_PIXELS)
    left_out = int((~known).sum()) + len(broken_masks)
    if left_out:
        reason = "no mask that can be read" if broken_masks else "no mask"
        notes |= dict.fromkeys(_PIXELS, f"{left_out} defects have {reason} and are left out")
    metrics: dict[str, float | None] = {}
    for name, metric in _PIXELS.items():
        try:
            metrics[name] = metric(histogram)
        except ValueError as reason:  # of AUPIMO alone
            metrics[name], notes[name] = None, NO_GOOD if defect.all() else str(reason)
    return metrics


def outside_region(verdicts: Iterable[Verdict], masks: Iterable[Mask]) -> int:
    """Count the images whose mask marks pixels, but none in the region that was inspected."""
    outside = 0
    for verdict, mask in zip(verdicts, masks, strict=True):
        if verdict.roi is None or not len(mask):
            continue
        with suppress(UnreadableImage):
            marked = read_mask(mask, verdict.size)
            outside += bool(marked.any()) and not (marked & verdict.roi.inside(verdict.size)).any()
    return outside


def check_mask_sizes(test: pd.DataFrame) -> None:
    """Check before images are inspected that each mask has the size of its image; headers alone are read.

    Raises:
        DataError: One has another size, or is not there.
    """
    wrong: list[DataError] = []
    for path, source, cell in zip(test["path"], sources_of(test), masks_of(test), strict=True):
        if isinstance(cell, np.ndarray):
            if (size := image_size(source)) != cell.shape:
                wrong.append(wrong_size(f"of {path}", cell.shape, size))
            continue
        for mask in several(cell):
            if is_runs(mask):
                if (size := image_size(source)) != (own := read_runs(mask)[:2]):
                    wrong.append(wrong_size(f"of {path}", own, size))
                continue
            if not Path(mask).exists():
                raise UnreadableImage(mask, "there is no such file")
            with suppress(UnreadableImage):  # is found out, and reported, when it is read
                if (size := image_size(source)) != (own := image_size(mask)):
                    wrong.append(wrong_size(mask, own, size))
    if wrong:
        others = f" ({len(wrong)} masks have another size than their image)" if len(wrong) > 1 else ""
        raise DataError(f"{wrong[0]}{others}", path=wrong[0].path)


def _maps_and_masks(
    verdicts: Iterable[Verdict], masks: Iterable[Mask], saturations: Saturations
) -> Iterator[Compared | UnreadableImage]:
    """What is compared of each image, in its own pixels, or why the mask cannot be read."""
    with ThreadPoolExecutor(1) as reader:
        # One image ahead, so that memory has a bound whatever the number of images.
        waiting: Future[Compared | UnreadableImage] | None = None
        for verdict, mask in zip(verdicts, masks, strict=True):
            following = reader.submit(_map_and_mask, verdict, mask, saturations)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


def _map_and_mask(verdict: Verdict, mask: Mask, saturations: Saturations) -> Compared | UnreadableImage:
    """The map, the mask and the regions of one image, or why the mask cannot be read."""
    anomaly_map, marked = verdict.map, np.zeros(verdict.size, np.bool_)
    assert anomaly_map is not None
    if not len(mask):
        return anomaly_map, marked, None
    try:
        parts = list(read_masks(mask, verdict.size))
        for values in parts:
            marked |= values != 0
        alone = len(parts) == 1 and not saturations
        return anomaly_map, marked, None if alone else list(_regions(parts, mask, saturations))
    except UnreadableImage as failure:
        return failure


def _regions(parts: list[NDArray[Any]], mask: Mask, saturations: Saturations) -> Iterator[Region]:
    """What each mask of an image marks, with the saturation of its value or else with its area."""
    names = several(mask) if isinstance(mask, str) else ["array"]
    for name, values in zip(names, parts, strict=True):
        if not saturations:
            values = (values != 0).astype(np.uint8)
        for value in np.unique(values[values != 0]).tolist():
            pixels = values == value
            area = int(np.count_nonzero(pixels))
            if saturations and value not in saturations:
                raise UnreadableImage(name, f"its pixels have the value {value}, which {CONFIG} lacks")
            yield Region(pixels, saturations[value].of(area) if saturations else area)
