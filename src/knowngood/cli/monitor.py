from pathlib import Path
from typing import Annotated

import typer

import knowngood
from knowngood.cli.progress import progress_bars


def monitor(
    scores: Annotated[
        Path, typer.Argument(help="A .csv or .parquet table of `knowngood score`, in the order of the parts.")
    ],
    inspector: Annotated[Path, typer.Option(help="The inspector file that gave the scores.")],
    good: Annotated[
        Path | None,
        typer.Option(help="Good images of before: brightness, sharpness and position are watched too."),
    ] = None,
    false_alarm: Annotated[
        float, typer.Option(help="Probability that a change is ever reported where nothing changes.")
    ] = 0.01,
    out: Annotated[Path | None, typer.Option(help="A folder for monitor.html and monitor.csv.")] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace files of these names even if knowngood did not write them."
        ),
    ] = False,
) -> None:
    """Watch the scores of good parts: are they still those that the threshold was set on?

    Example: knowngood monitor scores.parquet --inspector widget.inspector --good widget/ --out monitor/
    """
    from knowngood.capability.drift_page import PAGE
    from knowngood.capability.page import check_study

    if out is not None:
        check_study(out, PAGE, {}, overwrite=overwrite)
    with progress_bars() as progress:
        drift = knowngood.monitor(
            knowngood.Inspector.load(inspector), scores, good=good, false_alarm=false_alarm, progress=progress
        )
    typer.echo("\n".join([drift.answer.headline, *drift.answer.details]))
    if out is not None:
        typer.echo(f"page: {knowngood.write_drift(drift, out, overwrite=overwrite)}")
