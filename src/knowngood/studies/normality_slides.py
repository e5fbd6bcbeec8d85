"""Slides and conclusions of the study of models of normality, from its table of figures."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pandas as pd

from knowngood.leaderboards.page import draw_standings, pareto
from knowngood.report.exhibits import Chart, Exhibit, Table
from knowngood.report.words import MISSING, count, decimal, listed, percent

AREA = "image AUROC"
FIGURES = {
    AREA: "image_auroc",
    "false rejects": "false_reject_rate",
    "escapes": "escape_rate",
}
"""The figures of an evaluation, by their names on slides."""

BEST, MORE = " *", " !"
"""What marks a figure in a table: the best of its set, and more than is stated."""

FROM_SCRATCH = "autoencoder"
"""The detector that learns its features from the good images alone."""

IDEAS = {
    "distance-based": "what is far from good images is anomalous",
    "probabilistic": "what is improbable among good images is anomalous",
    "reconstruction-based": "what a model of good images cannot reproduce is anomalous",
    "domain-based": "what is outside a boundary around good images is anomalous",
    "information-theoretic": "what costs many bits in a code for good images is anomalous",
}
"""What the approaches of the document have in common, one sentence each."""


def exhibits(figures: pd.DataFrame, recipes: Mapping[str, Any]) -> Iterator[Exhibit]:
    """Show the approaches, the accuracy by set, the best of each approach, the cost, and the promise."""
    yield _approaches(figures)
    yield _detectors(recipes)
    areas = table_of(figures, AREA)
    yield _areas(figures, areas)
    yield _best_of_each(figures, areas)
    yield _cost(figures, areas)
    yield _promise(figures)


def table_of(figures: pd.DataFrame, figure: str) -> pd.DataFrame:
    """One figure, one row per detector and one column per set, in their order."""
    chosen = figures[figures["figure"] == figure]
    table = chosen.pivot(index="task", columns="set", values="value")
    return table.reindex(index=chosen["task"].unique(), columns=chosen["set"].unique())


def approach_of(figures: pd.DataFrame) -> pd.Series:
    """The approach of each detector."""
    return figures.drop_duplicates("task").set_index("task")["approach"]


def best_of_each(figures: pd.DataFrame, areas: pd.DataFrame) -> pd.DataFrame:
    """The highest image AUROC of each approach on each set."""
    return areas.groupby(approach_of(figures), sort=False).max()


def _approaches(figures: pd.DataFrame) -> Table:
    """The approaches of the document, and the detectors of each."""
    of_each = approach_of(figures)
    rows = [
        [str(approach), IDEAS[str(approach)], listed(names.index.tolist())]
        for approach, names in of_each.groupby(of_each, sort=False)
    ]
    title = f"1: {count(len(of_each), 'detector')} model normality in {count(len(rows), 'way')}"
    return Table(title, ["approach", "what is anomalous", "detectors"], rows)


def _detectors(recipes: Mapping[str, Any]) -> Table:
    """What each detector learns, by its own words."""
    rows = [[name, _summary(recipe)] for name, recipe in recipes.items()]
    return Table("1: What each detector measures", ["detector", "measure"], rows)


def _summary(recipe: Any) -> str:
    """The first sentence of what a detector says of itself."""
    return inspect.cleandoc(type(recipe).__doc__ or "").split("\n\n")[0].replace("\n", " ")


def _areas(figures: pd.DataFrame, areas: pd.DataFrame) -> Table:
    """The image AUROC of every detector on every set; the best of a set stands out."""
    means, approaches = areas.mean(axis=1), approach_of(figures)
    rows = []
    for name, row in areas.iterrows():
        cells = [
            decimal(value, 3) + (BEST if value == areas[of_set].max() else "")
            for of_set, value in row.items()
        ]
        rows.append([approaches[str(name)], str(name), *cells, decimal(means[str(name)], 3)])
    sets = count(areas.shape[1], "set")
    title = f"2: Over {sets}, {means.idxmax()} has the highest mean image AUROC: {decimal(means.max(), 3)}"
    note = f"{BEST.strip()} The highest of its set. All have learned from the same good images."
    columns = ["approach", "detector", *areas.columns, "mean"]
    return Table(title, columns, rows, areas.shape[1] + 1, note)


def _best_of_each(figures: pd.DataFrame, areas: pd.DataFrame) -> Table:
    """The best detector of each approach on each set."""
    approaches, best = approach_of(figures), best_of_each(figures, areas)
    rows = []
    for approach, row in best.iterrows():
        own = areas[approaches == approach]
        cells = [f"{decimal(value, 3)}\n{own[one].idxmax()}" for one, value in row.items()]
        rows.append([str(approach), *cells])
    winners = best.idxmax()
    title = (
        f"2: The best detector of every set is {winners.iloc[0]}"
        if winners.nunique() == 1
        else f"2: No approach is best on every set: {listed(sorted(winners.unique()))} are on some each"
    )
    note = "The detectors are chosen by the test images that they are shown on, so that all figures flatter."
    return Table(title, ["approach", *best.columns], rows, best.shape[1], note)


def _cost(figures: pd.DataFrame, areas: pd.DataFrame) -> Chart:
    """Accuracy against time, means over the sets."""
    table = pd.DataFrame(
        {
            "detector": areas.index,
            "image_auroc": areas.mean(axis=1).to_numpy(),
            "image_auroc_sd": 0.0,
            "milliseconds": table_of(figures, "ms an image").mean(axis=1).to_numpy(),
        }
    )
    front = pareto(table["milliseconds"].to_numpy(), table["image_auroc"].to_numpy())
    names = table["detector"].iloc[front].tolist()
    title = f"3: No detector is both faster and more accurate than {listed(names, 'or')}"
    note = (
        "Means over the sets. Times are those of many images one after the other, on the computer of the run."
    )
    return Chart(title, partial(draw_standings, table=table), note)


def _promise(figures: pd.DataFrame) -> Table:
    """False rejects beside their bound, and escapes."""
    rejects, bounds = table_of(figures, "false rejects"), table_of(figures, "bound of false rejects")
    escapes = table_of(figures, "escapes")
    kept = rejects <= bounds
    rows = [
        [
            name,
            *(
                _rates(rejects.loc[name, one], escapes.loc[name, one]) + ("" if kept.loc[name, one] else MORE)
                for one in rejects.columns
            ),
        ]
        for name in rejects.index
    ]
    title = (
        f"3: In {int(kept.to_numpy().sum())} of {kept.size} cases no more good parts are rejected than stated"
    )
    note = (
        f"False rejects / escapes at the threshold. {MORE.strip()} More false rejects than the stated bound."
    )
    return Table(title, ["detector", *rejects.columns], rows, rejects.shape[1], note)


def _rates(*rates: Any) -> str:
    """Write rates that are known."""
    return " / ".join(MISSING if pd.isna(rate) else percent(round(float(rate), 3)) for rate in rates)


def conclusion(figures: pd.DataFrame) -> list[str]:
    """Say which approach is best where, how much they differ, and what pretrained features bring."""
    areas = table_of(figures, AREA)
    best, means = best_of_each(figures, areas), areas.mean(axis=1)
    winners = best.idxmax()
    sentences = []
    for approach in winners.unique():
        sets = [str(one) for one in winners.index[winners == approach]]
        detectors = listed(sorted({str(areas[one].idxmax()) for one in sets}))
        sentences.append(f"On {listed(sets)}, a {approach} detector is best: {detectors}.")
    groups = means.groupby(approach_of(figures))
    spread, between = (groups.max() - groups.min()).max(), groups.max().max() - groups.max().min()
    sentences.append(
        f"Within one approach mean image AUROCs differ by up to {decimal(spread, 3)}, "
        f"{'more' if spread > between else 'no more'} than the best detectors of the approaches do "
        f"({decimal(between, 3)})."
    )
    if FROM_SCRATCH in means.index and len(means) > 1:
        others = means.drop(FROM_SCRATCH)
        above = int((others > means[FROM_SCRATCH]).sum())
        sentences.append(
            f"Of {count(len(others), 'detector')} on pretrained features, {above} "
            f"{'has' if above == 1 else 'have'} a higher mean image AUROC than {FROM_SCRATCH}, whose network "
            f"learns from the good images alone ({decimal(means[FROM_SCRATCH], 3)})."
        )
    return sentences
