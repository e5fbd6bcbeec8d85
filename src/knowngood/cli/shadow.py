from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options


def shadow(
    one: Annotated[
        Path, typer.Argument(help="A .csv or .parquet log: part or path, and decision, in order.")
    ],
    other: Annotated[Path, typer.Argument(help="The log of the other on the same parts.")],
    limit: Annotated[float, typer.Option(help="Share of parts on which the two may disagree.")] = 0.05,
    out: Annotated[Path | None, typer.Option(help="A folder for shadow.html and the tables.")] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Compare two logs of decisions on the same parts: people and machine, or an old and a new inspector.

    Example: knowngood shadow people.csv scores.csv --limit 0.05 --out shadow/
    """
    trial = knowngood.shadow(one, other, limit=limit)
    typer.echo("\n".join([trial.answer.headline, *trial.answer.details]))
    if out is not None:
        typer.echo(f"page: {knowngood.write_shadow(trial, out, overwrite=overwrite)}")
