"""How far a score varies from take to take, from station to station and from part to part.

A random-effects model of parts crossed with stations, each with as many takes: the components come from the
mean squares of the analysis of variance, and their intervals from generalised inference: each mean square is
divided by a chi-squared number over its degrees of freedom, many times, and the components of these draws are
what the observed ones leave possible.

References: Montgomery, "Design and Analysis of Experiments", chapter 13 (the model). Hamada and Weerahandi,
"Measurement system assessment via generalized inference", Journal of Quality Technology 2000,
doi:10.1080/00224065.2000.11980000 (the intervals).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knowngood.metrics.clustered import Estimate

DRAWS = 10_000

CATEGORIES = 1.41
"""Of the spread of parts over that of the gauge: how many groups of parts it can distinguish."""

SPREADS = 3.0
"""Standard deviations of the gauge that the margin to the threshold should hold."""

# Generalised intervals cover a little less than they say in small studies: these are 96 % for 95 %. That of
# the margin covers more, since two stations say little of how far they vary.
_ENDS, _ENDS_OF_MARGIN = (0.02, 0.98), (0.025, 0.975)

_Draws = Mapping[str, NDArray[np.float64]]


def mean_squares(scores: ArrayLike) -> dict[str, tuple[float, int]]:
    """Return the mean square and the degrees of freedom of each term, for scores (P, S, T).

    Terms: `part`, `repeatability` and, with two stations or more, `station` and `interaction`. Needs two
    parts and two takes or more.

    Example:
        >>> mean_squares([[[1.0, 3.0]], [[5.0, 7.0]]])
        {'part': (16.0, 1), 'repeatability': (2.0, 2)}
    """
    values = np.asarray(scores, np.float64)
    parts, stations, takes = values.shape
    whole, of_part, of_station = values.mean(), values.mean((1, 2)), values.mean((0, 2))
    cells = values.mean(2)
    squares = {"part": (stations * takes * ((of_part - whole) ** 2).sum(), parts - 1)}
    if stations > 1:
        squares["station"] = parts * takes * ((of_station - whole) ** 2).sum(), stations - 1
        apart = cells - of_part[:, None] - of_station + whole
        squares["interaction"] = takes * (apart**2).sum(), (parts - 1) * (stations - 1)
    squares["repeatability"] = ((values - cells[:, :, None]) ** 2).sum(), parts * stations * (takes - 1)
    return {name: (float(total / degrees), degrees) for name, (total, degrees) in squares.items()}


def variance_components(scores: ArrayLike, line: float, *, seed: int = 0) -> dict[str, Estimate]:
    """Return standard deviations of scores (P, S, T), and how they compare, each with its 95 % interval.

    Args:
        scores: Of P parts at S stations in T takes; two parts and two takes or more.
        line: The threshold.
        seed: Of the draws of the intervals.

    Returns:
        `repeatability`, `station`, `interaction` (the latter two only with several stations), `part`,
        `gauge` (all but the part) and `total`, as standard deviations; `gauge_share`, that of the gauge over
        the total; `categories`, 1.41 times that of parts over that of the gauge; `margin`, the distance of
        the mean score from the line; and `margin_share`, three times that of the gauge over the margin.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> scores = rng.normal(0, 1, (30, 1, 1)) + rng.normal(0, 0.1, (30, 1, 3))
        >>> found = variance_components(scores, line=3.0)
        >>> found["repeatability"].low < 0.1 < found["repeatability"].high
        True
    """
    values = np.asarray(scores, np.float64)
    squares = mean_squares(values)
    rng = np.random.default_rng(seed)
    drawn = {
        name: square * degrees / rng.chisquare(degrees, DRAWS) for name, (square, degrees) in squares.items()
    }
    observed = {name: np.array([square]) for name, (square, _) in squares.items()}
    offsets = rng.standard_normal(DRAWS)
    points = _figures(observed, values.shape, line - values.mean(), np.zeros(1))
    ranges = _figures(drawn, values.shape, line - values.mean(), offsets)
    found = {}
    for name, point in points.items():
        ends = _ENDS_OF_MARGIN if name == "margin" else _ENDS
        low, high = np.quantile(ranges[name], ends, method="nearest")
        found[name] = Estimate(float(point[0]), float(low), float(high))
    return found


def _figures(
    squares: _Draws, shape: tuple[int, ...], margin: float, offsets: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return all figures (N,) from mean squares (N,), and standard normal errors (N,) of the mean."""
    parts, stations, takes = shape
    noise = squares["repeatability"]
    cell = squares.get("interaction", noise)  # what the mean squares of parts and stations have in common
    part = (squares["part"] - cell) / (stations * takes)
    variances = {"repeatability": noise}
    if stations > 1:
        variances["station"] = (squares["station"] - cell) / (parts * takes)
        variances["interaction"] = (cell - noise) / takes
    # Only single components are cut off at 0: in a sum that would push up its lower end.
    gauge = sum(variances.values(), np.zeros_like(noise))
    variances |= {"part": part, "gauge": gauge, "total": np.maximum(gauge + part, gauge)}
    of_mean = squares["part"] / (parts * stations * takes) + variances.get("station", 0 * noise) / stations
    found = {name: np.sqrt(np.maximum(0, value)) for name, value in variances.items()}
    distance = margin + np.sqrt(np.maximum(0, of_mean)) * offsets
    with np.errstate(divide="ignore", invalid="ignore"):
        found["gauge_share"] = found["gauge"] / found["total"]
        found["categories"] = CATEGORIES * found["part"] / found["gauge"]
        found["margin"] = distance
        found["margin_share"] = np.where(distance > 0, SPREADS * found["gauge"] / distance, np.inf)
    return found
