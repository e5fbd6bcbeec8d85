from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli import options
from knowngood.cli.progress import progress_bars


def gauge(
    inspector: options.InspectorFile,
    table: Annotated[
        Path,
        typer.Argument(
            help="A .csv or .parquet table: path, part, take, truth, and maybe station or operator."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder for gauge.html and the tables.")],
    person: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="A column with the decisions of a person; repeatable."),
    ] = None,
    effectiveness: Annotated[float, typer.Option(help="Least share of correct decisions.")] = 0.9,
    misses: Annotated[float, typer.Option(help="Largest share of decisions on defects that accept.")] = 0.02,
    false_alarms: Annotated[
        float, typer.Option(help="Largest share of decisions on good parts that reject.")
    ] = 0.05,
    kappa: Annotated[float, typer.Option(help="Least kappa of decisions and truth.")] = 0.75,
    overwrite: options.Overwrite = False,
) -> None:
    """Study the errors and the repeatability of decisions on parts that were pictured again and again.

    Example: knowngood gauge widget.inspector study.csv --person Anna --out gauge/
    """
    from knowngood.capability.gauge import Limits
    from knowngood.capability.gauge_page import PAGE
    from knowngood.capability.page import check_study

    limits = Limits(effectiveness, misses, false_alarms, kappa)
    check_study(out, PAGE, {}, overwrite=overwrite)
    with progress_bars() as progress:
        study = knowngood.gauge(
            knowngood.Inspector.load(inspector), table, people=person or (), limits=limits, progress=progress
        )
    typer.echo("\n".join([study.answer.headline, *study.answer.details, *study.notes]))
    typer.echo(f"page: {knowngood.write_gauge(study, out, overwrite=overwrite)}")
