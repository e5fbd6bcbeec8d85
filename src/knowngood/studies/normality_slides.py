"""Slides and conclusions of the study of models of normality, from its table of figures."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pandas as pd

from knowngood.leaderboards.page import draw_standings, pareto
from knowngood.report.exhibits import Cell, Chart, Exhibit, Table
from knowngood.report.words import MISSING, count, decimal, listed, percent

AREA = "image AUROC"
FIGURES = {
    AREA: "image_auroc",
    "false rejects": "false_reject_rate",
    "escapes": "escape_rate",
}
"""The figures of an evaluation, by their names on slides."""

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
    yield _taxonomy(figures, recipes)
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


def _taxonomy(figures: pd.DataFrame, recipes: Mapping[str, Any]) -> Table:
    """The approaches and their detectors."""
    rows = []
    for approach, names in approach_of(figures).groupby(approach_of(figures), sort=False).groups.items():
        rows += [
            [approach if first else "", IDEAS[str(approach)] if first else "", name, _summary(recipes[name])]
            for first, name in zip([True] + [False] * len(names), names, strict=False)
        ]
    title = f"1: {count(len(recipes), 'detector')} model normality in {len(IDEAS)} ways"
    return Table(title, ["approach", "what is anomalous", "detector", "how it models good images"], rows)


def _summary(recipe: Any) -> str:
    """The first sentence of what a detector says of itself."""
    return inspect.cleandoc(type(recipe).__doc__ or "").split("\n\n")[0].replace("\n", " ")


def _areas(figures: pd.DataFrame, areas: pd.DataFrame) -> Table:
    """The image AUROC of every detector on every set; the best of a set stands out."""
    means = areas.mean(axis=1)
    rows = []
    for name, row in areas.iterrows():
        cells = [
            Cell(decimal(value, 3), "good") if value == areas[of_set].max() else decimal(value, 3)
            for of_set, value in row.items()
        ]
        rows.append([approach_of(figures)[name], name, *cells, decimal(means[name], 3)])
    best = means.idxmax()
    sets = count(areas.shape[1], "set")
    title = f"2: Over {sets}, {best} has the highest mean image AUROC: {decimal(means[best], 3)}"
    note = "The highest of each set is marked. All have learned from the same good images."
    columns = ["approach", "detector", *areas.columns, "mean"]
    return Table(title, columns, rows, areas.shape[1] + 1, note)


def _best_of_each(figures: pd.DataFrame, areas: pd.DataFrame) -> Table:
    """The best detector of each approach on each set."""
    approaches, best = approach_of(figures), best_of_each(figures, areas)
    rows = [
        [
            approach,
            *(
                f"{decimal(value, 3)}\n{areas.loc[approaches == approach, of_set].idxmax()}"
                for of_set, value in row.items()
            ),
        ]
        for approach, row in best.iterrows()
    ]
    winners = best.idxmax()
    title = (
        f"2: The best detector of each set is {winners.iloc[0]}"
        if winners.nunique() == 1
        else f"2: No approach is best on every set: {listed(sorted(winners.unique()))} each are on some"
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
    note = "Means over the sets. Times are those of many images one after the other, on the computer of the run."
    return Chart(title, partial(draw_standings, table=table), note)


def _promise(figures: pd.DataFrame) -> Table:
    """False rejects beside their bound, and escapes."""
    rejects, bounds = table_of(figures, "false rejects"), table_of(figures, "bound of false rejects")
    escapes = table_of(figures, "escapes")
    kept = rejects <= bounds.reindex_like(rejects)
    rows = [
        [
            name,
            *(
                Cell(_pair(rejects, escapes, name, one), "wrong" if not kept.loc[name, one] else "good")
                for one in rejects.columns
            ),
        ]
        for name in rejects.index
    ]
    cases = int(kept.size)
    title = f"3: In {int(kept.to_numpy().sum())} of {cases} cases good parts are rejected as seldom as promised"
    note = "False rejects / escapes at the threshold. Red: more false rejects than the stated bound."
    return Table(title, ["detector", *rejects.columns], rows, rejects.shape[1], note)


def _pair(rejects: pd.DataFrame, escapes: pd.DataFrame, name: str, one: str) -> str:
    """Both rates of a detector on a set."""
    rates = (rejects.loc[name, one], escapes.loc[name, one])
    return " / ".join(MISSING if pd.isna(rate) else percent(round(float(rate), 3)) for rate in rates)


def conclusion(figures: pd.DataFrame) -> list[str]:
    """Say which approach is best where, how much the approaches differ, and what pretrained features bring."""
    areas = table_of(figures, AREA)
    best = best_of_each(figures, areas)
    winners = best.idxmax()
    sentences = [
        f"On {listed([str(one) for one in winners.index[winners == approach]])} a {approach} detector is best "
        f"({listed(sorted({str(areas[one].idxmax()) for one in winners.index[winners == approach]}))})."
        for approach in winners.unique()
    ]
    means = areas.mean(axis=1)
    within = approach_of(figures)
    spread = (means.groupby(within).max() - means.groupby(within).min()).max()
    between = means.groupby(within).max().max() - means.groupby(within).max().min()
    larger = "more" if spread > between else "less"
    sentences.append(
        f"Within one approach mean image AUROCs differ by up to {decimal(spread, 3)}, {larger} than the best "
        f"detectors of the approaches do ({decimal(between, 3)})."
    )
    if FROM_SCRATCH in means.index and len(means) > 1:
        others = means.drop(FROM_SCRATCH)
        below = int((others > means[FROM_SCRATCH]).sum())
        sentences.append(
            f"Of {count(len(others), 'detector')} on pretrained features, {below} have a higher mean image AUROC "
            f"than {FROM_SCRATCH}, whose network learns from the good images alone "
            f"({decimal(means[FROM_SCRATCH], 3)})."
        )
    return sentences
