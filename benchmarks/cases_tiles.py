"""MVTec's screws at half their size, somewhere in pictures of 2,048²: found by tiles, in bounded memory.

python benchmarks/cases_tiles.py            # all images, seed 0
python benchmarks/cases_tiles.py 120        # with so many good images to learn from
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from accuracy_rows import rows
from knowngood.data.images import read_image

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent / "shared" / "data" / "mvtec" / "screw"
SIDE = 2048
SEED = 18
"""Of the places and the backgrounds, whatever the seed of the fit."""

_RIM = 24
"""Pixels over which a screw's picture turns into the background."""


def shown(screw: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A grey picture `(SIDE, SIDE)` with the picture of a screw somewhere on a background like its own."""
    rim = np.concatenate([screw[:4].ravel(), screw[-4:].ravel(), screw[:, :4].ravel(), screw[:, -4:].ravel()])
    shade = cv2.resize(rng.normal(0, 2, (5, 5)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    noise = (screw[:8, :8].astype(float) - cv2.blur(screw[:8, :8].astype(float), (3, 3))).std()
    picture = np.median(rim) + shade + rng.normal(0, max(noise, 0.5), (SIDE, SIDE))
    height, width = screw.shape
    top, left = (int(rng.integers(0, SIDE - side + 1)) for side in (height, width))
    ramps = [np.minimum(1, np.minimum(np.arange(side), np.arange(side)[::-1]) / _RIM) for side in screw.shape]
    weight = np.outer(*ramps)
    place = picture[top : top + height, left : left + width]
    place[:] = weight * screw + (1 - weight) * place
    return np.asarray(np.clip(np.rint(picture), 0, 255), dtype=np.uint8)


def make(folder: Path, good: int | None = None) -> pd.DataFrame:
    """Write the pictures, and the screws alone at half their size; return both as a table.

    Its column `alone` has the files of the latter. `good` bounds the number of training images.
    """
    rng, rows = np.random.default_rng(SEED), []
    for file in [*sorted(SOURCE.glob("train/good/*.png"))[:good], *sorted(SOURCE.glob("test/*/*.png"))]:
        split, defect = file.parts[-3:-1]
        screw = cv2.resize(read_image(file)[..., 0], (256, 256), interpolation=cv2.INTER_AREA)
        row = {"label": "good" if defect == "good" else "defect", "split": split}
        for column, pixels in (("path", shown(screw.astype(np.uint8), rng)), ("alone", screw)):
            row[column] = str(folder / f"{column}_{split}_{defect}_{file.name}")
            cv2.imwrite(row[column], pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        rows.append(row | {"defect": "" if defect == "good" else defect})
    return pd.DataFrame(rows)


def measure(table: str, column: str, tiles: str, seed: int) -> dict[str, float]:
    """Fit to the files of a column and evaluate, in a process whose peak memory is that of this alone."""
    import knowngood

    samples = pd.read_csv(table, keep_default_na=False)
    samples = samples.assign(path=samples[column])[["path", "label", "split", "defect"]]
    start = time.perf_counter()
    inspector = knowngood.fit(samples, seed=seed, tiles=tiles)
    fitted = time.perf_counter() - start
    metrics = knowngood.evaluate(inspector, samples).metrics
    print(inspector.manifest.tiles, inspector.manifest.input_shape, file=sys.stderr)
    return {
        **{name: metrics[name] for name in ("image_auroc", "false_reject_rate", "escape_rate")},
        "fit_seconds": fitted,
        "ms_an_image": 1e3 / metrics["images_per_second"],
        "memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def run(seeds: Sequence[int], good: int | None = None) -> list[dict[str, Any]]:
    """Measure the screws alone, and in large pictures by tiles."""
    measured: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        table = str(Path(folder) / "screws.csv")
        make(Path(folder), good).to_csv(table, index=False)
        for setting, column, tiles in (("alone, 256²", "alone", "none"), ("2,048², tiles", "path", "auto")):
            start, found = time.perf_counter(), []
            for seed in seeds:
                code = (
                    f"import sys; sys.path.insert(0, {str(HERE)!r}); import json, cases_tiles; "
                    f"print(json.dumps(cases_tiles.measure({table!r}, {column!r}, {tiles!r}, {seed})))"
                )
                done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE)
                found.append(json.loads(done.stdout.splitlines()[-1]))
            seconds = time.perf_counter() - start
            note = "" if good is None else f"{good} good images"
            measured += rows("screw in large pictures", setting, found, seconds, note)
    return measured


if __name__ == "__main__":
    print(pd.DataFrame(run([0], int(sys.argv[1]) if sys.argv[1:] else None)).to_string())
