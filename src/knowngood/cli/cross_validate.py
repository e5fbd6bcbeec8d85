"""`knowngood cross-validate`."""

from __future__ import annotations

from typing import Annotated

import typer

import knowngood
from knowngood.cli.options import (
    By,
    ClassifierName,
    Device,
    LabelledImages,
    RecipeFile,
    Seed,
    Settings,
    Table,
)


def cross_validate(
    data: LabelledImages,
    classifier: ClassifierName = None,
    recipe: RecipeFile = None,
    setting: Settings = None,
    folds: Annotated[int, typer.Option(help="Number of folds.")] = 5,
    by: By = "auto",
    seed: Seed = 0,
    device: Device = "auto",
    out: Table = None,
) -> None:
    """Evaluate a classifier on few images by cross-validation.

    Each image is judged by a classifier that was trained without it. Images of a train split are
    always used for training; those of the test split are held out in turn.

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

        chosen = CLASSIFIERS.choose(classifier, recipe, setting or [])
        found = knowngood.cross_validate(
            data, chosen, count=folds, by=by, seed=seed, device=device, progress=progress
        )
    typer.echo(found.folds.to_string(index=False, float_format="{:.4f}".format))
    for row in found.figures.itertuples():
        typer.echo(f"{row.figure:18} {row.mean:.4f} ± {row.sd:.4f}")
    if out is not None:
        rows = [dict(zip(found.scores.columns, row, strict=True)) for row in found.scores.to_numpy().tolist()]
        write_verdicts(rows, out)
