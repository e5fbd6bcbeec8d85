"""How long data sets take to be split, exported, searched for copies and described, and what memory.

python benchmarks/workbench.py        figures go to benchmarks/results/workbench.csv

100,000 images of noise are split and exported; of 20,000 smooth ones each hundredth is a brighter copy of its
neighbour; 500 of 512 by 512 pixels are described on a card. With `TMPDIR=/dev/shm` no disk takes part.
"""

from __future__ import annotations

import argparse
import csv
import io
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

import knowngood

ROWS = 100_000
SEARCHED, COPIED = 20_000, 100
DESCRIBED, LARGE = 500, 512
SIDE = 32
MASKS = 500  # different ones
RESULTS = Path(__file__).resolve().parent / "results" / "workbench.csv"


def generated(folder: Path, rows: int) -> pd.DataFrame:
    """Write images of noise, a third of them with a mask, and return their table."""
    rng = np.random.default_rng(0)
    (folder / "in").mkdir()
    masks = [_mask(rng) for _ in range(MASKS)]
    table = []
    for number in range(rows):
        path = folder / "in" / f"{number:06}.pgm"
        path.write_bytes(b"P5 %d %d 255\n" % (SIDE, SIDE) + rng.bytes(SIDE * SIDE))
        row = {"path": str(path), "label": "good", "defect": "", "mask": "", "group": f"part {number // 2}"}
        if number % 3 == 0:
            mask = path.with_suffix(".mask.png")
            mask.write_bytes(masks[number % MASKS])
            row |= {"label": "defect", "defect": f"type {number % 5}", "mask": str(mask)}
        table.append(row)
    return pd.DataFrame(table)


def _mask(rng: np.random.Generator) -> bytes:
    """Draw a mask with two regions, one of which is a speck at times, and return it as PNG."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    top, left = rng.integers(0, SIDE - 8, 2)
    mask[top : top + 7, left : left + 5] = 255
    mask[tuple(rng.integers(0, SIDE, 2))] = 255
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return file.getvalue()


def smooth(folder: Path, count: int, side: int, copied: int = 0) -> pd.DataFrame:
    """Write smooth images and return their table; one in `copied` is a brighter copy of the one before."""
    rng = np.random.default_rng(1)
    folder.mkdir()
    table, image = [], np.empty(0)
    for number in range(count):
        if not copied or number % copied != 1:
            noise = rng.uniform(50, 200, (24, 24)).astype(np.uint8)
            image = np.asarray(Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC))
        else:
            image = np.clip(1.05 * image, 0, 255).astype(np.uint8)
        path = folder / f"{number:06}.png"
        Image.fromarray(image).save(path, compress_level=1)
        table.append({"path": str(path), "label": "good"})
    return pd.DataFrame(table)


def measured(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of some work, and its seconds."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = generated(folder, rows)
        before = resource.getrusage(resource.RUSAGE_SELF)
        divided, splitting = measured(lambda: knowngood.split(table, copies="same"))
        _, exporting = measured(lambda: knowngood.export(divided, folder / "coco", "coco"))
        after = resource.getrusage(resource.RUSAGE_SELF)
        many = smooth(folder / "many", SEARCHED, 2 * SIDE, COPIED)
        found, searching = measured(lambda: knowngood.split(many))
        pairs = int((found.groupby("group").size() == 2).sum())
        assert pairs == SEARCHED // COPIED, f"{pairs} pairs of copies were found"
        large = smooth(folder / "large", DESCRIBED, LARGE)
        _, describing = measured(
            lambda: knowngood.write_card(knowngood.describe(large), folder / "card.html")
        )
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    figures = [
        ("split, copies of the same bytes, seconds", rows, splitting),
        ("export to COCO, seconds", rows, exporting),
        ("both, seconds", rows, splitting + exporting),
        ("both, processor seconds", rows, processor),
        ("most memory, MB", rows, after.ru_maxrss / 1024),
        ("search for copies, seconds", SEARCHED, searching),
        (f"card of images of {LARGE} by {LARGE}, seconds", DESCRIBED, describing),
    ]
    command = " ".join(["python", "benchmarks/workbench.py", *sys.argv[1:]])
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["figure", "rows", "value", "machine", "command"])
        for figure, count, value in figures:
            print(f"{figure}: {value:.1f}")
            writer.writerow([figure, count, f"{value:.1f}", platform.machine(), command])


if __name__ == "__main__":
    main()
