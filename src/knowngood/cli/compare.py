"""`knowngood compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    data: Annotated[Path, typer.Argument(help="A folder with good parts and defects, or a table.")],
    grid: Annotated[Path, typer.Option(help="A YAML file: classifier, settings, experiments.")],
    out: Annotated[Path | None, typer.Option(help="A .csv, .parquet or .jsonl file for the table.")] = None,
    by: Annotated[
        str, typer.Option(help="type: name the type of a defect; label: good or not; auto: types if known.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="The seed of each experiment.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Do experiments that change one thing each, and show what came of it as a table.

    The file names what the experiments start from, and what each changes:

    classifier: finetune

    settings: {epochs: 10, batch_size: 32}

    experiments: [{epochs: 40}, {batch_size: 8}, {learning_rate: 0.0001}]

    Example: knowngood compare widget/ --grid experiments.yaml --out experiments.csv
    """
    from knowngood.cli.progress import progress_bars
    from knowngood.output import check_target
    from knowngood.report.verdicts import check_suffix, write_verdicts

    if out is not None:
        check_suffix(out)
        check_target(out)
    with progress_bars() as progress:
        from knowngood.inspector.comparison import compare as do

        table = do(data, grid, by=by, seed=seed, device=device, progress=progress)
    typer.echo(table.to_string(index=False, float_format="{:.4f}".format))
    typer.echo("Choose by the validation figures: a test that chose is no test any more.")
    if out is not None:
        given = table.astype(object).where(table.notna(), None).to_numpy().tolist()  # JSON has no NaN
        write_verdicts([dict(zip(table.columns, row, strict=True)) for row in given], out)
