"""Parts that shift and turn, and a region of interest: accuracy on transistors, without and with them.

Transistors of MVTec AD (384²) are pasted, at a random place and turn, onto pictures of 2,000² that look like
a conveyor belt: smooth stripes and stains, brighter on one side, with the noise of a camera. The belt of each
picture and each place are drawn from a fixed seed, and no test picture takes part in a choice.

    python benchmarks/cases_align.py ../shared/data
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

import knowngood
from accuracy_rows import rows
from knowngood.data.images import read_image, read_mask
from knowngood.data.samples import load_samples

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SIDE = 2000
METRICS = ("image_auroc", "pixel_auroc", "pixel_aupro")
ROI = {"size": [384, 384], "shapes": [{"rectangle": [72, 24, 240, 348]}]}
"""The transistor and its leads, wherever they are in the original pictures."""


def belt(rng: np.random.Generator, noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture of an empty conveyor belt `(side, side, 3)`, with some noise, which is moved."""
    side = len(noise)
    coarse = cv2.resize(rng.normal(0, 1, (12, 12)), (side, side), interpolation=cv2.INTER_CUBIC)
    stripes = cv2.resize(rng.normal(0, 1, (side // 8, 1)), (side, side))
    slope = np.linspace(-1, 1, side)[None] * rng.uniform(-1, 1)
    grey = (88 + 3 * coarse + 2 * stripes + 8 * slope).astype(np.float32)
    shift = rng.integers(0, side, 2).tolist()
    return grey[..., None] * np.array([0.9, 1.0, 1.05], np.float32) + np.roll(noise, shift, axis=(0, 1))


def pasted(
    part: NDArray[np.uint8], mask: NDArray[np.bool_], rng: np.random.Generator, noise: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The part on a belt, anywhere and turned by any angle, and its mask there."""
    side, half = len(noise), max(part.shape) * 2**0.5 / 2
    x, y = rng.uniform(half, side - half, 2)
    turn = cv2.getRotationMatrix2D((part.shape[1] / 2, part.shape[0] / 2), rng.uniform(0, 360), 1)
    turn[:, 2] += x - part.shape[1] / 2, y - part.shape[0] / 2
    layers = [part.astype(np.float32), mask.astype(np.float32), np.ones(mask.shape, np.float32)]
    moved, marked, alpha = (cv2.warpAffine(one, turn, (side, side), flags=cv2.INTER_LINEAR) for one in layers)
    picture = belt(rng, noise) * (1 - alpha[..., None]) + moved
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), np.asarray(marked >= 0.5)


def scatter(samples: pd.DataFrame, folder: Path, seed: int, side: int = SIDE) -> pd.DataFrame:
    """A table of samples whose parts were pasted, as files in a folder."""
    rng, table = np.random.default_rng(seed), samples.copy()
    noise = rng.normal(0, 3, (side, side, 3)).astype(np.float32)
    for row, (path, mask) in enumerate(zip(samples["path"], samples["mask"], strict=True)):
        part = read_image(path)
        marked = read_mask(mask, part.shape[:2]) if mask else np.zeros(part.shape[:2], np.bool_)
        picture, marked = pasted(part, marked, rng, noise)
        file = folder / f"{row:04}.png"
        cv2.imwrite(str(file), picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        table.loc[table.index[row], "path"] = str(file)
        if mask:
            of_mask = folder / f"{row:04}_mask.png"
            cv2.imwrite(str(of_mask), np.uint8(255) * marked)
            table.loc[table.index[row], "mask"] = str(of_mask)
    return table


def run(seeds: tuple[int, ...] = (0,), data: Path = DATA) -> list[dict[str, Any]]:
    """Measure all cases; a row for each metric."""
    samples = load_samples(data / "mvtec" / "transistor")
    measured = _rows("transistor", "--roi", samples, seeds, knowngood.Geometry(roi=ROI))
    with tempfile.TemporaryDirectory() as folder:
        table = scatter(samples, Path(folder), seed=0)
        for setting in ("none", "auto"):
            geometry = knowngood.Geometry(align=setting)
            measured += _rows("transistor pasted onto 2000²", f"--align {setting}", table, seeds, geometry)
    return measured


def _rows(
    case: str, setting: str, table: pd.DataFrame, seeds: tuple[int, ...], geometry: knowngood.Geometry
) -> list[dict[str, Any]]:
    """The metrics of one case and setting, over some seeds."""
    found, seconds = [], []
    for seed in seeds:
        start = time.perf_counter()
        inspector = knowngood.fit(table, geometry=geometry, seed=seed)
        seconds.append(time.perf_counter() - start)
        found.append(knowngood.evaluate(inspector, table).metrics)
        print(inspector, {name: found[-1][name] for name in METRICS}, file=sys.stderr)
    given = [{name: figures[name] for name in METRICS if figures[name] is not None} for figures in found]
    return rows(case, setting, given, sum(seconds))


if __name__ == "__main__":
    print(json.dumps(run(data=Path(sys.argv[1]) if len(sys.argv) > 1 else DATA), indent=1))
