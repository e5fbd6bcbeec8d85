"""How often the bounds of the studies of release cover the truth, by simulation; to results/capability.csv.

python benchmarks/capability.py [CASE ...]

Two-sided intervals and one-sided bounds are all for 95 %. A study here has 20, 40 or 80 parts, half of them
good, three takes and two stations.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from knowngood.errors import DataError
from knowngood.metrics.agreement import cohen, fleiss
from knowngood.metrics.clustered import share_of_parts
from knowngood.metrics.decisions import bounds_at_all_times, mcnemar
from knowngood.metrics.hit_miss import detection
from knowngood.metrics.martingale import LATER, Martingale, log_gains
from knowngood.metrics.variance_components import variance_components

RESULTS = Path(__file__).resolve().parent / "results" / "capability.csv"
PARTS, TAKES, STATIONS = (20, 40, 80), 3, 2
INSPECTORS = {"clear": (3.0, 0.5), "near": (1.5, 1.0), "near, repeatable": (1.5, 0.2)}
"""Distance of parts from the line, whose own spread is 1, and the noise of a take."""

SPREADS = {
    "usual": (1.0, 0.1, 0.05, 0.2),
    "stations differ": (1.0, 0.3, 0.2, 0.3),
    "one station": (1.0, 0, 0, 0.2),
}
"""Standard deviations of parts, stations, their interaction and takes."""

CURVES = {"shallow": (3.0, 0.0), "steep": (8.0, 0.0), "late": (4.0, 0.7)}
"""Slope and a50 of log sizes from -1.5 to 1.5."""

Rows = Iterator[tuple[str, str, float, int]]


def agreement(draws: int = 2000) -> Rows:
    """Kappa and error rates, with the number of rejects of each part."""
    for name, (distance, noise) in INSPECTORS.items():
        rng = np.random.default_rng(0)
        chances = _chances(rng, 200_000, distance, noise)
        truth = _true_agreement(chances)
        for parts in PARTS:
            hits = dict.fromkeys(truth, 0)
            defect = np.repeat([0.0, 1.0], parts // 2)
            for _ in range(draws):
                counts = rng.binomial(TAKES, _chances(rng, parts // 2, distance, noise)).sum(axis=0)
                share = counts / (TAKES * STATIONS)
                found = {
                    "kappa with the truth": cohen(share, defect, strata=defect),
                    "kappa of takes": fleiss(counts, np.full(parts, TAKES * STATIONS), strata=defect),
                    "false alarms": share_of_parts(share[defect == 0]),
                    "false alarms, upper bound": share_of_parts(share[defect == 0], confidence=0.9),
                }
                for figure, one in found.items():
                    low = -math.inf if "bound" in figure else one.low if one else 0
                    hits[figure] += one is not None and low <= truth[figure] <= one.high
            for figure, count in hits.items():
                yield f"{name}, {parts} parts", f"coverage, {figure}", count / draws, draws


def _chances(rng: np.random.Generator, each: int, distance: float, noise: float) -> NDArray[np.float64]:
    """The probability (S, P) that a take of a part is rejected at a station; good parts first."""
    place = np.concatenate([rng.normal(-distance, 1, each), rng.normal(distance, 1, each)])
    return np.stack([ndtr((place + shift * noise) / noise) for shift in (-0.2, 0.2)])


def _true_agreement(chances: NDArray[np.float64]) -> dict[str, float]:
    """The figures of all parts."""
    each = chances.shape[1] // 2
    mean = float(chances.mean())
    same = TAKES * (TAKES - 1) / 2
    pairs = same * (2 * chances * (1 - chances)).sum(axis=0)
    pairs += TAKES**2 * (chances[0] * (1 - chances[1]) + chances[1] * (1 - chances[0]))
    apart = float(pairs.mean()) / (STATIONS * same + TAKES**2)
    wrong = float((chances[:, :each].mean() + 1 - chances[:, each:].mean()) / 2)
    false_alarms = float(chances[:, :each].mean())
    return {
        "kappa with the truth": 1 - wrong / 0.5,
        "kappa of takes": 1 - apart / (2 * mean * (1 - mean)),
        "false alarms": false_alarms,
        "false alarms, upper bound": false_alarms,
    }


def components(draws: int = 2000) -> Rows:
    """Variance components of the good parts, or the defects, of a study."""
    line = 4.0
    for name, (part, station, both, take) in SPREADS.items():
        rng = np.random.default_rng(1)
        gauge = math.hypot(station, both, take)
        truth = {"repeatability": take, "station": station, "interaction": both, "part": part, "gauge": gauge}
        truth |= {"total": math.hypot(part, gauge), "gauge_share": gauge / math.hypot(part, gauge)}
        truth |= {"categories": 1.41 * part / gauge, "margin": line, "margin_share": 3 * gauge / line}
        for parts in PARTS:
            shape, hits = (parts // 2, STATIONS, TAKES), dict.fromkeys(truth, 0)
            for _ in range(draws):
                scores = rng.normal(0, part, (shape[0], 1, 1)) + rng.normal(0, station, (1, STATIONS, 1))
                scores = scores + rng.normal(0, both, (*shape[:2], 1)) + rng.normal(0, take, shape)
                found = variance_components(scores, line)
                for figure, value in truth.items():
                    hits[figure] += found[figure].low - 1e-12 <= value <= found[figure].high + 1e-12
            for figure, count in hits.items():
                yield f"{name}, {parts} parts", f"coverage, {figure}", count / draws, draws


def sizes(draws: int = 2000) -> Rows:
    """The bound a90/95; samples without one promise nothing and count as covered, and are counted apart."""
    for name, (slope, middle) in CURVES.items():
        rng, a90 = np.random.default_rng(2), math.exp(middle + math.log(9) / slope)
        for defects in PARTS:
            covered = given = 0
            for _ in range(draws):
                logs = rng.uniform(-1.5, 1.5, defects)
                try:
                    bound = detection(
                        np.exp(logs), rng.random(defects) < expit(slope * (logs - middle))
                    ).a90_95
                except DataError:
                    bound = None
                given += bound is not None
                covered += bound is None or bound >= a90
            yield f"{name}, {defects} defects", "coverage, a90/95", covered / draws, draws
            yield (
                f"{name}, {defects} defects",
                "coverage, a90/95 where given",
                1 - (draws - covered) / given,
                given,
            )
            yield f"{name}, {defects} defects", "samples with a bound", given / draws, draws


def trials(draws: int = 2000) -> Rows:
    """Two who decide on 500 parts."""
    rng = np.random.default_rng(3)
    for share in (0.02, 0.05, 0.2):
        counts = np.cumsum(rng.random((draws, 500)) < share, axis=1)
        bounds = bounds_at_all_times(counts, np.arange(1, 501))
        missed = ((bounds[..., 0] > share) | (bounds[..., 1] < share)).any(axis=1)
        yield (
            f"share {share:g}, 500 parts",
            "coverage at all times, share of disagreements",
            1 - missed.mean(),
            draws,
        )
        alone = rng.binomial(counts[:, -1], 0.5)
        p_values = [
            mcnemar(int(one), int(both - one)) for one, both in zip(alone, counts[:, -1], strict=True)
        ]
        yield (
            f"share {share:g}, 500 parts",
            "no false rejection, McNemar",
            float(np.mean(np.array(p_values) >= 0.05)),
            draws,
        )


def drift(draws: int = 2000) -> Rows:
    """False alarms over 10,000 parts, and how soon a shift of one standard deviation is noticed."""
    rng, bets, cash = np.random.default_rng(4), np.zeros((draws, len(log_gains(0.5)))), 1.0
    highest = np.zeros(draws)
    for count in range(10_000):
        share = 1 / (count + LATER)
        bets = (bets + cash * share / bets.shape[1]) * np.exp(log_gains(rng.random(draws)))
        cash *= 1 - share
        highest = np.maximum(highest, cash + bets.sum(axis=1))
    for rate in (0.05, 0.01):
        yield f"10,000 parts, stated {rate:g}", "false alarms", float(np.mean(highest >= 1 / rate)), draws
    runs = 200
    ranked = [_noticed(rng.normal(size=60), rng.normal(size=1000), run, 0.05) for run in range(runs)]
    yield "1,000 parts by rank, stated 0.05", "false alarms", float(np.mean(np.isfinite(ranked))), runs
    for held_out in (40, 60, 100):
        for before in (0, 200):
            for rate in (0.05, 0.01):
                delays = []
                for run in range(runs):
                    values = np.concatenate([rng.normal(size=before), rng.normal(1, 1, 300)])
                    delays.append(_noticed(rng.normal(size=held_out), values, run, rate) - before)
                setting = f"{held_out} held out, after {before} parts, stated {rate:g}"
                yield setting, "median parts until a shift of 1 sd is noticed", float(np.median(delays)), runs
                yield setting, "noticed within 100 parts", float(np.mean(np.array(delays) <= 100)), runs


def _noticed(reference: NDArray[np.float64], values: NDArray[np.float64], seed: int, rate: float) -> float:
    """The part at which a change is reported; infinite if it is not."""
    martingale = Martingale(reference, seed=seed)
    for place, value in enumerate(values.tolist(), 1):
        if martingale.update(value).log_capital >= -math.log(rate):
            return place
    return math.inf


CASES: dict[str, Callable[[], Rows]] = {
    case.__name__: case for case in (agreement, components, sizes, trials, drift)
}


def main(names: list[str]) -> None:
    """Measure cases, and put them in the place of their former rows."""
    for name in names or list(CASES):
        start = time.perf_counter()
        rows = [
            [name, setting, metric, round(value, 4), draws, f"python benchmarks/capability.py {name}"]
            for setting, metric, value, draws in CASES[name]()
        ]
        table = pd.DataFrame(rows, columns=["case", "setting", "metric", "value", "draws", "command"])
        if RESULTS.exists():
            before = pd.read_csv(RESULTS)
            table = pd.concat([before[before["case"] != name], table])
        table.sort_values("case", kind="stable").to_csv(RESULTS, index=False)
        print(f"{name}: {len(rows)} figures, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
