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


def of_product(samples: pd.DataFrame, detector: str) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Compare good test images with those held out: of the official split, and of the others."""
    good = samples[samples["label"] == "good"].reset_index(drop=True)
    found = []
    for table in [good, *(redivided(good, seed) for seed in range(SEEDS))]:
        inspector = knowngood.fit(table, detector, input_size=SMALL)
        found.append(knowngood.evaluate(inspector, table).metrics["exchangeability"])
    return found[0], found[1:]


def by_chance(draws: int = 1000) -> list[list[object]]:
    """How often scores from one distribution, some of which tie, have a p-value of at most `ALPHA`."""
    rows = []
    for held_out, good in ((40, 20), (200, 40)):
        rng, alarms = np.random.default_rng(0), 0
        for _ in range(draws):
            scores = np.round(rng.normal(size=held_out + good), 1)
            alarms += exchangeability(scores[:held_out], scores[held_out:]) <= ALPHA
        setting = f"{held_out} held out, {good} of a test, scores that tie"
        rows.append([setting, f"p at most {ALPHA:g} by chance", alarms / draws, draws])
    return rows


def main(data: Path, products: list[str]) -> None:
    """Measure, and put the rows in the place of their former ones."""
    start, rows = time.process_time(), by_chance()
    for product in products or PRODUCTS:
        for detector in DETECTORS:
            official, others = of_product(knowngood.load_samples(data / product), detector)
            setting = f"{product}, {detector} at {SMALL}"
            rows.append([setting, "official split, p-value", official["compared"][0]["p_value"], 1])
            p_values = sorted(one["compared"][0]["p_value"] for one in others)
            alarms = sum(p_value <= ALPHA for p_value in p_values)
            rows.append([setting, "warnings of random splits", alarms / SEEDS, SEEDS])
            named = sum(any(own["p_value"] <= ALPHA for own in one["compared"][1:]) for one in others)
            rows.append([setting, "random splits in which a folder is named", named / SEEDS, SEEDS])
            rows.append([setting, "least p-value of random splits", p_values[0], SEEDS])
            rows.append([setting, "median p-value of random splits", float(np.median(p_values)), SEEDS])
            print(*rows[-5:], sep="\n")
    table = pd.DataFrame(
        [["exchangeability", *row, COMMAND] for row in rows],
        columns=["case", "setting", "metric", "value", "draws", "command"],
    )
    before = pd.read_csv(RESULTS)
    replaced = (before["case"] == "exchangeability") & before["setting"].isin(table["setting"])
    pd.concat([before[~replaced], table]).sort_values("case", kind="stable").to_csv(RESULTS, index=False)
    print(f"{len(rows)} figures, {time.process_time() - start:.0f} s of the processor")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
