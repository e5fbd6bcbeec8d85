from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options


def plan(
    false_reject: Annotated[
        float, typer.Option(metavar="RATE", help="Share of good parts that may be rejected.")
    ] = 0.05,
    escape: Annotated[
        float, typer.Option(metavar="RATE", help="Share of the defects of each type that may be accepted.")
    ] = 0.1,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="NAME", help="A type of defect; repeatable.", show_default="defect"),
    ] = None,
    errors: Annotated[int, typer.Option(help="Wrong decisions that are allowed in each group.")] = 0,
    confidence: Annotated[float, typer.Option(help="Confidence with which the rates are shown.")] = 0.95,
    takes: Annotated[int, typer.Option(help="How often each part is inspected at each station.")] = 3,
    stations: Annotated[int, typer.Option(help="How many stations, or operators, inspect each part.")] = 1,
    seed: options.Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="A folder for plan.html to print, study.csv and sizes.csv.")
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Say how many good parts and defects must be shown to show a rate, and print the sheet of the study.

    Example: knowngood plan --false-reject 0.05 --escape 0.1 --type scratch --type dent --out plan/
    """
    from knowngood.capability.plan import headline

    planned = knowngood.plan(
        max_false_reject=false_reject,
        max_escape=escape,
        types=types or ("defect",),
        errors=errors,
        confidence=confidence,
        takes=takes,
        stations=stations,
        seed=seed,
    )
    typer.echo(planned.sizes.to_string(index=False, float_format="{:.3g}".format))
    typer.echo(headline(planned))
    if out is not None:
        typer.echo(f"plan: {knowngood.write_plan(planned, out, overwrite=overwrite)}")
