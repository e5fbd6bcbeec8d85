"""Verdicts of a search as a table."""

from __future__ import annotations

import io
from collections.abc import Sequence

from knowngood.errors import DataError
from knowngood.station.context import Station
from knowngood.station.history import MOST, Search, find_verdicts
from knowngood.station.models import Verdict

MEDIA_TYPES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}

MOST_ROWS = 200_000
"""Rows of a table, at most."""

_COLUMNS = (
    *("id", "received", "picture_hash", "width", "height", "score", "p_value", "threshold", "decision"),
    *("predicted_class", "label", "milliseconds", "source"),
)


def exported(station: Station, products: Sequence[int], search: Search, form: str) -> bytes:
    """Give all verdicts of a search as a table, CSV or Parquet.

    Raises:
        DataError: There are more than `MOST_ROWS`.
    """
    import pandas as pd  # the service starts without it

    rows: list[dict[str, object]] = []
    search = search._replace(after=None, limit=MOST)
    while products:
        with station.database.reading() as session:
            page = find_verdicts(session, products, search)
        rows += [_row(one) for one in page.verdicts]
        if page.next is None:
            break
        if len(rows) >= MOST_ROWS:
            raise DataError(f"these are more than {MOST_ROWS:,} verdicts; choose a shorter time")
        search = search._replace(after=page.next)
    table = pd.DataFrame(rows, columns=["product", "version", *_COLUMNS])
    if form == "csv":
        return table.to_csv(index=False).encode()
    content = io.BytesIO()
    table.to_parquet(content, index=False)
    return content.getvalue()


def _row(verdict: Verdict) -> dict[str, object]:
    """A row of the table."""
    values = {name: getattr(verdict, name) for name in _COLUMNS}
    return {"product": verdict.product.name, "version": verdict.version.number, **values}
