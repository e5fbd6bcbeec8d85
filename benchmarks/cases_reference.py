"""Drawn boards, each another pattern, with a flawless picture of each: the default detector and `reference`.

Boards have traces, pads and holes; the two pictures of a board differ by noise, blur, brightness, a small
shift and turn. Defects are some 20 pixels large: a missing pad, an open trace, a short, a spur.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

import knowngood
from accuracy_rows import rows

SIDE = 512
GRID = 32  # pixels between places of pads
GOOD, TEST_GOOD, EACH = 40, 40, 15
DEFECTS = ("missing pad", "open", "short", "spur")
SEEN, LEAST = 30, 80  # a defect changes so many pixels by so many grey levels
METRICS = ("image_auroc", "false_reject_rate", "escape_rate")

Image = NDArray[np.uint8]


def board(rng: np.random.Generator) -> tuple[Image, list[tuple[NDArray[np.int64], NDArray[np.int64]]], Any]:
    """Draw a board: its picture in grey, the ends of its straight traces, and the places of its pads."""
    image = np.full((SIDE, SIDE), 60, np.uint8)
    cells = SIDE // GRID
    places = [np.array([x, y]) * GRID for x in range(1, cells - 1) for y in range(1, cells - 1)]
    pads = [place for place in places if rng.random() < 0.35]
    traces = []
    for _ in range(40):
        start = pads[rng.integers(len(pads))]
        along = int(rng.integers(2, 7)) * GRID
        end = start + along * np.array([(1, 0), (0, 1)][rng.integers(2)])
        if end.max() < SIDE - GRID:
            cv2.line(image, tuple(map(int, start)), tuple(map(int, end)), 130, int(rng.integers(5, 9)))
            traces.append((start, end))
    for pad in pads:
        radius = int(rng.integers(8, 12))
        if rng.random() < 0.5:
            cv2.circle(image, tuple(map(int, pad)), radius, 200, -1)
            cv2.circle(image, tuple(map(int, pad)), 4, 30, -1)
        else:
            cv2.rectangle(image, tuple(map(int, pad - radius)), tuple(map(int, pad + radius)), 190, -1)
    return image, traces, pads


def spoil(image: Image, traces: Any, pads: Any, defect: str, rng: np.random.Generator) -> Image:
    """Add a defect."""
    image = image.copy()
    start, end = traces[rng.integers(len(traces))]
    across = np.array([0, 1]) if start[1] == end[1] else np.array([1, 0])
    middle = (start + end) // 2 + (GRID // 2) * (1 - across)
    if defect == "missing pad":
        pad = pads[rng.integers(len(pads))]
        cv2.rectangle(image, tuple(map(int, pad - 12)), tuple(map(int, pad + 12)), 60, -1)
    elif defect == "open":
        cv2.rectangle(image, tuple(map(int, middle - 8)), tuple(map(int, middle + 8)), 60, -1)
    elif defect == "short":
        cv2.line(image, tuple(map(int, middle)), tuple(map(int, middle + GRID * across)), 130, 6)
    else:
        cv2.line(image, tuple(map(int, middle)), tuple(map(int, middle + 16 * across)), 130, 7)
    return image


def photograph(image: Image, rng: np.random.Generator) -> Image:
    """Take a picture: turned by up to one degree, shifted by up to 5 pixels, blurred, brighter or darker."""
    middle = (SIDE / 2, SIDE / 2)
    warp = cv2.getRotationMatrix2D(middle, rng.uniform(-1, 1), 1 + rng.uniform(-0.005, 0.005))
    warp = warp + np.pad(rng.uniform(-5, 5, (2, 1)), ((0, 0), (2, 0)))
    moved = cv2.warpAffine(image, warp, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    blurred = cv2.GaussianBlur(moved, (0, 0), rng.uniform(0.6, 1.2))
    lit = blurred * rng.uniform(0.9, 1.1) + rng.uniform(-8, 8) + rng.normal(0, 5, blurred.shape)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def draw(folder: Path, seed: int) -> pd.DataFrame:
    """Draw all boards of a seed as files; a table of samples with the column `reference`."""
    rng = np.random.default_rng(seed)
    wanted = [("train", "")] * GOOD + [("test", "")] * TEST_GOOD
    wanted += [("test", defect) for defect in DEFECTS for _ in range(EACH)]
    rows = []
    for number, (split, defect) in enumerate(wanted):
        image, traces, pads = board(rng)
        spoiled = image
        while defect and np.count_nonzero(cv2.absdiff(spoiled, image) > SEEN) < LEAST:
            spoiled = spoil(image, traces, pads, defect, rng)  # again where it is hidden by what is there
        names = [str(folder / f"{number:03}_{what}.png") for what in ("test", "temp")]
        for name, one in zip(names, (spoiled, image), strict=True):
            cv2.imwrite(name, photograph(one, rng))
        label = "defect" if defect else "good"
        rows.append(
            {"path": names[0], "reference": names[1], "split": split, "label": label, "defect": defect}
        )
    return pd.DataFrame(rows, columns=["path", "reference", "split", "label", "defect"])


def run(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Measure the image AUROC of both detectors, mean and standard deviation over seeds."""
    results: list[dict[str, Any]] = []
    for detector in ("patchcore", "reference"):
        values, start = [], time.perf_counter()
        for seed in seeds:
            with tempfile.TemporaryDirectory() as folder:
                table = draw(Path(folder), seed)
                inspector = knowngood.fit(table, detector, seed=seed)
                metrics = knowngood.evaluate(inspector, table).metrics
            values.append(
                {name: metrics[name] for name in ("image_auroc", "false_reject_rate", "escape_rate")}
            )
        results += rows("drawn boards", detector, values, time.perf_counter() - start)
    return results


if __name__ == "__main__":
    for row in run(range(3)):
        print(row)
