"""Tables that commands write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from knowngood.errors import escaped
from knowngood.output import SCORES, check_target, table_mark

if TYPE_CHECKING:
    import pandas as pd


def check_table(
    out: Path | None, *inputs: Path, columns: tuple[str, str] = SCORES, overwrite: bool = False
) -> None:
    """Check before a long work that its table can be written, if there is to be one.

    Raises:
        OutputError: It cannot.
    """
    if out is not None:
        from knowngood.report.verdicts import check_suffix

        check_suffix(out)
        check_target(out, table_mark(out, columns), overwrite=overwrite, inputs=inputs)


def write_table(
    table: pd.DataFrame, out: Path | None, *, columns: tuple[str, str] = SCORES, overwrite: bool = False
) -> None:
    """Write a table as `knowngood score` writes its own, if there is to be one; a missing value is empty."""
    if out is not None:
        from knowngood.report.verdicts import write_verdicts

        values = table.astype(object).where(table.notna(), None)  # JSON has no NaN
        rows = [dict(zip(table.columns, row, strict=True)) for row in values.to_numpy().tolist()]
        write_verdicts(rows, out, columns=columns, overwrite=overwrite)


def echo_samples(table: pd.DataFrame, out: Path) -> None:
    """Say what a table of samples holds that was written, and what was left out of it."""
    from knowngood.data.class_names import class_of_each

    for note in table.attrs.get("notes", ()):
        typer.echo(f"note: {escaped(note)}", err=True)
    counts = table.assign(name=class_of_each(table)).groupby(["split", "name"]).size()
    typer.echo(f"{len(table)} images in {out}")
    for split, name, count in counts.reset_index().to_numpy().tolist():
        typer.echo(escaped(f"  {split}, {name}: {count}"))
