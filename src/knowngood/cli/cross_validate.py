"""`knowngood cross-validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def cross_validate(
    data: Annotated[Path, typer.Argument(help="A folder with good parts and defects, or a table.")],
    classifier: Annotated[
        str | None, typer.Option(help="See `knowngood classifiers`; anomaly_features if not given.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="A YAML file of settings.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A setting NAME=VALUE; may be repeated.")
    ] = None,
    folds: Annotated[int, typer.Option(help="Number of folds.")] = 5,
    by: Annotated[
        str, typer.Option(help="type: name the type of a defect; label: good or not; auto: types if known.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="The same seed gives the same folds.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="A .csv, .parquet or .jsonl file for every image.")] = None,
) -> None:
    """Prove a classifier on few images: each is judged by one that learned from the others.

    Images of a train split that the data name are always learned from; those of the test split take turns.

    Example: knowngood cross-validate widget/ --classifier linear_probe --folds 5
    """
    from knowngood.cli.progress import progress_bars
    from knowngood.output import check_target
    from knowngood.report.verdicts import check_suffix, write_verdicts

    if out is not None:
        check_suffix(out)
        check_target(out)
    with progress_bars() as progress:
        from knowngood.classifiers import CLASSIFIERS
        from knowngood.inspector.cross_validation import cross_validate as prove

        chosen = CLASSIFIERS.choose(classifier, recipe, setting or [])
        found = prove(data, chosen, count=folds, by=by, seed=seed, device=device, progress=progress)
    typer.echo(found.folds.to_string(index=False, float_format="{:.4f}".format))
    for row in found.figures.itertuples():
        typer.echo(f"{row.figure:18} {row.mean:.4f} ± {row.sd:.4f}")
    if out is not None:
        rows = [dict(zip(found.scores.columns, row, strict=True)) for row in found.scores.to_numpy().tolist()]
        write_verdicts(rows, out)
