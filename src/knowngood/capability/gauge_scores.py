"""The score of an inspector as a gauge: where it varies, and which parts are near the threshold."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from knowngood.capability.repeats import stations
from knowngood.metrics.clustered import Estimate
from knowngood.metrics.variance_components import variance_components

FIGURES = {
    "repeatability": "from take to take at one station",
    "station": "from station to station",
    "interaction": "of a part from station to station, beyond that",
    "part": "from part to part",
    "gauge": "of the inspection: all but the part",
    "total": "in all",
    "gauge_share": "inspection over total (% of the total variation)",
    "categories": "distinct categories: 1.41 × part over inspection",
    "margin": "from the mean score to the threshold",
    "margin_share": "3 × inspection over that margin (% of the margin)",
}
"""The figures of the score, and what each is."""


def components(
    table: pd.DataFrame, scores: NDArray[np.float64], line: float, *, defect: bool
) -> tuple[dict[str, Estimate], int] | str:
    """Return the spread of the scores of good parts or of defects, and of how many parts; or why not.

    Parts that lack a take or a station are left out: the mean squares need as many of each. Scores of defects
    are turned around, so that a margin is that to the threshold on either side.
    """
    chosen = (table["defect"] == defect).to_numpy()
    own = table[chosen].assign(score=scores[chosen])
    values = balanced(own)
    label = "defects" if defect else "good parts"
    if values.shape[0] < 2:
        return f"fewer than two {label} have two takes at every station"
    if np.ptp(values, axis=2).max() == 0:
        return f"all takes of all {label} have the same scores"
    found = variance_components(-values, -line) if defect else variance_components(values, line)
    return found, len(values)


def balanced(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return scores (P, S, T) of the parts that have T takes at every station, T the most usual number.

    Example:
        >>> table = pd.DataFrame({"part": list("aabbc"), "station": "1", "score": [1.0, 2, 3, 4, 5]})
        >>> balanced(table).tolist()
        [[[1.0, 2.0]], [[3.0, 4.0]]]
    """
    names = stations(table)
    cells = table.groupby(["part", "station"], sort=False)["score"].apply(list)
    usual = int(cells.map(len).mode().max())
    whole = [
        [cells[part, name][:usual] for name in names]
        for part in dict.fromkeys(table["part"])
        if all((part, name) in cells.index and len(cells[part, name]) >= usual for name in names)
    ]
    if usual < 2 or not whole:
        return np.empty((0, len(names), 2))
    return np.array(whole)


def risks(table: pd.DataFrame, scores: NDArray[np.float64], line: float) -> pd.DataFrame:
    """Return the parts, those first of which the next picture is most likely decided wrong.

    The scores of a part are taken as normal around its mean, with the spread within parts of its label; the
    mean of few takes is itself uncertain, hence Student's t.

    Returns:
        `part`, `truth`, `defect`, `takes`, `mean`, `spread` of its own scores, `wrong` (the share of its
        pictures that was decided wrong), `reject_chance` of the next picture, `flip_chance` (that the next
        picture is decided otherwise than the mean score) and `wrong_chance`.
    """
    from scipy.stats import t as student

    groups = table.assign(score=scores, wrong=(scores > line) != table["defect"].to_numpy(bool)).groupby(
        "part", sort=False
    )
    found = groups.agg(
        truth=("truth", "first"),
        defect=("defect", "first"),
        takes=("score", "size"),
        mean=("score", "mean"),
        spread=("score", "std"),
        wrong=("wrong", "mean"),
    )
    chance = pd.Series(0.0, index=found.index)
    for _, own in found.groupby("defect"):
        degrees = int((own["takes"] - 1).sum())
        pooled = float(np.sqrt((own["spread"].fillna(0) ** 2 * (own["takes"] - 1)).sum() / max(1, degrees)))
        if pooled > 0:
            distance = (own["mean"] - line) / (pooled * np.sqrt(1 + 1 / own["takes"]))
            chance[own.index] = student.cdf(distance, degrees)
        else:
            chance[own.index] = (own["mean"] > line).astype(float)
    found["reject_chance"] = chance
    found["flip_chance"] = np.where(found["mean"] > line, 1 - chance, chance)
    found["wrong_chance"] = np.where(found["defect"], 1 - chance, chance)
    ranked = found.sort_values(["wrong_chance", "flip_chance"], ascending=False, kind="stable")
    return ranked.reset_index()
