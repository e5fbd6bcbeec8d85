"""How coarse maps are brought to their pictures: what each way gives on the pixel level, and what it costs.

python benchmarks/cases_maps.py             # all cases, seed 0
python benchmarks/cases_maps.py screw       # one of them
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

import knowngood
from accuracy_rows import rows
from knowngood.data.images import read_image, read_mask
from knowngood.data.reading import map_on_image
from knowngood.inspector.verdict import Verdict
from knowngood.metrics.regions import PixelHistogram

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
CASES = "transistor", "screw", "magnetic-tile", "juice_bottle"
TILES = knowngood.Patterns(good="*MT_Free/*")
BOTTLES = knowngood.Patterns(good="*/good/*")
LEARNED = 0.7
"""The share of the good magnetic tiles that are learned from."""

Map = NDArray[Any]
Placed = Callable[[Map, Map], Map]
"""Brings a map `(h, w)` to its grey picture `(H, W)`, from 0 to 1."""


def linear(patch_map: Map, grey: Map) -> Map:
    return map_on_image(patch_map, grey.shape)


def cubic(patch_map: Map, grey: Map) -> Map:
    return np.asarray(cv2.resize(patch_map, grey.shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def blurred(patch_map: Map, grey: Map) -> Map:
    """Linear, then a Gaussian with a standard deviation of half a patch."""
    return np.asarray(cv2.GaussianBlur(linear(patch_map, grey), (0, 0), _patch(patch_map, grey) / 2))


def sharpened(patch_map: Map, grey: Map) -> Map:
    """Twice the map less the map blurred over five patches; then cubic."""
    blur = cv2.GaussianBlur(patch_map, (5, 5), 1.2, borderType=cv2.BORDER_REPLICATE)
    return cubic(np.asarray(2 * patch_map - blur, np.float32), grey)


def guided(patch_map: Map, grey: Map) -> Map:
    """The guided filter, He et al., arXiv:1505.00996, over one patch to each side."""
    return _guided(linear(patch_map, grey), grey, _patch(patch_map, grey), grey)


def fast_guided(patch_map: Map, grey: Map) -> Map:
    """The same with its coefficients computed at 128 x 128."""
    small = np.asarray(cv2.resize(grey, (128, 128), interpolation=cv2.INTER_AREA))
    return _guided(linear(patch_map, small), small, _patch(patch_map, small), grey)


def contrasted(patch_map: Map, grey: Map) -> Map:
    """Linear, and up to a tenth more where the picture has contrast, or less where it has none."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    slope = cv2.magnitude(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    slope = cv2.blur(slope, (7, 7))
    share = slope / (slope + slope.mean() + 1e-6)
    return np.asarray(linear(patch_map, grey) * (0.9 + 0.2 * share), np.float32)


WAYS: dict[str, Placed] = {
    "linear (in use)": linear,
    "cubic": cubic,
    "Gaussian of half a patch": blurred,
    "sharpened, cubic": sharpened,
    "guided filter": guided,
    "fast guided filter": fast_guided,
    "weighted by contrast": contrasted,
}


def run(seeds: Sequence[int], cases: Sequence[str] = CASES) -> list[dict[str, Any]]:
    """Measure each way on the maps of each case: figures of the pixels, and milliseconds an image."""
    measured = []
    for case in cases:
        found: dict[str, list[dict[str, float]]] = {}
        start = time.perf_counter()
        for seed in seeds:
            of_seed: dict[str, dict[str, float]] = {}
            for way, metric, value in measure(case, seed):
                of_seed.setdefault(way, {})[metric] = value
            for way, figures in of_seed.items():
                found.setdefault(way, []).append(figures)
        seconds = time.perf_counter() - start
        for way, of_seeds in found.items():
            measured += rows(f"maps {case}", way, of_seeds, seconds)
    return measured


def measure(case: str, seed: int) -> Iterator[tuple[str, str, float]]:
    """Fit one case, and give each way's figures on its test images, by name."""
    train, test = samples_of(case, seed)
    verdicts = list(knowngood.fit(list(train["path"]), seed=seed).stream(list(test["path"])))
    maps = [verdict.patch_map for verdict in verdicts if verdict.patch_map is not None]
    margin = max(float(np.ptp(one)) for one in maps)  # sharpened maps go beyond the range
    limits = min(one.min() for one in maps) - margin / 2, max(one.max() for one in maps) + margin
    for way, place in WAYS.items():
        pixels, seconds = PixelHistogram(*limits), 0.0
        for verdict, path, mask in zip(verdicts, test["path"], test["mask"], strict=True):
            seconds += compare(pixels, verdict, place, path, mask)
        yield way, "pixel_auroc", pixels.auroc()
        yield way, "pixel_ap", pixels.average_precision()
        yield way, "pixel_f1_max", pixels.f1_max()[0]
        yield way, "pixel_aupro", pixels.aupro()
        yield way, "pixel_aupro_5", pixels.aupro(0.05)
        yield way, "pixel_spro_5", pixels.spro(0.05)
        yield way, "pixel_aupimo", pixels.aupimo()
        yield way, "ms an image", 1000 * seconds / len(verdicts)


def compare(pixels: PixelHistogram, verdict: Verdict, place: Placed, path: str, mask: str) -> float:
    """Count the pixels of one image; return the seconds that its map took."""
    grey = np.float32(1 / 255) * cv2.cvtColor(read_image(path), cv2.COLOR_RGB2GRAY).astype(np.float32)
    marked = read_mask(mask, verdict.size) if mask else np.zeros(verdict.size, np.bool_)
    assert verdict.patch_map is not None
    start = time.perf_counter()
    placed = place(verdict.patch_map, grey)
    seconds = time.perf_counter() - start
    pixels.update(placed, marked)
    return seconds


def samples_of(case: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The good training images of a case, and its test images."""
    if case == "juice_bottle":  # its good test images are those of the folder `validation`
        table = knowngood.load_samples(DATA / case, BOTTLES)
        to_learn = table["path"].str.contains("/train/")
        return table[to_learn], table[~to_learn]
    if case == "magnetic-tile":
        table = knowngood.load_samples(DATA / case, TILES)
        good = table.index[table["label"] == "good"]
        learned = np.random.default_rng(seed).permutation(good)[: int(LEARNED * len(good))]
        return table.loc[np.sort(learned)], table.drop(index=list(learned))
    table = knowngood.load_samples(DATA / "mvtec" / case)
    return table[table["split"] == "train"], table[table["split"] == "test"]


def _patch(patch_map: Map, grey: Map) -> float:
    """The width of a patch in pixels of the picture."""
    return float(grey.shape[1] / patch_map.shape[1])


def _guided(placed: Map, small: Map, radius: float, grey: Map) -> Map:
    """Fit a line from grey value to map around each pixel, and read it at the grey values of a picture."""
    side = 2 * round(radius) + 1

    def mean(values: Map) -> Map:
        return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE))

    middle, height = mean(small), mean(placed)
    slope = (mean(small * placed) - middle * height) / (mean(small * small) - middle * middle + 0.01)
    slope, offset = mean(slope), mean(height - slope * middle)
    return linear(slope, grey) * grey + linear(offset, grey)


if __name__ == "__main__":
    for row in run([0], sys.argv[1:] or CASES):
        sys.stdout.write(json.dumps(row) + "\n")
