"""How often good test images are said to differ from those held out: where they do, and where they do not.

python benchmarks/exchangeability.py DATA [PRODUCT ...], where DATA has MVTec's screw and transistor. The good
images of both splits are put together and divided at random again, as many as before, 20 times: no warning of
all test images is due then. Their folders stay known, and that of the official test may be named. The
official split comes beside it. Rows go to results/capability.csv.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import knowngood
from knowngood.inspector.exchangeability import ALPHA
from knowngood.metrics.exchangeability import exchangeability

RESULTS = Path(__file__).resolve().parent / "results" / "capability.csv"
DETECTORS = ("gaussian", "knn")
SEEDS = 20
SMALL = 192  # the input size, so that 80 fits take minutes
PRODUCTS = ("screw", "transistor")
COMMAND = "python benchmarks/exchangeability.py DATA"


def redivided(good: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The same images with as many in either split, drawn at random."""
    order = np.random.default_rng(seed).permutation(len(good))
    return good.assign(split=good["split"].to_numpy()[order])


def of_product(samples: pd.DataFrame, detector: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Compare good test images with those held out: of the official split, and of the others."""
    good = samples[samples["label"] == "good"].reset_index(drop=True)
    found = []
    for table in [good, *(redivided(good, seed) for seed in range(SEEDS))]:
        inspector = knowngood.fit(table, detector, input_size=SMALL)
        found.append(knowngood.evaluate(inspector, table).metrics["exchangeability"])
    return found[0], found[1:]


def of_detector(data: Path, product: str, detector: str) -> list[list[object]]:
    """The figures of a product and a detector."""
    official, others = of_product(knowngood.load_samples(data / product), detector)
    first = [one["compared"][0] for one in others]
    warned = sum(one["apart"] for one in first)
    named = sum(any(own["apart"] for own in one["compared"][1:]) for one in others)
    p_values = [one["p_value"] for one in first]
    figures = {
        "warnings of all test images, random splits": warned / SEEDS,
        "a folder is named, random splits": named / SEEDS,
        "least p-value, random splits": min(p_values),
        "median p-value, random splits": float(np.median(p_values)),
        "median probability of superiority, random splits": float(
            np.median([one["superiority"] for one in first])
        ),
    }
    setting = f"{product}, {detector} at {SMALL}"
    rows: list[list[object]] = [
        [setting, "official split, p-value", official["compared"][0]["p_value"], 1],
        [setting, "official split, warnings", int(official["compared"][0]["apart"]), 1],
    ]
    return rows + [[setting, metric, value, SEEDS] for metric, value in figures.items()]


def by_chance(held_out: int = 40, good: int = 20, draws: int = 1000) -> list[list[object]]:
    """How often scores from one distribution, some of which tie, have a p-value of at most `ALPHA`."""
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(draws):
        scores = np.round(rng.normal(size=held_out + good), 1)
        alarms += exchangeability(scores[:held_out], scores[held_out:]) <= ALPHA
    setting = f"{held_out} held out, {good} of a test, scores that tie"
    return [[setting, f"p at most {ALPHA:g} by chance", alarms / draws, draws]]


def write(rows: list[list[object]], command: str) -> None:
    """Put rows in the place of their former ones."""
    table = pd.DataFrame(
        [["exchangeability", *row, command] for row in rows],
        columns=["case", "setting", "metric", "value", "draws", "command"],
    )
    before = pd.read_csv(RESULTS)
    replaced = (before["case"] == "exchangeability") & before["setting"].isin(table["setting"])
    pd.concat([before[~replaced], table]).sort_values("case", kind="stable").to_csv(RESULTS, index=False)
    print(*rows, sep="\n", flush=True)


def main(data: Path, products: list[str]) -> None:
    """Measure what chance does, and each product with each detector."""
    start = time.process_time()
    for product in products or PRODUCTS:
        for detector in DETECTORS:
            write(
                of_detector(data, product, detector), f"python benchmarks/exchangeability.py DATA {product}"
            )
    if not products:
        write(by_chance(), "python benchmarks/exchangeability.py DATA")
    print(f"{time.process_time() - start:.0f} s of the processor")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
