"""The baseline of `information`: normalised compression distances by zlib, with no network at all.

    python benchmarks/compression.py [--sets transistor,screw]

Li et al., "The similarity metric", doi 10.1109/TIT.2004.838101. The score of an image is its distance to the
nearest good training image: (C(xy) - min(C(x), C(y))) / max(C(x), C(y)), where C is a length in bytes. Images
are grey, of 96 by 96 pixels and 16 levels, so that both are within the 32 kB that zlib looks back.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from accuracy_cases import merged
from accuracy_rows import rows
from cases_sets import samples_of
from knowngood.metrics.ranking import auroc

TABLE = Path(__file__).resolve().parent / "results" / "normality.csv"
SIDE, LEVELS = 96, 16


def small(path: str) -> bytes:
    """An image as bytes."""
    grey = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    return (cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA) // (256 // LEVELS)).tobytes()


def length(content: bytes) -> int:
    """Its length after compression."""
    return len(zlib.compress(content))


def nearest(image: bytes, good: Mapping[bytes, int]) -> float:
    """The normalised compression distance of an image to the nearest of several, whose lengths are given.

    Example:
        >>> nearest(bytes(1000), {bytes(1000): length(bytes(1000))}) < 0.2
        True
    """
    own = length(image)
    return min((length(image + one) - min(own, its)) / max(own, its) for one, its in good.items())


def main() -> None:
    """Measure sets, whose split has the seed 0; nothing else is drawn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", default="transistor,screw")
    for name in parser.parse_args().sets.split(","):
        start = time.perf_counter()
        samples = samples_of(name, 0)
        good = {image: length(image) for image in map(small, samples["path"][samples["split"] == "train"])}
        test = samples[samples["split"] == "test"]
        scores = [nearest(small(path), good) for path in test["path"]]
        area = auroc((test["label"] == "defect").to_numpy(), np.array(scores))
        print(name, round(area, 4), flush=True)
        new = pd.DataFrame(rows(name, "zlib", [{"image_auroc": area}], time.perf_counter() - start))
        new["command"] = f"python benchmarks/compression.py --sets {name}"
        merged(pd.read_csv(TABLE, keep_default_na=False), new).to_csv(TABLE, index=False)


if __name__ == "__main__":
    main()
