"""A leaderboard as a page and as a CSV table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from knowngood.data.samples import data_name
from knowngood.inspector.about import About, Images
from knowngood.leaderboards.standings import FIGURES, RANKED_BY, Leaderboard
from knowngood.output import MARK, replacing
from knowngood.report.exhibits import Chart
from knowngood.report.page import SIGNS, template
from knowngood.report.style import DEFECT, FAINT, GOOD, INK, short
from knowngood.report.verdicts import write_csv
from knowngood.report.words import MISSING, count, decimal, listed, percent

PAGE, TABLE = "leaderboard.html", "leaderboard.csv"

MARKS = {PAGE: MARK, TABLE: "detector,seeds,image_auroc,image_auroc_sd"}
"""The files of a leaderboard, and what each holds at its beginning or end."""

_RATES = ("false_reject_rate", "upper_bound", "escape_rate")
_DIGITS = {"image_auroc": 4, "image_ap": 4, "pixel_auroc": 4, "pixel_aupro": 4, "memory_gb": 2}
_NAMED = 3  # detectors in a title at most
_ROOM = 0.045  # of the height of a chart, that a name takes


class Row(NamedTuple):
    """A detector in the table of the page."""

    name: str
    links: list[tuple[int, str]]  # of each seed, the address of its report
    cells: list[str]


def write_leaderboard(board: Leaderboard, samples: pd.DataFrame, *, overwrite: bool = False) -> None:
    """Write the page of a leaderboard and, beside it, its table as CSV, each whole or not at all.

    Args:
        board: The leaderboard, with links to reports that start from the folder of its page.
        samples: The images that it is about.
        overwrite: Replace files of these names that are not ours too.

    Raises:
        OutputError: A file cannot be written, or is not ours to replace.
    """
    folder = board.page.parent
    behind = board.pairs.rename(columns={"other": "detector", "difference": "behind_best"})
    whole = board.table.merge(behind.drop(columns=["best", "seeds"]), how="left", on="detector")
    whole = whole.rename(columns={"low": "behind_best_low", "high": "behind_best_high"})
    with replacing(folder / TABLE, MARKS[TABLE], overwrite=overwrite) as unfinished:
        values = whole.astype(object).where(whole.notna(), None)
        write_csv(unfinished, list(whole.columns), values.to_numpy().tolist())
    page = _render(board, samples).encode("utf-8", errors="backslashreplace")
    with replacing(board.page, MARK, overwrite=overwrite) as unfinished:
        unfinished.write_bytes(page)


def _render(board: Leaderboard, samples: pd.DataFrame) -> str:
    """Fill the template."""
    table, ranked = board.table, bool(board.table[RANKED_BY].notna().all())
    columns = _columns(table, ranked)
    best_alone = ranked and len(board.pairs) > 0 and bool((board.pairs["low"] > 0).all())
    test = samples[samples["split"] == "test"]
    number = {label: int((test["label"] == label).sum()) for label in ("good", "defect")}
    learned = int(((samples["split"] == "train") & (samples["label"] == "good")).sum())
    product = About(training=Images(data_name(samples))).product
    return template("leaderboard.html.jinja").render(
        generator=MARK,
        title=" · ".join(filter(None, [product, "Leaderboard"])),
        subtitle=f"{count(len(table), 'detector')} · learned from {count(learned, 'good image')} · tested on "
        f"{number['good']} good images and {count(number['defect'], 'defect')}",
        level="good" if best_alone else "doubtful",
        sign=SIGNS["good" if best_alone else "doubtful"],
        headline=board.conclusions[0],
        details=board.conclusions[1:],
        notes=board.notes,
        chart=_chart(table) if ranked and len(table) > 1 else None,
        columns=list(columns.values()),
        rows=list(_rows(board, columns)),
        ranked=ranked,
        pairs=list(_pairs(board.pairs)),
        best=table["detector"][0],
        csv=TABLE,
    )


def _columns(table: pd.DataFrame, ranked: bool) -> dict[str, str]:
    """The titles of the figures that the data give; the spread of held-out scores where nothing is ranked."""
    hidden = ["promise_refuted", *(["held_out_spread"] if ranked else [])]
    return {
        name: title for name, title in FIGURES.items() if name not in hidden and table[name].notna().any()
    }


def _rows(board: Leaderboard, columns: Mapping[str, str]) -> Iterator[Row]:
    """The rows of the table."""
    for row in board.table.to_dict("records"):
        own = board.runs[(board.runs["detector"] == row["detector"]) & (board.runs["report"] != "")]
        links = [(int(seed), quote(report)) for seed, report in zip(own["seed"], own["report"], strict=True)]
        yield Row(row["detector"], links, [_cell(row, name) for name in columns])


def _cell(row: Mapping[Any, Any], name: str) -> str:
    """A figure with its standard deviation below it."""
    value, spread = row[name], row[f"{name}_sd"]
    if math.isnan(value):
        return MISSING
    if name == "promise_held":
        return f"{round(value * row['seeds'])} of {row['seeds']}"
    if name in _RATES:
        texts = [percent(round(one, 6)) for one in (value, spread)]
    else:
        texts = [f"{one:.{_DIGITS.get(name, 1)}f}" for one in (value, spread)]
    return texts[0] if math.isnan(spread) or name == "upper_bound" else f"{texts[0]}\n±\u00a0{texts[1]}"


def _pairs(pairs: pd.DataFrame) -> Iterator[tuple[str, str, str, str]]:
    """The rows of the table of differences."""
    for row in pairs.to_dict("records"):
        words = "behind" if row["low"] > 0 else "cannot be separated"
        interval = f"{decimal(row['low'])} to {decimal(row['high'])}"
        yield row["other"], decimal(row["difference"]), interval, words


def _chart(table: pd.DataFrame) -> Chart:
    """The chart of accuracy against time."""
    front = pareto(table["milliseconds"].to_numpy(), table[RANKED_BY].to_numpy())
    names = table["detector"].iloc[front].tolist()
    few = f"No detector is both faster and more accurate than {listed(names, 'or')}"
    many = f"None is both faster and more accurate than one of the {len(names)} detectors on the line"
    title = few if len(names) <= _NAMED else many
    return Chart(title, lambda figure: draw_standings(figure, table), size=(10.8, 4.4))


def pareto(costs: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the places (K,) of points (N,) than which no other costs less and is worth as much, by cost.

    Example:
        >>> pareto(np.array([3.0, 1.0, 2.0]), np.array([0.9, 0.8, 0.7])).tolist()
        [1, 0]
    """
    order = np.lexsort((-values, costs))
    best = np.maximum.accumulate(values[order])
    better = np.concatenate([[True], best[1:] > best[:-1]])
    front: NDArray[np.int64] = order[better]
    return front


def draw_standings(figure: Figure, table: pd.DataFrame) -> None:
    """Draw the image AUROC of each detector against its milliseconds, and the line that `pareto` gives."""
    axes = figure.subplots()
    times, areas = table["milliseconds"].to_numpy(), table[RANKED_BY].to_numpy()
    spreads = table[f"{RANKED_BY}_sd"].fillna(0).to_numpy()
    front = pareto(times, areas)
    axes.set_xscale("log")
    axes.errorbar(times, areas, spreads, fmt="none", ecolor=FAINT, elinewidth=1, zorder=1)
    others = np.setdiff1d(np.arange(len(table)), front)
    for places, colour, label in ((front, DEFECT, "none is faster and better"), (others, GOOD, "others")):
        if len(places):
            axes.scatter(times[places], areas[places], s=34, color=colour, label=label, zorder=3)
    axes.plot(times[front], areas[front], color=DEFECT, linewidth=1.2, drawstyle="steps-post", zorder=2)
    low, high = float((areas - spreads).min()), float((areas + spreads).max())
    margin = max(0.01, 0.08 * (high - low))
    axes.set(xlabel="ms an image", ylabel="image AUROC", ylim=(low - margin, min(1.0, high) + margin))
    axes.set_xlim(times.min() / 1.2, times.max() * 1.6)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}")
    for place, height in zip(*_apart(times, areas, axes.get_ylim()), strict=True):
        name = short(str(table["detector"].iloc[place]))
        axes.annotate(
            name,
            (times[place], areas[place]),
            (times[place] * 1.03, height),
            va="center",
            color=INK,
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.5}
            if height != areas[place]
            else None,
        )
    axes.legend(loc="lower right")


def _apart(
    times: NDArray[np.float64], areas: NDArray[np.float64], limits: tuple[float, float]
) -> tuple[list[int], list[float]]:
    """The places of points from above, and the heights of their names, which do not cover each other."""
    room = _ROOM * (limits[1] - limits[0])
    placed: list[tuple[int, float]] = []
    for place in np.argsort(-areas, kind="stable").tolist():
        height = float(areas[place]) - room / 2  # below the line, which leads to the right
        near = sorted((h for p, h in placed if 0.5 < times[p] / times[place] < 2), reverse=True)
        for other in near:
            if abs(other - height) < room:
                height = other - room
        placed.append((place, height))
    return [place for place, _ in placed], [height for _, height in placed]
