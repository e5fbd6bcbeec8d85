"""The recent scores of an inspector, and what its held-out scores promise: enough to choose a threshold."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select

from knowngood.metrics.rates import clopper_pearson_upper
from knowngood.station.context import Records
from knowngood.station.inspecting import file_of
from knowngood.station.models import InspectorVersion, Product, Verdict

RECENT = 2000
"""Parts that are shown, at most; and as many labelled ones."""


class Scores(NamedTuple):
    """What a threshold of a version can be chosen by.

    Args:
        threshold: That of the version.
        review: Its line above which a part is left to a person; None for two answers.
        held_out: Scores of good parts that it did not learn from.
        bounds: Upper 95 % bound of the rate of false rejects, with 0, 1, 2 ... held-out scores above.
        recent: Scores of the last parts.
        good: Scores of the last parts that people labelled good.
        defects: Scores of the last parts that people labelled defects.
    """

    threshold: float
    review: float | None
    held_out: list[float]
    bounds: list[float]
    recent: list[float]
    good: list[float]
    defects: list[float]


def scores_of(records: Records, product: Product, version: InspectorVersion) -> Scores:
    """The scores of a version, and of others of the same graph: those with another threshold alone."""
    held_out = held_out_of(file_of(records, version))
    query = (
        select(Verdict.score)
        .join(InspectorVersion, InspectorVersion.id == Verdict.version_id)
        .where(Verdict.product_id == product.id, InspectorVersion.fingerprint == version.fingerprint)
        .order_by(Verdict.received.desc(), Verdict.id.desc())
        .limit(RECENT)
    )
    with records.database.reading() as session:
        recent = list(session.scalars(query))
        good = list(session.scalars(query.where(Verdict.label == "good")))
        defects = list(session.scalars(query.where(Verdict.label == "defect")))
    bounds = [clopper_pearson_upper(above, len(held_out)) for above in range(len(held_out) + 1)]
    return Scores(version.threshold, version.review, held_out, bounds, recent, good, defects)


@lru_cache(16)
def held_out_of(path: Path) -> list[float]:
    """The held-out scores of an inspector file, which never changes."""
    from knowngood.inspector.inspector import Inspector  # the service starts without it

    return Inspector.load(path).manifest.held_out
